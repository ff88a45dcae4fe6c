//! The slots of a cluster, and which of them a key is in.

use once_cell::sync::Lazy;

/// How many slots a cluster has.
pub(super) const SLOTS: u16 = 16_384;

/// Returns the slot of a key: the CRC16 of the key, or of its hash tag, modulo 16384, by the Redis Cluster specification.
pub(in super::super) fn slot_of(key: &[u8]) -> u16 {
    fred::util::redis_keyslot(key)
}

/// For each slot a number that is in it, by its digits as a hash tag.
static TAGS: Lazy<Vec<u32>> = Lazy::new(|| {
    let mut tags = vec![None; SLOTS.into()];
    let mut left = tags.len();
    for number in 0..u32::MAX {
        if left == 0 {
            break;
        }
        if let Some(tag @ None) = tags.get_mut(usize::from(slot_of(number.to_string().as_bytes()))) {
            *tag = Some(number);
            left -= 1;
        }
    }
    tags.into_iter().flatten().collect()
});

/// Returns for each slot a number whose digits are a hash tag in it. Made once, in some tens of milliseconds.
pub(in super::super) fn tags() -> &'static [u32] {
    &TAGS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_tag() {
        assert_eq!(tags().len(), SLOTS.into());
        for (slot, tag) in tags().iter().enumerate() {
            assert_eq!(usize::from(slot_of(format!("a:{{{tag}}}").as_bytes())), slot);
        }
    }

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
