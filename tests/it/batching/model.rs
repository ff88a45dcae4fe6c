//! Random calls of many tasks, each on keys of its own, compared with a model.

use std::{collections::HashMap, sync::Arc};

use redis_manager::{KeyTtl, RedisManager};

use super::{Dice, at_once, patient};
use crate::support::RedisServer;

/// What one task knows of its keys: the value, and whether it expires some day.
#[derive(Default)]
struct Model(HashMap<String, (String, bool)>);

impl Model {
    fn value(&self, key: &str) -> Option<String> {
        self.0.get(key).map(|(value, _)| value.clone())
    }

    fn set(&mut self, key: &str, value: &str, is_expiring: bool) {
        self.0.insert(key.to_owned(), (value.to_owned(), is_expiring));
    }

    /// Counts as `INCRBY` does: an old time to live stays.
    fn add(&mut self, key: &str, by: i64) -> i64 {
        let (value, _) = self.0.entry(key.to_owned()).or_insert_with(|| ("0".to_owned(), false));
        let sum = value.parse::<i64>().unwrap() + by;
        *value = sum.to_string();
        sum
    }
}

async fn step(redis: &RedisManager, model: &mut Model, keys: &[String], dice: &mut Dice) {
    let (strings, key) = (redis.service().string(), &keys[dice.below(keys.len())]);
    let value = (dice.below(1_000_000) as i64 - 500_000).to_string();
    match dice.below(10) {
        0 | 1 => assert_eq!(strings.get(key).await.unwrap(), model.value(key)),
        2 => {
            assert!(strings.set(key, &*value).await.unwrap());
            model.set(key, &value, false);
        }
        3 => {
            let ttl = [1_000_000, 2_000_000, 3_000_000 + dice.below(1_000) as u64][dice.below(3)];
            assert!(strings.set(key, &*value).px(ttl).await.unwrap());
            model.set(key, &value, true);
        }
        4 => {
            let is_set = strings.set(key, &*value).nx().await.unwrap();
            assert_eq!(is_set, model.value(key).is_none());
            if is_set {
                model.set(key, &value, false);
            }
        }
        5 => {
            let old: Option<String> = strings.set(key, &*value).get().await.unwrap();
            assert_eq!(old, model.value(key));
            model.set(key, &value, false);
        }
        6 => {
            let deleted = redis.service().keys().delete([key]).await.unwrap();
            assert_eq!(deleted == 1, model.0.remove(key).is_some());
        }
        7 => assert_eq!(strings.incr_by(key, 7).await.unwrap(), model.add(key, 7)),
        8 => {
            let asked: Vec<_> = (0..1 + dice.below(6)).map(|_| &keys[dice.below(keys.len())]).collect();
            let found: Vec<Option<String>> = strings.get_many(&asked).await.unwrap();
            assert!(found.into_iter().eq(asked.iter().map(|key| model.value(key))));
        }
        _ => {
            let is_expiring = matches!(redis.service().keys().ttl(key).await.unwrap(), KeyTtl::Expires(_));
            assert_eq!(
                is_expiring,
                model.0.get(key).is_some_and(|(_, is_expiring)| *is_expiring),
                "{key}"
            );
        }
    }
}

/// Several tasks do random things on some keys of their own; each of them sees exactly what it would see alone.
async fn compare(redis: &Arc<RedisManager>, tasks: usize, steps: usize, seed: usize) {
    at_once(tasks, |task| {
        let redis = Arc::clone(redis);
        async move {
            let mut dice = Dice::of(seed * 1_000 + task);
            let keys: Vec<_> = (0..4).map(|number| format!("{seed}:{task}:{number}")).collect();
            let mut model = Model::default();
            for _ in 0..steps {
                step(&redis, &mut model, &keys, &mut dice).await;
            }
            let found: Vec<Option<String>> = redis.service().string().get_many(&keys).await.unwrap();
            assert!(found.into_iter().eq(keys.iter().map(|key| model.value(key))));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_tasks_sees_what_it_would_see_alone() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for (seed, tasks) in [2, 5, 20, 100].into_iter().enumerate() {
        compare(&redis, tasks, 3_000 / tasks, seed).await;
    }
}

#[tokio::test]
async fn each_of_many_tasks_of_one_thread_sees_what_it_would_see_alone() {
    let server = RedisServer::start();
    let redis = patient(&server.url());
    for (seed, tasks) in [2, 30].into_iter().enumerate() {
        compare(&redis, tasks, 2_000 / tasks, seed).await;
    }
}
