//! Text that is never shown.

use std::fmt;

/// A password, or a URL that may hold one. Its `Debug` form is always `[redacted]`.
///
/// # Examples
///
/// ```
/// use redis_manager::Secret;
///
/// assert_eq!(format!("{:?}", Secret::from("open sesame")), "[redacted]");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
