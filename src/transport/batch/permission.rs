//! Whether a server permits a command, as far as it has said.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::super::failure::Failure;
use crate::error::{Error, ErrorKind};

/// Remembers, as long as the connection lives, that a command is not permitted there, or does not exist.
#[derive(Debug, Default)]
pub(super) struct Permission {
    is_refused: AtomicBool,
}

impl Permission {
    /// Sends the command, unless that is known to be of no use.
    ///
    /// # Errors
    ///
    /// - It was refused before. Nothing is sent then.
    /// - What comes of sending it.
    pub(super) async fn ask<T>(&self, sending: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        if self.is_refused.load(Relaxed) {
            return Err(refused());
        }
        let answer = sending.await;
        if let Err(Failure::Replied(error)) = &answer
            && is_about_the_command(error)
        {
            self.is_refused.store(true, Relaxed);
        }
        answer
    }
}

/// Says that a command was not sent, because it would be refused.
pub(super) fn refused() -> Failure {
    Failure::Replied(Error::new(ErrorKind::Auth, "the command is not permitted"))
}

/// Says whether it is the command that the server does not permit, or does not have, and not a key.
fn is_about_the_command(error: &Error) -> bool {
    let message = error.message();
    match error.kind() {
        ErrorKind::Auth => message.contains(" command"),
        ErrorKind::Unsupported => true,
        // A script for several slots needs Redis 7.
        _ => message.contains("can't run this command") || message.contains("compiling script"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::ready;

    fn replied(kind: ErrorKind, message: &'static str) -> Result<(), Failure> {
        Err(Failure::Replied(Error::new(kind, message)))
    }

    #[tokio::test]
    async fn a_refused_command_is_not_sent_again() {
        let of_a_key = "NOPERM User u has no permissions to access one of the keys used as arguments";
        let of_all = "NOPERM User u has no permissions to run the 'mget' command";
        let permission = Permission::default();
        permission
            .ask(ready(replied(ErrorKind::Auth, of_a_key)))
            .await
            .unwrap_err();
        permission.ask(ready(Ok(()))).await.unwrap();
        permission
            .ask(ready(replied(ErrorKind::Auth, of_all)))
            .await
            .unwrap_err();
        permission
            .ask(async { panic!("sent again") as Result<(), Failure> })
            .await
            .unwrap_err();
    }
}
