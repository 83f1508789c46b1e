//! Reads the address of Redis.
//!
//! An error shows nothing but the scheme of an address that cannot be read: where the password ends is exactly
//! what is unknown.

use std::fmt;

use crate::config_error::ConfigError;
use crate::loopback::is_loopback;

/// The address of Redis, as an operator writes it.
#[derive(Clone)]
pub(in crate::state) struct RedisAddress {
    pub(in crate::state) hosts: Vec<Host>,
    pub(in crate::state) uses_tls: bool,
    /// Set when the hosts are sentinels: the name of the service they watch.
    pub(in crate::state) service: Option<String>,
    pub(in crate::state) user: Option<String>,
    pub(in crate::state) password: Option<String>,
    pub(in crate::state) database: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) struct Host {
    pub(in crate::state) name: String,
    pub(in crate::state) port: u16,
}

impl RedisAddress {
    pub(in crate::state) fn read(url: &str) -> Result<Self, ConfigError> {
        parse(url)
            .map_err(|problem| ConfigError::Address { address: without_secrets(url), problem })
    }

    /// Refuses an address of another machine without TLS.
    pub(in crate::state) fn check_secrecy(&self) -> Result<(), ConfigError> {
        if self.uses_tls || self.hosts.iter().all(Host::is_loopback) {
            return Ok(());
        }
        let problem = "is of another machine and without TLS, so an attacker on the way could read the \
                       password and change what is stored; write `rediss://`, or say \
                       `dangerously_without_tls`; plain TCP is for this machine \
                       only (127.0.0.1, [::1], localhost)";
        // Only the scheme: without an `@`, user and password are taken for host and port.
        let scheme = if self.service.is_some() { "redis+sentinel" } else { "redis" };
        Err(ConfigError::Address { address: format!("{scheme}://…"), problem })
    }
}

impl Host {
    /// Returns whether the name is one of this machine.
    pub(in crate::state) fn is_loopback(&self) -> bool {
        is_loopback(&self.name)
    }
}

fn parse(url: &str) -> Result<RedisAddress, &'static str> {
    const DATABASE: &str = "has a database that is no number";
    let (scheme, rest) = url.split_once("://").ok_or(SCHEMES)?;
    let (uses_tls, has_sentinels) = match scheme {
        "redis" => (false, false),
        "rediss" => (true, false),
        "redis+sentinel" => (false, true),
        "rediss+sentinel" => (true, true),
        _ => return Err(SCHEMES),
    };
    if rest.contains(['?', '#']) {
        return Err("has parts behind `?` or `#`, which mean nothing here; percent-encode them");
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // Otherwise a part of the password would be taken for a host or a service, and shown.
    if path.contains('@') {
        return Err("has an `@` behind a `/`; percent-encode the `/` of the password as `%2F`");
    }
    let (user, hosts) = match authority.split_once('@') {
        Some((_, hosts)) if hosts.contains('@') => {
            return Err(
                "has more than one `@`; percent-encode that of the password as `%40`, and \
                        write user and password once for all hosts",
            );
        }
        Some((user, hosts)) => (Some(user), hosts),
        None => (None, authority),
    };
    let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, ""))) {
        None => (None, None),
        Some((user, password)) => (decoded(user)?, decoded(password)?),
    };
    if user.is_some() && password.is_none() {
        return Err("has a user without a password; write `user:password@`, or `:password@`");
    }
    let default = if has_sentinels { SENTINEL_PORT } else { PORT };
    let hosts = hosts.split(',').map(|host| self::host(host, default)).collect::<Result<_, _>>()?;
    let (service, database) = match (has_sentinels, path.split_once('/')) {
        (false, _) => (None, path),
        (true, None) => (decoded(path)?, ""),
        (true, Some((service, database))) => (decoded(service)?, database),
    };
    if has_sentinels && service.is_none() {
        return Err("names no service; write it behind the sentinels, as `/mymaster`");
    }
    let database = match database {
        "" => 0,
        database => database.parse().map_err(|_| DATABASE)?,
    };
    Ok(RedisAddress { hosts, uses_tls, service, user, password, database })
}

fn host(text: &str, default: u16) -> Result<Host, &'static str> {
    let (name, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((name, "")) => (name, None),
        Some((name, port)) => (name, Some(port.strip_prefix(':').ok_or(PORTS)?)),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() {
        return Err("names no host, or an empty one between commas");
    }
    let is_in_brackets = text.starts_with('[');
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if !name.chars().all(|c| is_name(c) || is_in_brackets && ":%".contains(c)) {
        return Err("has a host that holds anything but ASCII letters, digits, `-`, `.` and `_`");
    }
    let port = port.map_or(Ok(default), |port| port.parse().map_err(|_| PORTS))?;
    Ok(Host { name: name.to_owned(), port })
}

/// Decodes percent-encoding (RFC 3986 §2.1). An empty text counts as absent.
fn decoded(text: &str) -> Result<Option<String>, &'static str> {
    const BROKEN: &str = "has a `%` without two hexadecimal digits, or bytes that are no UTF-8";
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let (digits, behind) = behind.split_first_chunk::<2>().ok_or(BROKEN)?;
        let digit = |digit: u8| char::from(digit).to_digit(16);
        let byte = digit(digits[0]).zip(digit(digits[1])).ok_or(BROKEN)?;
        bytes.push(u8::try_from(byte.0 * 16 + byte.1).map_err(|_| BROKEN)?);
        rest = behind;
    }
    let text = String::from_utf8(bytes).map_err(|_| BROKEN)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// Returns the scheme: the one part of an unreadable address that cannot hold a password.
fn without_secrets(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, _)) if KNOWN_SCHEMES.contains(&scheme) => format!("{scheme}://…"),
        _ => "…".to_owned(),
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

impl fmt::Display for RedisAddress {
    /// Shows the address without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.uses_tls { "rediss" } else { "redis" })?;
        f.write_str(if self.service.is_some() { "+sentinel://" } else { "://" })?;
        for (index, host) in self.hosts.iter().enumerate() {
            write!(f, "{}{host}", if index == 0 { "" } else { "," })?;
        }
        if let Some(service) = &self.service {
            write!(f, "/{service}")?;
        }
        if self.database != 0 {
            write!(f, "/{}", self.database)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RedisAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

const KNOWN_SCHEMES: [&str; 4] = ["redis", "rediss", "redis+sentinel", "rediss+sentinel"];
const SCHEMES: &str =
    "must begin with `redis://`, `rediss://` (TLS), `redis+sentinel://` or `rediss+sentinel://`";
const PORTS: &str = "has a port that is no number from 0 to 65535";
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, shown) in [
            ("redis://localhost", "redis://localhost:6379"),
            ("rediss://r.example.com:7000/3", "rediss://r.example.com:7000/3"),
            ("redis://a:1,b:2,[::1]:3,[::2]", "redis://a:1,b:2,[::1]:3,[::2]:6379"),
            ("redis://user:p%40ss@host/", "redis://host:6379"),
            ("redis://user:p:s,s@my_host", "redis://my_host:6379"),
            ("redis+sentinel://a,b:1/mymaster", "redis+sentinel://a:26379,b:1/mymaster"),
            ("rediss+sentinel://a/m/2", "rediss+sentinel://a:26379/m/2"),
        ] {
            assert_eq!(RedisAddress::read(url).unwrap().to_string(), shown, "{url}");
        }
        let address = RedisAddress::read("redis://us%3Aer:p%40s:s@host").unwrap();
        assert_eq!(address.user.as_deref(), Some("us:er"));
        assert_eq!(address.password.as_deref(), Some("p@s:s"));
        assert_eq!(RedisAddress::read("redis://:secret@h").unwrap().user, None);
    }

    #[test]
    fn of_a_bad_address_its_scheme_is_shown_if_it_is_one_and_what_is_wrong() {
        for (url, shown, told) in [
            ("redis://host/secret", "redis://…", "no number"),
            ("rediss+sentinel://host", "rediss+sentinel://…", "names no service"),
            ("secret://host", "…", "must begin with"),
            ("secret", "…", "must begin with"),
            ("redis://:sec@ret@host", "redis://…", "more than one `@`"),
        ] {
            let ConfigError::Address { address, problem } = RedisAddress::read(url).unwrap_err()
            else {
                panic!("{url}")
            };
            assert_eq!(address, shown, "{url}");
            assert!(problem.contains(told), "{url}: {problem}");
        }
        let address = RedisAddress::read("redis://user:secret@host").unwrap();
        assert_eq!(format!("{address:?}"), "\"redis://host:6379\"");
    }

    #[test]
    fn bad_addresses_are_refused_without_showing_the_password() {
        for url in [
            "",
            "secret",
            "host:1",
            ":secret@host",
            "secret@host",
            "user:secret@host",
            "redis:secret@host",
            "redis:/:secret@host",
            "http://:secret@host",
            "secret://host",
            "user:secret://host",
            " redis://:secret@host",
            "redis://",
            "redis://:secret",
            "redis://user:secret",
            "redis://user:secret/0",
            "redis://user:secret,host",
            "redis://host/secret",
            "redis://host?password=secret",
            "redis://host/0?password=secret",
            "redis://host#secret",
            "redis://:secret@host:x",
            "redis://:secret@a,,b",
            "redis://:secret@a,user:secret@b",
            "redis://:sec%ret@host",
            "redis://:sec/ret@host",
            "redis://:sec@ret@host",
            "redis://:sec ret",
            "redis://user@host",
            "redis://secret@host",
            "redis://:secret@host/x",
            "redis://:secret?@host",
            "redis://:secret@host:65536",
            "redis://[secret]:x",
            "redis://[secret",
            "redis://sec%72et:6379:secret",
            "redis+sentinel://:secret@host",
            "redis+sentinel://user:12/secret@host",
            "redis+sentinel://user:12/m/secret@host",
        ] {
            let error = RedisAddress::read(url).unwrap_err();

            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("sec") && !shown.contains("ret"), "{url}: {shown}");
        }
    }

    #[test]
    fn plain_address_of_another_machine_is_refused_without_showing_the_password() {
        for url in [
            "redis://:secret@redis.example.com",
            "redis://:secret@10.0.0.1",
            "redis://:secret@localhost,redis",
            "redis+sentinel://:secret@sentinel/shop",
            "redis://:secret@localhost.example.com",
            "redis://secret:12345",
        ] {
            let error = RedisAddress::read(url).unwrap().check_secrecy().unwrap_err();

            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("secret") && shown.contains("dangerously"), "{url}: {shown}");
        }
        for url in [
            "rediss://redis.example.com",
            "rediss+sentinel://sentinel/shop",
            "redis://localhost",
            "redis://LOCALHOST,127.0.0.1:7000,127.3.4.5,[::1]:1",
            "redis+sentinel://127.0.0.1/shop",
        ] {
            RedisAddress::read(url).unwrap().check_secrecy().unwrap();
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Tries every special character, in every place in which a user may put it.
        #[test]
        fn secret_is_in_no_error_and_no_address_that_is_shown(
            parts in proptest::collection::vec("[A-Z]{6}|[:/@?#%,\\[\\] .&=0-9+]", 1..6),
            place in 0..18_usize,
        ) {
            let secret = parts.concat();
            // `redis://user:1,other` is a list of hosts, and `redis://:1@other` has a password.
            prop_assume!(!(12..14).contains(&place) || !secret.contains(['@', ',']));
            let url = [
                "redis://:{}@host", "redis://user:{}@host:1/2", "rediss://{}@host", "redis://:{}@a,b",
                "redis+sentinel://:{}@a,b/shop", "redis+sentinel://user:{}@a/shop/1", ":{}@host", "{}@host",
                "redis:{}@host", "redis:/:{}@host", "user:{}@host:6379", "http://:{}@host", "redis://:{}",
                "redis://user:{}", "redis://host?password={}", "redis://host/{}", "redis://a,user:{}@b",
                "redis://:{}@a,:{}@b",
            ][place].replace("{}", &secret);

            let shown = match RedisAddress::read(&url) {
                Err(error) => format!("{error} {error:?}"),
                Ok(address) => format!("{address} {address:?} {:?}", address.check_secrecy().err()),
            };

            // No sentence has words of six capitals.
            for part in parts.iter().filter(|part| part.len() == 6) {
                prop_assert!(!shown.contains(part), "{} shows {}", url, shown);
            }
        }
    }
}
