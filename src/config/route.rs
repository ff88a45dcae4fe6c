//! From a URL, or the variables that stand for one, to who answers.

use std::fmt;

use super::{
    Config, Secret,
    address::{self, Address},
    target::{Endpoint, Sentinels, Target},
};
use crate::error::{Error, ErrorKind, Result};

/// What the URL and the parts say together.
pub(super) struct Route {
    pub(super) target: Target,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) db: Option<u8>,
    /// Whether TLS is asked for.
    pub(super) tls: bool,
}

/// The parameters after the question mark. Each may be taken once; what is left over is a mistake.
struct Query(Vec<(String, String)>);

/// A host as an address names it, and its port.
type Host = (String, Option<u16>);

/// What `memory://` holds unless `max_mb` says otherwise.
const DEFAULT_MEMORY_MB: usize = 64;
const DEFAULT_PORT: u16 = 6379;
const DEFAULT_SENTINEL_PORT: u16 = 26379;
const SCHEMES: &str = "a URL that begins with redis://, rediss://, valkey://, valkeys://, redis+unix://, unix://, \
                       redis-sentinel://, redis-cluster:// or memory://";

impl Route {
    /// Finds out who answers.
    ///
    /// # Errors
    ///
    /// - The parts contradict each other, or the URL does not parse.
    pub(super) fn of(config: &Config) -> Result<Self> {
        if !config.enabled {
            return Ok(Self::to(Target::Disabled("ENABLE_REDIS is not true".to_owned())));
        }
        let Some(url) = &config.url else {
            return Ok(Self {
                tls: config.tls,
                ..Self::to(reachable(from_parts(config)?, config.db, config)?)
            });
        };
        check(
            config.socket_path.is_none(),
            "REDIS_URL",
            "a URL or REDIS_SOCKET_PATH, not both",
        )?;
        let address = Address::parse(url.expose()).map_err(|accepted| bad("REDIS_URL", accepted))?;
        let (target, db) = from_url(&address, config)?;
        Ok(Self {
            tls: config.tls || matches!(address.scheme.as_str(), "rediss" | "valkeys"),
            username: address.username,
            password: address.password.map(Secret::from),
            db,
            ..Self::to(reachable(target, db.unwrap_or(config.db), config)?)
        })
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            username: None,
            password: None,
            db: None,
            tls: false,
        }
    }
}

fn from_parts(config: &Config) -> Result<Target> {
    if config.cluster || config.sentinel_master.is_some() {
        return replicated(config, &[]);
    }
    check(
        config.nodes.is_empty(),
        "REDIS_NODES",
        "nothing without REDIS_CLUSTER or REDIS_SENTINEL_MASTER",
    )?;
    if let Some(path) = &config.socket_path {
        return Ok(Target::Server(Endpoint::Unix(path.clone())));
    }
    check(!config.host.is_empty(), "REDIS_HOST", "a host name or an address")?;
    check(config.port > 0, "REDIS_PORT", "a port from 1 to 65535")?;
    Ok(Target::Server(tcp(&config.host, Some(config.port), DEFAULT_PORT)))
}

/// Returns who answers, and the database if the URL names one.
fn from_url(address: &Address, config: &Config) -> Result<(Target, Option<u8>)> {
    let mut query = Query(address.query.clone());
    let in_path = Some(address.path.trim_start_matches('/')).filter(|path| !path.is_empty());
    let mut db = in_path;
    let named;
    let hosts = address.hosts.as_slice();
    let target = match address.scheme.as_str() {
        "memory" => memory(query.take("max_mb").as_deref())?,
        "unix" | "redis+unix" => {
            check(
                hosts.is_empty() && in_path.is_some(),
                "REDIS_URL",
                "unix:///path/to/socket",
            )?;
            named = query.take("db");
            db = named.as_deref();
            Target::Server(Endpoint::Unix(address.path.clone().into()))
        }
        "redis" | "rediss" | "valkey" | "valkeys" => match hosts {
            _ if config.cluster || config.sentinel_master.is_some() => replicated(config, hosts)?,
            [(host, port)] => Target::Server(tcp(host, *port, DEFAULT_PORT)),
            [] => return Err(bad("REDIS_URL", "a URL with a host")),
            _ => {
                return Err(bad(
                    "REDIS_URL",
                    "one host; several go with redis-cluster:// or redis-sentinel://",
                ));
            }
        },
        "redis-sentinel" => match query.take("master").or_else(|| config.sentinel_master.clone()) {
            Some(master) => sentinel(config, master, hosts)?,
            None => return Err(bad("REDIS_URL", "a Sentinel URL with ?master=NAME")),
        },
        "redis-cluster" => cluster(config, hosts)?,
        _ => return Err(bad("REDIS_URL", SCHEMES)),
    };
    check(
        query.0.is_empty(),
        "REDIS_URL",
        "a URL with no parameters but db, max_mb and master, where they belong",
    )?;
    let is_memory = matches!(target, Target::Memory { .. });
    let db = db.filter(|_| !is_memory).map(str::parse).transpose();
    Ok((
        target,
        db.map_err(|_unparsed| bad("REDIS_URL", "a database number from 0 to 255"))?,
    ))
}

/// Refuses what contradicts the rest.
fn reachable(target: Target, db: u8, config: &Config) -> Result<Target> {
    check(
        db == 0 || !matches!(target, Target::Cluster(_)),
        "REDIS_DB",
        "0 on a cluster, which has one database",
    )?;
    check(
        matches!(target, Target::Sentinel(_))
            || (config.sentinel_username.is_none() && config.sentinel_password.is_none()),
        "REDIS_SENTINEL_PASSWORD",
        "nothing (nor REDIS_SENTINEL_USERNAME) without Sentinels",
    )?;
    Ok(target)
}

impl Query {
    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }
}

fn tcp(host: &str, port: Option<u16>, default_port: u16) -> Endpoint {
    Endpoint::Tcp {
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: port.unwrap_or(default_port),
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

/// Returns the cluster, or the master, that `REDIS_CLUSTER` or `REDIS_SENTINEL_MASTER` ask for.
fn replicated(config: &Config, hosts: &[Host]) -> Result<Target> {
    match &config.sentinel_master {
        Some(_) if config.cluster => Err(bad("REDIS_CLUSTER", "false beside REDIS_SENTINEL_MASTER")),
        Some(master) => sentinel(config, master.clone(), hosts),
        None => cluster(config, hosts),
    }
}

fn sentinel(config: &Config, master: String, hosts: &[Host]) -> Result<Target> {
    let endpoints = nodes(config, hosts, DEFAULT_SENTINEL_PORT)?;
    check(!endpoints.is_empty(), "REDIS_NODES", "host:port of the Sentinels")?;
    Ok(Target::Sentinel(Sentinels {
        master,
        endpoints,
        username: config.sentinel_username.clone(),
        password: config.sentinel_password.clone(),
    }))
}

/// Without a list of nodes, the host and the port name one.
fn cluster(config: &Config, hosts: &[Host]) -> Result<Target> {
    let mut endpoints = nodes(config, hosts, DEFAULT_PORT)?;
    if endpoints.is_empty() {
        check(config.url.is_none(), "REDIS_URL", "a URL with a host")?;
        check(!config.host.is_empty(), "REDIS_HOST", "a host name or an address")?;
        endpoints.push(tcp(&config.host, Some(config.port), DEFAULT_PORT));
    }
    Ok(Target::Cluster(endpoints))
}

/// Returns all servers that are named, in the URL and in `REDIS_NODES`, each once.
fn nodes(config: &Config, hosts: &[Host], default_port: u16) -> Result<Vec<Endpoint>> {
    check(
        config.socket_path.is_none(),
        "REDIS_SOCKET_PATH",
        "nothing beside a cluster or Sentinel",
    )?;
    let mut endpoints: Vec<_> = hosts
        .iter()
        .map(|(host, port)| tcp(host, *port, default_port))
        .collect();
    for node in &config.nodes {
        let Ok((host, port)) = address::host_port(node) else {
            return Err(bad("REDIS_NODES", "a list of host:port, separated by commas"));
        };
        let endpoint = tcp(&host, port, default_port);
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    Ok(endpoints)
}

pub(super) fn check(is_right: bool, variable: &str, accepted: &str) -> Result<()> {
    if is_right { Ok(()) } else { Err(bad(variable, accepted)) }
}

pub(super) fn bad(variable: &str, accepted: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Config, format!("{variable}: accepted is {accepted}"))
}
