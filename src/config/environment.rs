//! From environment variables to a [`Config`]. A bad value names its variable and what is accepted.

use std::{env, ffi::OsString, str::FromStr, time::Duration};

use serde::Deserialize;

use super::{Batching, Config, Secret};
use crate::error::{Error, ErrorKind, Result};

/// Every variable, as envy reads it: all text, so that our own checks give the errors.
#[derive(Deserialize)]
struct Environment {
    enable_redis: Option<String>,
    redis_url: Option<String>,
    redis_host: Option<String>,
    redis_port: Option<String>,
    redis_db: Option<String>,
    redis_username: Option<String>,
    redis_password: Option<String>,
    redis_socket_path: Option<String>,
    redis_cluster: Option<String>,
    redis_sentinel_master: Option<String>,
    redis_sentinel_username: Option<String>,
    redis_sentinel_password: Option<String>,
    redis_nodes: Option<String>,
    redis_tls: Option<String>,
    redis_tls_ca_file: Option<String>,
    redis_tls_cert_file: Option<String>,
    redis_tls_key_file: Option<String>,
    redis_tls_server_name: Option<String>,
    redis_encryption_key: Option<String>,
    redis_max_connections: Option<String>,
    redis_socket_timeout: Option<String>,
    redis_socket_connect_timeout: Option<String>,
    redis_key_prefix: Option<String>,
    redis_batching: Option<String>,
    redis_near_cache_mb: Option<String>,
    redis_near_cache_ttl: Option<String>,
    redis_serve_stale_in_outage: Option<String>,
    redis_replay_deletes: Option<String>,
}

const KNOWN: [&str; 28] = [
    "ENABLE_REDIS",
    "REDIS_URL",
    "REDIS_HOST",
    "REDIS_PORT",
    "REDIS_DB",
    "REDIS_USERNAME",
    "REDIS_PASSWORD",
    "REDIS_SOCKET_PATH",
    "REDIS_CLUSTER",
    "REDIS_SENTINEL_MASTER",
    "REDIS_SENTINEL_USERNAME",
    "REDIS_SENTINEL_PASSWORD",
    "REDIS_NODES",
    "REDIS_TLS",
    "REDIS_TLS_CA_FILE",
    "REDIS_TLS_CERT_FILE",
    "REDIS_TLS_KEY_FILE",
    "REDIS_TLS_SERVER_NAME",
    "REDIS_ENCRYPTION_KEY",
    "REDIS_MAX_CONNECTIONS",
    "REDIS_SOCKET_TIMEOUT",
    "REDIS_SOCKET_CONNECT_TIMEOUT",
    "REDIS_KEY_PREFIX",
    "REDIS_BATCHING",
    "REDIS_NEAR_CACHE_MB",
    "REDIS_NEAR_CACHE_TTL",
    "REDIS_SERVE_STALE_IN_OUTAGE",
    "REDIS_REPLAY_DELETES",
];

impl Config {
    /// Reads `ENABLE_REDIS` and the `REDIS_*` variables. A variable that is set to nothing counts as not set, except
    /// `REDIS_HOST`.
    ///
    /// Logs a warning for a name that looks like a misspelt variable, and one if variables are set while
    /// `ENABLE_REDIS` is not.
    ///
    /// # Errors
    ///
    /// - A variable holds what it may not; the error names it, what it held (unless secret) and what is accepted.
    ///
    /// # Examples
    ///
    /// ```
    /// let config = redis_manager::Config::from_env()?;
    /// assert!(!config.enabled); // ENABLE_REDIS is not set here
    /// # Ok::<(), redis_manager::Error>(())
    /// ```
    pub fn from_env() -> Result<Self> {
        Self::from_os_vars(env::vars_os())
    }

    fn from_os_vars(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut ours = Vec::new();
        for (name, value) in vars {
            let Some(name) = name.to_str() else { continue };
            if name != "ENABLE_REDIS" && !name.starts_with("REDIS_") {
                continue;
            }
            match value.into_string() {
                Ok(value) => ours.push((name.to_owned(), value)),
                Err(_) if !KNOWN.contains(&name) => {}
                Err(_) => return Err(refused(name, "text in UTF-8", None)),
            }
        }
        Self::from_vars(ours)
    }

    /// Reads the same variables from pairs of name and value.
    ///
    /// # Errors
    ///
    /// - As [`from_env`](Self::from_env).
    ///
    /// # Examples
    ///
    /// ```
    /// use redis_manager::Config;
    ///
    /// let vars = [("REDIS_PORT".to_owned(), "99999".to_owned())];
    /// let error = Config::from_vars(vars).unwrap_err();
    /// assert_eq!(error.to_string(), r#"REDIS_PORT: accepted is a port from 1 to 65535, got "99999""#);
    /// ```
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let vars: Vec<_> = vars.into_iter().collect();
        let environment = match envy::from_iter(vars.iter().cloned()) {
            Ok(environment) => environment,
            Err(error) => return Err(Error::new(ErrorKind::Config, error.to_string())),
        };
        let config = Self::from_environment(environment)?;
        for notice in notices(&vars) {
            tracing::warn!("{notice}");
        }
        Ok(config)
    }

    #[expect(clippy::too_many_lines, reason = "one line for each variable, twice: named and read")]
    fn from_environment(environment: Environment) -> Result<Self> {
        let Environment {
            enable_redis,
            redis_url,
            redis_host,
            redis_port,
            redis_db,
            redis_username,
            redis_password,
            redis_socket_path,
            redis_cluster,
            redis_sentinel_master,
            redis_sentinel_username,
            redis_sentinel_password,
            redis_nodes,
            redis_tls,
            redis_tls_ca_file,
            redis_tls_cert_file,
            redis_tls_key_file,
            redis_tls_server_name,
            redis_encryption_key,
            redis_max_connections,
            redis_socket_timeout,
            redis_socket_connect_timeout,
            redis_key_prefix,
            redis_batching,
            redis_near_cache_mb,
            redis_near_cache_ttl,
            redis_serve_stale_in_outage,
            redis_replay_deletes,
        } = environment;
        let default = Self::default();
        let url = set(redis_url);
        // With a URL the port is not ours to read: Kubernetes sets REDIS_PORT=tcp://… for a service called `redis`.
        let redis_port = redis_port.filter(|_| url.is_none());
        Ok(Self {
            enabled: read("ENABLE_REDIS", enable_redis, default.enabled, flag)?,
            url: url.map(Secret::from),
            host: redis_host.map_or(Ok(default.host), read_host)?,
            port: read("REDIS_PORT", redis_port, default.port, port)?,
            db: read("REDIS_DB", redis_db, default.db, number(DATABASE, 0..=u8::MAX))?,
            username: set(redis_username),
            password: set(redis_password).map(Secret::from),
            socket_path: set(redis_socket_path).map(Into::into),
            cluster: read("REDIS_CLUSTER", redis_cluster, default.cluster, flag)?,
            sentinel_master: set(redis_sentinel_master),
            sentinel_username: set(redis_sentinel_username),
            sentinel_password: set(redis_sentinel_password).map(Secret::from),
            nodes: redis_nodes.map_or_else(Vec::new, |nodes| list(&nodes)),
            tls: read("REDIS_TLS", redis_tls, default.tls, flag)?,
            tls_ca_file: set(redis_tls_ca_file).map(Into::into),
            tls_cert_file: set(redis_tls_cert_file).map(Into::into),
            tls_key_file: set(redis_tls_key_file).map(Into::into),
            tls_server_name: set(redis_tls_server_name),
            encryption_key: set(redis_encryption_key).map(Secret::from),
            max_connections: {
                let connections = number(CONNECTIONS, 1..=10_000);
                read(
                    "REDIS_MAX_CONNECTIONS",
                    redis_max_connections,
                    default.max_connections,
                    connections,
                )?
            },
            socket_timeout: read(
                "REDIS_SOCKET_TIMEOUT",
                redis_socket_timeout,
                default.socket_timeout,
                seconds,
            )?,
            socket_connect_timeout: {
                let (value, default) = (redis_socket_connect_timeout, default.socket_connect_timeout);
                read("REDIS_SOCKET_CONNECT_TIMEOUT", value, default, seconds)?
            },
            key_prefix: redis_key_prefix.unwrap_or(default.key_prefix),
            batching: read("REDIS_BATCHING", redis_batching, default.batching, batching)?,
            near_cache_mb: {
                let megabytes = number(MEGABYTES, 0..=1_048_576);
                read(
                    "REDIS_NEAR_CACHE_MB",
                    redis_near_cache_mb,
                    default.near_cache_mb,
                    megabytes,
                )?
            },
            near_cache_ttl: read(
                "REDIS_NEAR_CACHE_TTL",
                redis_near_cache_ttl,
                default.near_cache_ttl,
                seconds,
            )?,
            serve_stale_in_outage: {
                let (value, default) = (redis_serve_stale_in_outage, default.serve_stale_in_outage);
                read("REDIS_SERVE_STALE_IN_OUTAGE", value, default, grace)?
            },
            replay_deletes: read(
                "REDIS_REPLAY_DELETES",
                redis_replay_deletes,
                default.replay_deletes,
                flag,
            )?,
        })
    }
}

const DATABASE: &str = "a database number from 0 to 255";
const CONNECTIONS: &str = "a number of connections from 1 to 10000";
const MEGABYTES: &str = "a number of megabytes from 0 to 1048576";

/// A value as its variable accepts it, or the description of what would be accepted.
type Parsed<T> = std::result::Result<T, &'static str>;

fn set(value: Option<String>) -> Option<String> {
    value.filter(|value| !value.is_empty())
}

fn read<T>(variable: &str, value: Option<String>, default: T, parse: impl FnOnce(&str) -> Parsed<T>) -> Result<T> {
    let Some(value) = set(value) else {
        return Ok(default);
    };
    parse(value.trim()).map_err(|accepted| refused(variable, accepted, Some(&value)))
}

fn refused(variable: &str, accepted: &str, value: Option<&str>) -> Error {
    // What looks like a URL or holds an @ may be a password in the wrong variable.
    let got = match value {
        Some(value) if !value.contains('@') && !value.contains("://") => format!(", got {value:?}"),
        _ => String::new(),
    };
    Error::new(ErrorKind::Config, format!("{variable}: accepted is {accepted}{got}"))
}

fn flag(value: &str) -> Parsed<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err("true, false, 1, 0, yes, no, on or off"),
    }
}

fn batching(value: &str) -> Parsed<Batching> {
    match value.to_ascii_lowercase().as_str() {
        "on" => Ok(Batching::On),
        "reads" => Ok(Batching::Reads),
        "off" => Ok(Batching::Off),
        _ => Err("on, reads or off"),
    }
}

fn number<T: FromStr + PartialOrd>(
    accepted: &'static str,
    range: std::ops::RangeInclusive<T>,
) -> impl FnOnce(&str) -> Parsed<T> {
    move |value| {
        value
            .parse()
            .ok()
            .filter(|number| range.contains(number))
            .ok_or(accepted)
    }
}

fn port(value: &str) -> Parsed<u16> {
    if value.starts_with("tcp://") {
        return Err(
            "a port from 1 to 65535; Kubernetes sets this variable for a service called `redis`: give \
                    REDIS_URL, or set enableServiceLinks: false",
        );
    }
    number("a port from 1 to 65535", 1..=u16::MAX)(value)
}

fn seconds(value: &str) -> Parsed<Duration> {
    number("a number of seconds from 0.001 to 3600", 0.001..=3600.0)(value).map(Duration::from_secs_f64)
}

fn grace(value: &str) -> Parsed<Duration> {
    number("a number of seconds from 0 to 86400", 0.0..=86400.0)(value).map(Duration::from_secs_f64)
}

fn read_host(host: String) -> Result<String> {
    let looks_like_a_host = |host: &str| {
        let colons = host.matches(':').count();
        !host.is_empty() && colons != 1 && !host.contains(|c: char| "/@#?".contains(c) || c.is_whitespace())
    };
    if looks_like_a_host(host.trim()) {
        Ok(host.trim().to_owned())
    } else {
        Err(refused(
            "REDIS_HOST",
            "a host name or an address, without scheme or port",
            Some(&host),
        ))
    }
}

fn list(value: &str) -> Vec<String> {
    value
        .split(',')
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

/// What a user should be told about variables that are right one by one.
fn notices(vars: &[(String, String)]) -> Vec<String> {
    let is_set = |name: &str| vars.iter().any(|(known, value)| known == name && !value.is_empty());
    let mut notices = Vec::new();
    if !is_set("ENABLE_REDIS") && KNOWN.iter().any(|name| is_set(name)) {
        notices.push("Redis stays disabled: REDIS_* variables are set, but ENABLE_REDIS is not".to_owned());
    }
    for (name, _) in vars.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        let meant = KNOWN
            .iter()
            .min_by_key(|known| strsim::damerau_levenshtein(name, known));
        if let Some(meant) = meant.filter(|known| strsim::damerau_levenshtein(name, known) <= 2) {
            notices.push(format!("{name} is not a variable of redis-manager; is {meant} meant?"));
        }
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(vars: &[(&str, &str)]) -> Result<Config> {
        Config::from_vars(
            vars.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    fn message(name: &str, value: &str) -> String {
        config(&[(name, value)]).unwrap_err().to_string()
    }

    #[test]
    fn nothing_set_means_disabled_and_the_documented_defaults() {
        let config = config(&[]).unwrap();
        assert!(!config.enabled);
        assert_eq!((config.host.as_str(), config.port, config.db), ("localhost", 6379, 0));
        assert_eq!(config.max_connections, 10);
        assert_eq!(config.socket_timeout, Duration::from_millis(500));
        assert_eq!(config.socket_connect_timeout, Duration::from_secs(1));
        assert_eq!((config.near_cache_mb, config.near_cache_ttl.as_secs()), (0, 60));
        assert_eq!(config.serve_stale_in_outage, Duration::ZERO);
        assert!(!config.replay_deletes);
    }

    #[test]
    fn flags_are_read_in_any_case() {
        for yes in ["true", "TRUE", "1", "Yes", "on"] {
            assert!(config(&[("ENABLE_REDIS", yes)]).unwrap().enabled, "{yes}");
        }
        for no in ["false", "0", "NO", "Off", ""] {
            assert!(!config(&[("ENABLE_REDIS", no)]).unwrap().enabled, "{no}");
        }
    }

    #[test]
    fn a_bad_value_names_its_variable_what_it_held_and_what_is_accepted() {
        let cases = [
            ("REDIS_PORT", "99999", "1 to 65535"),
            ("REDIS_PORT", "0", "1 to 65535"),
            ("REDIS_DB", "-1", "0 to 255"),
            ("REDIS_SOCKET_TIMEOUT", "abc", "seconds"),
            ("REDIS_SOCKET_TIMEOUT", "0", "seconds"),
            ("REDIS_SOCKET_TIMEOUT", "-1", "seconds"),
            ("REDIS_SOCKET_TIMEOUT", "inf", "seconds"),
            ("REDIS_SOCKET_TIMEOUT", "NaN", "seconds"),
            ("REDIS_SOCKET_CONNECT_TIMEOUT", "1e300", "seconds"),
            ("ENABLE_REDIS", "maybe", "true, false"),
            ("REDIS_TLS", "2", "true, false"),
            ("REDIS_MAX_CONNECTIONS", "0", "1 to 10000"),
            ("REDIS_BATCHING", "writes", "on, reads or off"),
            ("REDIS_NEAR_CACHE_MB", "-5", "megabytes"),
            ("REDIS_NEAR_CACHE_TTL", "0", "seconds"),
            ("REDIS_SERVE_STALE_IN_OUTAGE", "-1", "0 to 86400"),
            ("REDIS_REPLAY_DELETES", "2", "true, false"),
            ("REDIS_HOST", "localhost:6379", "without scheme or port"),
        ];
        for (name, value, accepted) in cases {
            let message = message(name, value);
            assert!(message.starts_with(&format!("{name}: ")), "{message}");
            assert!(message.contains(accepted), "{message}");
            assert!(message.ends_with(&format!("got {value:?}")), "{message}");
        }
    }

    #[test]
    fn an_empty_host_is_refused() {
        assert!(message("REDIS_HOST", "").starts_with("REDIS_HOST: "));
        assert!(message("REDIS_HOST", "  ").starts_with("REDIS_HOST: "));
    }

    #[test]
    fn a_password_in_the_wrong_variable_is_not_shown() {
        for (name, value) in [("REDIS_HOST", "redis://:sesame@h"), ("REDIS_PORT", "sesame@6379")] {
            assert!(!message(name, value).contains("sesame"));
        }
    }

    #[test]
    fn the_port_that_kubernetes_sets_is_explained_and_does_not_matter_beside_a_url() {
        assert!(message("REDIS_PORT", "tcp://10.0.0.1:6379").contains("Kubernetes"));
        assert!(config(&[("REDIS_PORT", "tcp://10.0.0.1:6379"), ("REDIS_URL", "redis://h")]).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_value_that_is_not_text_is_an_error_and_foreign_variables_do_not_matter() {
        use std::os::unix::ffi::OsStringExt;

        let bad = || OsString::from_vec(vec![0xff]);
        assert!(Config::from_os_vars([("FOREIGN".into(), bad()), (bad(), "x".into())]).is_ok());
        let error = Config::from_os_vars([("REDIS_PASSWORD".into(), bad())]).unwrap_err();
        assert!(error.to_string().starts_with("REDIS_PASSWORD: "), "{error}");
    }

    #[test]
    fn a_misspelt_variable_and_a_forgotten_switch_are_noticed() {
        let vars = [
            ("REDIS_PASWORD".to_owned(), "x".to_owned()),
            ("REDIS_SERVICE_HOST".to_owned(), "x".to_owned()),
            ("REDIS_HOST".to_owned(), "h".to_owned()),
        ];
        let notices = notices(&vars);
        assert_eq!(notices.len(), 2, "{notices:?}");
        assert!(notices[0].contains("stays disabled"));
        assert!(notices[1].contains("is REDIS_PASSWORD meant?"));
    }

    #[test]
    fn every_variable_stands_in_the_example_file() {
        let example = include_str!("../../.env.example");
        for name in KNOWN {
            assert!(
                example.contains(&format!("{name}=")),
                "{name} is missing in .env.example"
            );
        }
    }
}
