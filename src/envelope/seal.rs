//! Bodies that nobody can read or change: AES-256-GCM, with a random nonce for each.
//!
//! | bytes | what |
//! |---|---|
//! | 0 | length of the id of the key |
//! | from 1 on | the id |
//! | then 12 | the nonce |
//! | the rest | the body, encrypted, and a tag of 16 bytes |
//!
//! The tag vouches also for the id, for the Redis key, and for what never changes of the header.

use bytes::Bytes;
use ring::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce},
    rand::{SecureRandom, SystemRandom},
};

use super::{EncryptionKeys, Unreadable, header::unchanging};
use crate::error::{Error, ErrorKind, Result};

/// A sealed body, taken apart.
struct Parts<'a> {
    id: &'a [u8],
    nonce: [u8; NONCE_LEN],
    body: &'a [u8],
}

impl EncryptionKeys {
    /// Encrypts a body for one place only: `key` is the key as the server knows it, with its prefix, and `header` is all that will stand before the body.
    ///
    /// # Errors
    ///
    /// - The system has no random numbers to give.
    pub(crate) fn seal(&self, key: &[u8], header: &[u8], body: &[u8]) -> Result<Vec<u8>> {
        let own = self.first();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok().ok_or_else(not_sealed)?;
        let id = own.id.as_bytes();
        let mut sealed = Vec::with_capacity(1 + id.len() + NONCE_LEN + body.len() + AES_256_GCM.tag_len());
        sealed.push(u8::try_from(id.len()).ok().ok_or_else(not_sealed)?);
        sealed.extend(id);
        sealed.extend(nonce);
        let begin = sealed.len();
        sealed.extend(body);
        let (_, body) = sealed.split_at_mut(begin);
        let aad = Aad::from(vouched_for(id, key, header));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = own.key.seal_in_place_separate_tag(nonce, aad, body);
        sealed.extend(tag.ok().ok_or_else(not_sealed)?.as_ref());
        Ok(sealed)
    }

    /// Decrypts what was sealed for this place: with this key, and behind this header.
    ///
    /// # Errors
    ///
    /// - [`Foreign`](Unreadable::Foreign): it was sealed by a key with an id that is not among these.
    /// - [`Corrupt`](Unreadable::Corrupt): it was changed, or was sealed for another place or by another key.
    pub(crate) fn open(&self, key: &[u8], header: &[u8], sealed: &[u8]) -> Result<Bytes, Unreadable> {
        let Parts { id, nonce, body } = Parts::of(sealed).ok_or(Unreadable::Corrupt)?;
        let own = self.find(id).ok_or(Unreadable::Foreign)?;
        let aad = Aad::from(vouched_for(id, key, header));
        let mut body = body.to_vec();
        let opened = own
            .key
            .open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut body);
        let len = opened.or(Err(Unreadable::Corrupt))?.len();
        body.truncate(len);
        Ok(body.into())
    }
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (len, rest) = sealed.split_first()?;
        let (id, rest) = rest.split_at_checked((*len).into())?;
        let (nonce, body) = rest.split_first_chunk()?;
        Some(Self {
            id,
            nonce: *nonce,
            body,
        })
    }
}

/// Returns what the tag vouches for, beside the body. Each part but the last has its length in front, so that no byte can move from one into the next.
fn vouched_for(id: &[u8], key: &[u8], header: &[u8]) -> Vec<u8> {
    let [begin, rest] = unchanging(header);
    let mut vouched_for = Vec::with_capacity(3 * 8 + id.len() + key.len() + header.len());
    for part in [id, key, begin] {
        vouched_for.extend((part.len() as u64).to_be_bytes());
        vouched_for.extend(part);
    }
    vouched_for.extend(rest);
    vouched_for
}

fn not_sealed() -> Error {
    Error::new(ErrorKind::Encode, "the value could not be encrypted")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::header::{FIXED, ID},
        *,
    };

    const KEY: &[u8] = b"shop:user:1";

    fn keys() -> EncryptionKeys {
        EncryptionKeys::new("a", [1; 32]).unwrap()
    }

    fn header() -> Vec<u8> {
        (0..100).collect()
    }

    fn sealed(keys: &EncryptionKeys, body: &[u8]) -> Bytes {
        keys.seal(KEY, &header(), body).unwrap().into()
    }

    /// Opens where it was sealed.
    fn opened(keys: &EncryptionKeys, sealed: &[u8]) -> Result<Bytes, Unreadable> {
        keys.open(KEY, &header(), sealed)
    }

    fn changed(bytes: &[u8], at: usize) -> Vec<u8> {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        changed
    }

    #[test]
    fn what_was_sealed_is_opened_and_does_not_show() {
        let keys = keys();
        for body in ["", "x", "open sesame", &"open sesame ".repeat(1_000)] {
            let sealed = sealed(&keys, body.as_bytes());
            assert_eq!(sealed.len(), 1 + 1 + 12 + body.len() + 16);
            assert!(!String::from_utf8_lossy(&sealed).contains("sesame"));
            assert_eq!(opened(&keys, &sealed), Ok(Bytes::from(body.to_owned())));
        }
    }

    #[test]
    fn no_two_seals_are_the_same() {
        let keys = keys();
        assert_ne!(sealed(&keys, b"body"), sealed(&keys, b"body"));
    }

    #[test]
    fn a_changed_byte_anywhere_is_refused() {
        let keys = keys();
        let sealed = sealed(&keys, b"body");
        for at in 0..sealed.len() {
            assert!(opened(&keys, &changed(&sealed, at)).is_err(), "sealed {at}");
        }
        for at in 0..KEY.len() {
            let opened = keys.open(&changed(KEY, at), &header(), &sealed);
            assert_eq!(opened, Err(Unreadable::Corrupt), "key {at}");
        }
        for at in 0..header().len() {
            let opened = keys.open(KEY, &changed(&header(), at), &sealed);
            // The lease and its neighbours are written by the server's scripts.
            let may_change = (ID..FIXED).contains(&at);
            assert_eq!(opened.is_ok(), may_change, "header {at}");
        }
    }

    /// By the same key under another id: else the tag would be refused anyway.
    #[test]
    fn another_id_is_refused_even_with_the_same_key() {
        let keys = keys().and("b", [1; 32]).unwrap();
        let mut relabelled = sealed(&keys, b"body").to_vec();
        assert_eq!(relabelled[1], b'a');
        relabelled[1] = b'b';
        assert_eq!(opened(&keys, &relabelled), Err(Unreadable::Corrupt));
    }

    #[test]
    fn what_is_cut_or_goes_on_is_refused() {
        let keys = keys();
        let sealed = sealed(&keys, b"body");
        for len in 0..sealed.len() {
            assert!(opened(&keys, &sealed.slice(..len)).is_err(), "{len}");
        }
        let longer = Bytes::from([&sealed[..], b"x"].concat());
        assert_eq!(opened(&keys, &longer), Err(Unreadable::Corrupt));
        let shorter_header = keys.open(KEY, &header()[..99], &sealed);
        assert_eq!(shorter_header, Err(Unreadable::Corrupt));
    }

    #[test]
    fn no_byte_moves_between_the_key_and_the_header() {
        let keys = keys();
        let sealed: Bytes = keys.seal(b"ab", b"cdefghij", b"body").unwrap().into();
        assert!(keys.open(b"ab", b"cdefghij", &sealed).is_ok());
        assert!(keys.open(b"abc", b"defghij", &sealed).is_err());
        assert!(keys.open(b"a", b"bcdefghij", &sealed).is_err());
    }

    #[test]
    fn a_rotated_key_still_opens_and_the_new_one_seals() {
        let old = keys();
        let new = EncryptionKeys::new("b", [2; 32]).unwrap();
        let both = new.clone().and("a", [1; 32]).unwrap();
        assert_eq!(opened(&both, &sealed(&old, b"body")), Ok("body".into()));
        assert_eq!(opened(&new, &sealed(&both, b"body")), Ok("body".into()));
        assert_eq!(opened(&old, &sealed(&both, b"body")), Err(Unreadable::Foreign));
    }

    #[test]
    fn another_key_under_the_same_id_is_refused() {
        let other = EncryptionKeys::new("a", [2; 32]).unwrap();
        assert_eq!(opened(&other, &sealed(&keys(), b"body")), Err(Unreadable::Corrupt));
    }

    /// What was once sealed has to be opened by every version to come. These bytes were made by another implementation of AES-GCM.
    #[test]
    fn the_layout_stays_as_it_is() {
        let keys =
            EncryptionKeys::parse("k1:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f").unwrap();
        let (id, nonce) = (b"\x02k1", b"defghijklmno");
        let body = [0x2a, 0x74, 0xba, 0x1f];
        let tag = [
            0x05, 0x04, 0xec, 0x22, 0x3f, 0x49, 0xca, 0xb4, 0x93, 0xcc, 0x3f, 0x97, 0xb9, 0x9f, 0x36, 0x91,
        ];
        let sealed = Bytes::from([&id[..], nonce, &body, &tag].concat());
        assert_eq!(opened(&keys, &sealed), Ok("body".into()));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_is_opened(
            key in proptest::collection::vec(any::<u8>(), 0..40),
            header in proptest::collection::vec(any::<u8>(), 0..120),
            body in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let sealed = keys().seal(&key, &header, &body).unwrap();
            prop_assert_eq!(keys().open(&key, &header, &sealed), Ok(body.into()));
        }

        #[test]
        fn no_bytes_are_opened_or_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let as_ours = [b"\x01a", &bytes[..]].concat();
            for bytes in [bytes, as_ours] {
                prop_assert!(opened(&keys(), &bytes).is_err());
            }
        }
    }
}
