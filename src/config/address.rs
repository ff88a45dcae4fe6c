//! The parts of a `REDIS_URL`. Its errors never repeat the URL: it may hold a password.

use percent_encoding::percent_decode_str;

/// `scheme://[user[:password]@]host[:port][,host[:port]…][/path][?query]`, decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) scheme: String,
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) hosts: Vec<(String, Option<u16>)>,
    /// With its leading slash.
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
}

type Parsed<T> = Result<T, &'static str>;

const RESERVED: &str = "a host with a port from 1 to 65535 (the characters @ : / # ? % in a user or password are written \
                        percent-encoded)";

impl Address {
    pub(super) fn parse(url: &str) -> Parsed<Self> {
        let (scheme, rest) = url
            .trim()
            .split_once("://")
            .ok_or("a URL such as redis://host:6379/0")?;
        if rest.contains('#') {
            return Err("a URL without a fragment (# in a password is written %23)");
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        // A password may hold an @ that nobody encoded; a host may not.
        let (user_info, hosts) = match authority.rsplit_once('@') {
            Some((user_info, hosts)) => (user_info, hosts),
            None => ("", authority),
        };
        let (username, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            username: decoded(username)?,
            password: decoded(password)?,
            hosts: hosts
                .split(',')
                .filter(|host| !host.is_empty())
                .map(host_port)
                .collect::<Parsed<_>>()?,
            path: decoded(path)?.unwrap_or_default(),
            query: query
                .split('&')
                .filter(|pair| !pair.is_empty())
                .map(pair)
                .collect::<Parsed<_>>()?,
        })
    }
}

/// Splits `host:port`, `[v6]:port` or `host`.
pub(super) fn host_port(text: &str) -> Parsed<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(RESERVED)?;
            match after {
                "" => (host, None),
                _ => (host, Some(after.strip_prefix(':').ok_or(RESERVED)?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if host.is_empty() {
        return Err("a URL with a host");
    }
    let port = match port {
        Some(port) => Some(port.parse().ok().filter(|port| *port > 0).ok_or(RESERVED)?),
        None => None,
    };
    Ok((host.to_owned(), port))
}

fn pair(text: &str) -> Parsed<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    Ok((decoded(name)?.unwrap_or_default(), decoded(value)?.unwrap_or_default()))
}

fn decoded(text: &str) -> Parsed<Option<String>> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.into_owned())),
        Err(_) => Err("a URL whose percent-encoded parts are UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn all_parts_are_found() {
        let address = Address::parse("redis-sentinel://u:p%40%2F@a:1,[::1]:2,c/3?master=m%20n").unwrap();
        assert_eq!(address.scheme, "redis-sentinel");
        assert_eq!(address.username.as_deref(), Some("u"));
        assert_eq!(address.password.as_deref(), Some("p@/"));
        assert_eq!(
            address.hosts,
            [("a".into(), Some(1)), ("::1".into(), Some(2)), ("c".into(), None)]
        );
        assert_eq!(address.path, "/3");
        assert_eq!(address.query, [("master".into(), "m n".into())]);
    }

    #[test]
    fn what_does_not_parse_is_refused() {
        for url in [
            "",
            "redis",
            "redis://:6379",
            "redis://h:x",
            "redis://h:0",
            "redis://h:99999",
            "redis://[::1",
            "redis://h/0#x",
        ] {
            let refused = Address::parse(url);
            assert!(refused.is_err(), "{url} gave {refused:?}");
        }
    }

    #[test]
    fn an_unencoded_at_sign_belongs_to_the_password() {
        let address = Address::parse("redis://:p@ss@h").unwrap();
        assert_eq!(address.password.as_deref(), Some("p@ss"));
    }

    proptest! {
        #[test]
        fn any_password_comes_back_from_its_encoded_form(password in any::<String>()) {
            let url = format!("redis://u:{}@h", utf8_percent_encode(&password, NON_ALPHANUMERIC));
            prop_assert_eq!(Address::parse(&url).unwrap().password.unwrap_or_default(), password);
        }
    }
}
