//! Somebody who calls all the time and keeps a record of it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use redis_manager::RedisManager;
use tokio::{task::JoinHandle, time::sleep};

use crate::Outcome;

/// The pause between two calls.
const PAUSE: Duration = Duration::from_millis(1);

/// Whether a caller reads or writes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Habit {
    /// It reads its key, which holds its own name.
    Reads,
    /// It writes that, so that only who may write can answer.
    Writes,
}

/// One task that calls.
#[derive(Debug)]
pub(super) struct Caller {
    /// What has come of its calls so far.
    record: Arc<Mutex<Record>>,
    /// Told to end.
    is_over: Arc<AtomicBool>,
    /// The task.
    task: JoinHandle<()>,
}

/// What came of calls, in their order.
#[derive(Debug, Default)]
pub(super) struct Record(Vec<Note>);

/// What came of one call.
#[derive(Debug, Clone)]
struct Note {
    /// When it was made.
    began: Instant,
    /// When it returned.
    ended: Instant,
    /// Why it failed, if it did.
    failure: Option<String>,
}

impl Caller {
    /// Lets one call, every millisecond.
    pub(super) fn begin(redis: &Arc<RedisManager>, key: &str, habit: Habit) -> Self {
        let (record, is_over) = <(Arc<Mutex<Record>>, Arc<AtomicBool>)>::default();
        Self {
            task: tokio::spawn(call(
                Arc::clone(redis),
                key.to_owned(),
                habit,
                Arc::clone(&record),
                Arc::clone(&is_over),
            )),
            record,
            is_over,
        }
    }

    /// Returns when the first call that was answered at that moment or later was answered.
    pub(super) fn answered_since(&self, when: Instant) -> Option<Instant> {
        locked(&self.record).answered_since(when)
    }

    /// Ends it, after the call that is under way.
    ///
    /// # Errors
    ///
    /// - It panicked.
    pub(super) async fn end(self) -> Outcome<Record> {
        self.is_over.store(true, Relaxed);
        self.task.await?;
        Ok(std::mem::take(&mut *locked(&self.record)))
    }
}

/// Calls until it is over.
async fn call(
    redis: Arc<RedisManager>,
    key: String,
    habit: Habit,
    record: Arc<Mutex<Record>>,
    is_over: Arc<AtomicBool>,
) {
    while !is_over.load(Relaxed) {
        let began = Instant::now();
        let failure = ask(&redis, &key, habit).await.err();
        locked(&record).0.push(Note {
            began,
            ended: Instant::now(),
            failure,
        });
        sleep(PAUSE).await;
    }
}

/// Calls once, and says why if that failed.
async fn ask(redis: &RedisManager, key: &str, habit: Habit) -> Result<(), String> {
    let strings = redis.service().string();
    match habit {
        Habit::Writes => strings.set(key, key).await.map(drop),
        Habit::Reads => match strings.get::<String>(key).await {
            Ok(Some(value)) if value != key => return Err(format!("another's value: {value}")),
            answer => answer.map(drop),
        },
    }
    .map_err(|error| error.to_string())
}

impl Record {
    /// Returns when the first call that was answered at that moment or later was answered.
    pub(super) fn answered_since(&self, when: Instant) -> Option<Instant> {
        let answered = self.0.iter().filter(|note| note.failure.is_none());
        answered.map(|note| note.ended).find(|ended| *ended >= when)
    }

    /// Returns how many calls there were that returned at that moment or later.
    pub(super) fn calls_since(&self, when: Instant) -> u64 {
        self.since(when).count() as u64
    }

    /// Returns how many of them failed.
    pub(super) fn failures_since(&self, when: Instant) -> u64 {
        self.since(when).filter(|note| note.failure.is_some()).count() as u64
    }

    /// Returns why the first of those failed.
    pub(super) fn first_failure_since(&self, when: Instant) -> Option<&str> {
        self.since(when).find_map(|note| note.failure.as_deref())
    }

    /// Returns how long the longest call took of those that returned at that moment or later.
    pub(super) fn worst_since(&self, when: Instant) -> Duration {
        let took = self.since(when).map(|note| note.ended - note.began);
        took.max().unwrap_or_default()
    }

    /// Returns the calls that returned at that moment or later.
    fn since(&self, when: Instant) -> impl Iterator<Item = &Note> {
        self.0.iter().filter(move |note| note.ended >= when)
    }
}

/// Never held while something is awaited.
fn locked(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_before_is_not_counted() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let note = |began, ended, failure: Option<&str>| Note {
            began: at(began),
            ended: at(ended),
            failure: failure.map(ToOwned::to_owned),
        };
        let record = Record(vec![
            note(0, 1, None),
            note(2, 500, Some("timeout")),
            note(501, 502, Some("refused")),
            note(503, 505, None),
        ]);
        assert_eq!(record.answered_since(at(1)), Some(at(1)));
        assert_eq!(record.answered_since(at(2)), Some(at(505)));
        assert_eq!(record.answered_since(at(506)), None);
        assert_eq!((record.calls_since(at(2)), record.failures_since(at(2))), (3, 2));
        assert_eq!(record.worst_since(at(2)), Duration::from_millis(498));
        assert_eq!(record.worst_since(at(501)), Duration::from_millis(2));
        assert_eq!(record.first_failure_since(at(501)), Some("refused"));
    }
}
