//! One road for every command: gate → deadline → send → classify → count → span.

use std::sync::Arc;

use tracing::{Instrument, Level, field::Empty};

use super::{
    failure::{self, Failure},
    gate::Attempt,
    generation::{Generation, Permit},
    guest::Guest,
    topology::Topology,
    tracking::Tracking,
};
use crate::{
    command::Command,
    config::{Endpoint, NearPlan, Settings, Target},
    embedded::Embedded,
    error::{Error, ErrorKind, Result},
    key::{self, Key, Prefix},
    near::{Held, Owed},
    reply::Reply,
};

/// The one way to whoever answers.
#[derive(Debug)]
pub(crate) struct Road {
    pub(crate) backend: Backend,
    prefix: Prefix,
    origin: Origin,
    /// Why there is no near cache although one was asked for.
    near_obstacle: Option<&'static str>,
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
        let mut origin = Origin {
            namespace: settings.db.to_string(),
            ..Origin::default()
        };
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
                Backend::Server(Topology::single(settings, endpoint))
            }
        };
        Self {
            backend,
            prefix,
            origin,
            near_obstacle,
        }
    }

    /// Makes the road of a client that the caller has built.
    pub(crate) fn of_guest(guest: Guest) -> Self {
        Self {
            backend: Backend::Guest(guest),
            prefix: Prefix::default(),
            origin: Origin::default(),
            near_obstacle: None,
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
        let mut building = Building::Later(build);
        if let Some(tracking) = self.tracking()
            && let Some(now) = tracking.near().live()
        {
            let command = building.finish(&self.prefix)?;
            if let Some(known) = tracking.known(now, &command) {
                return read(known).map_err(|error| Context::of(&command).explain(error));
            }
            building = Building::Done(command);
        }
        self.call_far(|prefix| building.finish(prefix), read).await
    }

    /// Returns what the near cache knows of a key. Not counted as a call.
    pub(crate) fn near(&self, key: &Key) -> Option<Held> {
        let near = self.tracking()?.near();
        let now = near.live()?;
        if self.prefix.is_empty() {
            near.get(now, key.as_bytes())
        } else {
            near.get(now, &self.prefix.key(key.clone()).ok()?)
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

    /// Counts what came of a call on a connection of its caller's own.
    pub(super) fn settle<T>(&self, permit: Option<&Permit>, answer: Result<T, Failure>) -> Result<T> {
        let attempt = Attempt {
            is_aside: true,
            is_hurried: false,
        };
        match (&self.backend, permit) {
            (Backend::Server(topology), Some(permit)) => settle(topology, permit, answer, attempt),
            _ => answer.map_err(Failure::into_error),
        }
    }

    /// Returns the embedded store, where that answers.
    pub(super) fn embedded(&self) -> Result<&Embedded> {
        match &self.backend {
            Backend::Embedded(store) => Ok(store),
            Backend::Disabled(_) | Backend::Server(_) | Backend::Guest(_) => Err(disabled()),
        }
    }

    /// Says the same of a read that the near cache might answer in an outage.
    pub(crate) fn refuses_read(&self) -> bool {
        !self.may_be_stale() && self.refuses()
    }

    /// Returns why there is no near cache although one was asked for.
    pub(crate) fn near_obstacle(&self) -> Option<&'static str> {
        self.near_obstacle
    }

    /// Notes what commands under way may be changing. Dropping it, which has to be done before their answers are handed over, has the near
    /// cache forget it.
    pub(super) fn owed<'c>(&self, commands: impl IntoIterator<Item = &'c Command>) -> Option<Owed> {
        self.tracking()?.owed(commands)
    }

    fn may_be_stale(&self) -> bool {
        self.tracking().is_some_and(|tracking| tracking.near().may_be_stale())
    }

    fn tracking(&self) -> Option<&Tracking> {
        match &self.backend {
            Backend::Server(topology) => topology.tracking(),
            Backend::Disabled(_) | Backend::Embedded(_) | Backend::Guest(_) => None,
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
            Backend::Server(topology) => {
                let permit = match topology.admit().await {
                    Ok(permit) => permit,
                    Err(refused) if self.may_be_stale() => return self.stale(&build()?, refused).and_then(read),
                    Err(refused) => return Err(refused),
                };
                let command = build()?;
                let context = Context::of(&command);
                send(topology, &permit, command)
                    .await
                    .and_then(read)
                    .map_err(|error| context.explain(error))
            }
        }
    }

    /// Answers a read by what the near cache had before the outage, or by that error.
    fn stale(&self, command: &Command, refused: Error) -> Result<Reply> {
        self.tracking()
            .and_then(|tracking| tracking.stale(command))
            .ok_or(refused)
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

async fn send(topology: &Topology, permit: &Permit, command: Command) -> Result<Reply> {
    let attempt = Attempt {
        is_aside: Generation::is_large(&command),
        is_hurried: permit.is_hurried(),
    };
    let Some(tracking) = topology.tracking() else {
        let answer = permit.send(command).await;
        return settle(topology, permit, answer, attempt);
    };
    // In a box, so that calls without a near cache do not carry the room for it.
    Box::pin(send_tracked(topology, tracking, permit, command, attempt)).await
}

async fn send_tracked(
    topology: &Topology,
    tracking: &Tracking,
    permit: &Permit,
    command: Command,
    attempt: Attempt,
) -> Result<Reply> {
    // Cloned only where it may be needed: a grace is configured, and the outage has begun meanwhile.
    let read = tracking.is_forgiving().then(|| command.clone());
    let answer = tracking.send(permit, command).await;
    let settled = settle(topology, permit, answer, attempt);
    match (settled, read) {
        (Err(error), Some(read)) if error.is_unavailable() => tracking.stale(&read).ok_or(error),
        (settled, _) => settled,
    }
}

/// A command that is built when it is needed.
enum Building<F> {
    Later(F),
    Done(Command),
}

impl<F: FnOnce(&Prefix) -> Result<Command>> Building<F> {
    fn finish(self, prefix: &Prefix) -> Result<Command> {
        match self {
            Self::Later(build) => build(prefix),
            Self::Done(command) => Ok(command),
        }
    }
}

/// Counts what came of a call, and says it in this crate's words.
pub(super) fn settle<T>(
    topology: &Topology,
    permit: &Permit,
    answer: Result<T, Failure>,
    attempt: Attempt,
) -> Result<T> {
    match answer {
        Ok(reply) => {
            topology.answered();
            Ok(reply)
        }
        Err(failure) => {
            topology.failed(permit.generation(), &failure, attempt);
            Err(failure.into_error())
        }
    }
}

/// Without the reason: nearly every caller throws the error away, and sharing the reason's text would be most of what the call costs.
pub(super) fn disabled() -> Error {
    Error::new(ErrorKind::Disabled, "Redis is disabled")
}

/// What an error says of the command, once the command is gone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    operation: &'static str,
    key_hash: Option<u32>,
}

impl Context {
    pub(super) fn of(command: &Command) -> Self {
        Self {
            operation: command.name(),
            key_hash: command.key().map(|key| key::key_hash(key)),
        }
    }

    pub(super) fn explain(&self, error: Error) -> Error {
        error.during(self.operation, self.key_hash)
    }
}
