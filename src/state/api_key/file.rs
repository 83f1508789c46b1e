//! Reads API keys from a file that a person or a deployment writes.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::format::is_id;
use super::{ApiKeyHash, ApiKeyRecord, ApiKeySource, MAX_OWNER};
use crate::challenge::is_scope_token;
use crate::config_error::ConfigError;
use crate::error::ApiKeysUnavailable;
use crate::refresh::{FetchBudget, Load, Loaded, Refreshed, Status};
use crate::text::{instead_of_text, without_mark};

/// Reads API keys from a file, and again when it changes. Clones share it.
///
/// The file is TOML, or JSON with the same members:
///
/// ```toml
/// [[keys]]
/// id = "1cQVHGNxbf7dW0kA"
/// sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
/// owner = "build-server"
/// label = "nightly builds"
/// roles = ["builder"]
/// scopes = ["images:read", "images:write"]
/// created = "2026-11-30T00:00:00Z"
/// expires = "2027-11-30T00:00:00Z"
/// disabled = false
/// ```
///
/// `id`, `sha256` and `owner` are needed. `sha256` is [the hash of the whole key](ApiKeyHash), so the file holds no
/// secret; only its operator must be able to write it. Moments are in UTC. A member that is not known is a mistake.
///
/// ```no_run
/// use tower_bearer::api_key::{ApiKeyPrefix, ApiKeys, FileApiKeys};
///
/// let keys = ApiKeys::new(ApiKeyPrefix::new("acme")?, FileApiKeys::open("/etc/acme/keys.toml")?)?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// The file is looked at every 5 seconds. Its keys change all at once. A version with a mistake replaces nothing: the
/// old keys stay in use without a limit of time, and a warning reports it. The last use of a key is kept in memory.
///
/// Write a new version beside the file and rename it. A TOML file that is read while it is written may lack its last
/// lines, and with them `disabled` or `expires` of its last key.
#[derive(Clone)]
pub struct FileApiKeys(Arc<Shared>);

struct Shared {
    keys: Refreshed<KeyFile>,
    last_used: Mutex<HashMap<String, SystemTime>>,
}

impl FileApiKeys {
    /// Reads the keys in this file now, and again when they change.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`], and [`ConfigError::Configuration`] with the mistake in the file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        Self::open_with(path, EVERY)
    }

    /// As [`open`](Self::open), and looks at the file so often.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl Into<PathBuf>, every: Duration) -> Result<Self, ConfigError> {
        let file = KeyFile { path: path.into(), last: Arc::default() };
        let keys = file.reader().read()?;
        let keys = Refreshed::new(file)
            .with_initial(keys)
            .with_freshness_between(every..=every)
            .with_backoff(every..=every)
            .with_stale_if_error(Duration::MAX)
            // No token causes a reading, only `reload` does.
            .with_fetch_budget(MOST_RELOADS, RELOAD_EVERY)
            .with_shared_budget(FetchBudget::new(MOST_RELOADS, RELOAD_EVERY));
        Ok(Self(Arc::new(Shared { keys, last_used: Mutex::default() })))
    }

    /// Returns the key of an id, without waiting.
    pub fn get(&self, id: &str) -> Option<ApiKeyRecord> {
        let mut record = self.0.keys.current()?.by_id.get(id)?.clone();
        let last_used = self.0.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        record.last_used = last_used.get(id).copied();
        Some(record)
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.0.keys.current().map_or(0, |keys| keys.by_id.len())
    }

    /// Returns whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads the file now, for programs that have just written it.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the file cannot be read. The old keys stay in use.
    pub async fn reload(&self) -> Result<(), ApiKeysUnavailable> {
        self.0.keys.refresh().await.map(drop).map_err(ApiKeysUnavailable::new)
    }

    /// Returns how the last readings went.
    pub fn status(&self) -> Status {
        self.0.keys.status()
    }
}

impl ApiKeySource for FileApiKeys {
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        Ok(self.get(id))
    }

    async fn record_uses(&self, uses: &[(String, SystemTime)]) -> Result<(), ApiKeysUnavailable> {
        let Some(keys) = self.0.keys.current() else { return Ok(()) };
        let mut last_used = self.0.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        last_used.retain(|id, _| keys.by_id.contains_key(id));
        for (id, at) in uses.iter().filter(|(id, _)| keys.by_id.contains_key(id)) {
            let last = last_used.entry(id.clone()).or_insert(*at);
            *last = (*last).max(*at);
        }
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.0.keys.current().map_or(0, |keys| keys.version)
    }
}

impl fmt::Debug for FileApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileApiKeys").field("keys", &self.0.keys).finish_non_exhaustive()
    }
}

/// The keys of one version of the file.
struct Keys {
    by_id: HashMap<String, ApiKeyRecord>,
    /// The number of the version, which changes with the text of the file.
    version: u64,
    text: Vec<u8>,
}

/// Reads the file.
struct KeyFile {
    path: PathBuf,
    last: Last,
}

type Last = Arc<Mutex<Option<Arc<Keys>>>>;

impl KeyFile {
    fn reader(&self) -> Reader {
        Reader { path: self.path.clone(), last: Arc::clone(&self.last) }
    }
}

impl Load for KeyFile {
    type Document = Shown;
    type Error = ApiKeysUnavailable;

    async fn load(&self) -> Result<Loaded<Shown>, ApiKeysUnavailable> {
        let reader = self.reader();
        let read = tokio::task::spawn_blocking(move || reader.read());
        match read.await {
            Ok(keys) => keys.map(Loaded::from).map_err(ApiKeysUnavailable::new),
            Err(error) => Err(ApiKeysUnavailable::new(error)),
        }
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

/// The keys as readers see them: the same for as long as the file is the same.
type Shown = Arc<Keys>;

/// Holds everything that reading needs, so that a thread that may wait for the disk can do it.
struct Reader {
    path: PathBuf,
    last: Last,
}

impl Reader {
    fn read(&self) -> Result<Arc<Keys>, ConfigError> {
        let unreadable =
            |problem: String| ConfigError::UnreadableFile { path: self.path.clone(), problem };
        let text = read_file(&self.path).map_err(|error| unreadable(error.to_string()))?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = last.as_ref().filter(|keys| keys.text == text) {
            return Ok(Arc::clone(keys));
        }
        let Ok(read) = str::from_utf8(without_mark(&text)) else {
            let problem = instead_of_text(&text).unwrap_or("it is not UTF-8");
            return Err(unreadable(problem.to_owned()));
        };
        let by_id = parse(read)?;
        let version = last.as_ref().map_or(0, |keys| keys.version + 1);
        let keys = Arc::new(Keys { by_id, version, text });
        *last = Some(Arc::clone(&keys));
        Ok(keys)
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut text = Vec::new();
    std::fs::File::open(path)?.take(MOST_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it is longer than {MOST_BYTES} bytes")));
    }
    Ok(text)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    sha256: String,
    owner: String,
    #[serde(default)]
    label: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    scopes: Vec<String>,
    created: Option<String>,
    expires: Option<String>,
    #[serde(default)]
    disabled: bool,
}

fn parse(text: &str) -> Result<HashMap<String, ApiKeyRecord>, ConfigError> {
    // No TOML begins so, unless it has a name in braces.
    let document: Document = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| wrong("keys", error.to_string()))?
    } else {
        toml::from_str(text).map_err(|error| {
            // The message alone: the whole error would quote the line.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.lines().count().max(1);
            wrong("keys", format!("{} in line {line}", error.message().trim_end()))
        })?
    };
    let mut by_id = HashMap::with_capacity(document.keys.len());
    for (number, entry) in document.keys.into_iter().enumerate() {
        let at = |member: &str| format!("keys[{number}].{member}");
        let record = entry.into_record(at)?;
        if let Some(other) = by_id.insert(record.id.clone(), record) {
            return Err(wrong(at("id"), format!("the key {} is there twice", other.id)));
        }
    }
    Ok(by_id)
}

impl Entry {
    fn into_record(self, at: impl Fn(&str) -> String) -> Result<ApiKeyRecord, ConfigError> {
        if !is_id(&self.id) {
            let problem = "is not the id of an API key, its 16 characters in the middle";
            return Err(wrong(at("id"), problem));
        }
        let hash = ApiKeyHash::from_hex(&self.sha256).ok_or_else(|| {
            wrong(at("sha256"), "is not a hash of 64 hexadecimal digits, as sha256sum writes it")
        })?;
        if self.owner.is_empty() || self.owner.len() > MAX_OWNER {
            return Err(wrong(at("owner"), "is empty or longer than 1,024 bytes"));
        }
        if !self.scopes.iter().all(|scope| is_scope_token(scope)) {
            return Err(wrong(
                at("scopes"),
                "has a scope that is empty, or holds a space or a character that no scope has",
            ));
        }
        let moment = |member: &str, text: Option<&String>| {
            let Some(text) = text else { return Ok(None) };
            let moment = humantime::parse_rfc3339(text);
            let problem = "is not a moment in UTC, such as \"2027-11-30T00:00:00Z\"";
            moment.map(Some).map_err(|_| wrong(at(member), problem))
        };
        let created_at = moment("created", self.created.as_ref())?;
        let expires_at = moment("expires", self.expires.as_ref())?;
        let created_at = created_at.unwrap_or(SystemTime::UNIX_EPOCH);
        let mut record = ApiKeyRecord::new(self.id, hash, self.owner, created_at);
        record.label = self.label;
        record.roles = self.roles;
        record.scopes = self.scopes;
        record.expires_at = expires_at;
        record.disabled = self.disabled;
        Ok(record)
    }
}

fn wrong(path: impl Into<String>, problem: impl Into<String>) -> ConfigError {
    ConfigError::Configuration { path: path.into(), problem: problem.into() }
}

const EVERY: Duration = Duration::from_secs(5);
const MOST_RELOADS: u32 = 100;
const RELOAD_EVERY: Duration = Duration::from_millis(10);
const MOST_BYTES: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "[[keys]]\nid = \"1cQVHGNxbf7dW0kA\"\nowner = \"ci\"\n\
        sha256 = \"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"\n";

    #[test]
    fn file_is_read_in_toml_and_json() {
        let toml = format!(
            "{KEY}label = \"x\"\nroles = [\"r\"]\nscopes = [\"a:b\"]\ndisabled = true\n\
             expires = \"2027-11-30T00:00:00Z\"\n"
        );
        let json = serde_json::to_string(&toml::from_str::<serde_json::Value>(&toml).unwrap());

        let (one, other) = (parse(&toml).unwrap(), parse(&json.unwrap()).unwrap());

        assert_eq!(one, other);
        let key = &one["1cQVHGNxbf7dW0kA"];
        assert_eq!((key.owner.as_str(), key.label.as_str(), key.disabled), ("ci", "x", true));
        assert_eq!((&*key.roles, &*key.scopes), (&["r".to_owned()][..], &["a:b".to_owned()][..]));
        assert_eq!(key.expires_at, humantime::parse_rfc3339("2027-11-30T00:00:00Z").ok());
        assert!(parse("").unwrap().is_empty() && parse("{\"keys\":[]}").unwrap().is_empty());
    }

    #[test]
    fn mistake_is_told_with_its_place() {
        let with = |more: &str| format!("{KEY}{more}");
        for (text, place, problem) in [
            (with("expires = \"tomorrow\""), "keys[0].expires", "not a moment"),
            (with("created = \"2027-11-30\""), "keys[0].created", "not a moment"),
            (with("scopes = [\"a b\"]"), "keys[0].scopes", "space"),
            (with("expired = \"x\""), "keys", "unknown field `expired`"),
            (with("disabled = 1"), "keys", "line 5"),
            (with(KEY), "keys[1].id", "twice"),
            (KEY.replace("1cQV", "acme_1cQV"), "keys[0].id", "16 characters"),
            (KEY.replace("ba78", "ba"), "keys[0].sha256", "64 hexadecimal"),
            (KEY.replace("\"ci\"", "\"\""), "keys[0].owner", "empty"),
            ("{\"keys\":[".to_owned(), "keys", "EOF"),
        ] {
            let refused = parse(&text).unwrap_err();
            let ConfigError::Configuration { path, problem: found } = &refused else {
                panic!("{refused:?}")
            };
            assert_eq!(path, place, "{text}");
            assert!(found.contains(problem), "{text}: {found}");
        }
    }
}
