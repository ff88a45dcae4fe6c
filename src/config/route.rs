//! From a URL, or the variables that stand for one, to who answers.

use std::fmt;

use super::{
    Config, Secret,
    address::{self, Address},
    target::{Endpoint, Target},
};
use crate::error::{Error, ErrorKind, Result};

/// What the URL and the parts say together.
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) db: Option<u8>,
}

/// Several servers, or one of them.
#[derive(PartialEq)]
enum Topology {
    One(Target),
    Sentinel,
    Cluster,
}

/// The parameters after the question mark. Each may be taken once; what is left over is a mistake.
struct Query(Vec<(String, String)>);

/// What `memory://` holds unless `max_mb` says otherwise.
const DEFAULT_MEMORY_MB: usize = 64;
const DEFAULT_PORT: u16 = 6379;
const SCHEMES: &str = "a URL that begins with redis://, rediss://, valkey://, valkeys://, redis+unix://, unix://, \
                       redis-sentinel://, redis-cluster:// or memory://";

impl Route {
    /// Finds out who answers.
    ///
    /// # Errors
    ///
    /// - The parts contradict each other, or the URL does not parse.
    /// - They ask for what this version cannot do.
    pub(super) fn of(config: &Config) -> Result<Self> {
        if !config.enabled {
            return Ok(Self::to(Target::Disabled("ENABLE_REDIS is not true".to_owned())));
        }
        let Some(url) = &config.url else {
            return Ok(Self::to(reachable(from_parts(config)?, config.tls, config.db, config)?));
        };
        check(
            config.socket_path.is_none(),
            "REDIS_URL",
            "a URL or REDIS_SOCKET_PATH, not both",
        )?;
        let address = Address::parse(url.expose()).map_err(|accepted| bad("REDIS_URL", accepted))?;
        let tls = config.tls || matches!(address.scheme.as_str(), "rediss" | "valkeys");
        let (topology, db) = from_url(&address, config)?;
        Ok(Self {
            username: address.username,
            password: address.password.map(Secret::from),
            db,
            ..Self::to(reachable(topology, tls, db.unwrap_or(config.db), config)?)
        })
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            username: None,
            password: None,
            db: None,
        }
    }
}

fn from_parts(config: &Config) -> Result<Topology> {
    if config.cluster || config.sentinel_master.is_some() {
        return replicated(config, !config.nodes.is_empty());
    }
    check(
        config.nodes.is_empty(),
        "REDIS_NODES",
        "nothing without REDIS_CLUSTER or REDIS_SENTINEL_MASTER",
    )?;
    if let Some(path) = &config.socket_path {
        return Ok(server(Endpoint::Unix(path.clone())));
    }
    check(!config.host.is_empty(), "REDIS_HOST", "a host name or an address")?;
    check(config.port > 0, "REDIS_PORT", "a port from 1 to 65535")?;
    Ok(server(tcp(&config.host, Some(config.port))))
}

/// Returns who answers, and the database if the URL names one.
fn from_url(address: &Address, config: &Config) -> Result<(Topology, Option<u8>)> {
    let mut query = Query(address.query.clone());
    let in_path = Some(address.path.trim_start_matches('/')).filter(|path| !path.is_empty());
    let mut db = in_path;
    let named;
    let topology = match address.scheme.as_str() {
        "memory" => Topology::One(memory(query.take("max_mb").as_deref())?),
        "unix" | "redis+unix" => {
            check(
                address.hosts.is_empty() && in_path.is_some(),
                "REDIS_URL",
                "unix:///path/to/socket",
            )?;
            named = query.take("db");
            db = named.as_deref();
            server(Endpoint::Unix(address.path.clone().into()))
        }
        "redis" | "rediss" | "valkey" | "valkeys" => match address.hosts.as_slice() {
            _ if config.cluster || config.sentinel_master.is_some() => replicated(config, true)?,
            [(host, port)] => server(tcp(host, *port)),
            [] => return Err(bad("REDIS_URL", "a URL with a host")),
            _ => {
                return Err(bad(
                    "REDIS_URL",
                    "one host; several go with redis-cluster:// or redis-sentinel://",
                ));
            }
        },
        "redis-sentinel" => {
            let has_master = query.take("master").is_some() || config.sentinel_master.is_some();
            check(has_master, "REDIS_URL", "a Sentinel URL with ?master=NAME")?;
            Topology::Sentinel
        }
        "redis-cluster" => Topology::Cluster,
        _ => return Err(bad("REDIS_URL", SCHEMES)),
    };
    let is_replicated = !matches!(topology, Topology::One(_));
    check(
        !is_replicated || !address.hosts.is_empty(),
        "REDIS_URL",
        "a URL with a host",
    )?;
    check(
        query.0.is_empty(),
        "REDIS_URL",
        "a URL with no parameters but db, max_mb and master, where they belong",
    )?;
    let is_memory = matches!(topology, Topology::One(Target::Memory { .. }));
    let db = db.filter(|_| !is_memory).map(str::parse).transpose();
    Ok((
        topology,
        db.map_err(|_unparsed| bad("REDIS_URL", "a database number from 0 to 255"))?,
    ))
}

/// Refuses what contradicts the rest, and what this version cannot do.
fn reachable(topology: Topology, tls: bool, db: u8, config: &Config) -> Result<Target> {
    check(
        db == 0 || topology != Topology::Cluster,
        "REDIS_DB",
        "0 on a cluster, which has one database",
    )?;
    if !matches!(topology, Topology::One(Target::Memory { .. })) {
        check_tls(tls, &topology, config)?;
    }
    match topology {
        Topology::One(target) => Ok(target),
        Topology::Sentinel | Topology::Cluster => Err(not_yet("connections through Sentinel or to a Redis Cluster")),
    }
}

impl Query {
    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

fn server(endpoint: Endpoint) -> Topology {
    Topology::One(Target::Server(endpoint))
}

fn tcp(host: &str, port: Option<u16>) -> Endpoint {
    Endpoint::Tcp {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: port.unwrap_or(DEFAULT_PORT),
    }
}

fn memory(max_mb: Option<&str>) -> Result<Target> {
    let accepted = "memory:// with max_mb from 1 to 1048576";
    let max_mb = match max_mb {
        None => DEFAULT_MEMORY_MB,
        Some(text) => text.parse().map_err(|_unparsed| bad("REDIS_URL", accepted))?,
    };
    check((1..=1_048_576).contains(&max_mb), "REDIS_URL", accepted)?;
    Ok(Target::Memory {
        max_bytes: max_mb << 20,
    })
}

/// Checks `REDIS_CLUSTER` or `REDIS_SENTINEL_MASTER` with the nodes that they need.
fn replicated(config: &Config, has_nodes: bool) -> Result<Topology> {
    for node in &config.nodes {
        if address::host_port(node).is_err() {
            return Err(bad("REDIS_NODES", "a list of host:port, separated by commas"));
        }
    }
    let is_sentinel = config.sentinel_master.is_some();
    check(
        !(is_sentinel && config.cluster),
        "REDIS_CLUSTER",
        "false beside REDIS_SENTINEL_MASTER",
    )?;
    check(!is_sentinel || has_nodes, "REDIS_NODES", "host:port of the Sentinels")?;
    check(
        config.socket_path.is_none(),
        "REDIS_SOCKET_PATH",
        "nothing beside a cluster or Sentinel",
    )?;
    Ok(if is_sentinel {
        Topology::Sentinel
    } else {
        Topology::Cluster
    })
}

fn check_tls(tls: bool, topology: &Topology, config: &Config) -> Result<()> {
    let Config {
        tls_ca_file: ca,
        tls_cert_file: cert,
        tls_key_file: key,
        ..
    } = config;
    let has_files = ca.is_some() || cert.is_some() || key.is_some();
    check(
        tls || !has_files,
        "REDIS_TLS",
        "true beside REDIS_TLS_*_FILE (or a rediss:// URL)",
    )?;
    check(
        cert.is_some() == key.is_some(),
        "REDIS_TLS_CERT_FILE",
        "both a certificate and REDIS_TLS_KEY_FILE",
    )?;
    let is_unix = matches!(topology, Topology::One(Target::Server(Endpoint::Unix(_))));
    check(!(tls && is_unix), "REDIS_TLS", "false on a Unix socket")?;
    if tls { Err(not_yet("TLS connections")) } else { Ok(()) }
}

pub(super) fn check(is_right: bool, variable: &str, accepted: &str) -> Result<()> {
    if is_right { Ok(()) } else { Err(bad(variable, accepted)) }
}

fn bad(variable: &str, accepted: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("{variable}: accepted is {accepted}"))
}

fn not_yet(what: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("this version of redis-manager has no {what} yet"),
    )
}
