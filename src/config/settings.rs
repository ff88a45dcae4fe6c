//! What a [`Config`] means once its parts are known to fit together.

use std::time::Duration;

use super::{
    Batching, Config, Secret,
    encryption::TlsSettings,
    route::{Route, check},
    target::Target,
};
use crate::{
    envelope::EncryptionKeys,
    error::{Error, ErrorKind, Result},
};

/// Checked configuration. Nothing asks again whether it is right.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) target: Target,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) db: u8,
    /// How connections are encrypted, if they are.
    pub(crate) tls: Option<TlsSettings>,
    /// By what caches encrypt values, if they ask for it.
    pub(crate) encryption: Option<EncryptionKeys>,
    pub(crate) max_connections: usize,
    pub(crate) batching: Batching,
    pub(crate) deadline: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) key_prefix: String,
    pub(crate) near: NearPlan,
    /// Whether plain deletes that could not be sent are sent later.
    pub(crate) replay_deletes: bool,
}

/// Whether there is to be a near cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NearPlan {
    /// Nobody asked for one.
    Off,
    /// One was asked for, but there can be none, for this reason.
    Useless(&'static str),
    Wanted(NearSettings),
}

/// How the near cache is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NearSettings {
    pub(crate) bytes: usize,
    /// How long an entry lives at most.
    pub(crate) ttl: Duration,
    /// For how long after the beginning of an outage entries are served.
    pub(crate) grace: Duration,
}

impl TryFrom<Config> for Settings {
    type Error = Error;

    fn try_from(config: Config) -> Result<Self> {
        let route = Route::of(&config)?;
        let tls = TlsSettings::of(&config, route.tls, &route.target)?;
        // Every field is named, so that a new one that nobody handles does not compile.
        let Config {
            enabled: _,
            url: _,
            host: _,
            port: _,
            socket_path: _,
            cluster: _,
            sentinel_master: _,
            sentinel_username: _,
            sentinel_password: _,
            nodes: _,
            tls: _,
            tls_ca_file: _,
            tls_cert_file: _,
            tls_key_file: _,
            tls_server_name: _,
            encryption_key,
            db,
            username,
            password,
            max_connections,
            batching,
            socket_timeout,
            socket_connect_timeout,
            key_prefix,
            near_cache_mb,
            near_cache_ttl,
            serve_stale_in_outage,
            replay_deletes,
        } = config;
        check(max_connections > 0, "REDIS_MAX_CONNECTIONS", "at least one connection")?;
        for (variable, time) in [
            ("REDIS_SOCKET_TIMEOUT", socket_timeout),
            ("REDIS_SOCKET_CONNECT_TIMEOUT", socket_connect_timeout),
            ("REDIS_NEAR_CACHE_TTL", near_cache_ttl),
        ] {
            check(time >= Duration::from_millis(1), variable, "at least 0.001 seconds")?;
        }
        let encryption = encryption_key.as_ref().map(encryption_keys).transpose()?;
        let near = NearPlan::of(near_cache_mb, near_cache_ttl, serve_stale_in_outage, &route.target);
        if let NearPlan::Useless(reason) = near {
            tracing::warn!(reason, "REDIS_NEAR_CACHE_MB has no effect");
        }
        Ok(Self {
            near,
            target: route.target,
            username: route.username.or(username),
            password: route.password.or(password),
            db: route.db.unwrap_or(db),
            tls,
            encryption,
            max_connections,
            batching,
            deadline: socket_timeout,
            connect_timeout: socket_connect_timeout,
            key_prefix,
            replay_deletes,
        })
    }
}

fn encryption_keys(text: &Secret) -> Result<EncryptionKeys> {
    let keys = EncryptionKeys::parse(text.expose());
    keys.map_err(|error| Error::new(ErrorKind::Config, format!("REDIS_ENCRYPTION_KEY: {}", error.message())))
}

impl NearPlan {
    fn of(megabytes: u32, ttl: Duration, grace: Duration, target: &Target) -> Self {
        if megabytes == 0 {
            return Self::Off;
        }
        match target {
            Target::Disabled(_) => Self::Off,
            Target::Memory { .. } => Self::Useless("memory:// is in this process already"),
            _ if !cfg!(feature = "near-cache") => {
                Self::Useless("this program was built without the feature near-cache")
            }
            Target::Server(_) | Target::Sentinel(_) | Target::Cluster(_) => Self::Wanted(NearSettings {
                bytes: usize::try_from(u64::from(megabytes) << 20).unwrap_or(usize::MAX),
                ttl,
                grace,
            }),
        }
    }
}

impl Settings {
    /// Settings that ask nobody.
    pub(crate) fn disabled(reason: String) -> Self {
        Self::answered_by(Target::Disabled(reason))
    }

    /// Says whether they are for the nodes of a Redis Cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.target, Target::Cluster(_))
    }

    /// Settings that ask this, all else by default.
    pub(crate) fn answered_by(target: Target) -> Self {
        let Config {
            db,
            max_connections,
            batching,
            socket_timeout,
            socket_connect_timeout,
            key_prefix,
            replay_deletes,
            ..
        } = Config::default();
        Self {
            target,
            username: None,
            password: None,
            db,
            tls: None,
            encryption: None,
            max_connections,
            batching,
            deadline: socket_timeout,
            connect_timeout: socket_connect_timeout,
            key_prefix,
            near: NearPlan::Off,
            replay_deletes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Endpoint, *};
    use crate::error::ErrorKind;

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
    fn a_cluster_and_a_master_are_found_by_url_and_by_variables() {
        let target = |vars: &[(&str, &str)]| settings(vars).unwrap().target.to_string();
        let of_url = |url| target(&[("REDIS_URL", url)]);
        assert_eq!(of_url("redis-cluster://h:1,i"), "cluster of h:1,i:6379");
        assert_eq!(of_url("redis-sentinel://h,i:2/3?master=m"), "m by h:26379,i:2");
        assert_eq!(target(&[("REDIS_CLUSTER", "true")]), "cluster of localhost:6379");
        let cluster = [
            ("REDIS_URL", "valkey://h"),
            ("REDIS_CLUSTER", "true"),
            ("REDIS_NODES", "h:6379,i"),
        ];
        assert_eq!(target(&cluster), "cluster of h:6379,i:6379");
        let sentinel = [("REDIS_SENTINEL_MASTER", "m"), ("REDIS_NODES", "h:1,[::1]")];
        assert_eq!(target(&sentinel), "m by h:1,[::1]:26379");
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
        assert!(matches!(settings.target, Target::Server(Endpoint::Tcp { host, .. }) if host == "h"));
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
            &[("REDIS_URL", "redis-cluster://h"), ("REDIS_SOCKET_PATH", "/s")],
            &[("REDIS_SENTINEL_PASSWORD", "p")],
            &[
                ("REDIS_CLUSTER", "1"),
                ("REDIS_SENTINEL_MASTER", "m"),
                ("REDIS_NODES", "h:1"),
            ],
            &[("REDIS_SENTINEL_MASTER", "m")],
            &[("REDIS_NODES", "h:1")],
            &[("REDIS_CLUSTER", "1"), ("REDIS_NODES", "h:x")],
            &[("REDIS_CLUSTER", "1"), ("REDIS_DB", "1")],
        ];
        for case in cases {
            let error = settings(case).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{case:?}: {error}");
        }
    }

    #[test]
    fn a_near_cache_stands_before_a_server_only() {
        let near = |vars: &[(&str, &str)]| settings(vars).unwrap().near;
        assert_eq!(near(&[]), NearPlan::Off);
        let asked_for = ("REDIS_NEAR_CACHE_MB", "2");
        let in_memory = near(&[asked_for, ("REDIS_URL", "memory://")]);
        assert!(matches!(in_memory, NearPlan::Useless(reason) if reason.contains("memory://")));
        let vars = [
            asked_for,
            ("REDIS_NEAR_CACHE_TTL", "1.5"),
            ("REDIS_SERVE_STALE_IN_OUTAGE", "30"),
        ];
        match near(&vars) {
            NearPlan::Wanted(near) if cfg!(feature = "near-cache") => {
                assert_eq!(near.bytes, 2 << 20);
                assert_eq!(near.ttl, Duration::from_millis(1500));
                assert_eq!(near.grace, Duration::from_secs(30));
            }
            NearPlan::Useless(reason) if !cfg!(feature = "near-cache") => assert!(reason.contains("near-cache")),
            other => panic!("{other:?}"),
        }
    }

    #[cfg(feature = "encryption")]
    #[test]
    fn encryption_keys_are_read_wherever_answers_come_from() {
        let keys = (
            "REDIS_ENCRYPTION_KEY",
            " new:r8gwVUnSGzuOGXjOXQFp1whNE6qpd/vxmGxsTSI3ZSo ",
        );
        for url in ["redis://h", "redis-cluster://h", "memory://"] {
            let settings = settings(&[keys, ("REDIS_URL", url)]).unwrap();
            let printed = format!("{:?}", settings.encryption.unwrap());
            assert_eq!(printed, r#"EncryptionKeys(["new"])"#);
        }
        assert!(settings(&[]).unwrap().encryption.is_none());
        assert!(settings(&[("REDIS_ENCRYPTION_KEY", "")]).unwrap().encryption.is_none());
    }

    #[cfg(feature = "encryption")]
    #[test]
    fn a_bad_encryption_key_is_refused_even_if_nothing_asks_for_it() {
        for enabled in [true, false] {
            let config = Config {
                enabled,
                encryption_key: Some("new:sesame".into()),
                ..Config::from_url("memory://")
            };
            let error = Settings::try_from(config).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{error}");
            assert!(error.to_string().starts_with("REDIS_ENCRYPTION_KEY: "), "{error}");
            assert!(!error.to_string().contains("sesame"), "{error}");
        }
    }

    #[cfg(not(feature = "encryption"))]
    #[test]
    fn without_the_feature_an_encryption_key_is_refused() {
        let error = settings(&[("REDIS_ENCRYPTION_KEY", "sesame")]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().starts_with("REDIS_ENCRYPTION_KEY: "), "{error}");
        assert!(error.to_string().contains("feature `encryption`"), "{error}");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }

    #[test]
    fn nothing_that_is_printed_shows_a_password() {
        let mut config = Config::from_url("redis://user:sesame@h");
        config.password = Some("sesame".into());
        let settings = Settings::try_from(config.clone()).unwrap();
        assert!(!format!("{config:?} {settings:?}").contains("sesame"));
    }
}
