//! Who answers, and where.

use std::{fmt, path::PathBuf};

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Disabled(String),
    Memory { max_bytes: usize },
    Server(Endpoint),
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
