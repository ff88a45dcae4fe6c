//! One operation, asked of the honest face and of the plain client library.

use fred::{
    clients::{Client, Pool},
    interfaces::ClientLike,
};
use redis_manager::RedisService;

use crate::{
    Outcome,
    arguments::Arguments,
    contest::{Contender, Title, contest, key},
    report::Goal,
    rival,
    server::RedisServer,
    suite::runtime,
};

/// An operation that both answer with the same type.
pub(super) trait Duel: Clone + Send + Sync + 'static {
    /// Its name in the figures.
    const NAME: &'static str;
    /// How many tasks ask at the same time: one, and so many.
    const TASKS: usize = 64;
    /// What is answered.
    type Answer: Send;

    /// Stores what is asked for.
    async fn prepare(&self, service: &RedisService, key: &str) -> Outcome;

    /// Asks the honest face.
    fn ours(&self, service: &RedisService, key: &str) -> impl Future<Output = Option<Self::Answer>> + Send;

    /// Asks the client library.
    fn theirs(&self, fred: &Client, key: &str) -> impl Future<Output = Option<Self::Answer>> + Send;

    /// Says whether it is what was stored.
    fn is_right(answer: &Self::Answer) -> bool;
}

/// The honest face.
#[derive(Debug, Clone)]
struct Ours<D>(RedisService, D);

/// The client library.
#[derive(Debug, Clone)]
struct Theirs<D>(Pool, D);

impl<D: Duel> Contender for Ours<D> {
    async fn ask(&self, key: &str) -> bool {
        self.1
            .ours(&self.0, key)
            .await
            .is_some_and(|answer| D::is_right(&answer))
    }
}

impl<D: Duel> Contender for Theirs<D> {
    async fn ask(&self, key: &str) -> bool {
        let answer = self.1.theirs(self.0.next(), key).await;
        answer.is_some_and(|answer| D::is_right(&answer))
    }
}

/// Measures both with one and with some tasks.
pub(super) fn fight<D: Duel>(arguments: &Arguments, duel: D) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let title = Title {
        ratio: format!("{}_ratio", D::NAME),
        cpu_ratio: format!("{}_cpu_ratio", D::NAME),
        call: D::NAME,
        who: "honest",
        goal: Goal::AtLeast(0.9),
    };
    runtime()?.block_on(async {
        let manager = server.manager()?;
        let fred = rival::plain_pool(&server).await?;
        for task in 0..D::TASKS {
            duel.prepare(manager.service(), &key(task)).await?;
        }
        let ours = Ours(manager.service().clone(), duel.clone());
        let theirs = Theirs(fred, duel);
        for tasks in [1, D::TASKS] {
            contest(arguments, &title, tasks, &ours, &theirs).await?;
        }
        theirs.0.quit().await?;
        Ok(())
    })
}
