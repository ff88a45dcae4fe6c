//! Values that would put replies out of step if they were taken for something else, each bound to its key.

/// What fred, the protocol or a cluster might take for something else.
const WORDS: [&[u8]; 19] = [
    b"message",
    b"pmessage",
    b"smessage",
    b"subscribe",
    b"psubscribe",
    b"ssubscribe",
    b"unsubscribe",
    b"pubsub",
    b"invalidate",
    b"MOVED 1 h:1",
    b"MOVED 12182 127.0.0.1:1",
    b"ASK 1 127.0.0.1:1",
    b"CLUSTERDOWN The cluster is down",
    b"-ERR no\r\n",
    b"*3\r\n$7\r\nmessage\r\n",
    b"$-1\r\n",
    b"",
    b"\xff\xfe\x80\x00",
    b"QUEUED",
];

/// Stands between the parts of a value.
const SEPARATOR: u8 = 0x1f;

/// Returns the word of a key. Those of other keys mostly differ.
pub(super) fn word_of(key: &str) -> &'static [u8] {
    let mixed = key.bytes().fold(0_usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(usize::from(byte))
    });
    WORDS.get(mixed % WORDS.len()).copied().unwrap_or_default()
}

/// Returns a value that no other key has, and this one only once.
pub(super) fn bound(key: &str, version: u64) -> Vec<u8> {
    let tail = format!("{key}\u{1f}{version}");
    [word_of(key), &[SEPARATOR], tail.as_bytes()].concat()
}

/// Returns the version of a value, or `None` if it is not this key's.
pub(super) fn version_of(key: &str, value: &[u8]) -> Option<u64> {
    let rest = value.strip_prefix(word_of(key))?.strip_prefix(&[SEPARATOR])?;
    let version = rest.strip_prefix(key.as_bytes())?.strip_prefix(&[SEPARATOR])?;
    std::str::from_utf8(version).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_known_by_its_key_only() {
        let value = bound("{t1}:1:text", 7);
        assert_eq!(version_of("{t1}:1:text", &value), Some(7));
        assert_eq!(version_of("{t1}:1:tex", &value), None);
        assert_eq!(version_of("{t1}:2:text", &value), None);
        assert_eq!(version_of("{t1}:1:text", word_of("{t1}:1:text")), None);
    }

    #[test]
    fn every_word_is_some_keys() {
        let keys: Vec<_> = (0..200).map(|key| format!("key:{key}")).collect();
        assert!(WORDS.iter().all(|word| keys.iter().any(|key| word_of(key) == *word)));
    }
}
