//! What a server replies, past the crate: so much of RESP2 as the commands of the fixtures need.

use std::io::{self, BufRead, BufReader, Read, Write};

/// A reply, of whatever shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Status(String),
    Error(String),
    Integer(i64),
    Text(String),
    Nil,
    List(Vec<Self>),
}

impl Reply {
    /// Insists on `OK`.
    pub fn ok(&self) {
        assert_eq!(*self, Self::Status("OK".to_owned()));
    }

    /// The text of a status, an error or a string.
    pub fn text(&self) -> &str {
        match self {
            Self::Status(text) | Self::Error(text) | Self::Text(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }

    pub fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            other => panic!("{other:?} is no list"),
        }
    }

    pub fn is_error(&self) -> bool {
        matches!(self, Self::Error(_))
    }

    /// What stands behind a name, in a list of names and values.
    pub fn field(&self, name: &str) -> Option<&Self> {
        let mut pairs = self.list().chunks_exact(2);
        pairs.find(|pair| pair[0].text() == name).map(|pair| &pair[1])
    }
}

/// Sends a command and reads what comes back.
pub fn exchange<S: Read + Write>(stream: &mut BufReader<S>, words: &[&str]) -> io::Result<Reply> {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        request += &format!("${}\r\n{word}\r\n", word.len());
    }
    stream.get_mut().write_all(request.as_bytes())?;
    read(stream)
}

fn read(stream: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let Some(line) = line.strip_suffix("\r\n") else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let (kind, rest) = line.split_at_checked(1).ok_or(io::ErrorKind::InvalidData)?;
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    Ok(match kind {
        "+" => Reply::Status(rest.to_owned()),
        "-" => Reply::Error(rest.to_owned()),
        ":" => Reply::Integer(number()?),
        "$" => match usize::try_from(number()?) {
            Ok(length) => Reply::Text(read_text(stream, length)?),
            Err(_) => Reply::Nil,
        },
        "*" => match usize::try_from(number()?) {
            Ok(length) => Reply::List((0..length).map(|_| read(stream)).collect::<io::Result<_>>()?),
            Err(_) => Reply::Nil,
        },
        _ => return Err(io::ErrorKind::InvalidData.into()),
    })
}

fn read_text(stream: &mut impl BufRead, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes)?;
    bytes.truncate(length);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
