//! Scans, which are answered in one page.

use bytes::Bytes;

use super::words::Words;
use crate::{error::Result, glob, reply::Reply};

/// Reads the words of a scan, and returns what says whether an element is asked for.
///
/// # Errors
///
/// - There is no cursor.
pub(super) fn asked_for<'a>(words: &mut Words<'a>) -> Result<impl Fn(&Bytes) -> bool + use<'a>> {
    words.next()?;
    let pattern = if words.take("MATCH") { Some(words.next()?) } else { None };
    Ok(move |element: &Bytes| pattern.is_none_or(|pattern| glob::matches(pattern, element)))
}

/// Answers a scan: all at once, for the store is in this process, and bounded.
pub(super) fn page(elements: impl IntoIterator<Item = Bytes>) -> Reply {
    Reply::Array(vec![
        Reply::Bytes(Bytes::from_static(b"0")),
        Reply::Array(elements.into_iter().map(Reply::Bytes).collect()),
    ])
}
