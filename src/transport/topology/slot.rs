//! The slots of a cluster, and which of them a key is in.

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// Returns the slot of a key: the CRC16 of the key, or of its hash tag, modulo 16384, by the Redis Cluster specification.
pub(in super::super) fn slot_of(key: &[u8]) -> u16 {
    fred::util::redis_keyslot(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hash_as_the_specification_says() {
        assert_eq!(slot_of(b"123456789"), 0x31c3);
        assert_eq!(slot_of(b""), 0);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_ne!(slot_of(b"foo{}{bar}"), slot_of(b"bar"));
        assert_eq!(slot_of(b"foo{{bar}}zap"), slot_of(b"{bar"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
    }
}
