//! Connections that one caller has for itself: for transactions, for watching keys, and for commands that block.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use super::{budget, connection::Connection, failure::Failure, importing::asking, in_order::in_order, manner::Manner};
use crate::{
    command::Command,
    config::{Endpoint, Settings},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// The private connections of one generation that nobody uses at the moment.
#[derive(Debug)]
pub(super) struct Privates {
    idle: Mutex<Vec<Private>>,
    /// How many more connections may be opened.
    budget: Arc<Semaphore>,
    returned: Notify,
}

/// One connection of one caller.
#[derive(Debug)]
pub(super) struct Private {
    connection: Connection,
    /// Whether the server permits `MULTI` was found out.
    is_tried: bool,
    /// The server's number for it, once it was asked.
    pub(super) id: Option<i64>,
    _budget: Option<OwnedSemaphorePermit>,
}

/// fred's futures are nested so deeply that with more around them callers could not compile theirs: so they end in a box.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// So many wait to be used again; more are closed.
const IDLE: usize = 4;

impl Privates {
    pub(super) fn new(budget: Arc<Semaphore>) -> Self {
        Self {
            idle: Mutex::default(),
            budget,
            returned: Notify::new(),
        }
    }

    /// Takes an idle connection, opens one, or waits for one to be returned.
    ///
    /// # Errors
    ///
    /// - All connections that the configuration permits are in use, and none was returned within this time.
    /// - A new one cannot be opened.
    pub(super) async fn take(
        &self,
        settings: &Settings,
        endpoint: &Endpoint,
        within: Duration,
    ) -> Result<Private, Error> {
        let asked = Instant::now();
        loop {
            let returned = self.returned.notified();
            if let Some(private) = self.pop() {
                return Ok(private);
            }
            if let Some(budget) = budget::spare(&self.budget) {
                // To open it may take longer than a call.
                let left = within.saturating_sub(asked.elapsed());
                let connection = match timeout(left, Connection::open(settings, endpoint)).await {
                    Ok(Ok(connection)) => connection,
                    Ok(Err(refusal)) => return Err(Error::new(ErrorKind::Unavailable, refusal.reason).unsent()),
                    Err(_elapsed) => {
                        let message = "a further connection could not be opened before the deadline";
                        return Err(Error::new(ErrorKind::Unavailable, message).unsent());
                    }
                };
                return Ok(Private {
                    connection,
                    is_tried: false,
                    id: None,
                    _budget: Some(budget),
                });
            }
            let left = within.saturating_sub(asked.elapsed());
            if timeout(left, returned).await.is_err() {
                let message = "all connections that REDIS_MAX_CONNECTIONS permits are in use";
                return Err(Error::new(ErrorKind::Unavailable, message).unsent());
            }
        }
    }

    /// Gives a connection back on which nothing is under way.
    pub(super) fn give_back(&self, private: Private) {
        let mut idle = self.idle();
        if idle.len() < IDLE && !private.connection.is_closed() {
            idle.push(private);
        }
        drop(idle);
        self.returned.notify_one();
    }

    /// Notes that a connection was closed instead of given back.
    pub(super) fn lost(&self) {
        self.returned.notify_one();
    }

    /// Closes the idle ones.
    pub(super) fn close(&self) {
        self.idle().clear();
    }

    fn pop(&self) -> Option<Private> {
        let mut idle = self.idle();
        while let Some(private) = idle.pop() {
            // It may have been opened in a runtime that is gone.
            if !private.connection.is_closed() {
                return Some(private);
            }
        }
        None
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Private>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Private {
    /// One beside a client of the caller's, which has no pool.
    pub(super) fn of_guest(connection: Connection) -> Self {
        Self {
            connection,
            is_tried: false,
            id: None,
            _budget: None,
        }
    }

    pub(super) fn send(&self, command: Command, manner: Manner, within: Duration) -> Boxed<'_, Reply> {
        match manner {
            Manner::Plainly => Box::pin(self.connection.send(command, within)),
            Manner::Asking => {
                let pair = [asking(), command].map(|command| self.connection.send_boxed(command, within));
                Box::pin(async {
                    in_order(pair.into())
                        .await
                        .pop()
                        .unwrap_or_else(|| Err(Failure::lost()))
                })
            }
        }
    }

    /// Finds out whether the server permits transactions, unless that is known: one that refuses `MULTI` would execute the commands one
    /// by one.
    pub(super) async fn try_transaction(&mut self, within: Duration) -> Result<(), Failure> {
        if !self.is_tried {
            self.transact(Vec::new(), Manner::Plainly, within).await?;
            self.is_tried = true;
        }
        Ok(())
    }

    /// Executes commands as one transaction; `None` if a watched key was changed.
    pub(super) fn transact(
        &self,
        commands: Vec<Command>,
        manner: Manner,
        within: Duration,
    ) -> Boxed<'_, Option<Vec<Result<Reply, Error>>>> {
        Box::pin(self.connection.transact(commands, manner, within))
    }
}
