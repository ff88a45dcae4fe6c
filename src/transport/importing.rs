//! The connection for slots that are being moved to a node.
//!
//! `ASKING` permits the one command that follows it on the same connection. So such pairs have a connection for themselves, and are put into its
//! queue under a lock: nothing comes in between.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{boxes::Outcome, connection::Connection, failure::Failure, in_order::in_order};
use crate::{
    command::{Call, Command},
    error::{Error, ErrorKind},
};

/// A connection that was opened, and its share of the pool's bound.
type Opened = (Connection, OwnedSemaphorePermit);

#[derive(Debug, Default)]
pub(super) struct Importing {
    line: tokio::sync::Mutex<Option<Arc<Line>>>,
}

#[derive(Debug)]
struct Line {
    connection: Connection,
    /// Held while pairs are put into the connection's queue.
    order: Mutex<()>,
    _budget: OwnedSemaphorePermit,
}

impl Importing {
    /// Sends commands, each behind an `ASKING`. The connection is opened by the first.
    pub(super) async fn send(
        &self,
        commands: Vec<Command>,
        within: Duration,
        open: impl AsyncFnOnce() -> Option<Opened>,
    ) -> Vec<Outcome> {
        let (asked, count) = (Instant::now(), commands.len());
        let line = match timeout(within, self.line(open)).await {
            Ok(Some(line)) => line,
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
        let sending = pairs.map(|command| line.connection.send_boxed(command, left)).collect();
        let mut sending = Box::pin(in_order(sending));
        let mut is_first = true;
        let outcomes = poll_fn(|context| {
            let _order =
                std::mem::take(&mut is_first).then(|| line.order.lock().unwrap_or_else(PoisonError::into_inner));
            sending.as_mut().poll(context)
        });
        let outcomes = outcomes.await;
        if outcomes
            .iter()
            .any(|outcome| matches!(outcome, Err(Failure::Timeout | Failure::Broken(_))))
        {
            // Closing it keeps the server from executing what the caller was told had failed.
            self.drop_line(&line).await;
        }
        outcomes.into_iter().skip(1).step_by(2).collect()
    }

    /// Closes the connection, unless it is just being opened: then the generation that has ended closes it.
    pub(super) fn close(&self) {
        if let Ok(mut line) = self.line.try_lock() {
            *line = None;
        }
    }

    async fn line(&self, open: impl AsyncFnOnce() -> Option<Opened>) -> Option<Arc<Line>> {
        let mut line = self.line.lock().await;
        if let Some(open) = line.as_ref().filter(|line| !line.connection.is_closed()) {
            return Some(Arc::clone(open));
        }
        *line = None;
        let (connection, budget) = open().await?;
        let opened = Arc::new(Line {
            connection,
            order: Mutex::new(()),
            _budget: budget,
        });
        *line = Some(Arc::clone(&opened));
        Some(opened)
    }

    async fn drop_line(&self, failed: &Arc<Line>) {
        let mut line = self.line.lock().await;
        if line.as_ref().is_some_and(|line| Arc::ptr_eq(line, failed)) {
            *line = None;
        }
    }
}

pub(super) fn asking() -> Command {
    Call::new("ASKING").into()
}

fn refused(count: usize, failure: &Failure) -> Vec<Outcome> {
    (0..count).map(|_| Err(failure.clone())).collect()
}
