//! What servers say, in RESP2, as far as it is said on a connection for messages: plain words and flat lists of them.
//!
//! See the [protocol's description](https://redis.io/docs/latest/develop/reference/protocol-spec/).

use bytes::{Bytes, BytesMut};

use super::super::wire;

/// One thing that a server has said.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Text(Bytes),
    Error(String),
    Integer(i64),
    Nil,
    List(Vec<Self>),
}

/// It is not RESP2, or nothing that belongs on such a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Messages have four words.
const LONGEST_LIST: usize = 16;

/// Whatever is not text of a given length ends sooner than that.
const LONGEST_LINE: usize = 64 * 1024;

/// A frame whose words are still where they were read.
enum Outline {
    Text { from: usize, to: usize },
    Error { from: usize, to: usize },
    Integer(i64),
    Nil,
    List(Vec<Self>),
}

/// How far has been read.
struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

/// Takes the next frame from what was read; `None` if it is not there as a whole yet.
///
/// # Errors
///
/// - What was read is no such frame.
pub(super) fn take(input: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
    let mut reader = Reader { input, at: 0 };
    let Some(outline) = reader.frame(true)? else {
        return Ok(None);
    };
    let end = reader.at;
    let whole = input.split_to(end).freeze();
    Ok(Some(outline.filled(&whole)))
}

/// Writes a command.
pub(super) fn put(output: &mut BytesMut, words: &[&[u8]]) {
    output.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        output.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        output.extend_from_slice(word);
        output.extend_from_slice(b"\r\n");
    }
}

impl Reader<'_> {
    fn frame(&mut self, may_be_list: bool) -> Result<Option<Outline>, Malformed> {
        let Some((from, to)) = self.line()? else {
            return Ok(None);
        };
        let Some(kind) = self.input.get(from) else {
            return Err(Malformed);
        };
        let from = from + 1;
        match kind {
            b'+' => Ok(Some(Outline::Text { from, to })),
            b'-' => Ok(Some(Outline::Error { from, to })),
            b':' => Ok(Some(Outline::Integer(self.number(from, to)?))),
            b'$' => match self.length(from, to)? {
                Some(length) => self.text(length),
                None => Ok(Some(Outline::Nil)),
            },
            b'*' if may_be_list => match self.length(from, to)? {
                Some(length) if length <= LONGEST_LIST => self.list(length),
                Some(_) => Err(Malformed),
                None => Ok(Some(Outline::Nil)),
            },
            _ => Err(Malformed),
        }
    }

    fn list(&mut self, length: usize) -> Result<Option<Outline>, Malformed> {
        let mut words = Vec::with_capacity(length);
        while words.len() < length {
            match self.frame(false)? {
                Some(word) => words.push(word),
                None => return Ok(None),
            }
        }
        Ok(Some(Outline::List(words)))
    }

    fn text(&mut self, length: usize) -> Result<Option<Outline>, Malformed> {
        let from = self.at;
        let to = from.checked_add(length).ok_or(Malformed)?;
        let after = to.checked_add(2).ok_or(Malformed)?;
        match self.input.get(to..after) {
            Some(b"\r\n") => {
                self.at = after;
                Ok(Some(Outline::Text { from, to }))
            }
            Some(_) => Err(Malformed),
            None => Ok(None),
        }
    }

    /// Reads up to the end of the line, and returns where it lies.
    fn line(&mut self) -> Result<Option<(usize, usize)>, Malformed> {
        let from = self.at;
        let rest = self.input.get(from..).unwrap_or_default();
        let near = &rest[..rest.len().min(LONGEST_LINE)];
        match near.windows(2).position(|end| end == b"\r\n") {
            Some(length) => {
                self.at = from + length + 2;
                Ok(Some((from, from + length)))
            }
            None if near.len() == LONGEST_LINE => Err(Malformed),
            None => Ok(None),
        }
    }

    fn number(&self, from: usize, to: usize) -> Result<i64, Malformed> {
        let digits = self
            .input
            .get(from..to)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or(Malformed)
    }

    /// Reads a length; -1 is that of nothing.
    fn length(&self, from: usize, to: usize) -> Result<Option<usize>, Malformed> {
        match self.number(from, to)? {
            -1 => Ok(None),
            length => usize::try_from(length).map(Some).map_err(|_negative| Malformed),
        }
    }
}

impl Outline {
    fn filled(self, whole: &Bytes) -> Frame {
        match self {
            Self::Text { from, to } => Frame::Text(wire::detached(&whole.slice(from..to))),
            Self::Error { from, to } => Frame::Error(String::from_utf8_lossy(&whole[from..to]).into_owned()),
            Self::Integer(integer) => Frame::Integer(integer),
            Self::Nil => Frame::Nil,
            Self::List(words) => Frame::List(words.into_iter().map(|word| word.filled(whole)).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &'static [u8]) -> Frame {
        Frame::Text(Bytes::from_static(text))
    }

    fn all(input: &[u8]) -> Result<Vec<Frame>, Malformed> {
        let mut input = BytesMut::from(input);
        let mut frames = Vec::new();
        while let Some(frame) = take(&mut input)? {
            frames.push(frame);
        }
        assert!(input.is_empty(), "{input:?} is left");
        Ok(frames)
    }

    #[test]
    fn every_kind_of_frame_is_read() {
        let frames =
            all(b"+OK\r\n-ERR \xff no\r\n:-7\r\n$-1\r\n$0\r\n\r\n*-1\r\n*2\r\n$4\r\n\r\n\xff\xfe\r\n:1\r\n").unwrap();
        let list = Frame::List(vec![text(b"\r\n\xff\xfe"), Frame::Integer(1)]);
        let error = Frame::Error("ERR \u{fffd} no".to_owned());
        assert_eq!(
            frames,
            [
                text(b"OK"),
                error,
                Frame::Integer(-7),
                Frame::Nil,
                text(b""),
                Frame::Nil,
                list
            ]
        );
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for input in [
            &b"\r\n"[..],
            b"?1\r\n",
            b":x\r\n",
            b"$-2\r\n",
            b"$1\r\nabc\r\n",
            b"$18446744073709551615\r\n",
            b"*1\r\n*1\r\n:1\r\n",
            b"*17\r\n",
        ] {
            assert_eq!(all(input), Err(Malformed), "{}", input.escape_ascii());
        }
        let endless = &b"$9223372036854775807\r\n"[..];
        assert_eq!(take(&mut BytesMut::from(endless)), Ok(None), "so much may still come");
        assert_eq!(take(&mut BytesMut::from(&vec![b'+'; LONGEST_LINE][..])), Err(Malformed));
    }

    proptest! {
        #[test]
        fn words_of_any_bytes_come_through_however_they_are_cut(
            words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..5),
            cuts in prop::collection::vec(1..30_usize, 1..20),
        ) {
            let mut said = BytesMut::new();
            put(&mut said, &words.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let (mut input, mut cuts) = (BytesMut::new(), cuts.into_iter().cycle());
            while !said.is_empty() {
                prop_assert_eq!(take(&mut input), Ok(None));
                let cut = cuts.next().unwrap().min(said.len());
                input.extend_from_slice(&said.split_to(cut));
            }
            let expected = Frame::List(words.into_iter().map(|word| Frame::Text(word.into())).collect());
            prop_assert_eq!(take(&mut input), Ok(Some(expected)));
        }
    }
}
