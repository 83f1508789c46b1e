//! Reads the environment. Each mistake is a sentence that names the variable.

use std::fmt::Display;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::Uri;

/// The settings of this program. The head of `main.rs` explains each variable.
pub struct Settings {
    pub addr: String,
    pub public_url: Option<String>,
    pub database_url: String,
    pub redis_url: Option<String>,
    pub keys_file: Option<String>,
    pub access_lifetime: Duration,
    pub refresh_idle: Duration,
    pub attempts_per_account: Option<NonZeroU32>,
    pub attempts_per_address: Option<NonZeroU32>,
    pub trusted_proxies: Vec<IpAddr>,
    pub request_timeout: Duration,
    pub cors_origin: Option<String>,
    pub users: Vec<NewUser>,
    /// Whether the users are those of the documentation.
    pub has_default_users: bool,
}

/// An account to create at the start.
pub struct NewUser {
    pub name: String,
    pub password: String,
    pub role: String,
}

impl Settings {
    /// Reads the environment.
    pub fn read() -> Result<Self, String> {
        let public_url = set("PUBLIC_URL").map(|url| origin(&url)).transpose()?;
        let users = set("USERS");
        // Not where others reach them: their password is known.
        let has_default_users = users.is_none() && !is_https(public_url.as_deref());
        let default_users = if has_default_users { DEFAULT_USERS } else { "" };
        Ok(Self {
            addr: set("ADDR").unwrap_or_else(|| "127.0.0.1:3000".to_owned()),
            public_url,
            database_url: set("DATABASE_URL").unwrap_or_else(|| "sqlite::memory:".to_owned()),
            redis_url: set("REDIS_URL"),
            keys_file: set("KEYS_FILE"),
            access_lifetime: seconds("ACCESS_LIFETIME", 15 * 60)?,
            refresh_idle: seconds("REFRESH_IDLE", 7 * 24 * 60 * 60)?,
            attempts_per_account: attempts("ATTEMPTS_PER_ACCOUNT", 20)?,
            attempts_per_address: attempts("ATTEMPTS_PER_ADDRESS", 600)?,
            trusted_proxies: addresses("TRUSTED_PROXIES")?,
            request_timeout: seconds("REQUEST_TIMEOUT", 30)?,
            cors_origin: set("CORS_ORIGIN"),
            has_default_users,
            users: new_users(users.as_deref().unwrap_or(default_users))?,
        })
    }

    /// Returns whether browsers reach this server over TLS.
    pub fn is_https(&self) -> bool {
        is_https(self.public_url.as_deref())
    }
}

fn is_https(url: Option<&str>) -> bool {
    url.is_some_and(|url| url.starts_with("https:"))
}

/// Returns the origin of the address that browsers use: `https://app.example.com`.
fn origin(url: &str) -> Result<String, String> {
    let wrong = |problem| wrong("PUBLIC_URL", format_args!("{url}: {problem}"));
    let uri: Uri = url.parse().map_err(|_| wrong("not a URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong("write it with https:// and a host"));
    };
    let is_loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    match scheme {
        _ if uri.path() != "/" || uri.query().is_some() => Err(wrong("a path is not possible")),
        "https" => Ok(format!("https://{authority}")),
        "http" if is_loopback => Ok(format!("http://{authority}")),
        _ => Err(wrong("not HTTPS; plain HTTP is for this machine only")),
    }
}

fn new_users(text: &str) -> Result<Vec<NewUser>, String> {
    let user = |one: &str| match one.split(':').collect::<Vec<_>>()[..] {
        [name, password, role] => {
            Ok(NewUser { name: name.into(), password: password.into(), role: role.into() })
        }
        _ => Err(wrong("USERS", "not of the form name:password:role,name:password:role")),
    };
    text.split(',').filter(|one| !one.trim().is_empty()).map(user).collect()
}

fn seconds(variable: &str, default: u64) -> Result<Duration, String> {
    let Some(value) = set(variable) else { return Ok(Duration::from_secs(default)) };
    match value.parse() {
        Ok(seconds @ 1..) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong(variable, "not a number of seconds, 1 or more")),
    }
}

fn attempts(variable: &str, default: u32) -> Result<Option<NonZeroU32>, String> {
    let Some(value) = set(variable) else { return Ok(NonZeroU32::new(default)) };
    let number = value.parse().map_err(|_| {
        wrong(variable, "not a number of attempts in a minute; 0 stands for no limit")
    })?;
    Ok(NonZeroU32::new(number))
}

fn addresses(variable: &str) -> Result<Vec<IpAddr>, String> {
    let list = set(variable).unwrap_or_default();
    let address = |one: &str| match one.trim().parse::<IpAddr>() {
        Ok(address) => Ok(address.to_canonical()),
        Err(_) => Err(wrong(variable, format_args!("{one:?} is not an IP address"))),
    };
    list.split(',').filter(|one| !one.trim().is_empty()).map(address).collect()
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

pub fn wrong(variable: &str, problem: impl Display) -> String {
    format!("{variable}: {problem}")
}

const DEFAULT_USERS: &str = "alice:password:user,admin:password:admin";
