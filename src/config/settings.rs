//! What a [`Config`] means once its parts are known to fit together.

use std::{fmt, path::PathBuf, time::Duration};

use super::{
    Config, Secret,
    address::{self, Address},
};
use crate::error::{Error, ErrorKind, Result};

/// Checked configuration. Nothing asks again whether it is right.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: u8,
    pub(crate) max_connections: usize,
    pub(crate) deadline: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) key_prefix: String,
}

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

/// What the URL, or the variables that stand for one, say together.
struct Route {
    topology: Topology,
    username: Option<String>,
    password: Option<Secret>,
    db: Option<u8>,
    tls: bool,
}

#[derive(PartialEq)]
enum Topology {
    One(Target),
    Sentinel,
    Cluster,
}

/// What `memory://` holds unless `max_mb` says otherwise.
const DEFAULT_MEMORY_MB: usize = 64;
const DEFAULT_PORT: u16 = 6379;
const SCHEMES: &str = "a URL that begins with redis://, rediss://, valkey://, valkeys://, redis+unix://, unix://, \
                       redis-sentinel://, redis-cluster:// or memory://";

impl TryFrom<Config> for Settings {
    type Error = Error;

    fn try_from(config: Config) -> Result<Self> {
        let route = Route::of(&config)?;
        // Every field is named, so that a new one that nobody handles does not compile.
        let Config {
            enabled: _,
            url: _,
            host: _,
            port: _,
            socket_path: _,
            cluster: _,
            sentinel_master: _,
            nodes: _,
            batching: _,
            db,
            username,
            password,
            tls,
            tls_ca_file,
            tls_cert_file,
            tls_key_file,
            max_connections,
            socket_timeout,
            socket_connect_timeout,
            key_prefix,
            near_cache_mb,
        } = config;

        check(max_connections > 0, "REDIS_MAX_CONNECTIONS", "at least one connection")?;
        let millisecond = Duration::from_millis(1);
        check(
            socket_timeout >= millisecond,
            "REDIS_SOCKET_TIMEOUT",
            "at least 0.001 seconds",
        )?;
        check(
            socket_connect_timeout >= millisecond,
            "REDIS_SOCKET_CONNECT_TIMEOUT",
            "at least 0.001 seconds",
        )?;
        let db = route.db.unwrap_or(db);
        let is_cluster = route.topology == Topology::Cluster;
        check(
            db == 0 || !is_cluster,
            "REDIS_DB",
            "0 on a cluster, which has one database",
        )?;
        if !matches!(
            route.topology,
            Topology::One(Target::Disabled(_) | Target::Memory { .. })
        ) {
            check_tls(
                tls || route.tls,
                &route.topology,
                [&tls_ca_file, &tls_cert_file, &tls_key_file],
            )?;
        }
        let Topology::One(target) = route.topology else {
            return Err(not_yet("connections through Sentinel or to a Redis Cluster"));
        };
        if near_cache_mb > 0 {
            tracing::warn!("REDIS_NEAR_CACHE_MB has no effect: this version has no near cache yet");
        }
        Ok(Self {
            target,
            username: route.username.or(username),
            password: route.password.or(password),
            db,
            max_connections,
            deadline: socket_timeout,
            connect_timeout: socket_connect_timeout,
            key_prefix,
        })
    }
}

impl Settings {
    /// Settings that ask nobody.
    pub(crate) fn disabled(reason: String) -> Self {
        let Config {
            db,
            max_connections,
            socket_timeout,
            socket_connect_timeout,
            key_prefix,
            ..
        } = Config::default();
        Self {
            target: Target::Disabled(reason),
            username: None,
            password: None,
            db,
            max_connections,
            deadline: socket_timeout,
            connect_timeout: socket_connect_timeout,
            key_prefix,
        }
    }
}

impl Route {
    fn of(config: &Config) -> Result<Self> {
        if !config.enabled {
            return Ok(Self::to(Topology::One(Target::Disabled(
                "ENABLE_REDIS is not true".to_owned(),
            ))));
        }
        check(
            config.url.is_none() || config.socket_path.is_none(),
            "REDIS_URL",
            "a URL or REDIS_SOCKET_PATH, not both",
        )?;
        match &config.url {
            Some(url) => Self::from_url(url.expose(), config),
            None => Self::from_parts(config),
        }
    }

    fn to(topology: Topology) -> Self {
        Self {
            topology,
            username: None,
            password: None,
            db: None,
            tls: false,
        }
    }

    fn from_parts(config: &Config) -> Result<Self> {
        if config.cluster || config.sentinel_master.is_some() {
            return Ok(Self::to(replicated(config, !config.nodes.is_empty())?));
        }
        check(
            config.nodes.is_empty(),
            "REDIS_NODES",
            "nothing without REDIS_CLUSTER or REDIS_SENTINEL_MASTER",
        )?;
        Ok(Self::to(server(match &config.socket_path {
            Some(path) => Endpoint::Unix(path.clone()),
            None => {
                check(!config.host.is_empty(), "REDIS_HOST", "a host name or an address")?;
                check(config.port > 0, "REDIS_PORT", "a port from 1 to 65535")?;
                tcp(&config.host, Some(config.port))
            }
        })))
    }

    fn from_url(url: &str, config: &Config) -> Result<Self> {
        let address = Address::parse(url).map_err(|accepted| bad("REDIS_URL", accepted))?;
        let mut query = address.query.clone();
        let mut parameter = |name: &str| {
            let index = query.iter().position(|(known, _)| known == name)?;
            Some(query.swap_remove(index).1)
        };
        let database = |text: &str| {
            text.parse()
                .map_err(|_unparsed| bad("REDIS_URL", "a database number from 0 to 255"))
        };
        let in_path = Some(address.path.trim_start_matches('/')).filter(|path| !path.is_empty());

        let mut db = None;
        let topology = match address.scheme.as_str() {
            "memory" => Topology::One(memory(parameter("max_mb").as_deref())?),
            "unix" | "redis+unix" => {
                db = parameter("db").as_deref().map(database).transpose()?;
                check(
                    address.hosts.is_empty() && in_path.is_some(),
                    "REDIS_URL",
                    "unix:///path/to/socket",
                )?;
                server(Endpoint::Unix(address.path.clone().into()))
            }
            "redis" | "rediss" | "valkey" | "valkeys" => {
                db = in_path.map(database).transpose()?;
                match address.hosts.as_slice() {
                    _ if config.cluster || config.sentinel_master.is_some() => replicated(config, true)?,
                    [(host, port)] => server(tcp(host, *port)),
                    [] => return Err(bad("REDIS_URL", "a URL with a host")),
                    _ => {
                        return Err(bad(
                            "REDIS_URL",
                            "one host; several go with redis-cluster:// or redis-sentinel://",
                        ));
                    }
                }
            }
            "redis-sentinel" | "redis-cluster" => {
                db = in_path.map(database).transpose()?;
                check(!address.hosts.is_empty(), "REDIS_URL", "a URL with a host")?;
                let master = parameter("master").or_else(|| config.sentinel_master.clone());
                let is_sentinel = address.scheme == "redis-sentinel";
                check(
                    !is_sentinel || master.is_some(),
                    "REDIS_URL",
                    "a Sentinel URL with ?master=NAME",
                )?;
                if is_sentinel {
                    Topology::Sentinel
                } else {
                    Topology::Cluster
                }
            }
            _ => return Err(bad("REDIS_URL", SCHEMES)),
        };
        check(
            query.is_empty(),
            "REDIS_URL",
            "a URL with no parameters but db, max_mb and master, where they belong",
        )?;
        Ok(Self {
            topology,
            username: address.username,
            password: address.password.map(Secret::from),
            db,
            tls: matches!(address.scheme.as_str(), "rediss" | "valkeys"),
        })
    }
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

fn check_tls(tls: bool, topology: &Topology, [ca, cert, key]: [&Option<PathBuf>; 3]) -> Result<()> {
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

fn check(is_right: bool, variable: &str, accepted: &str) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(vars: &[(&str, &str)]) -> Result<Settings> {
        let enabled = [("ENABLE_REDIS", "true")];
        let vars = enabled
            .iter()
            .chain(vars)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::from_vars(vars)?.try_into()
    }

    fn url(url: &str) -> Result<Settings> {
        settings(&[("REDIS_URL", url)])
    }

    fn server(url: &str) -> String {
        match self::url(url).unwrap().target {
            Target::Server(endpoint) => endpoint.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_single_server_url_is_understood() {
        assert_eq!(server("redis://h"), "h:6379");
        assert_eq!(server("valkey://h:1/2"), "h:1");
        assert_eq!(server("REDIS://[::1]:7000"), "[::1]:7000");
        assert_eq!(server("unix:///run/redis.sock"), "unix:/run/redis.sock");
        assert_eq!(server("redis+unix://u:p@/run/redis.sock?db=3"), "unix:/run/redis.sock");
        assert_eq!(url("redis+unix://u:p@/run/redis.sock?db=3").unwrap().db, 3);
        assert_eq!(
            url("memory://?max_mb=2").unwrap().target,
            Target::Memory { max_bytes: 2 << 20 }
        );
    }

    #[test]
    fn the_url_wins_and_the_variables_fill_what_it_leaves_out() {
        let vars = [
            ("REDIS_URL", "redis://h/4"),
            ("REDIS_DB", "5"),
            ("REDIS_PASSWORD", "p"),
            ("REDIS_HOST", "other"),
        ];
        let settings = settings(&vars).unwrap();
        assert_eq!(settings.db, 4);
        assert_eq!(settings.password, Some("p".into()));
        assert_eq!(settings.target, Target::Server(tcp("h", None)));
    }

    #[test]
    fn a_password_with_any_character_works_both_ways() {
        let password = "a@b:c/d#e%f g?";
        assert_eq!(
            settings(&[("REDIS_PASSWORD", password)]).unwrap().password,
            Some(password.into())
        );
        let in_url = "redis://:a%40b%3Ac%2Fd%23e%25f%20g%3F@h";
        assert_eq!(url(in_url).unwrap().password, Some(password.into()));
    }

    #[test]
    fn what_cannot_be_reached_is_refused_without_showing_the_url() {
        let cases = [
            "sesame",
            "http://:sesame@h",
            "redis://:sesame@",
            "redis://:sesame@:6379",
            "redis://:sesame@h:port",
            "redis://:sesame@h/x",
            "redis://:sesame@h/256",
            "redis://:sesame@h?bogus=1",
            "redis://:sesame@a,b",
            "redis://:ses/ame#sesame@h",
            "unix://:sesame@host/path",
            "memory://?max_mb=0",
            "redis-sentinel://:sesame@h",
            "redis-cluster://:sesame@h/1",
        ];
        for case in cases {
            let error = url(case).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{case}: {error}");
            assert!(error.to_string().starts_with("REDIS_"), "{error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }

    #[test]
    fn parts_that_contradict_each_other_are_refused() {
        let cases: [&[(&str, &str)]; 8] = [
            &[("REDIS_URL", "redis://h"), ("REDIS_SOCKET_PATH", "/s")],
            &[
                ("REDIS_CLUSTER", "1"),
                ("REDIS_SENTINEL_MASTER", "m"),
                ("REDIS_NODES", "h:1"),
            ],
            &[("REDIS_SENTINEL_MASTER", "m")],
            &[("REDIS_NODES", "h:1")],
            &[("REDIS_CLUSTER", "1"), ("REDIS_NODES", "h:x")],
            &[("REDIS_CLUSTER", "1"), ("REDIS_DB", "1")],
            &[("REDIS_TLS_CA_FILE", "/ca.pem")],
            &[("REDIS_TLS", "1"), ("REDIS_TLS_CERT_FILE", "/cert.pem")],
        ];
        for case in cases {
            let error = settings(case).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{case:?}: {error}");
        }
    }

    #[test]
    fn what_a_later_version_brings_is_refused_and_never_a_plain_single_connection() {
        let cases: [&[(&str, &str)]; 6] = [
            &[("REDIS_URL", "rediss://h")],
            &[("REDIS_TLS", "true")],
            &[("REDIS_CLUSTER", "true")],
            &[("REDIS_URL", "redis://h"), ("REDIS_CLUSTER", "true")],
            &[("REDIS_URL", "redis-cluster://h:1,i:2")],
            &[("REDIS_SENTINEL_MASTER", "m"), ("REDIS_NODES", "h:1,i:2")],
        ];
        for case in cases {
            assert_eq!(settings(case).unwrap_err().kind(), ErrorKind::Unsupported, "{case:?}");
        }
    }

    #[test]
    fn nothing_that_is_printed_shows_a_password() {
        let mut config = Config::from_url("redis://user:sesame@h");
        config.password = Some("sesame".into());
        let settings = Settings::try_from(config.clone()).unwrap();
        assert!(!format!("{config:?} {settings:?}").contains("sesame"));
    }
}
