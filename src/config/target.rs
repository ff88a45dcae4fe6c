//! Who answers, and where.

use std::{fmt, path::PathBuf};

use super::Secret;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Disabled(String),
    Memory {
        max_bytes: usize,
    },
    Server(Endpoint),
    /// The master that Sentinels watch.
    Sentinel(Sentinels),
    /// A Redis Cluster, of which these nodes are known beforehand.
    Cluster(Vec<Endpoint>),
}

/// Whom to ask for a master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentinels {
    /// What they call the master.
    pub(crate) master: String,
    /// Those that are known beforehand.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled(_) => f.write_str("none"),
            Self::Memory { .. } => f.write_str("memory"),
            Self::Server(endpoint) => endpoint.fmt(f),
            Self::Sentinel(sentinels) => write!(f, "{} by {}", sentinels.master, list(&sentinels.endpoints)),
            Self::Cluster(endpoints) => write!(f, "cluster of {}", list(endpoints)),
        }
    }
}

fn list(endpoints: &[Endpoint]) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
    endpoints.join(",")
}
