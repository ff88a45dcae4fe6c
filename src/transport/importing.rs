//! The connection for slots that are being moved to a node.
//!
//! `ASKING` permits the one command that follows it on the same connection. So such pairs have a connection for themselves, and are put into its
//! queue under a lock: nothing comes in between.

use std::{
    future::poll_fn,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    aside::{Aside, Beside},
    boxes::Outcome,
    failure::Failure,
    in_order::in_order,
};
use crate::{
    command::{Call, Command},
    error::{Error, ErrorKind},
};

#[derive(Debug, Default)]
pub(super) struct Importing {
    aside: Aside,
    /// Held while pairs are put into the connection's queue.
    order: Mutex<()>,
}

impl Importing {
    /// Sends commands, each behind an `ASKING`. The connection is opened by the first.
    pub(super) async fn send(
        &self,
        commands: Vec<Command>,
        within: Duration,
        open: impl AsyncFnOnce() -> Option<Beside>,
    ) -> Vec<Outcome> {
        let (asked, count) = (Instant::now(), commands.len());
        let beside = match timeout(within, self.aside.get(open)).await {
            Ok(Some(beside)) => beside,
            Ok(None) => {
                let none = "no further connection for a slot that is being moved";
                return refused(
                    count,
                    &Failure::Replied(Error::new(ErrorKind::Unavailable, none).unsent()),
                );
            }
            Err(_) => return refused(count, &Failure::Timeout),
        };
        let left = within.saturating_sub(asked.elapsed());
        let pairs = commands.into_iter().flat_map(|command| [asking(), command]);
        let sending = pairs
            .map(|command| beside.connection.send_boxed(command, left))
            .collect();
        let mut sending = Box::pin(in_order(sending));
        let mut is_first = true;
        let outcomes = poll_fn(|context| {
            let is_first = std::mem::take(&mut is_first);
            let _order = is_first.then(|| self.order.lock().unwrap_or_else(PoisonError::into_inner));
            sending.as_mut().poll(context)
        });
        let outcomes = outcomes.await;
        let has_failed = |outcome: &Outcome| matches!(outcome, Err(Failure::Timeout | Failure::Broken(_)));
        if outcomes.iter().any(has_failed) {
            self.aside.give_up(&beside).await;
        }
        outcomes.into_iter().skip(1).step_by(2).collect()
    }

    pub(super) fn close(&self) {
        self.aside.close();
    }
}

pub(super) fn asking() -> Command {
    Call::new("ASKING").into()
}

fn refused(count: usize, failure: &Failure) -> Vec<Outcome> {
    (0..count).map(|_| Err(failure.clone())).collect()
}
