//! The arguments of a command, read one after the other.

use bytes::Bytes;

use crate::{
    command::{Arg, Call},
    error::{Error, ErrorKind, Result},
};

/// What is left of a command's arguments.
pub(super) struct Words<'a>(&'a [Arg]);

impl<'a> Words<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        Self(&call.args)
    }

    /// Returns the next argument.
    ///
    /// # Errors
    ///
    /// - There is none.
    pub(super) fn next(&mut self) -> Result<&'a Bytes> {
        let (first, rest) = self.0.split_first().ok_or_else(syntax)?;
        self.0 = rest;
        Ok(first.bytes())
    }

    pub(super) fn integer(&mut self) -> Result<i64> {
        integer(self.next()?)
    }

    pub(super) fn positive(&mut self) -> Result<usize> {
        usize::try_from(self.integer()?)
            .map_err(|_negative| Error::new(ErrorKind::Server, "ERR value is out of range, must be positive"))
    }

    pub(super) fn float(&mut self) -> Result<f64> {
        float(self.next()?)
    }

    /// Takes the next argument if it is this word, in any case, and says whether it was.
    pub(super) fn take(&mut self, word: &str) -> bool {
        let is_next = self
            .0
            .first()
            .is_some_and(|arg| arg.bytes().eq_ignore_ascii_case(word.as_bytes()));
        if is_next {
            self.0 = &self.0[1..];
        }
        is_next
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns all that is left.
    pub(super) fn rest(&mut self) -> impl Iterator<Item = &'a Bytes> + use<'a> {
        std::mem::take(&mut self.0).iter().map(Arg::bytes)
    }
}

pub(super) fn syntax() -> Error {
    Error::new(ErrorKind::Server, "ERR syntax error")
}

/// Reads what Redis takes for an integer: `i64` in its one canonical form, without sign `+`, spaces or leading zeros.
pub(super) fn integer(value: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(value).ok();
    let parsed = text.and_then(|text| text.parse::<i64>().ok().filter(|number| number.to_string() == text));
    parsed.ok_or_else(|| Error::new(ErrorKind::Server, "ERR value is not an integer or out of range"))
}

/// Reads a float, an infinite one too.
pub(super) fn float(value: &[u8]) -> Result<f64> {
    let text = std::str::from_utf8(value).ok();
    let parsed = text.and_then(|text| text.parse::<f64>().ok().filter(|number| !number.is_nan()));
    parsed.ok_or_else(|| Error::new(ErrorKind::Server, "ERR value is not a valid float"))
}

/// Adds what a command with `INCRBYFLOAT` in its name adds.
pub(super) fn sum(old: f64, by: f64) -> Result<f64> {
    let sum = old + by;
    if sum.is_finite() {
        return Ok(sum);
    }
    Err(Error::new(
        ErrorKind::Server,
        "ERR increment would produce NaN or Infinity",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_an_integer() {
        for text in ["+1", " 1", "01", "-0", "1.0", "", "9223372036854775808"] {
            assert!(integer(text.as_bytes()).is_err(), "{text:?}");
        }
        assert_eq!(integer(b"-9223372036854775808").unwrap(), i64::MIN);
    }
}
