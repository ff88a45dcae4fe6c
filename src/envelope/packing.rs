//! Bodies made smaller where that is worth it: by LZ4, as one block. How long they were stands in the header.

use bytes::Bytes;
use lz4_flex::block;

use super::Unreadable;

const RAW: u8 = 0;
const LZ4: u8 = 1;

/// What one byte of a block can become at most: it is how lengths of more than a byte go on.
const MOST: usize = u8::MAX as usize;

/// Compresses a body of at least `from` bytes, and leaves it as it is where that would not save an eighth of it. Returns what the header says of
/// the packing.
pub(crate) fn pack(body: Bytes, from: usize) -> (u8, Bytes) {
    // What is longer than a header can say is not packed either.
    if body.len() < from || u32::try_from(body.len()).is_err() {
        return (RAW, body);
    }
    let packed = block::compress(&body);
    if packed.len() + body.len().div_ceil(8) <= body.len() {
        (LZ4, packed.into())
    } else {
        (RAW, body)
    }
}

/// Returns the body as it was, nothing if it was not packed: of exactly `raw_len` bytes, and of `cap` at most. That is checked before any memory is taken.
pub(crate) fn unpack(packing: u8, body: &[u8], raw_len: u32, cap: usize) -> Result<Option<Bytes>, Unreadable> {
    if !matches!(packing, RAW | LZ4) {
        return Err(Unreadable::Foreign);
    }
    let len = usize::try_from(raw_len).ok().filter(|len| *len <= cap);
    let len = len.ok_or(Unreadable::Corrupt)?;
    if packing == RAW {
        return if body.len() == len {
            Ok(None)
        } else {
            Err(Unreadable::Corrupt)
        };
    }
    if len > body.len().saturating_mul(MOST) {
        return Err(Unreadable::Corrupt);
    }
    let unpacked = block::decompress(body, len).ok().filter(|body| body.len() == len);
    unpacked.map(|body| Some(body.into())).ok_or(Unreadable::Corrupt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpack(packing: u8, body: Bytes, raw_len: u32, cap: usize) -> Result<Bytes, Unreadable> {
        Ok(super::unpack(packing, &body, raw_len, cap)?.unwrap_or(body))
    }

    const CAP: usize = 1 << 20;

    fn length(body: &Bytes) -> u32 {
        u32::try_from(body.len()).unwrap()
    }

    /// Bytes in which nothing comes twice.
    fn noise(len: usize) -> Bytes {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn long_bodies_are_packed_and_short_ones_are_not() {
        let text = Bytes::from("all work and no play ".repeat(100));
        assert_eq!(pack(text.clone(), text.len() + 1), (RAW, text.clone()));
        let (packing, packed) = pack(text.clone(), text.len());
        assert_eq!(packing, LZ4);
        assert!(packed.len() < 100, "{}", packed.len());
        assert_eq!(unpack(packing, packed, length(&text), CAP), Ok(text));
    }

    #[test]
    fn what_does_not_become_an_eighth_smaller_stays_as_it_is() {
        assert_eq!(pack(noise(4_096), 1), (RAW, noise(4_096)));
        let with_zeros = |zeros: usize| Bytes::from([&noise(7_000)[..], &vec![0; zeros]].concat());
        assert_eq!(pack(with_zeros(900), 1), (RAW, with_zeros(900)));
        assert_eq!(pack(with_zeros(1_200), 1).0, LZ4);
        assert_eq!(pack(Bytes::new(), 0), (RAW, Bytes::new()));
    }

    #[test]
    fn a_bomb_is_refused_before_it_takes_memory() {
        let (packing, packed) = pack(vec![0; CAP].into(), 1);
        assert!(packed.len() < CAP / 200, "it is one");
        assert_eq!(
            unpack(packing, packed.clone(), u32::MAX, CAP),
            Err(Unreadable::Corrupt),
            "longer than permitted"
        );
        assert_eq!(
            unpack(packing, packed.slice(..10), u32::MAX, usize::MAX),
            Err(Unreadable::Corrupt),
            "longer than ten bytes can become"
        );
        let len = u32::try_from(CAP).unwrap();
        assert_eq!(unpack(packing, packed.clone(), len, CAP - 1), Err(Unreadable::Corrupt));
        assert!(unpack(packing, packed, len, CAP).is_ok());
    }

    #[test]
    fn a_body_of_another_length_than_the_header_says_is_corrupt() {
        let text = Bytes::from("word ".repeat(1_000));
        for (packing, body) in [pack(text.clone(), 1), (RAW, text.clone())] {
            for len in [0, 1, length(&text) - 1, length(&text) + 1] {
                let unpacked = unpack(packing, body.clone(), len, CAP);
                assert_eq!(unpacked, Err(Unreadable::Corrupt), "{packing} {len}");
            }
        }
    }

    #[test]
    fn an_unknown_packing_is_foreign() {
        for packing in 2..=u8::MAX {
            let unpacked = unpack(packing, "body".into(), 4, CAP);
            assert_eq!(unpacked, Err(Unreadable::Foreign), "{packing}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_packed_is_unpacked(
            words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 0..8),
            order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..200),
            from in 0_usize..500,
        ) {
            let words = order.iter().filter(|_| !words.is_empty()).map(|index| index.get(&words).as_slice());
            let body = Bytes::from(words.collect::<Vec<_>>().concat());
            let (packing, packed) = pack(body.clone(), from);
            prop_assert!(packed.len() <= body.len());
            prop_assert_eq!(unpack(packing, packed, length(&body), body.len()), Ok(body));
        }

        #[test]
        fn no_bytes_make_it_panic_or_exceed_the_cap(
            packing in 0..3_u8,
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            raw_len in prop_oneof![0..2_000_u32, any::<u32>()],
            cap in 0_usize..2_000,
        ) {
            if let Ok(body) = unpack(packing, bytes.into(), raw_len, cap) {
                prop_assert!(body.len() <= cap);
            }
        }

        #[test]
        fn a_damaged_block_keeps_its_length_or_is_refused(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
            let text = Bytes::from("all work and no play, all play and no work; ".repeat(20));
            let (packing, packed) = pack(text.clone(), 1);
            let mut damaged = packed.to_vec();
            damaged[at.index(packed.len())] = byte;
            if let Ok(body) = unpack(packing, damaged.into(), length(&text), CAP) {
                prop_assert_eq!(body.len(), text.len());
            }
        }
    }
}
