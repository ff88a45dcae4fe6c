//! The keys by which values are encrypted, and how they are written down.

use std::{fmt, sync::Arc};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ring::aead::{AES_256_GCM, LessSafeKey, UnboundKey};

use crate::error::{Error, Result};

const KEY_LEN: usize = 32;
const MAX_ID_LEN: usize = 32;

/// What is accepted as a key.
const KEY: &str = "a key of 32 bytes in base64, or of 64 hexadecimal digits";

/// The id of a key that was given alone and without one.
const ONLY: &str = "0";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys by which caches encrypt values (AES-256-GCM): the first one encrypts, all of them decrypt.
///
/// A value bears the id of its key, and can be read at the Redis key for which it was encrypted and nowhere else. What was changed, or was encrypted by a
/// key that is not among these, is a miss. Hidden is what a value says; its key, its tags, its times and its length are not. Whoever can write
/// to the server can still delete a value, or put an older one back where it was.
///
/// **Rotation**: put a new key in front, with an id of its own, and leave the old one behind it for as long as values live that it encrypted. Where several
/// processes share a cache, first give the new key to all of them at the end of the list, so that each can read what another one writes. A key may encrypt
/// 2³² values, by all processes together (NIST SP 800-38D, 8.3: every value has a random nonce); at a thousand a second that is seven weeks.
///
/// # Examples
///
/// ```
/// use redis_manager::EncryptionKeys;
///
/// let keys = EncryptionKeys::new("2025", [7; 32])?.and("2024", [3; 32])?;
/// assert_eq!(format!("{keys:?}"), r#"EncryptionKeys(["2025", "2024"])"#); // ids, never a key
/// # Ok::<(), redis_manager::Error>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKeys {
    keyring: Arc<Keyring>,
}

#[derive(Clone)]
struct Keyring {
    first: NamedKey,
    others: Vec<NamedKey>,
}

#[derive(Clone)]
pub(super) struct NamedKey {
    pub(super) id: String,
    pub(super) key: LessSafeKey,
}

impl EncryptionKeys {
    /// Makes keys of one: it encrypts and decrypts. Take all its bytes from a source of randomness for cryptography.
    ///
    /// # Errors
    ///
    /// - The id is not 1 to 32 of the characters `A-Z a-z 0-9 _ -`.
    pub fn new(id: impl Into<String>, key: [u8; 32]) -> Result<Self> {
        let keyring = Keyring {
            first: NamedKey::new(id.into(), &key).map_err(refused)?,
            others: Vec::new(),
        };
        Ok(Self {
            keyring: Arc::new(keyring),
        })
    }

    /// Adds a key that decrypts only.
    ///
    /// # Errors
    ///
    /// - The id is not 1 to 32 of the characters `A-Z a-z 0-9 _ -`, or another key has it already.
    pub fn and(mut self, id: impl Into<String>, key: [u8; 32]) -> Result<Self> {
        let key = NamedKey::new(id.into(), &key).map_err(refused)?;
        if self.find(key.id.as_bytes()).is_some() {
            return Err(refused("an id that no other key has"));
        }
        Arc::make_mut(&mut self.keyring).others.push(key);
        Ok(self)
    }

    /// Reads keys as `REDIS_ENCRYPTION_KEY` holds them: `id:key`, several separated by commas, the one that encrypts first. A key is 32 bytes in base64
    /// (`openssl rand -base64 32` makes one), or 64 hexadecimal digits; an id is 1 to 32 of the characters `A-Z a-z 0-9 _ -`. A single key may
    /// come without an id, and has the id `0` then.
    ///
    /// # Errors
    ///
    /// - The text is anything else, or an id comes twice. The error says at which place of the list, and never repeats what stands there.
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::EncryptionKeys;
    ///
    /// let old = "r8gwVUnSGzuOGXjOXQFp1whNE6qpd/vxmGxsTSI3ZSo=";
    /// let alone = EncryptionKeys::parse(old)?;
    /// assert_eq!(format!("{alone:?}"), r#"EncryptionKeys(["0"])"#);
    ///
    /// let new = "0123456789abcdef".repeat(4);
    /// let rotated = EncryptionKeys::parse(&format!("1:{new},0:{old}"))?;
    /// assert_eq!(format!("{rotated:?}"), r#"EncryptionKeys(["1", "0"])"#);
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let is_alone = !text.contains(',');
        let mut keys: Option<Self> = None;
        for (place, item) in (1..).zip(text.split(',')) {
            let at_place = |error: Error| Error::invalid(format!("at place {place} {}", error.message()));
            let (id, key) = match item.trim().split_once(':') {
                Some(named) => named,
                None if is_alone => (ONLY, item.trim()),
                None => return Err(at_place(refused("`id:key`"))),
            };
            let key = read_key(key).ok_or_else(|| at_place(refused(KEY)))?;
            let more = match keys {
                None => Self::new(id, key),
                Some(keys) => keys.and(id, key),
            };
            keys = Some(more.map_err(at_place)?);
        }
        keys.ok_or_else(|| refused(KEY))
    }

    /// Returns the key that encrypts.
    pub(super) fn first(&self) -> &NamedKey {
        &self.keyring.first
    }

    /// Finds the key with this id.
    pub(super) fn find(&self, id: &[u8]) -> Option<&NamedKey> {
        self.all().find(|key| key.id.as_bytes() == id)
    }

    fn all(&self) -> impl Iterator<Item = &NamedKey> {
        [&self.keyring.first].into_iter().chain(&self.keyring.others)
    }
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.all().map(|key| &key.id).collect();
        f.debug_tuple("EncryptionKeys").field(&ids).finish()
    }
}

impl NamedKey {
    /// Makes a key, or says what is accepted as one.
    fn new(id: String, key: &[u8; KEY_LEN]) -> Result<Self, &'static str> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if !(1..=MAX_ID_LEN).contains(&id.len()) || !id.bytes().all(is_plain) {
            return Err("an id of 1 to 32 of the characters A-Z a-z 0-9 _ -");
        }
        match UnboundKey::new(&AES_256_GCM, key) {
            Ok(key) => Ok(Self {
                id,
                key: LessSafeKey::new(key),
            }),
            Err(_says_nothing) => Err(KEY),
        }
    }
}

/// Without what was given instead: it may be a key in the wrong place.
fn refused(accepted: &str) -> Error {
    Error::invalid(format!("accepted is {accepted}"))
}

fn read_key(text: &str) -> Option<[u8; KEY_LEN]> {
    from_hex(text).or_else(|| from_base64(text))
}

fn from_hex(text: &str) -> Option<[u8; KEY_LEN]> {
    if text.len() != 2 * KEY_LEN {
        return None;
    }
    let mut digits = text.chars().map(|digit| digit.to_digit(16));
    let mut key = [0; KEY_LEN];
    for byte in &mut key {
        *byte = u8::try_from((digits.next()?? << 4) | digits.next()??).ok()?;
    }
    Some(key)
}

fn from_base64(text: &str) -> Option<[u8; KEY_LEN]> {
    // Room for what does not fit a key, so that it is found to be too long.
    let mut decoded = [0; KEY_LEN + 4];
    let len = BASE64.decode_slice(text, &mut decoded).ok()?;
    decoded.get(..len)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = "r8gwVUnSGzuOGXjOXQFp1whNE6qpd/vxmGxsTSI3ZSo=";
    const HEX: &str = "afc8305549d21b3b8e1978ce5d0169d7084d13aaa977fbf1986c6c4d2237652A";

    fn ids(text: &str) -> String {
        format!("{:?}", EncryptionKeys::parse(text).unwrap())
    }

    #[test]
    fn every_way_to_write_a_key_means_the_same() {
        let unpadded = BASE.trim_end_matches('=');
        let key = read_key(BASE).unwrap();
        assert_eq!((key[0], key[31]), (0xaf, 0x2a));
        for text in [unpadded, HEX, &HEX.to_uppercase()] {
            assert_eq!(read_key(text), Some(key), "{text}");
        }
    }

    #[test]
    fn one_key_or_several_are_read_in_their_order() {
        assert_eq!(ids(BASE), r#"EncryptionKeys(["0"])"#);
        assert_eq!(ids(&format!(" {HEX}\n")), r#"EncryptionKeys(["0"])"#);
        assert_eq!(ids(&format!("a:{BASE}")), r#"EncryptionKeys(["a"])"#);
        assert_eq!(
            ids(&format!("2025-01_B:{BASE}, 0:{HEX},c:{BASE}")),
            r#"EncryptionKeys(["2025-01_B", "0", "c"])"#
        );
        let id = "x".repeat(32);
        assert!(ids(&format!("{id}:{BASE}")).contains(&id));
    }

    #[test]
    fn what_is_no_key_is_refused_by_its_place_and_not_repeated() {
        let long = "x".repeat(33);
        let cases = [
            (String::new(), "1"),
            ("sesame".to_owned(), "1"),
            (BASE.replacen('r', "", 1), "1"),
            (format!("A{BASE}"), "1"),
            (format!("{BASE}{BASE}"), "1"),
            (BASE.replace('/', "_"), "1"),
            (BASE.replace("o=", "p="), "1"),
            (HEX.replacen('a', "", 2), "1"),
            (HEX.replacen('a', "\u{e9}", 1), "1"),
            (format!(":{BASE}"), "1"),
            (format!("{long}:{BASE}"), "1"),
            (format!("a b:{BASE}"), "1"),
            (format!("{BASE}:a"), "1"),
            (format!("a:b:{BASE}"), "1"),
            (format!("{BASE},{HEX}"), "1"),
            (format!("a:{BASE},"), "2"),
            (format!(",a:{BASE}"), "1"),
            (format!("a:{BASE},{HEX}"), "2"),
            (format!("a:{BASE},b:{HEX},a:{HEX}"), "3"),
        ];
        for (text, place) in cases {
            let error = EncryptionKeys::parse(&text).unwrap_err();
            let told = format!("{error} {error:?}");
            assert!(told.contains(&format!("at place {place}")), "{text:?}: {told}");
            for secret in ["sesame", "GzuOGXjO", "1b3b8e19", "xxx", "a b"] {
                assert!(!told.contains(secret), "{text:?}: {told}");
            }
        }
    }

    #[test]
    fn ids_are_checked_in_code_too() {
        let key = [1; 32];
        for id in ["", "a:b", "a,b", "\u{e9}", &"x".repeat(33)] {
            assert_eq!(
                EncryptionKeys::new(id, key).unwrap_err().code(),
                "invalid_argument",
                "{id}"
            );
        }
        let keys = EncryptionKeys::new("a", key).unwrap();
        assert!(keys.clone().and("a", [2; 32]).is_err());
        assert!(keys.clone().and("", key).is_err());
        let more = keys.clone().and("b", key).unwrap();
        assert!(more.find(b"b").is_some());
        assert!(keys.find(b"b").is_none(), "a clone has its own keys");
    }

    #[test]
    fn nothing_that_is_printed_shows_a_key() {
        let keys = EncryptionKeys::new("id", *b"sesame, open sesame, open please").unwrap();
        let printed = format!("{keys:?} {keys:#?}");
        assert!(
            !printed.contains("sesame") && !printed.contains("115, 101"),
            "{printed}"
        );
    }
}
