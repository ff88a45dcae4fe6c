//! Listening to what is published, whoever brings it.

use super::call::{Backend, Road, disabled};
use crate::{
    error::{Error, ErrorKind, Result},
    key,
    messages::{Listener, Topic},
};

impl Road {
    /// Listens to topics, of which there is at least one.
    ///
    /// # Errors
    ///
    /// - Nobody can be listened to: disabled, unavailable, or a client of the caller's.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends it.
    pub(crate) async fn listen(&self, topics: Vec<Topic>) -> Result<Listener> {
        let first = topics
            .first()
            .map(|topic| (topic.kind.verb(), key::key_hash(&topic.name)));
        let listening = match &self.backend {
            Backend::Disabled(_) => Err(self.with_reason(disabled())),
            Backend::Embedded(store) => Ok(store.listen(topics)),
            Backend::Server(topology) => self.exchange().listen(topology, topics).await,
            Backend::Guest(_) => Err(Error::new(
                ErrorKind::Unsupported,
                "with a client of your own there are no subscriptions: they need connections that this crate opens",
            )),
        };
        listening.map_err(|error| match first {
            Some((verb, hash)) => error.during(verb, Some(hash)),
            None => error,
        })
    }

    /// Ends all subscriptions to servers.
    pub(crate) fn end_subscriptions(&self) {
        self.exchange().end();
    }
}
