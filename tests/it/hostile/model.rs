//! What is right: what the embedded store answers, which holds the same.

use bytes::Bytes;
use redis_manager::{Error, ErrorKind, Key, RedisService};

use crate::operations::{Args, Entry, Operation, Way};

/// Two services that hold the same, but for the keys of witnesses.
pub(super) struct Pair<'a> {
    pub(super) real: &'a RedisService,
    pub(super) model: &'a RedisService,
    /// Whether there is but one connection: then there are no transactions, and nothing can block.
    pub(super) is_alone: bool,
    /// Whether the client is the caller's: then nobody asks the server what it knows.
    pub(super) is_guest: bool,
}

/// Everything but the keys of witnesses.
const ALL: &str = "[^o]*";

impl Pair<'_> {
    pub(super) async fn clear(&self) {
        self.real.keys().delete_pattern(ALL).await.unwrap();
        self.model.keys().delete_pattern(ALL).await.unwrap();
    }

    /// Asks both, and says where they differ.
    pub(super) async fn ask(&self, operation: &dyn Operation, args: &[Args], way: Way) -> Result<(), String> {
        if self.is_guest && REPEATED.iter().any(|name| operation.name().starts_with(name)) && !args.iter().all(is_ascii)
        {
            return Ok(());
        }
        if self.is_alone && ["blpop", "brpop", "blmove", "watch"].contains(&operation.name()) {
            return Ok(());
        }
        let real = operation.ask(self.real, args, way).await;
        let model = operation.ask(self.model, args, way).await;
        for ((real, model), args) in real.iter().zip(&model).zip(args) {
            is_same(operation.name(), real, model, args)?;
        }
        if real.len() != args.len() {
            return Err(format!("{} answers to {} questions", real.len(), args.len()));
        }
        Ok(())
    }

    /// Asks for what depends on chance: what comes must have been there, and is taken from the model if it was taken.
    pub(super) async fn ask_by_chance(&self, entry: &Entry<Vec<Bytes>>, args: &Args, way: Way) -> Result<(), String> {
        let mut members: Vec<Bytes> = match self.model.set().smembers(&args.set).await {
            Ok(members) => members,
            Err(error) => {
                let answer = entry
                    .answers(self.real, std::slice::from_ref(args), way)
                    .await
                    .remove(0);
                return match answer {
                    Err(other) if other.kind() == error.kind() => Ok(()),
                    other if args.count == 0 => other.map(drop).map_err(|error| error.to_string()),
                    other => Err(format!("{}: {other:?} instead of {error}", entry.name)),
                };
            }
        };
        let answers = entry.answers(self.real, std::slice::from_ref(args), way).await;
        let chosen = answers
            .into_iter()
            .next()
            .ok_or("no answer")?
            .map_err(|error| error.to_string())?;
        let is_repeating = entry.name.ends_with("repeating");
        let count = if is_repeating && !members.is_empty() {
            args.count
        } else {
            args.count.min(members.len())
        };
        if chosen.len() != count {
            return Err(format!("{}: {chosen:?} of {members:?}", entry.name));
        }
        for member in &chosen {
            let Some(place) = members.iter().position(|known| known == member) else {
                return Err(format!("{}: {member:?} is not among {members:?}", entry.name));
            };
            if !is_repeating {
                members.remove(place);
            }
        }
        if entry.name.starts_with("spop") {
            self.model.set().srem(&args.set, chosen).await.unwrap();
        }
        Ok(())
    }
}

/// Commands that a server may not know. Its error then repeats what it was asked with, up to 128 bytes, and the client library drops a
/// connection on which an error is no UTF-8. A manager finds out what the server knows first; nobody does for a client of the caller's.
const REPEATED: [&str; 5] = ["module_", "hexpire", "hpexpire", "hpersist", "httl"];

fn is_ascii(args: &Args) -> bool {
    let keys = [&args.any, &args.hash].into_iter().chain(&args.others);
    keys.map(Key::as_bytes)
        .chain(args.texts.iter().map(|text| &text[..]))
        .all(<[u8]>::is_ascii)
}

/// What only newer servers have: they may answer anything but another's.
const OF_NEWER_SERVERS: [&str; 4] = ["hexpire", "hpexpire", "hpersist", "httl"];

/// Where the embedded store has no such operation, the answer is what was asked with: scripts are asked so.
fn is_same(name: &str, real: &Result<String, Error>, model: &Result<String, Error>, args: &Args) -> Result<(), String> {
    let is_right = match (real, model) {
        (real, Err(error)) if error.kind() == ErrorKind::Unsupported && OF_NEWER_SERVERS.contains(&name) => {
            real.as_ref().is_ok_and(|found| found.starts_with('['))
                || real
                    .as_ref()
                    .is_err_and(|error| matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::WrongType))
        }
        (Ok(real), Ok(model)) => real == model,
        (Ok(real), Err(error)) if error.kind() == ErrorKind::Unsupported => *real == format!("{:?}", args.texts),
        (Err(real), Err(model)) => real.kind() == model.kind(),
        _ => false,
    };
    if is_right {
        Ok(())
    } else {
        Err(format!("{name}: {real:?} instead of {model:?}, asked with {args:?}"))
    }
}
