//! One road for every command: gate → deadline → send → classify → count → span.

use std::{
    future::poll_fn,
    sync::{Arc, atomic::AtomicBool},
    task::Poll,
};

use tracing::{Instrument, Level, field::Empty};

use super::{
    context::Context,
    exchange::Exchange,
    failure,
    gate::Attempt,
    guest::Guest,
    node::{Draft, Entered, Node},
    topology::Topology,
};
use crate::{
    attached::Attached,
    capabilities::Capabilities,
    command::Command,
    config::{Endpoint, NearPlan, Settings, Target},
    embedded::Embedded,
    envelope::EncryptionKeys,
    error::{Error, ErrorKind, Result},
    journal::Journal,
    key::{self, Key, Prefix},
    reply::Reply,
};

/// The one way to whoever answers.
#[derive(Debug)]
pub(crate) struct Road {
    pub(crate) backend: Backend,
    prefix: Prefix,
    origin: Origin,
    encryption: Option<EncryptionKeys>,
    /// Why there is no near cache although one was asked for.
    near_obstacle: Option<&'static str>,
    exchange: Exchange,
    /// What could not be removed yet.
    pub(super) journal: Arc<Journal>,
    /// The space of plain deletes, if those are to be sent after an outage.
    pub(super) deletes: Option<Arc<str>>,
    /// A task sends what is in the journal.
    pub(super) is_replaying: Arc<AtomicBool>,
    /// What patterns keep.
    attached: Attached,
}

/// Who answers.
#[derive(Debug)]
pub(crate) enum Backend {
    /// Nobody, for this reason.
    Disabled(Arc<str>),
    Embedded(Embedded),
    Server(Topology),
    /// The caller's own client.
    Guest(Guest),
}

/// What every span says of the server.
#[derive(Debug, Default)]
struct Origin {
    namespace: String,
    address: Option<String>,
    port: Option<u16>,
}

impl Road {
    pub(crate) fn new(settings: Settings) -> Self {
        let prefix = Prefix::new(&settings.key_prefix);
        let near_obstacle = match settings.near {
            NearPlan::Useless(reason) => Some(reason),
            NearPlan::Off | NearPlan::Wanted(_) => None,
        };
        let encryption = settings.encryption.clone();
        let mut origin = Origin {
            namespace: settings.db.to_string(),
            ..Origin::default()
        };
        let journal = Arc::<Journal>::default();
        let replays_deletes = settings.replay_deletes;
        let backend = match settings.target.clone() {
            Target::Disabled(reason) => Backend::Disabled(reason.into()),
            Target::Memory { max_bytes } => Backend::Embedded(Embedded::new(max_bytes)),
            Target::Server(endpoint) => {
                match &endpoint {
                    Endpoint::Tcp { host, port } => {
                        origin.address = Some(host.clone());
                        origin.port = Some(*port);
                    }
                    Endpoint::Unix(path) => origin.address = Some(path.display().to_string()),
                }
                Backend::Server(Topology::single(settings, endpoint, &journal))
            }
            Target::Sentinel(sentinels) => Backend::Server(Topology::of_master(settings, sentinels, &journal)),
            Target::Cluster(seeds) => Backend::Server(Topology::cluster(settings, seeds, &journal)),
        };
        let deletes = (replays_deletes && matches!(backend, Backend::Server(_))).then(|| "".into());
        Self {
            backend,
            prefix,
            origin,
            encryption,
            near_obstacle,
            exchange: Exchange::default(),
            journal,
            deletes,
            is_replaying: Arc::default(),
            attached: Attached::default(),
        }
    }

    /// Makes the road of a client that the caller has built.
    pub(crate) fn of_guest(guest: Guest) -> Self {
        Self {
            backend: Backend::Guest(guest),
            prefix: Prefix::default(),
            origin: Origin::default(),
            encryption: None,
            near_obstacle: None,
            exchange: Exchange::default(),
            journal: Arc::default(),
            deletes: None,
            is_replaying: Arc::default(),
            attached: Attached::default(),
        }
    }

    /// Asks one question, and reads the answer. What refuses a call refuses it before the command is built.
    ///
    /// # Errors
    ///
    /// - Nobody answers: disabled, unavailable, or not within the deadline.
    /// - The command cannot be built, the answer is an error, or it cannot be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the answer; the command may have been executed.
    pub(crate) async fn call<T>(
        &self,
        build: impl FnOnce(&Prefix) -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        match self.tracking() {
            Some(tracking) => Box::pin(self.call_near(tracking, build, read)).await,
            None => self.call_far(build, read).await,
        }
    }

    /// As [`call`](Self::call), past the near cache.
    pub(crate) async fn call_far<T>(
        &self,
        build: impl FnOnce(&Prefix) -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        if let Backend::Disabled(_) = &self.backend {
            return Err(disabled());
        }
        if !tracing::enabled!(Level::DEBUG) {
            return self.ask(|| build(&self.prefix), read).await;
        }
        match build(&self.prefix) {
            Ok(command) => Box::pin(self.traced(command, read)).await,
            // In the same order as without a span: a call is refused before it is looked at.
            Err(error) => Box::pin(self.ask(|| Err(error), read)).await,
        }
    }

    pub(crate) fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Returns what patterns keep for as long as the manager lives.
    pub(crate) fn attached(&self) -> &Attached {
        &self.attached
    }

    pub(crate) fn is_disabled(&self) -> bool {
        matches!(self.backend, Backend::Disabled(_))
    }

    pub(crate) fn is_embedded(&self) -> bool {
        matches!(self.backend, Backend::Embedded(_))
    }

    /// Puts the reason into an error that says no more than that Redis is disabled.
    pub(crate) fn with_reason(&self, error: Error) -> Error {
        match &self.backend {
            Backend::Disabled(reason) => Error::shared(ErrorKind::Disabled, reason),
            Backend::Embedded(_) | Backend::Server(_) | Backend::Guest(_) => error,
        }
    }

    /// Returns what stands for a key in logs.
    pub(crate) fn key_hash(&self, key: Key) -> Option<u32> {
        self.prefix.key(key).ok().as_deref().map(key::key_hash)
    }

    /// Returns the embedded store, where that answers.
    pub(super) fn embedded(&self) -> Result<&Embedded> {
        match &self.backend {
            Backend::Embedded(store) => Ok(store),
            Backend::Disabled(_) | Backend::Server(_) | Backend::Guest(_) => Err(disabled()),
        }
    }

    pub(super) fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Returns by what values are encrypted where that is asked for.
    pub(crate) fn encryption(&self) -> Option<&EncryptionKeys> {
        self.encryption.as_ref()
    }

    /// Returns why there is no near cache although one was asked for.
    pub(crate) fn near_obstacle(&self) -> Option<&'static str> {
        self.near_obstacle
    }

    /// Returns what whoever answers can, as far as that was found out. Never blocks.
    pub(crate) fn capabilities(&self) -> Capabilities {
        match &self.backend {
            Backend::Disabled(_) => Capabilities::default(),
            Backend::Embedded(_) => Capabilities::of_embedded(),
            Backend::Server(topology) => topology.capabilities(),
            Backend::Guest(_) => Capabilities::of_guest(),
        }
    }

    /// Says whether a call would be refused at once, and counts it as refused if so. Never blocks.
    pub(crate) fn refuses(&self) -> bool {
        match &self.backend {
            Backend::Disabled(_) => true,
            Backend::Embedded(_) | Backend::Guest(_) => false,
            Backend::Server(topology) => topology.refuses(),
        }
    }

    async fn ask<T>(
        &self,
        build: impl FnOnce() -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        match &self.backend {
            Backend::Disabled(_) => Err(disabled()),
            Backend::Embedded(store) => {
                let command = build()?;
                let context = Context::of(&command);
                store
                    .execute(command)
                    .and_then(read)
                    .map_err(|error| context.explain(error))
            }
            Backend::Guest(guest) => {
                let command = build()?;
                let context = Context::of(&command);
                let answer = Box::pin(guest.send(command)).await;
                answer.and_then(read).map_err(|error| context.explain(error))
            }
            Backend::Server(Topology::One(node)) => self.ask_node(node, build, read).await,
            Backend::Server(Topology::Cluster(cluster)) => {
                let command = build()?;
                let context = Context::of(&command);
                // In a box: otherwise every call would carry the room for it, without a cluster as well.
                let answer = match Box::pin(self.begin_in_cluster(cluster, &command)).await {
                    Some(answer) => answer,
                    None => Box::pin(self.ask_cluster(cluster, command)).await,
                };
                answer.and_then(read).map_err(|error| context.explain(error))
            }
        }
    }

    /// Asks one server.
    pub(super) async fn ask_node<T>(
        &self,
        node: &Node,
        build: impl FnOnce() -> Result<Command>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        if let Some(tracking) = node.tracking() {
            return Box::pin(self.ask_tracked(node, tracking, build, read)).await;
        }
        let mut build = Some(build);
        let enter = poll_fn(|context| Poll::Ready(build.take().map(|build| node.enter(build, context.waker()))));
        match enter.await.transpose()? {
            Some(Entered::Sent(sending, generation, context)) => {
                let answer = node.settle(generation, sending.await, Attempt::default());
                answer.and_then(read).map_err(|error| context.explain(error))
            }
            Some(Entered::Waits(draft)) => Box::pin(self.wait(node, draft, read)).await,
            None => Err(disabled()),
        }
    }

    /// Asks a question that needs a permit.
    pub(super) async fn wait<T, B: FnOnce() -> Result<Command>>(
        &self,
        node: &Node,
        draft: Draft<B>,
        read: impl FnOnce(Reply) -> Result<T>,
    ) -> Result<T> {
        let permit = node.admit().await?;
        let command = draft.build()?;
        let context = Context::of(&command);
        let attempt = Attempt {
            is_aside: permit.is_aside(&command),
            is_hurried: permit.is_hurried(),
        };
        let owed = node.owed([&command]);
        let answer = permit.send(command).await;
        drop(owed);
        node.settle(permit.generation().number(), answer, attempt)
            .and_then(read)
            .map_err(|error| context.explain(error))
    }

    /// The names are OpenTelemetry's for a Redis client. Values are never recorded, keys only as a short hash.
    async fn traced<T>(&self, command: Command, read: impl FnOnce(Reply) -> Result<T>) -> Result<T> {
        let name = command.name();
        let span = tracing::debug_span!(
            "redis",
            "otel.name" = name,
            "otel.kind" = "client",
            "otel.status_code" = Empty,
            "db.system.name" = "redis",
            "db.namespace" = self.origin.namespace,
            "db.operation.name" = name,
            "db.response.status_code" = Empty,
            "server.address" = self.origin.address,
            "server.port" = self.origin.port,
            "error.type" = Empty,
            "redis_manager.key_hash" = command.key().map(|key| format!("{:08x}", key::key_hash(key))),
        );
        let answer = self.ask(|| Ok(command), read).instrument(span.clone()).await;
        if let Err(error) = &answer {
            span.record("otel.status_code", "ERROR");
            span.record("error.type", error.code());
            if let Some(code) = failure::reply_code(error.message()) {
                span.record("db.response.status_code", code);
            }
        }
        answer
    }
}

/// Without the reason: nearly every caller throws the error away, and sharing the reason's text would be most of what the call costs.
pub(super) fn disabled() -> Error {
    Error::new(ErrorKind::Disabled, "Redis is disabled")
}
