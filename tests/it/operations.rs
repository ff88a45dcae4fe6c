//! Every operation of the honest face, with a place for every argument that a user can write.

mod aside;
mod lists;
mod plain;

use std::{collections::BTreeSet, fs, future::Future, path::Path, pin::Pin};

use bytes::Bytes;
use redis_manager::{Error, Key, RedisService, Request};

pub use self::{
    aside::asides,
    lists::{BAGS, CHANCES, LISTS, MANY, MAPS, SCORED},
    plain::{COUNTS, FLAGS, NUMBERS, PLACES, SCORES, VALUES},
};

/// What the operations are asked with. Each takes what it needs.
#[derive(Debug, Clone)]
pub struct Args {
    pub string: Key,
    pub strings: Vec<Key>,
    pub list: Key,
    pub other_list: Key,
    pub set: Key,
    pub other_set: Key,
    pub sets: Vec<Key>,
    pub zset: Key,
    pub other_zset: Key,
    pub zsets: Vec<Key>,
    /// A sorted set whose members all have the same score.
    pub lex: Key,
    pub hash: Key,
    /// A key of any type.
    pub any: Key,
    pub other: Key,
    pub others: Vec<Key>,
    pub text: Bytes,
    pub other_text: Bytes,
    pub texts: Vec<Bytes>,
    pub pattern: Bytes,
    pub start: i64,
    pub stop: i64,
    pub count: usize,
}

impl Args {
    /// Every key is this one.
    pub fn on(key: &Key, texts: &[&'static [u8]]) -> Self {
        let text = |at: usize| Bytes::from_static(texts.get(at).copied().unwrap_or(b"text"));
        Self {
            string: key.clone(),
            strings: vec![key.clone()],
            list: key.clone(),
            other_list: key.clone(),
            set: key.clone(),
            other_set: key.clone(),
            sets: vec![key.clone()],
            zset: key.clone(),
            other_zset: key.clone(),
            zsets: vec![key.clone()],
            lex: key.clone(),
            hash: key.clone(),
            any: key.clone(),
            other: key.clone(),
            others: vec![key.clone()],
            text: text(0),
            other_text: text(1),
            texts: texts.iter().map(|text| Bytes::from_static(text)).collect(),
            pattern: Bytes::from_static(b"nothing*"),
            start: 0,
            stop: -1,
            count: 6,
        }
    }

    /// The texts, each with another.
    pub fn pairs(&self) -> Vec<(Bytes, Bytes)> {
        let others = self.texts.iter().rev().cloned();
        self.texts.iter().cloned().zip(others).collect()
    }

    /// The texts, each with a score.
    pub fn members(&self) -> Vec<(Bytes, f64)> {
        let score = |at: usize| (at as i64 - self.start) as f64 / 2.0;
        self.texts
            .iter()
            .enumerate()
            .map(|(at, text)| (text.clone(), score(at)))
            .collect()
    }

    /// A step of a counter.
    pub fn step(&self) -> f64 {
        self.start as f64 / 2.0
    }
}

/// How several questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    OneByOne,
    Pipeline,
    Transaction,
}

pub const WAYS: [Way; 3] = [Way::OneByOne, Way::Pipeline, Way::Transaction];

pub type Asking<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// One operation that can be part of a batch.
pub struct Entry<T> {
    pub name: &'static str,
    pub ask: for<'a> fn(&'a RedisService, &Args) -> Request<'a, T>,
    shown: fn(T) -> String,
}

/// An operation whatever it answers.
pub trait Operation: Sync {
    fn name(&self) -> &'static str;

    /// Asks as often as there are arguments, and returns the answers as text.
    fn ask<'a>(&'a self, redis: &'a RedisService, args: &'a [Args], way: Way)
    -> Asking<'a, Vec<Result<String, Error>>>;
}

impl<T> Entry<T> {
    /// Asks, and returns the answers as they are.
    pub async fn answers(&self, redis: &RedisService, args: &[Args], way: Way) -> Vec<Result<T, Error>>
    where
        T: Send + 'static,
    {
        let requests = || args.iter().map(|args| (self.ask)(redis, args)).collect::<Vec<_>>();
        match way {
            Way::OneByOne => {
                let mut answers = Vec::new();
                for request in requests() {
                    answers.push(request.await);
                }
                answers
            }
            Way::Pipeline => redis.pipeline(requests()).each().await,
            Way::Transaction => match redis.transaction(requests()).each().await {
                Ok(answers) => answers,
                Err(error) => args.iter().map(|_| Err(error.clone())).collect(),
            },
        }
    }
}

impl<T: Send + 'static> Operation for Entry<T> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ask<'a>(
        &'a self,
        redis: &'a RedisService,
        args: &'a [Args],
        way: Way,
    ) -> Asking<'a, Vec<Result<String, Error>>> {
        Box::pin(async move {
            let answers = self.answers(redis, args, way).await.into_iter();
            answers.map(|answer| answer.map(self.shown)).collect()
        })
    }
}

fn as_it_is(answer: impl std::fmt::Debug) -> String {
    format!("{answer:?}")
}

/// For what comes in no particular order.
fn sorted(mut answer: Vec<Bytes>) -> String {
    answer.sort();
    as_it_is(answer)
}

/// Makes a table of operations that answer alike.
macro_rules! table {
    ($(#[$doc:meta])* $table:ident: $answer:ty, $shown:path; $($name:ident => $ask:expr,)+) => {
        $(#[$doc])*
        pub static $table: &[$crate::operations::Entry<$answer>] = &[$(
            $crate::operations::Entry { name: stringify!($name), ask: $ask, shown: $shown }
        ),+];
    };
}
use table;

/// All operations whose answers do not depend on chance.
pub fn all() -> Vec<&'static dyn Operation> {
    let mut all = Vec::new();
    lists::add(&mut all);
    plain::add(&mut all);
    all.extend(asides());
    all
}

/// All operations.
pub fn with_those_of_chance() -> Vec<&'static dyn Operation> {
    let mut all = all();
    extend(&mut all, CHANCES);
    extend(&mut all, lists::SOME_CHANCE);
    all
}

fn extend<T: Send + 'static>(all: &mut Vec<&'static dyn Operation>, table: &'static [Entry<T>]) {
    all.extend(table.iter().map(|entry| entry as &dyn Operation));
}

/// The public methods of the groups, by their source.
fn methods() -> BTreeSet<String> {
    let source = |file: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
        fs::read_to_string(path).unwrap()
    };
    let files = [
        "service/blocking.rs",
        "service/deletion.rs",
        "service/hashes.rs",
        "service/hashes/expiry.rs",
        "service/json_module.rs",
        "service/keys.rs",
        "service/lists.rs",
        "service/scan.rs",
        "service/scripts.rs",
        "service/sets.rs",
        "service/sorted_sets.rs",
        "service/sorted_sets/range.rs",
        "service/sorted_sets/store.rs",
        "service/strings.rs",
        "service/transaction.rs",
        "service/typed.rs",
        "entities.rs",
    ];
    let methods = files.map(source).into_iter().flat_map(|source| {
        let methods = source.lines().filter_map(|line| {
            let line = line.trim_start();
            let rest = line
                .strip_prefix("pub fn ")
                .or_else(|| line.strip_prefix("pub async fn "))?;
            rest.split(['(', '<']).next().map(str::to_owned)
        });
        methods.collect::<Vec<_>>()
    });
    methods.collect()
}

/// Otherwise the guard would hold for what was thought of.
#[test]
fn no_operation_is_left_out() {
    // They ask nothing, or are options that change no reply.
    const OTHERS: [&str; 16] = [
        "new",
        "source",
        "stop",
        "is_stopped",
        "stop_handle",
        "on_progress",
        "page",
        "px",
        "namespace",
        "format",
        "as_hashes",
        "key",
        "again",
        "each",
        "transaction",
        "flush_prefix",
    ];
    let tables = [
        include_str!("operations/aside.rs"),
        include_str!("operations/lists.rs"),
        include_str!("operations/plain.rs"),
    ]
    .concat();
    let is_there = |name: &str| tables.contains(&format!(".{name}(")) || tables.contains(&format!(".{name}::<"));
    let left_out: Vec<_> = methods()
        .into_iter()
        .filter(|name| !OTHERS.contains(&name.as_str()) && !is_there(name))
        .collect();
    assert_eq!(left_out, Vec::<String>::new());
}
