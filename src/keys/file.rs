//! Reads keys from a file again when it changes.
//!
//! A file has no stale limit: a key is not withdrawn by making its file unreadable, and an API that stops four
//! hours after a broken deployment helps no user. A `WARN` is written each minute instead.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::KeySet;
use super::cached::{CachedKeys, Fetch, Fetched};
use crate::config_error::ConfigError;
use crate::error::KeysUnavailable;
use crate::jose::Algorithm;

/// Reads keys from a file, and again when it changes.
///
/// ```no_run
/// use tower_bearer::keys::FileKeys;
/// use tower_bearer::{Validation, Verifier};
///
/// # #[derive(serde::Deserialize)] struct User {}
/// let verifier = Verifier::<User>::new(
///     FileKeys::open("/run/secrets/jwks.json")?,
///     Validation::new("https://id.example.com", "https://api.example.com"),
/// )?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// The file is looked at every 5 seconds, and at once when a token names an unknown key, within
/// [the budget](CachedKeys::with_fetch_budget). A version that cannot be read replaces nothing: the old
/// keys stay in use without a limit of time, and a warning reports it. The file may be replaced as a
/// whole, by renaming or by another link (as Kubernetes does), or be written in place.
pub type FileKeys = CachedKeys<KeyFile>;

impl FileKeys {
    /// Reads the keys in this file now, and again when they change.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`], and those of [`KeySet::from_jwks`] and [`KeySet::from_pem`].
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        KeyFile::new(path).open()
    }
}

/// Reads a JWK set, a JWK or public keys in PEM from a file, once each time it is asked.
///
/// It has options besides the path. Without options, use [`FileKeys::open`].
pub struct KeyFile {
    path: PathBuf,
    algorithms: Option<Vec<Algorithm>>,
    every: Duration,
    last: Last,
}

/// The last text that held keys, and the keys.
type Last = Arc<Mutex<Option<(Vec<u8>, KeySet)>>>;

impl KeyFile {
    /// Creates the reader of this file. Nothing is read yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), algorithms: None, every: EVERY, last: Arc::default() }
    }

    /// Uses the keys for these algorithms only; see [`KeySet::from_jwks_for`].
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets how often the file is looked at. The default is every 5 seconds.
    #[must_use]
    pub fn with_poll_interval(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Reads the keys now, and again when they change.
    ///
    /// # Errors
    ///
    /// Those of [`FileKeys::open`].
    pub fn open(self) -> Result<FileKeys, ConfigError> {
        let keys = self.reader().read()?;
        let every = self.every;
        Ok(CachedKeys::new(self)
            .with_initial_keys(keys)
            .with_freshness_between(every..=every)
            .with_backoff(every..=every)
            .with_stale_if_error(Duration::MAX))
    }

    fn reader(&self) -> Reader {
        Reader {
            path: self.path.clone(),
            algorithms: self.algorithms.clone(),
            last: Arc::clone(&self.last),
        }
    }
}

/// Holds everything that reading needs, so that a thread that may wait for the disk can do it.
struct Reader {
    path: PathBuf,
    algorithms: Option<Vec<Algorithm>>,
    last: Last,
}

impl Reader {
    fn read(&self) -> Result<KeySet, ConfigError> {
        let text = read_file(&self.path).map_err(|error| ConfigError::UnreadableFile {
            path: self.path.clone(),
            problem: error.to_string(),
        })?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, keys)) = last.as_ref().filter(|(before, _)| *before == text) {
            return Ok(keys.clone());
        }
        let keys = KeySet::read(&text, self.algorithms.as_deref())?;
        *last = Some((text, keys.clone()));
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

impl Fetch for KeyFile {
    async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
        let reader = self.reader();
        let read = tokio::task::spawn_blocking(move || reader.read());
        match read.await {
            Ok(keys) => keys.map(Fetched::from).map_err(KeysUnavailable::new),
            Err(error) => Err(KeysUnavailable::new(error)),
        }
    }

    fn describe(&self) -> String {
        self.path.display().to_string()
    }
}

impl fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFile")
            .field("path", &self.path)
            .field("algorithms", &self.algorithms)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

const EVERY: Duration = Duration::from_secs(5);
const MOST_BYTES: u64 = 1024 * 1024;
