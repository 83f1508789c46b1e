//! Keeps the keys of an issuer in a file.
//!
//! The lock is a file beside it and not the file itself, because each rotation replaces the file: a lock on the
//! former one would not exclude a process that opens the new one. The system gives the lock up when the process ends, so a
//! crash leaves none behind.
//!
//! A version of the file is told from another by its inode above all. The file that was read stays open, or its
//! number could be given to the next version.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use zeroize::Zeroizing;

use super::state::{Dated, Keys, Retired};
use super::status::IssuerKeyState;
use crate::config_error::ConfigError;
use crate::jose::crypto::{Material, PrivateMaterial};
use crate::jose::json;
use crate::keys::{KeySet, SigningKey, VerifyingKey};
use crate::text;

/// A file with the keys of an issuer.
pub(super) struct KeyStore {
    path: PathBuf,
}

/// The versions of the file that were read last.
#[derive(Default)]
pub(super) struct Seen {
    good: Option<(Version, File)>,
    /// The version that could not be read, with the error.
    bad: Option<(Version, ConfigError)>,
}

/// Says how much a look at the file may cost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Reads a version again that could not be read: the disk may have failed for a moment, or the file may have been
    /// half written.
    Again,
    /// Leaves such a version to the next look of the other kind, because strangers cause this one.
    Cheap,
}

/// Identifies one version of a file.
#[derive(PartialEq, Eq)]
struct Version {
    bytes: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: (u64, u64),
    #[cfg(unix)]
    mode: u32,
}

/// The exclusive right to replace the file.
pub(super) struct Lock {
    /// The file behind symbolic links, so that a link stays one.
    path: PathBuf,
    _file: File,
}

impl KeyStore {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn describe(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads the keys.
    pub(super) fn read(&self, seen: &mut Seen) -> Result<Keys, ConfigError> {
        let file = File::open(&self.path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.unreadable(
                "there is no such file; for a first start, `IssuerKeys::create` makes it",
            ),
            _ => self.unreadable(error),
        })?;
        let metadata = file.metadata().map_err(|error| self.unreadable(error))?;
        let version = Version::of(&metadata);
        match self.read_open(&file, &metadata) {
            Ok(keys) => {
                *seen = Seen { good: Some((version, file)), bad: None };
                Ok(keys)
            }
            Err(error) => {
                seen.bad = Some((version, error.clone()));
                Err(error)
            }
        }
    }

    /// Reads the keys if the file is another one than that which was read last.
    pub(super) fn read_if_changed(
        &self,
        look: Look,
        seen: &mut Seen,
    ) -> Result<Option<Keys>, ConfigError> {
        let metadata = fs::metadata(&self.path).map_err(|error| self.unreadable(error))?;
        let version = Version::of(&metadata);
        if look == Look::Cheap
            && let Some((bad, error)) = &seen.bad
            && *bad == version
        {
            return Err(error.clone());
        }
        if seen.good.as_ref().is_some_and(|(good, _)| *good == version) {
            seen.bad = None;
            return Ok(None);
        }
        self.read(seen).map(Some)
    }

    fn read_open(&self, file: &File, metadata: &Metadata) -> Result<Keys, ConfigError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
            let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
            if !is_trusted(owner, user) {
                return Err(ConfigError::ForeignFile { path: self.path.clone(), owner, user });
            }
            let mode = metadata.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(ConfigError::ExposedFile { path: self.path.clone(), mode });
            }
        }
        if metadata.len() > MOST_BYTES {
            return Err(self.unreadable(format!("it is longer than {MOST_BYTES} bytes")));
        }
        // A buffer that grows would leave copies behind.
        let capacity = usize::try_from(metadata.len()).unwrap_or_default() + 64;
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        let read = file.take(metadata.len()).read_to_end(&mut bytes);
        read.map_err(|error| self.unreadable(error))?;
        let text = str::from_utf8(text::without_mark(&bytes))
            .map_err(|_| self.unreadable("it is not UTF-8"))?;
        parse(text).map_err(|problem| self.unreadable(problem))
    }

    /// Takes the lock. Returns `None` if another holds it and this is not to wait.
    pub(super) fn lock(&self, waits: bool) -> Result<Option<Lock>, ConfigError> {
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let file = lock(&beside(&path, ".lock"), waits).map_err(|error| self.unwritable(error))?;
        Ok(file.map(|file| Lock { path, _file: file }))
    }

    /// Replaces the file. After an error, the file is as it was.
    pub(super) fn write(
        &self,
        keys: &Keys,
        lock: &Lock,
        seen: &mut Seen,
    ) -> Result<Replaced, ConfigError> {
        let text = write(keys);
        let new = beside(&lock.path, ".new");
        let written = replace(&lock.path, &new, text.as_bytes(), File::sync_all);
        let (version, file, replaced) = written.map_err(|error| {
            drop(fs::remove_file(&new));
            self.unwritable(error)
        })?;
        *seen = Seen { good: Some((version, file)), bad: None };
        Ok(replaced)
    }

    /// Makes the file, which must not exist.
    pub(super) fn create(&self, keys: &Keys, seen: &mut Seen) -> Result<Replaced, ConfigError> {
        let lock = self.lock(true)?.expect("it has waited");
        // A link that leads nowhere counts as well.
        if fs::symlink_metadata(&self.path).is_ok() {
            let problem = "it is there already; `IssuerKeys::open` reads it".to_owned();
            return Err(ConfigError::UnwritableFile { path: self.path.clone(), problem });
        }
        self.write(keys, &lock, seen)
    }

    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub(super) fn unreadable(&self, problem: impl ToString) -> ConfigError {
        ConfigError::UnreadableFile { path: self.path.clone(), problem: problem.to_string() }
    }

    #[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
    fn unwritable(&self, error: io::Error) -> ConfigError {
        ConfigError::UnwritableFile { path: self.path.clone(), problem: error.to_string() }
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            inode: (metadata.dev(), metadata.ino()),
            #[cfg(unix)]
            mode: metadata.mode(),
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

/// The file was replaced.
pub(super) enum Replaced {
    /// The new file is on the disk.
    Lasting,
    /// A power failure may bring the former file back.
    Unsynced(io::Error),
}

/// Writes a new file beside the other and gives it the name of that one. Only the holder of the lock calls it, so a
/// file of that name was left over by a crash.
///
/// After an error, the other file is as it was: nothing that comes after the new name is one.
fn replace(
    path: &Path,
    new: &Path,
    bytes: &[u8],
    sync_directory: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<(Version, File, Replaced)> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The new name is on the disk only when the directory is. Elsewhere, a directory cannot be opened.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory =
        if cfg!(unix) { Some(File::open(directory.unwrap_or(Path::new(".")))?) } else { None };
    let mut options = owner_only();
    let mut file = options.create_new(true).open(new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let version = Version::of(&file.metadata()?);
    fs::rename(new, path)?;
    let replaced = match directory.as_ref().map(sync_directory) {
        None | Some(Ok(())) => Replaced::Lasting,
        Some(Err(error)) => Replaced::Unsynced(error),
    };
    Ok((version, file, replaced))
}

/// Returns whether the owner of a file may know and choose the keys of this user.
#[cfg(unix)]
fn is_trusted(owner: u32, user: u32) -> bool {
    const ROOT: u32 = 0;
    owner == user || owner == ROOT
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn lock(path: &Path, waits: bool) -> io::Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    let file = owner_only().create(true).truncate(false).open(path)?;
    let operation = if waits {
        FlockOperation::LockExclusive
    } else {
        FlockOperation::NonBlockingLockExclusive
    };
    loop {
        match flock(&file, operation) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::INTR) => {}
            Err(Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A file that is open without sharing is a lock there. There is no way to wait for it but to ask again.
#[cfg(windows)]
fn lock(path: &Path, waits: bool) -> io::Result<Option<File>> {
    use std::os::windows::fs::OpenOptionsExt as _;
    const SHARING_VIOLATION: i32 = 32;
    loop {
        match owner_only().create(true).truncate(false).share_mode(0).open(path) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if error.raw_os_error() != Some(SHARING_VIOLATION) => return Err(error),
            Err(_) if waits => std::thread::sleep(std::time::Duration::from_millis(10)),
            Err(_) => return Ok(None),
        }
    }
}

#[cfg(not(any(unix, windows)))]
fn lock(_: &Path, _: bool) -> io::Result<Option<File>> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "files cannot be locked on this system"))
}

fn write(keys: &Keys) -> Zeroizing<String> {
    // A buffer that grows would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(128 * 1024));
    text.push_str("{\"version\":1,\"keys\":[");
    put(&mut text, &keys.active.key, &format!("\"active\",\"since\":{}", keys.active.since));
    if let Some(next) = &keys.next {
        text.push(',');
        put(&mut text, &next.key, &format!("\"next\",\"since\":{}", next.since));
    }
    for Retired { key, until } in &keys.retired {
        text.push(',');
        let state = format!("\"retired\",\"until\":{until}");
        match (key.to_public_jwk(), key.material()) {
            (Some(public), _) => {
                let jwk = serde_json::to_string(&public).expect("strings serialise");
                put_jwk(&mut text, &jwk, &state);
            }
            (None, Material::Secret(secret)) => {
                let secret = PrivateMaterial::secret(secret);
                let secret = SigningKey::of(key.algorithm(), secret).expect("it was one before");
                let named = match key.key_id() {
                    Some(key_id) => secret.with_key_id(key_id).expect("it was read before"),
                    None => secret,
                };
                put(&mut text, &named, &state);
            }
            (None, _) => unreachable!("only a secret has no public part"),
        }
    }
    text.push_str("]}\n");
    text
}

fn put(text: &mut Zeroizing<String>, key: &SigningKey, state: &str) {
    put_jwk(text, key.to_private_jwk().as_str(), state);
}

fn put_jwk(text: &mut Zeroizing<String>, jwk: &str, state: &str) {
    text.push_str(jwk.strip_suffix('}').unwrap_or(jwk));
    text.push_str(",\"state\":");
    text.push_str(state);
    text.push('}');
}

fn parse(text: &str) -> Result<Keys, String> {
    #[derive(Deserialize)]
    struct Head {
        version: u32,
    }
    #[derive(Deserialize)]
    struct Marks {
        state: IssuerKeyState,
        since: Option<u64>,
        until: Option<u64>,
    }
    if text.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    // The messages of serde may quote a value, which may be a part of a key.
    let damaged = |error: serde_json::Error| {
        let place = format!("at line {}, column {}", error.line(), error.column());
        match error.classify() {
            serde_json::error::Category::Eof => "it is cut short".to_owned(),
            serde_json::error::Category::Data => {
                format!("it holds no keys of an issuer in version 1; look {place}")
            }
            _ => format!("it is damaged {place}"),
        }
    };
    let Head { version } = serde_json::from_str(text).map_err(damaged)?;
    if version != 1 {
        return Err(format!("it is of version {version}, and this program reads version 1"));
    }
    let entries = json::entries_of(text, "keys").ok_or("it has no list `keys`")?;
    let (mut next, mut active, mut retired) = (None, None, Vec::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let about = |problem: String| format!("its key {index} is not as it should be: {problem}");
        let of_key = |error: ConfigError| about(error.to_string());
        let marks: Marks = serde_json::from_str(entry).map_err(|error| about(damaged(error)))?;
        let dated = |place: &mut Option<Dated>| {
            let key = SigningKey::from_jwk(entry).map_err(of_key)?.or_thumbprint();
            let since = marks.since.ok_or_else(|| about("it has no `since`".to_owned()))?;
            match place.replace(Dated { key, since }) {
                None => Ok(()),
                Some(_) => Err(about(format!("it is a second one that is {}", marks.state))),
            }
        };
        match marks.state {
            IssuerKeyState::Next => dated(&mut next)?,
            IssuerKeyState::Active => dated(&mut active)?,
            IssuerKeyState::Retired => {
                let until = marks.until.ok_or_else(|| about("it has no `until`".to_owned()))?;
                let key = read_public(entry).map_err(of_key)?;
                retired.push(Retired { key, until });
            }
        }
    }
    let active = active.ok_or("none of its keys is active")?;
    Ok(Keys { next, active, retired })
}

fn read_public(jwk: &str) -> Result<VerifyingKey, ConfigError> {
    let keys = KeySet::from_jwks(jwk)?;
    let key =
        keys.keys().first().cloned().ok_or(ConfigError::NoUsableKey { skipped: Vec::new() })?;
    Ok(key.or_thumbprint())
}

const MOST_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn file_of_this_user_or_root_is_trusted_and_no_other() {
        for (owner, user, trusted) in
            [(7, 7, true), (0, 7, true), (8, 7, false), (0, 0, true), (7, 0, false)]
        {
            assert_eq!(is_trusted(owner, user), trusted, "{owner} {user}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn file_is_new_although_its_directory_could_not_be_synced_and_else_as_it_was() {
        let directory =
            std::env::temp_dir().join(format!("tower-bearer-replace-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, new) = (directory.join("keys.json"), directory.join("keys.json.new"));
        let failing = |_: &File| Err(io::Error::other("no disk"));

        let (_, _, first) = replace(&path, &new, b"one", File::sync_all).unwrap();
        let (_, _, second) = replace(&path, &new, b"two", failing).unwrap();
        assert!(matches!(first, Replaced::Lasting));
        assert!(matches!(second, Replaced::Unsynced(_)));
        assert_eq!(fs::read(&path).unwrap(), b"two");
        // No name for the new file, so no change.
        fs::create_dir_all(new.join("full")).unwrap();
        assert!(replace(&path, &new, b"three", File::sync_all).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"two");

        fs::remove_dir_all(directory).unwrap();
    }
}
