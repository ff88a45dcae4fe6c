//! Many commands, sent one after the other without waiting for answers.
//!
//! Each goes its own way through fred, which writes what is queued together. fred's own pipeline is slower for a single caller, and
//! what it gave up on would still be sent.

use std::time::Instant;

use futures_util::future::join_all;
use tracing::Instrument;

use super::{
    call::{Backend, Road, disabled},
    context::Context,
    gate::Attempt,
    in_order::in_order,
    manner::Manner,
    node::Node,
    topology::Topology,
};
use crate::{
    command::Command,
    error::{Error, Result},
    reply::Reply,
};

/// More commands than this take another round trip.
pub(crate) const AT_ONCE: usize = 512;

impl Road {
    /// Asks all at once, and returns as many answers as questions, in their order. The commands arrive in their order, with others'
    /// between them.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the answers; the commands may have been executed.
    pub(crate) async fn call_all(&self, commands: Vec<Command>) -> Vec<Result<Reply>> {
        let contexts: Vec<_> = commands.iter().map(Context::of).collect();
        let span = tracing::debug_span!(
            "redis",
            "otel.name" = "PIPELINE",
            "otel.kind" = "client",
            "db.system.name" = "redis",
            "db.operation.name" = "PIPELINE",
            "db.operation.batch.size" = commands.len(),
        );
        let answers = self.ask_all(commands).instrument(span).await;
        let explain = |(answer, context): (Result<Reply>, Context)| answer.map_err(|error| context.explain(error));
        answers.into_iter().zip(contexts).map(explain).collect()
    }

    async fn ask_all(&self, commands: Vec<Command>) -> Vec<Result<Reply>> {
        match &self.backend {
            Backend::Disabled(_) => commands.iter().map(|_| Err(disabled())).collect(),
            Backend::Embedded(store) => commands.into_iter().map(|command| store.execute(command)).collect(),
            Backend::Guest(guest) => join_all(commands.into_iter().map(|command| Box::pin(guest.send(command)))).await,
            Backend::Server(Topology::One(node)) => {
                let mut answers = Vec::with_capacity(commands.len());
                let mut commands = commands.into_iter();
                while commands.len() > 0 {
                    let some: Vec<_> = commands.by_ref().take(AT_ONCE).collect();
                    let until = Instant::now() + node.deadline();
                    answers.extend(ask_some(node, some, Manner::Plainly, until).await);
                }
                answers
            }
            Backend::Server(Topology::Cluster(cluster)) => Box::pin(self.ask_all_of_cluster(cluster, commands)).await,
        }
    }
}

/// Asks one server, at most until then.
pub(super) async fn ask_some(
    node: &Node,
    commands: Vec<Command>,
    manner: Manner,
    until: Instant,
) -> Vec<Result<Reply>> {
    let count = commands.len();
    let refuse = |error: Error| (0..count).map(|_| Err(error.clone())).collect();
    let permit = match node.admit().await {
        Ok(permit) => permit.until(until),
        Err(error) => return refuse(error),
    };
    let _room = match permit.room_for(u32::try_from(count).unwrap_or(u32::MAX)).await {
        Ok(room) => room,
        Err(error) => return refuse(error),
    };
    let attempt = Attempt {
        is_aside: false,
        is_hurried: permit.is_hurried(),
    };
    if let Err(failure) = Box::pin(permit.find_out(&commands)).await {
        let settled: Result<()> = node.settle(permit.generation().number(), Err(failure), attempt);
        return settled.map_or_else(refuse, |()| Vec::new());
    }
    let owed = node.owed(&commands);
    let sent = match manner {
        Manner::Plainly => {
            let sending = commands.into_iter().map(|command| permit.send_in_order(command));
            in_order(sending.collect()).await
        }
        Manner::Asking => Box::pin(permit.send_asking(commands)).await,
    };
    drop(owed);
    sent.into_iter()
        .map(|answer| node.settle(permit.generation().number(), answer, attempt))
        .collect()
}
