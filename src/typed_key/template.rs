//! Templates of keys, taken apart while the crate that declares them is compiled. What `redis_key!` and `#[cached]` expand to calls this; nobody else
//! does.

use std::{borrow::Cow, fmt::Write};

use crate::key::Key;

/// The pieces of a template, in their order.
#[derive(Debug, Clone, Copy)]
pub struct Template(&'static [Piece]);

/// One piece.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_enums, reason = "hidden: only macros make it")]
pub enum Piece {
    /// What stands in every key as it is.
    Literal(&'static str),
    /// The field in this place of the declaration.
    Field(usize),
}

/// Where in the text of a template something is.
#[derive(Clone, Copy)]
enum Token {
    Text(usize, usize),
    Name(usize, usize),
    Unclosed,
    Unopened,
}

/// Returns how many pieces a template has.
pub const fn count(text: &str) -> usize {
    let (mut at, mut count) = (0, 0);
    while at < text.len() {
        at = token(text.as_bytes(), at).1;
        count += 1;
    }
    count
}

/// Takes a template apart.
///
/// # Panics
///
/// - While compiling, if its placeholders are not the fields, or the key would not tell apart what its fields are.
pub const fn pieces<const N: usize>(text: &'static str, fields: &[&str]) -> [Piece; N] {
    if text.is_empty() {
        fail("the template is empty", "", text);
    }
    let mut pieces = [Piece::Literal(""); N];
    let (mut at, mut count, mut is_apart) = (0, 0, true);
    while at < text.len() {
        let (token, next) = token(text.as_bytes(), at);
        pieces[count] = match token {
            Token::Text(from, to) => {
                let literal = slice(text, from, to);
                is_apart = is_apart || separates(literal);
                Piece::Literal(literal)
            }
            Token::Name(from, to) => {
                if !is_apart {
                    let why =
                        "between two placeholders there has to be a `:`, which fields never contain, but not before ";
                    fail(why, slice(text, from, to), text);
                }
                is_apart = false;
                Piece::Field(place(text, slice(text, from, to), fields))
            }
            Token::Unclosed => fail("a `{` is not closed (a brace that is meant is written `{{`)", "", text),
            Token::Unopened => fail("a `}` was not opened (a brace that is meant is written `}}`)", "", text),
        };
        at = next;
        count += 1;
    }
    let mut field = 0;
    while field < fields.len() {
        if !is_used(&pieces, field) {
            fail("no placeholder for the field ", fields[field], text);
        }
        field += 1;
    }
    pieces
}

const fn place(text: &str, name: &str, fields: &[&str]) -> usize {
    let mut field = 0;
    while field < fields.len() {
        if is_same(name.as_bytes(), fields[field].as_bytes()) {
            return field;
        }
        field += 1;
    }
    fail("no field for the placeholder ", name, text)
}

const fn is_used(pieces: &[Piece], field: usize) -> bool {
    let mut at = 0;
    while at < pieces.len() {
        if matches!(pieces[at], Piece::Field(used) if used == field) {
            return true;
        }
        at += 1;
    }
    false
}

/// Compares a name with a field, which may be written `r#type`.
const fn is_same(name: &[u8], field: &[u8]) -> bool {
    let raw = if let [b'r', b'#', ..] = field { 2 } else { 0 };
    if name.len() + raw != field.len() {
        return false;
    }
    let mut at = 0;
    while at < name.len() {
        if name[at] != field[at + raw] {
            return false;
        }
        at += 1;
    }
    true
}

/// Reads what begins in a place, and returns where the next begins.
const fn token(text: &[u8], from: usize) -> (Token, usize) {
    let is_double = from + 1 < text.len() && text[from] == text[from + 1];
    match text[from] {
        b'{' | b'}' if is_double => (Token::Text(from, from + 1), from + 2),
        b'}' => (Token::Unopened, text.len()),
        b'{' => {
            let end = end_of_plain(text, from + 1);
            if end < text.len() && text[end] == b'}' {
                (Token::Name(from + 1, end), end + 1)
            } else {
                (Token::Unclosed, text.len())
            }
        }
        _ => {
            let end = end_of_plain(text, from);
            (Token::Text(from, end), end)
        }
    }
}

const fn end_of_plain(text: &[u8], mut at: usize) -> usize {
    while at < text.len() && !matches!(text[at], b'{' | b'}') {
        at += 1;
    }
    at
}

const fn slice(text: &str, from: usize, to: usize) -> &str {
    text.split_at(to).0.split_at(from).1
}

/// Says whether there is a byte that no field contains.
const fn separates(literal: &str) -> bool {
    let mut at = 0;
    while at < literal.len() {
        if is_separator(literal.as_bytes()[at]) {
            return true;
        }
        at += 1;
    }
    false
}

/// The bytes that are escaped in fields, all but the `%` of the escapes: they stand in keys only where the template has them.
const fn is_separator(byte: u8) -> bool {
    byte.is_ascii_control() || matches!(byte, b':' | b'*' | b'?' | b'[' | b']' | b'\\' | b'^' | b'{' | b'}')
}

/// Ends the compilation with a message.
#[expect(clippy::panic, reason = "it is the compiler that runs this")]
const fn fail(what: &str, name: &str, text: &str) -> ! {
    let mut message = Message::new().and("redis_key!: ").and(what);
    if !name.is_empty() {
        message = message.and("`").and(name).and("`");
    }
    let message = message.and(", in \"").and(text).and("\"");
    panic!("{}", message.as_str())
}

/// Text that is put together by the compiler, which has no `format!`.
struct Message {
    bytes: [u8; 1024],
    len: usize,
}

impl Message {
    const fn new() -> Self {
        Self {
            bytes: [0; 1024],
            len: 0,
        }
    }

    const fn and(mut self, text: &str) -> Self {
        let mut at = 0;
        while at < text.len() && self.len < self.bytes.len() {
            self.bytes[self.len] = text.as_bytes()[at];
            self.len += 1;
            at += 1;
        }
        self
    }

    const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "redis_key!: the template is wrong, and too long to be shown",
        }
    }
}

impl Template {
    /// Makes a template of its pieces.
    pub const fn new(pieces: &'static [Piece]) -> Self {
        Self(pieces)
    }

    /// Returns the key of these fields.
    pub fn key(&self, parts: &[Cow<'_, str>]) -> Key {
        self.text(parts).into()
    }

    /// Returns the text of these fields.
    pub fn text(&self, parts: &[Cow<'_, str>]) -> String {
        let mut key = String::with_capacity(32);
        for piece in self.0 {
            match piece {
                Piece::Literal(literal) => key.push_str(literal),
                Piece::Field(field) => escape(parts.get(*field).map_or("", |part| part), &mut key),
            }
        }
        key
    }

    /// Returns the glob pattern of all keys.
    pub fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(32);
        for piece in self.0 {
            match piece {
                Piece::Literal(literal) => glob(literal, &mut pattern),
                Piece::Field(_) => pattern.push('*'),
            }
        }
        pattern
    }

    /// Returns the parts of a key, in the order of the fields; `None` if it has not this shape.
    pub fn parse(&self, key: &Key) -> Option<Vec<String>> {
        let mut rest = key.as_str()?;
        let mut parts: Vec<(usize, String)> = Vec::new();
        for (at, piece) in self.0.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => rest = rest.strip_prefix(literal)?,
                Piece::Field(field) => {
                    let part = up_to_separator(rest).strip_suffix(self.head_after(at).as_str())?;
                    rest = &rest[part.len()..];
                    parts.push((*field, unescaped(part)?));
                }
            }
        }
        // A field may stand in several places; whether they agree shows when the key is made again.
        parts.sort_by_key(|(field, _)| *field);
        parts.dedup_by_key(|(field, _)| *field);
        rest.is_empty()
            .then(|| parts.into_iter().map(|(_, part)| part).collect())
    }

    /// Returns what follows a field and could belong to it, up to the first byte that could not.
    fn head_after(&self, at: usize) -> String {
        let mut head = String::new();
        for piece in &self.0[at + 1..] {
            let Piece::Literal(literal) = piece else { break };
            let plain = up_to_separator(literal);
            head.push_str(plain);
            if plain.len() < literal.len() {
                break;
            }
        }
        head
    }
}

fn up_to_separator(text: &str) -> &str {
    let end = text.bytes().position(is_separator).unwrap_or(text.len());
    &text[..end]
}

/// Writes one field: whatever has a meaning in keys or patterns becomes `%XX`.
pub(crate) fn escape(part: &str, key: &mut String) {
    for char in part.chars() {
        match u8::try_from(char) {
            Ok(byte) if byte == b'%' || is_separator(byte) => {
                // Writing to a string does not fail.
                write!(key, "%{byte:02X}").unwrap_or_default();
            }
            _ => key.push(char),
        }
    }
}

/// Writes text into a pattern, so that it matches itself only.
pub(crate) fn glob(literal: &str, pattern: &mut String) {
    for char in literal.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '^' | '\\') {
            pattern.push('\\');
        }
        pattern.push(char);
    }
}

fn unescaped(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => digit(rest.next()?)? << 4 | digit(rest.next()?)?,
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
