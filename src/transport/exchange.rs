//! Subscriptions to servers: all of one manager to one server share a connection for nothing else.
//!
//! They live in the house's runtime, which outlives the callers'. From the listener to the server:
//!
//! - [`desk`]: who listens to what, and on which connection that comes;
//! - [`supervisor`]: finds a connection for every topic;
//! - [`directory`]: where topics are listened to;
//! - [`mod@line`]: one connection, from its beginning to its end;
//! - [`pulse`]: its heartbeat;
//! - [`conversation`]: what is said on it;
//! - [`dial`]: how it is opened;
//! - [`frame`]: what servers say, in RESP2.

mod conversation;
mod desk;
mod dial;
mod directory;
mod frame;
mod line;
mod pulse;
mod supervisor;

use std::{future::poll_fn, sync::Arc};

use tokio::{task::AbortHandle, time::sleep_until};

use self::{desk::Desk, directory::Directory};
use super::{failure::Failure, house, topology::Topology};
use crate::{
    error::{Error, ErrorKind, Result},
    messages::{Listener, Topic},
};

/// The subscriptions of one manager. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    desk: Arc<Desk>,
}

/// Ends a task when it is dropped.
struct Alarm(AbortHandle);

impl Exchange {
    /// Listens to topics, and returns as soon as the server has confirmed all of them.
    ///
    /// # Errors
    ///
    /// - The server cannot be reached, or permits no further connection or one of the topics.
    /// - It has not confirmed before the deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it, for the server as well.
    pub(super) async fn listen(&self, topology: &Topology, topics: Vec<Topic>) -> Result<Listener> {
        let directory = Directory::of(topology);
        if directory.is_refusing() {
            return Err(Error::new(ErrorKind::Unavailable, "the server is unavailable").unsent());
        }
        let Some(house) = house::runtime() else {
            return Err(Error::new(ErrorKind::Unavailable, "the system gives no thread for subscriptions").unsent());
        };
        let until = directory.deadline();
        let (inbox, listener) = self.desk.join(topics);
        // In the house: the caller's runtime need not have a timer, nor be one of tokio's.
        let _alarm = Alarm(
            house
                .spawn(async move {
                    sleep_until(until.into()).await;
                    inbox.give_up(Failure::Timeout.into_error());
                })
                .abort_handle(),
        );
        self.desk.start(|| {
            let supervising = supervisor::supervise(Arc::clone(&self.desk), directory);
            house.spawn(supervising).abort_handle()
        });
        poll_fn(|context| listener.inbox().poll_joined(context)).await?;
        Ok(listener)
    }

    /// Ends all subscriptions. Another can be begun.
    pub(super) fn end(&self) {
        self.desk.close();
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.end();
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.abort();
    }
}
