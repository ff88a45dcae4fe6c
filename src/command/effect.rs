//! What a command may do to keys, for whoever remembers what was at them.

use bytes::Bytes;

use super::{Command, Set};

impl Command {
    /// Says whether the command is known to change nothing at any key. Whatever is not known counts as a change.
    pub(crate) fn only_reads(&self) -> bool {
        match self {
            Self::Get { .. }
            | Self::GetMany { .. }
            | Self::GetWithTtl { .. }
            | Self::GetVersioned(_)
            | Self::Exists { .. }
            | Self::HashGet { .. } => true,
            Self::Call(call) => is_reading(call.name),
            _ => false,
        }
    }

    /// Shows every key that the command names.
    pub(crate) fn each_key(&self, mut show: impl FnMut(&Bytes)) {
        match self {
            Self::GetVersioned(versioned) => versioned.keys().for_each(|key| show(&Bytes::copy_from_slice(key))),
            Self::GetMany { keys } | Self::GetWithTtl { keys } | Self::Delete { keys } => keys.iter().for_each(show),
            Self::SetMany { pairs, .. } => pairs.iter().for_each(|(key, _)| show(key)),
            Self::Call(call) => call.keys().for_each(show),
            Self::Get { key }
            | Self::Set(Set { key, .. })
            | Self::Exists { key }
            | Self::Expire { key, .. }
            | Self::IncrBy { key, .. }
            | Self::CompareAndSet { key, .. }
            | Self::HashSet { key, .. }
            | Self::HashReplace { key, .. }
            | Self::HashGet { key, .. } => show(key),
            Self::Entry(entry) => show(&entry.key),
            Self::FillMany(fills) => fills.iter().for_each(|fill| show(&fill.key)),
        }
    }
}

/// Names of commands that only read. `GETEX` is none of them: it changes how long a key lives.
#[rustfmt::skip]
fn is_reading(name: &str) -> bool {
    matches!(
        name,
        "GET" | "MGET" | "STRLEN" | "GETRANGE"
            | "EXISTS" | "TOUCH" | "TTL" | "PTTL" | "TYPE" | "SCAN" | "DBSIZE" | "INFO" | "PING"
            | "HGET" | "HMGET" | "HGETALL" | "HEXISTS" | "HLEN" | "HKEYS" | "HVALS" | "HSCAN" | "HTTL" | "HPTTL"
            | "LRANGE" | "LLEN" | "LINDEX" | "LPOS"
            | "SMEMBERS" | "SISMEMBER" | "SMISMEMBER" | "SCARD" | "SRANDMEMBER" | "SINTER" | "SUNION" | "SDIFF"
            | "SINTERCARD" | "SSCAN"
            | "ZSCORE" | "ZMSCORE" | "ZCARD" | "ZCOUNT" | "ZLEXCOUNT" | "ZRANGE" | "ZRANGEBYSCORE" | "ZRANGEBYLEX"
            | "ZREVRANGE" | "ZREVRANGEBYSCORE" | "ZREVRANGEBYLEX" | "ZRANK" | "ZREVRANK" | "ZSCAN"
            | "JSON.GET" | "JSON.MGET" | "JSON.TYPE" | "JSON.ARRLEN" | "JSON.OBJKEYS" | "JSON.OBJLEN"
            | "EVAL_RO" | "EVALSHA_RO" | "SCRIPT LOAD" | "CLIENT ID" | "COMMAND GETKEYS" | "WATCH"
            | "PUBLISH" | "SPUBLISH"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Call;

    fn keys(command: &Command) -> Vec<Bytes> {
        let mut keys = Vec::new();
        command.each_key(|key| keys.push(key.clone()));
        keys
    }

    #[test]
    fn what_is_not_known_to_read_counts_as_a_change() {
        for name in ["GETEX", "GETDEL", "EVAL", "EVALSHA", "SORT", "NEWCOMMAND"] {
            assert!(!Command::from(Call::new(name)).only_reads(), "{name}");
        }
        assert!(Command::from(Call::new("HGETALL")).only_reads());
        assert!(Command::Get { key: "k".into() }.only_reads());
        assert!(!Command::Delete { keys: vec!["k".into()] }.only_reads());
    }

    #[test]
    fn every_key_is_shown() {
        let pairs = vec![("a".into(), "1".into()), ("b".into(), "2".into())];
        assert_eq!(keys(&Command::SetMany { pairs, ttl: None }), ["a", "b"]);
        let script = Call::new("EVAL")
            .arg("return 1")
            .number(2)
            .keys_of(["a".into(), "b".into()])
            .arg("c");
        assert_eq!(keys(&script.into()), ["a", "b"]);
    }
}
