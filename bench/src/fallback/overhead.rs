//! What the manager costs while the server is there: against a plain pool of the client library that it is built on.
//!
//! How far from 1 a ratio is by chance, the control tells: the plain pool against itself.

use std::sync::Arc;

use fred::{
    clients::Pool,
    interfaces::{ClientLike, KeysInterface},
};
use redis_manager::RedisManager;

use crate::{
    Outcome,
    arguments::Arguments,
    contest::{Contender, Title, contest, control, key},
    progress,
    report::{Goal, print_future},
    rival,
    server::RedisServer,
    suite::{VALUE, runtime},
};

/// How many tasks ask at the same time.
const TASKS: [usize; 3] = [1, 64, MANY];

/// The most of them.
const MANY: usize = 512;

impl Contender for Arc<RedisManager> {
    async fn ask(&self, key: &str) -> bool {
        RedisManager::get(self, key)
            .await
            .is_some_and(|value| value.len() == VALUE.len())
    }
}

impl Contender for Pool {
    async fn ask(&self, key: &str) -> bool {
        let value = self.next().get::<Option<String>, _>(key).await.ok().flatten();
        value.is_some_and(|value| value.len() == VALUE.len())
    }
}

/// Measures both with one, some and many tasks.
pub(super) fn overhead_vs_fred(arguments: &Arguments) -> Outcome {
    let server = RedisServer::start(arguments)?;
    let title = Title {
        ratio: "overhead_vs_fred".to_owned(),
        cpu_ratio: "cpu_ratio_vs_fred".to_owned(),
        call: "get",
        who: "manager",
        goal: Goal::AtLeast(0.95),
    };
    runtime()?.block_on(async {
        let ours = Arc::new(server.manager()?);
        let fred = rival::plain_pool(&server).await?;
        for task in 0..MANY {
            if !ours.set(key(task), VALUE).await {
                return Err("the server does not store".into());
            }
        }
        for tasks in TASKS {
            contest(arguments, &title, tasks, &ours, &fred).await?;
        }
        progress::announce(&format!("the manager counted {:?}", ours.metrics()));
        control(arguments, MANY, &fred).await?;
        print_future("manager_get_future_bytes", &RedisManager::get(&ours, "key"));
        let theirs = KeysInterface::get::<Option<String>, _>(fred.next(), "key");
        print_future("fred_get_future_bytes", &theirs);
        fred.quit().await?;
        Ok(())
    })
}
