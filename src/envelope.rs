//! How the read-through cache keeps a value at a key: a header, and a body, which may be packed, and then sealed.

#[cfg(not(feature = "encryption"))]
mod absent;
pub(crate) mod header;
#[cfg(feature = "encryption")]
mod keyring;
pub(crate) mod packing;
#[cfg(feature = "encryption")]
mod seal;

#[cfg(not(feature = "encryption"))]
pub(crate) use self::absent::EncryptionKeys;
pub(crate) use self::header::{Draft, Header, Kind, Unreadable};
#[cfg(feature = "encryption")]
pub use self::keyring::EncryptionKeys;

/// What a header says of a body that was sealed; 0 is one that was not.
pub(crate) const SEALED: u8 = 1;
