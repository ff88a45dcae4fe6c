//! From values to bodies of envelopes and back.

use bytes::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{Cache, reading::Place};
use crate::{
    envelope::{
        Draft, Header, Kind, SEALED, Unreadable,
        header::{codec_of, format_of},
        packing,
    },
    error::{Error, ErrorKind, Result},
};

impl Cache {
    /// Reads the value of a body that was unpacked; nothing if there is none.
    ///
    /// # Errors
    ///
    /// - It is of another type, or in a format that this build does not have.
    pub(super) fn decode<T: DeserializeOwned>(&self, header: &Header, body: &[u8]) -> Result<Option<T>, Unreadable> {
        if header.kind == Kind::NotFound {
            return Ok(None);
        }
        let format = format_of(header.codec).ok_or(Unreadable::Foreign)?;
        match format.decode(body) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.space.counters.unreadable.add(1);
                tracing::debug!(%error, "an entry holds another type");
                Err(Unreadable::Foreign)
            }
        }
    }

    /// Encodes a value; nothing for none.
    ///
    /// # Errors
    ///
    /// - The format has nothing for such a value, or it is longer than the policy permits.
    pub(super) fn encode<T: Serialize>(&self, value: Option<&T>) -> Result<Bytes> {
        let Some(value) = value else {
            return Ok(Bytes::new());
        };
        let body = self.policy.format.encode(value)?;
        if body.len() > self.policy.max_value_len {
            return Err(Error::invalid("a value that is longer than the policy permits"));
        }
        Ok(body)
    }

    /// Packs a body, and writes the envelope.
    ///
    /// # Errors
    ///
    /// - It is to be encrypted, and there is no key.
    pub(super) fn wrap(&self, place: &Place, draft: Draft, body: Bytes) -> Result<Bytes> {
        let raw_len = u32::try_from(body.len()).map_err(|_overflow| Error::invalid("a value of more than 4 GiB"))?;
        let (packing, packed) = packing::pack(body, self.policy.compress_from);
        let draft = Draft {
            codec: codec_of(self.policy.format),
            packing,
            sealing: if self.policy.is_encrypted { SEALED } else { 0 },
            raw_len,
            ..draft
        };
        let mut envelope = draft.write(packed.len());
        if self.policy.is_encrypted {
            envelope.extend(self.seal(place, &envelope, &packed)?);
        } else {
            envelope.extend(packed);
        }
        Ok(envelope.into())
    }

    /// Returns the body of an envelope as it was before it was packed; nothing if it stands there as it was.
    pub(super) fn unpack(&self, place: &Place, header: &Header, envelope: &Bytes) -> Result<Option<Bytes>, Unreadable> {
        let unpack = |body: &[u8]| packing::unpack(header.packing, body, header.raw_len, self.policy.max_value_len);
        let (head, body) = envelope.split_at_checked(header.body).ok_or(Unreadable::Corrupt)?;
        match header.sealing {
            0 if self.policy.is_encrypted => Err(Unreadable::Foreign),
            0 => unpack(body),
            SEALED => {
                let opened = self.unseal(place, head, body)?;
                Ok(Some(unpack(&opened)?.unwrap_or(opened)))
            }
            _ => Err(Unreadable::Foreign),
        }
    }

    fn seal(&self, place: &Place, header: &[u8], body: &[u8]) -> Result<Vec<u8>> {
        let road = self.service.road();
        let keys = road.encryption().ok_or_else(no_keys)?;
        keys.seal(&road.prefix().key(place.entry.clone())?, header, body)
    }

    fn unseal(&self, place: &Place, header: &[u8], sealed: &[u8]) -> Result<Bytes, Unreadable> {
        let road = self.service.road();
        let key = road.prefix().key(place.entry.clone());
        let key = key.map_err(|_invalid| Unreadable::Corrupt)?;
        road.encryption().ok_or(Unreadable::Foreign)?.open(&key, header, sealed)
    }
}

fn no_keys() -> Error {
    let message = "a cache is to be encrypted, and there is no key: set REDIS_ENCRYPTION_KEY";
    Error::new(ErrorKind::Config, message)
}
