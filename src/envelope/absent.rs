//! What stands for encryption in a build without it: keys of which there are none, so that the compiler leaves out whatever would use them.

use bytes::Bytes;

use super::Unreadable;
use crate::error::{Error, ErrorKind, Result};

/// None: the feature `encryption` is off.
#[derive(Debug, Clone)]
pub(crate) enum EncryptionKeys {}

impl EncryptionKeys {
    pub(crate) fn parse(_: &str) -> Result<Self> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "this program was built without redis-manager's feature `encryption`",
        ))
    }

    pub(crate) fn seal(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<Vec<u8>> {
        match *self {}
    }

    pub(crate) fn open(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<Bytes, Unreadable> {
        match *self {}
    }
}
