//! MessagePack, with structs as maps by the names of their fields.

use std::io::Cursor;

use bytes::Bytes;
use rmp_serde::decode::Error as DecodeError;
use serde::{Serialize, de::DeserializeOwned};

use super::{not_read, not_written};
use crate::error::Result;

pub(crate) fn to_message_pack<T: Serialize + ?Sized>(value: &T) -> Result<Bytes> {
    match rmp_serde::to_vec_named(value) {
        Ok(packed) => Ok(packed.into()),
        Err(_quotes_the_value) => Err(not_written::<T>("MessagePack")),
    }
}

/// Reads the whole of it. The crate's own function would not mind what comes after the value.
pub(crate) fn from_message_pack<T: DeserializeOwned>(packed: &[u8]) -> Result<T> {
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(packed));
    let outcome = T::deserialize(&mut reader);
    let position = reader.position();
    let is_whole = usize::try_from(position).is_ok_and(|position| position == packed.len());
    let what = match outcome {
        Ok(value) if is_whole => return Ok(value),
        Ok(_) => "ends before its bytes do",
        Err(DecodeError::InvalidMarkerRead(_) | DecodeError::InvalidDataRead(_)) => "ends too early",
        Err(_) => "has another shape",
    };
    Err(not_read::<T>(what, &format!("byte {position}")))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_decode_error_names_type_and_position_but_never_the_content() {
        let packed = to_message_pack(&HashMap::from([("a", "sesame")])).unwrap();
        let error = from_message_pack::<HashMap<String, u32>>(&packed).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("HashMap"), "{error}");
        assert!(error.to_string().contains("another shape (byte "), "{error}");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn what_is_cut_off_or_followed_by_more_is_no_value() {
        let packed = to_message_pack(&[1, 2]).unwrap();
        let cut = from_message_pack::<Vec<u8>>(&packed[..2]).unwrap_err();
        assert!(cut.to_string().contains("ends too early (byte 2)"), "{cut}");
        let more = [&packed[..], b"\x01"].concat();
        let more = from_message_pack::<Vec<u8>>(&more).unwrap_err();
        assert!(more.to_string().contains("ends before its bytes do (byte 3)"), "{more}");
    }
}
