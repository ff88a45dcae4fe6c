//! One connection of fred's to one server, opened and closed by us.

use std::{io, time::Duration};

use bytes::Bytes;
use fred::{
    clients::{Client, WithOptions},
    interfaces::ClientLike,
    types::{
        Builder, RespVersion,
        config::{Config as FredConfig, Options, Server, ServerConfig, TcpConfig, UnresponsiveConfig},
    },
};
use tokio::{
    net::TcpStream,
    sync::watch,
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    boxes::Reused,
    encryption::{self, Explained},
    failure::{self, Failure},
    manner::Manner,
    token::token,
    wire,
};
use crate::{
    breaker::Severity,
    command::{Call, Command},
    config::{Endpoint, Settings, TlsSettings},
    error::{Error, ErrorKind},
    reply::Reply,
};

/// A connection that was proven to answer. It never reconnects; dropping it closes it.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    task: AbortHandle,
    /// Closed when the task has ended.
    ended: watch::Receiver<()>,
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) severity: Severity,
}

impl Connection {
    /// Connects, and checks with a token that the connection answers what it is asked.
    ///
    /// # Errors
    ///
    /// - The server cannot be reached, refuses, or does not answer within the time for an attempt.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub(super) async fn open(settings: &Settings, endpoint: &Endpoint) -> Result<Self, Refusal> {
        Self::open_for(Purpose::Commands, settings, endpoint).await
    }

    /// The same for the server's messages about changes: those reach fred whole in RESP2 only.
    #[cfg(feature = "near-cache")]
    pub(super) async fn open_for_messages(settings: &Settings, endpoint: &Endpoint) -> Result<Self, Refusal> {
        Self::open_for(Purpose::Messages, settings, endpoint).await
    }

    async fn open_for(purpose: Purpose, settings: &Settings, endpoint: &Endpoint) -> Result<Self, Refusal> {
        let client = build(settings, endpoint, purpose).await?;
        let opened = Self::establish(client, settings.connect_timeout).await;
        opened.map_err(|refusal| match &settings.tls {
            Some(tls) => refusal.over_tls(tls, endpoint),
            None => refusal.in_plain_text(),
        })
    }

    /// The same with a client that is not connected yet.
    pub(super) async fn establish(client: Client, within: Duration) -> Result<Self, Refusal> {
        // Before the attempt begins: fred's own `wait_for_connect` looks at the client's state first and subscribes afterwards, so that it misses a
        // connection that is made in between, and waits until its time is up.
        let mut connects = client.inner().notifications.connect.load().subscribe();
        let task = client.connect();
        let (ends, ended) = watch::channel(());
        // From here on, dropping this future aborts the task.
        let connection = Self {
            client: client.clone(),
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
                Ok(connected) = connects.recv() => Ok(connected),
                ended = &mut outcome => ended.unwrap_or_else(Err),
            }
        };
        match timeout(within, connected).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => return Err(Refusal::of(failure::classify(error))),
            // The runtime shuts down, and takes this future with it.
            Ok(Err(ended)) if ended.is_cancelled() => std::future::pending().await,
            Ok(Err(_)) => {
                return Err(Refusal::lasting(
                    "the client's task panicked: does this tokio runtime have I/O enabled?",
                ));
            }
            Err(_) => return Err(Refusal::of(Failure::Timeout)),
        }
        let left = within.saturating_sub(began.elapsed());
        match connection.is_in_step(left).await {
            Ok(true) => Ok(connection),
            Ok(false) => Err(Refusal::passing("the server does not answer what it is asked")),
            Err(failure) => Err(Refusal::of(failure)),
        }
    }

    /// Sends a command and waits for its answer, no longer than that.
    pub(super) async fn send(&self, command: Command, within: Duration) -> Result<Reply, Failure> {
        wire::send(&self.within(within), command).await
    }

    /// The same in a box that is used again and again. The future does not keep the connection open.
    pub(super) fn send_boxed(&self, command: Command, within: Duration) -> Reused {
        Reused::send(self.within(within), command)
    }

    /// Asks for a list without a guard.
    pub(super) fn list_boxed(&self, command: Command, within: Duration) -> Reused {
        Reused::list(self.within(within), command)
    }

    /// Asks for the values of many keys; `None` for each that has no string. They stay slices of the read buffer.
    pub(super) async fn values(&self, keys: Vec<Bytes>, within: Duration) -> Result<Vec<Option<Bytes>>, Failure> {
        wire::values(&self.within(within), keys).await
    }

    /// The same with keys in several slots of a cluster; an error stands for each that could not be read.
    pub(super) async fn values_across(&self, keys: Vec<Bytes>, within: Duration) -> Result<Vec<wire::Found>, Failure> {
        wire::values_across(&self.within(within), keys).await
    }

    /// Asks for the values of keys in several slots of a cluster, and how long they will live; as [`Command::GetWithTtl`].
    pub(super) async fn values_with_ttl_across(&self, keys: Vec<Bytes>, within: Duration) -> Result<Reply, Failure> {
        wire::values_with_ttl_across(&self.within(within), keys).await
    }

    /// Executes commands as one transaction, on a connection that nobody else uses; `None` if a watched key was changed.
    pub(super) async fn transact(
        &self,
        commands: Vec<Command>,
        manner: Manner,
        within: Duration,
    ) -> Result<Option<Vec<Result<Reply, Error>>>, Failure> {
        // In a box: with TLS, fred's futures are larger still.
        Box::pin(wire::transact(&self.within(within), commands, manner == Manner::Asking)).await
    }

    /// Sends a new token and says whether that very token came back. The future does not keep the connection open.
    pub(super) fn echoes(&self, within: Duration) -> impl Future<Output = Result<bool, Failure>> + use<> {
        let token = Bytes::from(token());
        let ping = self.send_boxed(Call::new("PING").arg(token.clone()).into(), within);
        async move { Ok(ping.await? == Reply::Bytes(token)) }
    }

    /// Says whether replies come to those who asked.
    pub(super) async fn is_in_step(&self, within: Duration) -> Result<bool, Failure> {
        match self.echoes(within).await {
            // Not permitted to PING: the server is there, and what it said answers the question.
            Err(Failure::Replied(error)) if error.kind() == ErrorKind::Auth => Ok(true),
            outcome => outcome,
        }
    }

    /// Says whether the server calls itself a master. `HELLO` tells that as `ROLE` does, and is permitted to every user.
    pub(super) async fn is_master(&self, within: Duration) -> Result<bool, Failure> {
        let hello = self.send_boxed(Call::new("HELLO").arg("3").into(), within).await?;
        let is = |reply: &Reply, word: &'static str| *reply == Reply::Bytes(Bytes::from_static(word.as_bytes()));
        let Reply::Map(told) = hello else { return Ok(false) };
        Ok(told.iter().any(|(name, value)| is(name, "role") && is(value, "master")))
    }

    /// fred takes a timeout of zero for none.
    fn within(&self, time: Duration) -> WithOptions<Client> {
        self.client.with_options(&Options {
            timeout: Some(time.max(Duration::from_millis(1))),
            ..Options::default()
        })
    }

    /// Says goodbye. fred cancels what is in flight.
    pub(super) async fn quit(&self) {
        drop(self.client.quit().await);
    }

    /// Closes it at once. What is queued is dropped, and whoever waits for it released: a task of fred's that ends by itself leaves
    /// its queue behind, so this is to be called again when the task has [`closed`](Self::closed).
    pub(super) fn close(&self) {
        self.task.abort();
        drop(self.client.inner().take_command_rx());
    }

    /// Waits until the task has ended, by itself or because it was told to.
    pub(super) async fn closed(&self) {
        // Nothing is ever sent: the channel closes when the task has ended.
        while self.ended.clone().changed().await.is_ok() {}
    }

    pub(super) fn is_closed(&self) -> bool {
        self.task.is_finished()
    }

    /// The documented hatch.
    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}

impl Drop for Connection {
    /// fred's own drop leaves its task and its connection behind.
    fn drop(&mut self) {
        self.close();
    }
}

const NO_ANSWER: &str = "no answer within the time for an attempt to connect";

impl Refusal {
    pub(super) fn passing(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            severity: Severity::Passing,
        }
    }

    pub(super) fn lasting(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            severity: Severity::Lasting,
        }
    }

    pub(super) fn of(failure: Failure) -> Self {
        let reason = match failure {
            Failure::Timeout => NO_ANSWER.to_owned(),
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

    /// The same, where the connection was to be encrypted.
    fn over_tls(self, tls: &TlsSettings, endpoint: &Endpoint) -> Self {
        // A server that waits for the end of a line in plain text says nothing.
        if self.reason == NO_ANSWER {
            return Self::passing(format!("{NO_ANSWER}: does the server speak TLS?"));
        }
        match encryption::explain(&self.reason, tls, endpoint) {
            Some(Explained { reason, severity }) => Self { reason, severity },
            None => self,
        }
    }

    /// The same, where it was not: a server that expects TLS hangs up on whoever speaks plain text.
    fn in_plain_text(self) -> Self {
        if self.reason.starts_with("Connection reset") {
            Self::passing(format!("{}: does the server expect TLS?", self.reason))
        } else {
            self
        }
    }
}

/// Finds out, in a fraction of the time that fred takes, whether nobody listens: calls are waiting for the first attempt.
///
/// # Errors
///
/// - The server's machine refuses the connection. Whatever else happens is for the real attempt to find out.
pub(super) async fn knock(endpoint: &Endpoint) -> Result<(), Refusal> {
    let Endpoint::Tcp { host, port } = endpoint else {
        return Ok(());
    };
    // On a task of its own: in a runtime without I/O it panics, and the real attempt tells why.
    let knocking = tokio::spawn(TcpStream::connect((host.clone(), *port)));
    match timeout(KNOCK, knocking).await {
        Ok(Ok(Err(error))) if error.kind() == io::ErrorKind::ConnectionRefused => {
            Err(Refusal::passing("Connection refused"))
        }
        _ => Ok(()),
    }
}

/// Nobody who listens nearby takes longer to say so.
const KNOCK: Duration = Duration::from_millis(50);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Commands,
    #[cfg(feature = "near-cache")]
    Messages,
}

impl Purpose {
    fn protocol(self) -> RespVersion {
        match self {
            Self::Commands => RespVersion::RESP3,
            #[cfg(feature = "near-cache")]
            Self::Messages => RespVersion::RESP2,
        }
    }

    /// Only `HELLO`, of RESP3, is written as it stands; `AUTH` has its words counted.
    fn credential(self, credential: &str) -> String {
        match self {
            Self::Commands => wire::quoted(credential),
            #[cfg(feature = "near-cache")]
            Self::Messages => credential.to_owned(),
        }
    }

    /// How many messages may wait; fred's own measure, unless there are some.
    fn waiting_messages(self) -> Option<usize> {
        match self {
            Self::Commands => None,
            #[cfg(feature = "near-cache")]
            Self::Messages => Some(1024),
        }
    }
}

async fn build(settings: &Settings, endpoint: &Endpoint, purpose: Purpose) -> Result<Client, Refusal> {
    let server = match endpoint {
        Endpoint::Tcp { host, port } => ServerConfig::Centralized {
            server: Server::new(host.as_str(), *port),
        },
        Endpoint::Unix(path) => ServerConfig::Unix { path: path.clone() },
    };
    // A user without a password still has to be named to the server.
    let password = match (&settings.username, &settings.password) {
        (_, Some(password)) => Some(purpose.credential(password.expose())),
        (Some(_), None) => Some(purpose.credential("")),
        (None, None) => None,
    };
    let mut config = FredConfig {
        server,
        version: purpose.protocol(),
        username: settings.username.as_deref().map(|user| purpose.credential(user)),
        password,
        database: (settings.db > 0).then_some(settings.db),
        // The first failure ends the task; the supervisor decides when to try again.
        fail_fast: true,
        ..FredConfig::default()
    };
    if let Some(tls) = &settings.tls {
        let encrypted = encryption::encrypt(&mut config, tls, settings.connect_timeout).await;
        encrypted.map_err(Refusal::lasting)?;
    }
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
        .with_performance_config(|performance| {
            performance.default_command_timeout = settings.deadline;
            if let Some(messages) = purpose.waiting_messages() {
                performance.broadcast_channel_capacity = messages;
            }
        })
        .build()
        .map_err(|error| Refusal::passing(error.details().to_owned()))
}
