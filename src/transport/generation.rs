//! Connections that live and die together, and the permits to use them.
//!
//! A generation never reconnects: fred's own reconnect would replay, and keep, commands that their callers gave up on. It ends
//! with its connection, and all that was queued ends with it.

use std::{sync::Arc, time::Duration};

use fred::{
    clients::{Client, WithOptions},
    interfaces::ClientLike,
    types::{
        Builder, RespVersion,
        config::{Config as FredConfig, Options, Server, ServerConfig, TcpConfig, UnresponsiveConfig},
    },
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, watch},
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::wire::{self, Failure};
use crate::{
    breaker::Severity,
    command::{Command, Reply},
    config::{Endpoint, Settings},
    error::{Error, ErrorKind},
};

/// One life of the connections of one link.
#[derive(Debug)]
pub(super) struct Generation {
    settings: Arc<Settings>,
    endpoint: Endpoint,
    main: Connection,
    /// Opened by the first large value, so that it does not hold small ones up.
    bulk: Mutex<Option<Bulk>>,
    /// How many more connections may be opened.
    budget: Arc<Semaphore>,
    /// Bounds what is in flight. Closed when the generation ends, which releases whoever waits.
    permits: Semaphore,
    ended: watch::Sender<bool>,
}

/// The right to have one call in flight. Given back when dropped.
#[derive(Debug)]
pub(super) struct Permit(Arc<Generation>);

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) severity: Severity,
}

#[derive(Debug)]
struct Connection {
    client: WithOptions<Client>,
    task: AbortHandle,
    /// Closed when the task has ended.
    ended: watch::Receiver<()>,
}

#[derive(Debug)]
struct Bulk {
    connection: Arc<Connection>,
    _budget: OwnedSemaphorePermit,
}

/// Calls in flight on one generation. fred spends about 16 KB on each, so this bounds memory to some 16 MB; more calls wait for a
/// permit within their deadline.
const IN_FLIGHT: u32 = 1024;

/// Values from this size on travel on a connection of their own.
const LARGE: usize = 1024 * 1024;

impl Generation {
    /// Connects, and checks with a token that the connection answers what it is asked.
    ///
    /// # Errors
    ///
    /// - The server cannot be reached, refuses, or does not answer within the time for an attempt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn open(
        settings: &Arc<Settings>,
        endpoint: &Endpoint,
        budget: &Arc<Semaphore>,
    ) -> Result<Arc<Self>, Refusal> {
        let main = Connection::open(settings, endpoint).await?;
        Ok(Arc::new(Self {
            settings: Arc::clone(settings),
            endpoint: endpoint.clone(),
            main,
            bulk: Mutex::new(None),
            budget: Arc::clone(budget),
            permits: Semaphore::new(IN_FLIGHT as usize),
            ended: watch::Sender::new(false),
        }))
    }

    /// Takes a permit, waiting for one until the deadline.
    ///
    /// # Errors
    ///
    /// - The generation ended, or the deadline passed while as many calls as permitted were in flight.
    pub(super) async fn permit(self: Arc<Self>, deadline: Duration) -> Result<Permit, Error> {
        let refused = |reason| Err(Error::new(ErrorKind::Unavailable, reason));
        match self.permits.try_acquire() {
            Ok(permit) => permit.forget(),
            Err(_) => match timeout(deadline, self.permits.acquire()).await {
                Ok(Ok(permit)) => permit.forget(),
                Ok(Err(_)) => return refused("the connection was lost"),
                Err(_) => return refused("too many calls are in flight"),
            },
        }
        Ok(Permit(self))
    }

    /// Sends a new token and says whether that very token came back.
    pub(super) async fn heartbeat(&self, within: Duration) -> Result<bool, Failure> {
        self.main.is_in_step(within).await
    }

    /// Ends the generation: nothing that is queued will be sent, and whoever waits is released at once.
    pub(super) fn end(&self) {
        self.permits.close();
        self.main.task.abort();
        self.main.release();
        if let Ok(mut bulk) = self.bulk.try_lock() {
            *bulk = None;
        }
        self.ended.send_replace(true);
    }

    /// Waits until the generation was ended, or its connection's task ended by itself.
    pub(super) async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        let by_us = ended.wait_for(|ended| *ended);
        tokio::select! {
            _ = by_us => {}
            () = self.main.closed() => {}
        }
    }

    /// Waits until nothing is left of an ended generation, and releases calls that came while it ended.
    pub(super) async fn buried(&self) {
        self.main.closed().await;
        self.main.release();
    }

    /// Lets what is in flight finish, says goodbye, and ends the generation. Takes one deadline at most.
    ///
    /// No call may be admitted any more: fred cancels what is in flight when it says goodbye.
    pub(super) async fn quit(&self) {
        let politely = async {
            // Whoever holds all permits is alone.
            let _alone = self.permits.acquire_many(IN_FLIGHT).await;
            self.main.client.quit().await
        };
        // Whatever comes of it, the task is aborted afterwards.
        drop(timeout(self.settings.deadline, politely).await);
        self.end();
    }

    /// The documented hatch.
    pub(super) fn client(&self) -> Client {
        Client::clone(&self.main.client)
    }

    async fn send(&self, command: Command) -> Result<Reply, Failure> {
        if !self.is_large(&command) {
            return wire::send(&self.main.client, command).await;
        }
        match self.bulk().await {
            Some(bulk) => self.send_large(&bulk, command).await,
            None => wire::send(&self.main.client, command).await,
        }
    }

    fn is_large(&self, command: &Command) -> bool {
        command.payload_len() >= LARGE
    }

    /// A large value that failed says nothing about the server, only about its own connection.
    async fn send_large(&self, bulk: &Arc<Connection>, command: Command) -> Result<Reply, Failure> {
        let sent = wire::send(&bulk.client, command).await;
        if let Err(Failure::Timeout | Failure::Broken(_)) = sent {
            // Closing it keeps the server from executing what the caller was told had failed.
            let mut current = self.bulk.lock().await;
            if current
                .as_ref()
                .is_some_and(|current| Arc::ptr_eq(&current.connection, bulk))
            {
                *current = None;
            }
        }
        sent
    }

    /// Returns the connection for large values, or none if the pool's bound leaves no room for it.
    async fn bulk(&self) -> Option<Arc<Connection>> {
        let mut bulk = self.bulk.lock().await;
        if let Some(open) = bulk.as_ref().filter(|open| !open.connection.task.is_finished()) {
            return Some(Arc::clone(&open.connection));
        }
        *bulk = None;
        // The last connection is kept for a runtime that has none.
        let budget = Arc::clone(&self.budget).try_acquire_many_owned(2).ok()?.split(1)?;
        let connection = Arc::new(Connection::open(&self.settings, &self.endpoint).await.ok()?);
        if *self.ended.borrow() {
            return None;
        }
        *bulk = Some(Bulk {
            connection: Arc::clone(&connection),
            _budget: budget,
        });
        Some(connection)
    }
}

impl Permit {
    /// Sends a command and waits for its answer, at most until the deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the permit back. The command may have reached the server.
    pub(super) async fn send(&self, command: Command) -> Result<Reply, Failure> {
        self.0.send(command).await
    }

    /// Says whether a command's values travel on a connection of their own.
    pub(super) fn is_large(&self, command: &Command) -> bool {
        self.0.is_large(command)
    }

    pub(super) fn generation(&self) -> &Arc<Generation> {
        &self.0
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.permits.add_permits(1);
    }
}

impl Connection {
    async fn open(settings: &Settings, endpoint: &Endpoint) -> Result<Self, Refusal> {
        let client = build(settings, endpoint)?;
        let options = Options {
            timeout: Some(settings.deadline),
            max_attempts: Some(1),
            fail_fast: true,
            ..Options::default()
        };
        let task = client.connect();
        let (ends, ended) = watch::channel(());
        // From here on, dropping this future aborts the task.
        let connection = Self {
            client: client.with_options(&options),
            task: task.abort_handle(),
            ended,
        };
        let mut outcome = tokio::spawn(async move {
            let _ends = ends;
            task.await
        });
        let began = Instant::now();
        let connected = async {
            tokio::select! {
                connected = client.wait_for_connect() => Ok(connected),
                // A failure before the wait began is only to be had from the task.
                ended = &mut outcome => ended.unwrap_or_else(Err),
            }
        };
        match timeout(settings.connect_timeout, connected).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => return Err(Refusal::of(wire::classify(error))),
            Ok(Err(_)) => {
                return Err(Refusal::lasting(
                    "the client's task panicked: does this tokio runtime have I/O enabled?",
                ));
            }
            Err(_) => return Err(Refusal::of(Failure::Timeout)),
        }
        let left = settings.connect_timeout.saturating_sub(began.elapsed());
        match connection.is_in_step(left).await {
            Ok(true) => Ok(connection),
            Ok(false) => Err(Refusal::passing("the server does not answer what it is asked")),
            Err(failure) => Err(Refusal::of(failure)),
        }
    }

    async fn is_in_step(&self, within: Duration) -> Result<bool, Failure> {
        use std::hash::{BuildHasher, RandomState};

        let token = format!("{:016x}", RandomState::new().hash_one("heartbeat"));
        let options = Options {
            timeout: Some(within.max(Duration::from_millis(1))),
            ..self.client.options().clone()
        };
        match wire::ping(&self.client.with_options(&options), token.clone()).await {
            Ok(echo) => Ok(echo == token),
            // Not permitted to PING: the server is there, and what it said answers the question.
            Err(Failure::Replied(error)) if error.kind() == ErrorKind::Auth => Ok(true),
            Err(failure) => Err(failure),
        }
    }

    /// Drops what is queued. A task of fred's that ends by itself leaves its queue behind, and whoever is in it would wait for the
    /// whole deadline.
    fn release(&self) {
        drop(self.client.inner().take_command_rx());
    }

    async fn closed(&self) {
        // Nothing is ever sent: the channel closes when the task has ended.
        while self.ended.clone().changed().await.is_ok() {}
    }
}

impl Drop for Connection {
    /// fred's own drop leaves its task and its connection behind.
    fn drop(&mut self) {
        self.task.abort();
        self.release();
    }
}

impl Refusal {
    fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            severity: Severity::Passing,
        }
    }

    fn lasting(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            severity: Severity::Lasting,
        }
    }

    pub(super) fn of(failure: Failure) -> Self {
        let reason = match failure {
            Failure::Timeout => "no answer within the time for an attempt to connect".to_owned(),
            Failure::Broken(reason) | Failure::NotServing(reason) => reason,
            Failure::Replied(error) => error.message().to_owned(),
        };
        let advice = if reason.contains("NOAUTH") || reason.contains("WRONGPASS") {
            "wrong user or password: "
        } else if reason.contains("HELLO") || reason.contains("NOPROTO") {
            "the server does not speak RESP3 (Redis 6 or newer is needed): "
        } else if reason.contains("DB index") {
            "no such database: "
        } else {
            return Self::passing(reason);
        };
        Self::lasting(format!("{advice}{reason}"))
    }
}

fn build(settings: &Settings, endpoint: &Endpoint) -> Result<Client, Refusal> {
    let server = match endpoint {
        Endpoint::Tcp { host, port } => ServerConfig::Centralized {
            server: Server::new(host.as_str(), *port),
        },
        Endpoint::Unix(path) => ServerConfig::Unix { path: path.clone() },
    };
    // A user without a password still has to be named to the server.
    let password = match (&settings.username, &settings.password) {
        (_, Some(password)) => Some(wire::quoted(password.expose())),
        (Some(_), None) => Some(wire::quoted("")),
        (None, None) => None,
    };
    let config = FredConfig {
        server,
        version: RespVersion::RESP3,
        username: settings.username.as_deref().map(wire::quoted),
        password,
        database: (settings.db > 0).then_some(settings.db),
        // The first failure ends the task; the supervisor decides when to try again.
        fail_fast: true,
        ..FredConfig::default()
    };
    Builder::from_config(config)
        .with_connection_config(|connection| {
            connection.connection_timeout = settings.connect_timeout;
            connection.internal_command_timeout = settings.connect_timeout;
            connection.max_command_attempts = 1;
            connection.reconnect_errors = Vec::new();
            connection.unresponsive = UnresponsiveConfig::default();
            connection.tcp = TcpConfig {
                nodelay: Some(true),
                ..TcpConfig::default()
            };
        })
        .with_performance_config(|performance| performance.default_command_timeout = settings.deadline)
        .build()
        .map_err(|error| Refusal::passing(error.details().to_owned()))
}
