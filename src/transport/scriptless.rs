//! Lists whose first element a user may have written, where no scripts are permitted: within the list of a transaction's replies no list is taken for a
//! message.

use std::time::{Duration, Instant};

use super::{
    failure::Failure,
    manner::Manner,
    private::{Private, Privates},
};
use crate::{
    command::{Call, Command, Guard},
    config::{Endpoint, Settings},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// A private connection in use. Dropping it before it is given back closes it.
struct Borrowed<'p> {
    privates: &'p Privates,
    private: Option<Private>,
}

/// Says whether a command's reply is a list that needs a script around it.
pub(super) fn is_for(command: &Command) -> bool {
    matches!(
        command,
        Command::Call(Call {
            guard: Guard::Wrapped,
            ..
        })
    )
}

/// Says whether the server may have refused the script, and not the command in it. Nothing was done then.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Auth | ErrorKind::Unsupported)
}

/// Sends a command as a transaction by itself, on a connection that nobody else uses meanwhile.
///
/// # Errors
///
/// - No further connection is permitted, or can be opened.
/// - As the command's own.
pub(super) async fn send(
    privates: &Privates,
    settings: &Settings,
    endpoint: &Endpoint,
    command: Command,
    within: Duration,
) -> Result<Reply, Failure> {
    let asked = Instant::now();
    let taken = privates.take(settings, endpoint, within).await;
    let mut borrowed = Borrowed {
        privates,
        private: Some(taken.map_err(Failure::Replied)?),
    };
    let Some(private) = &mut borrowed.private else {
        return Err(Failure::lost());
    };
    let left = within.saturating_sub(asked.elapsed());
    let sent = match private.try_transaction(left).await {
        Ok(()) => private.transact(vec![command], Manner::Plainly, left).await,
        Err(failure) => Err(failure),
    };
    if let Ok(_) | Err(Failure::Replied(_)) = sent {
        borrowed.give_back();
    }
    let answer = sent?.and_then(|mut answers| answers.pop());
    let missing = || Err(Error::new(ErrorKind::Decode, "the reply has an unexpected shape"));
    answer.unwrap_or_else(missing).map_err(Failure::Replied)
}

impl Borrowed<'_> {
    fn give_back(&mut self) {
        if let Some(private) = self.private.take() {
            self.privates.give_back(private);
        }
    }
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(private) = self.private.take() {
            drop(private);
            self.privates.lost();
        }
    }
}
