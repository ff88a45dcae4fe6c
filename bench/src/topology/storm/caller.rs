//! One of the tasks that call in a storm: it writes keys of its own, and reads everybody's.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis_manager::{Error, RedisManager, RedisService, Result};
use tokio::time::sleep;

use super::{
    model::{Counter, Register, Verdict, judge_list},
    sky::Sky,
    tally::Tally,
    word::{bound, version_of, word_of},
};
use crate::Outcome;

/// How many tasks call.
pub(super) const CALLERS: usize = 48;

/// Tags of their keys. What has the same is in one slot, and moves together.
pub(super) const TAGS: usize = 12;

/// The pause between two calls.
const PAUSE: Duration = Duration::from_millis(2);

/// Fields of each hash.
const FIELDS: usize = 4;

/// Keys that are read at once.
const TOGETHER: usize = 8;

/// A list that is longer is deleted.
const LONG: usize = 16;

/// How long a key that expires would live.
const EXPIRY_MILLIS: u64 = 600_000;

/// How long a key may take to be readable when all is well again.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the calls go, and when they end.
pub(super) struct Storm {
    /// The manager.
    pub(super) redis: RedisManager,
    /// What the deployment may have lost.
    pub(super) sky: Sky,
    /// The callers may go.
    pub(super) is_over: AtomicBool,
}

/// One task, and what it knows of its keys.
pub(super) struct Caller {
    /// Where its calls go.
    storm: Arc<Storm>,
    /// What came of them.
    tally: Tally,
    /// What it does next.
    chance: StdRng,
    /// Texts: one that lasts, one that expires.
    texts: [(String, Register); 2],
    /// What never changes.
    word: String,
    /// A counter.
    counter: (String, Counter),
    /// A hash, and its fields by the names that their values are bound to.
    hash: (String, Vec<(String, Register)>),
    /// A list, and how many elements were sent.
    list: (String, u64),
    /// It is to be deleted.
    list_is_long: bool,
}

/// Returns the name of a key: half of a task's keys have a tag.
fn name(task: usize, what: &str) -> String {
    if (task + what.len()).is_multiple_of(2) {
        format!("{{t{}}}:{task}:{what}", task % TAGS)
    } else {
        format!("{task}:{what}")
    }
}

impl Caller {
    /// Makes the one with this number.
    pub(super) fn new(storm: &Arc<Storm>, task: usize) -> Self {
        let hash = name(task, "hash");
        let field = |field| (format!("{hash}/{field}"), Register::default());
        let fields = (0..FIELDS).map(field).collect();
        Self {
            storm: Arc::clone(storm),
            tally: Tally::default(),
            chance: StdRng::seed_from_u64(task as u64),
            texts: ["text", "brief"].map(|what| (name(task, what), Register::default())),
            word: name(task, "word"),
            counter: (name(task, "counter"), Counter::new(task)),
            list: (name(task, "list"), 0),
            list_is_long: false,
            hash: (hash, fields),
        }
    }

    /// Writes what has to be there from the beginning.
    ///
    /// # Errors
    ///
    /// - The deployment does not store it.
    pub(super) async fn settle(&self) -> Outcome {
        let storm = Arc::clone(&self.storm);
        let strings = storm.redis.service().string();
        strings.set(self.word.as_str(), word_of(&self.word)).await?;
        strings.set(self.counter.0.as_str(), self.counter.1.base()).await?;
        Ok(())
    }

    /// Calls until it is over, and returns what came of it once all is well again.
    pub(super) async fn live(mut self) -> Self {
        let storm = Arc::clone(&self.storm);
        while !storm.is_over.load(Relaxed) {
            let began = Instant::now();
            let (call, answer) = self.call(storm.redis.service()).await;
            self.tally.note(call, began.elapsed());
            if let Err(error) = answer {
                self.tally.fail(&error);
            }
            sleep(PAUSE).await;
        }
        self
    }

    /// Reads its texts and its word, which everybody can by now, and returns what came of everything.
    pub(super) async fn look_back(mut self) -> Tally {
        let storm = Arc::clone(&self.storm);
        for which in 0..=self.texts.len() {
            let began = Instant::now();
            while let Err(error) = self.read(storm.redis.service(), which).await {
                if began.elapsed() > PATIENCE {
                    self.tally.fail(&error);
                    self.tally.miss();
                    break;
                }
                sleep(PAUSE).await;
            }
        }
        self.tally
    }

    /// Makes one call, and says which it was.
    async fn call(&mut self, service: &RedisService) -> (&'static str, Result<()>) {
        match self.chance.random_range(0..13) {
            0 => ("set", self.write(service, 0).await),
            1 => ("set px", self.write(service, 1).await),
            kind @ 2..=4 => ("get", self.read(service, kind - 2).await),
            5 | 6 => ("get_many", self.read_many(service).await),
            7 => ("incr", self.count(service).await),
            8 => ("pipeline", self.send_pipeline(service).await),
            9 => ("hset", self.write_hash(service).await),
            10 => ("hgetall", self.read_hash(service).await),
            11 => ("rpush", self.add_to_list(service).await),
            _ if self.list_is_long => ("delete", self.delete_list(service).await),
            _ => ("lrange", self.read_list(service).await),
        }
    }

    /// Writes a text.
    async fn write(&mut self, service: &RedisService, which: usize) -> Result<()> {
        let Some((key, register)) = self.texts.get_mut(which) else {
            return Ok(());
        };
        let version = register.next();
        let set = service.string().set(key.as_str(), bound(key, version));
        let stored = if which == 0 {
            set.await
        } else {
            set.px(EXPIRY_MILLIS).await
        };
        settle(register, version, stored)
    }

    /// Reads a text, or the word.
    async fn read(&mut self, service: &RedisService, which: usize) -> Result<()> {
        let strings = service.string();
        let verdict = match self.texts.get_mut(which) {
            Some((key, register)) => {
                let value = strings.get_bytes(key.as_str()).await?;
                register.judge(key, value.as_deref(), &self.storm.sky)
            }
            None => judge_word(&self.word, strings.get_bytes(self.word.as_str()).await?.as_deref()),
        };
        self.tally.judge(verdict);
        Ok(())
    }

    /// Reads texts and words of anybody at once.
    async fn read_many(&mut self, service: &RedisService) -> Result<()> {
        let (kinds, chance) = (["word", "text", "brief"], &mut self.chance);
        let mut draw = || {
            let kind = chance.random_range(0..kinds.len());
            let key = name(
                chance.random_range(0..CALLERS),
                kinds.get(kind).copied().unwrap_or("word"),
            );
            (kind == 0, key)
        };
        let asked: Vec<(bool, String)> = (0..TOGETHER).map(|_| draw()).collect();
        let keys: Vec<&str> = asked.iter().map(|(_, key)| key.as_str()).collect();
        let values: Vec<Option<Bytes>> = service.string().get_many(keys).await?;
        if values.len() != asked.len() {
            self.tally
                .judge(Verdict::Wrong(format!("{} values of {TOGETHER}", values.len())));
        }
        for ((is_word, key), value) in asked.iter().zip(&values) {
            self.tally.judge(match value.as_deref() {
                value if *is_word => judge_word(key, value),
                Some(value) if version_of(key, value).is_none() => {
                    Verdict::Wrong(format!("{key} is {:?}", value.escape_ascii().to_string()))
                }
                _ => Verdict::Right,
            });
        }
        Ok(())
    }

    /// Counts.
    async fn count(&mut self, service: &RedisService) -> Result<()> {
        let counted = service.string().incr(self.counter.0.as_str()).await;
        self.counted(counted)
    }

    /// Does several things at once.
    async fn send_pipeline(&mut self, service: &RedisService) -> Result<()> {
        let (strings, [text, _]) = (service.string(), &mut self.texts);
        let (key, register) = text;
        let version = register.next();
        let pipeline = service.pipeline((
            strings.set(key.as_str(), bound(key, version)),
            strings.get_bytes(self.word.as_str()),
            strings.incr(self.counter.0.as_str()),
            strings.get_bytes(key.as_str()),
        ));
        let (stored, word, counted, read) = pipeline.each().await;
        let stored = settle(register, version, stored);
        let text = read.map(|value| register.judge(key, value.as_deref(), &self.storm.sky));
        let word = word.map(|value| judge_word(&self.word, value.as_deref()));
        let counted = self.counted(counted);
        for verdict in [text, word] {
            match verdict {
                Ok(verdict) => self.tally.judge(verdict),
                Err(error) => self.tally.fail(&error),
            }
        }
        stored.and(counted)
    }

    /// Writes some fields of the hash.
    async fn write_hash(&mut self, service: &RedisService) -> Result<()> {
        let (key, fields) = &mut self.hash;
        let first = self.chance.random_range(0..FIELDS - 1);
        let fields = fields.iter_mut().skip(first).take(2);
        let written: Vec<_> = fields
            .map(|(name, register)| (register.next(), name, register))
            .collect();
        let values = written
            .iter()
            .map(|(version, name, _)| (name.as_str(), bound(name, *version)));
        let stored = service.hash().hset(key.as_str(), values).await;
        written.into_iter().try_for_each(|(version, _, register)| {
            let stored = stored.as_ref().map(|_| true).map_err(Error::clone);
            settle(register, version, stored)
        })
    }

    /// Reads the hash.
    async fn read_hash(&mut self, service: &RedisService) -> Result<()> {
        let (key, fields) = &mut self.hash;
        let mut values: HashMap<String, Bytes> = service.hash().hgetall(key.as_str()).await?;
        for (name, register) in fields {
            let value = values.remove(name);
            self.tally
                .judge(register.judge(name, value.as_deref(), &self.storm.sky));
        }
        if let Some(foreign) = values.into_keys().next() {
            self.tally
                .judge(Verdict::Wrong(format!("{key} has the field {foreign:?}")));
        }
        Ok(())
    }

    /// Adds to the list.
    async fn add_to_list(&mut self, service: &RedisService) -> Result<()> {
        let (key, sent) = &mut self.list;
        *sent += 1;
        service.list().rpush(key.as_str(), [bound(key, *sent)]).await.map(drop)
    }

    /// Reads the list.
    async fn read_list(&mut self, service: &RedisService) -> Result<()> {
        let (key, _) = &self.list;
        let elements: Vec<Bytes> = service.list().lrange(key.as_str(), 0, -1).await?;
        self.list_is_long = elements.len() > LONG;
        self.tally.judge(judge_list(key, &elements));
        Ok(())
    }

    /// Deletes the list.
    async fn delete_list(&mut self, service: &RedisService) -> Result<()> {
        self.list_is_long = false;
        service.keys().delete(self.list.0.as_str()).await.map(drop)
    }

    /// Takes in what an addition has answered.
    fn counted(&mut self, counted: Result<i64>) -> Result<()> {
        let (key, counter) = &mut self.counter;
        match counted {
            Ok(count) => self.tally.judge(counter.judge(key, count, &self.storm.sky)),
            Err(error) => {
                if !error.is_retryable() {
                    counter.doubt();
                }
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Takes in what came of writing a version.
fn settle(register: &mut Register, version: u64, stored: Result<bool>) -> Result<()> {
    match stored {
        Ok(_) => register.confirm(version),
        Err(error) => {
            if error.is_retryable() {
                register.refuse(version);
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Judges what was read of a key that holds its word.
fn judge_word(key: &str, value: Option<&[u8]>) -> Verdict {
    match value {
        Some(value) if value == word_of(key) => Verdict::Right,
        Some(value) => Verdict::Wrong(format!("{key} is {:?}", value.escape_ascii().to_string())),
        None => Verdict::Wrong(format!("{key} is gone")),
    }
}
