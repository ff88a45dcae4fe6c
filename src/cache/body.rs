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
    /// Reads the value of a body that was unpacked. What cannot be read as this type is a value of another one.
    pub(super) fn decode<T: DeserializeOwned>(&self, header: &Header, body: &[u8]) -> Option<Option<T>> {
        match header.kind {
            Kind::NotFound => Some(None),
            _ => match format_of(header.codec)?.decode(body) {
                Ok(value) => Some(Some(value)),
                Err(error) => {
                    self.space.counters.unreadable.add(1);
                    tracing::debug!(%error, "an entry holds another type");
                    None
                }
            },
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

    /// Returns the body of an envelope as it was before it was packed.
    pub(super) fn unpack(&self, place: &Place, header: &Header, envelope: &Bytes) -> Result<Bytes, Unreadable> {
        let body = envelope.slice(header.body.min(envelope.len())..);
        let body = match header.sealing {
            0 if self.policy.is_encrypted => return Err(Unreadable::Foreign),
            0 => body,
            SEALED => self.unseal(place, envelope.get(..header.body).unwrap_or_default(), &body)?,
            _ => return Err(Unreadable::Foreign),
        };
        packing::unpack(header.packing, body, header.raw_len, self.policy.max_value_len)
    }

    fn seal(&self, place: &Place, header: &[u8], body: &[u8]) -> Result<Vec<u8>> {
        let road = self.service.road();
        let keys = road.encryption().ok_or_else(no_keys)?;
        keys.seal(&road.prefix().key(place.entry.clone())?, header, body)
    }

    fn unseal(&self, place: &Place, header: &[u8], sealed: &Bytes) -> Result<Bytes, Unreadable> {
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
