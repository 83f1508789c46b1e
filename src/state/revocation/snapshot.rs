//! Saves revocations in a file, so that they outlive the program.
//!
//! Names are hashed, and the file holds the key of the hash. A reader of the file can therefore
//! find out whether a name that they guess was revoked. On Unix only the owner may read it.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher as _;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::RevocationKind;
use super::memory::{IssuedUpTo, KeptUntil, MAX_DATED_AHEAD, MemoryRevocations};
use super::name::{HashedName, NameKey};
use crate::claims::NumericDate;
use crate::config_error::ConfigError;

impl MemoryRevocations {
    /// Reads the revocations that were [saved](Self::save) in this file. The file must exist: a
    /// wrong path would accept every token that was revoked. For the first start there is
    /// [`create`](Self::create).
    ///
    /// Blocks while it reads, so call it at the start of the program.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when the file does not exist, cannot be read, is cut short
    /// or damaged, or was written by a later version. The file stays as it is.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let mut bytes = Vec::new();
        match File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)) {
            Ok(_) => read(&bytes).map_err(|problem| unreadable(path, &problem)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(unreadable(
                path,
                &"there is no such file; for a first start, `MemoryRevocations::create` makes it",
            )),
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// Creates an empty view and the file that [`open`](Self::open) reads at later starts.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when the file exists already, or cannot be created. An
    /// existing file stays as it is.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let revocations = Self::new();
        // Creates the file first, so that of two concurrent starts one fails.
        let made = File::options().write(true).create_new(true).open(path);
        let saved = made.and_then(|file| {
            drop(file);
            revocations.save(path).inspect_err(|_| drop(fs::remove_file(path)))
        });
        match saved {
            Ok(()) => Ok(revocations),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let problem = "it is there already; `MemoryRevocations::open` reads it";
                Err(unreadable(path, &problem))
            }
            Err(error) => Err(unreadable(path, &error)),
        }
    }

    /// Replaces the file with all revocations. The replacement is atomic: after a crash the file
    /// holds either all of the new revocations or all of the old.
    ///
    /// A revocation that is added while it runs may be in the file or not. Blocks on the disk, so a
    /// task that serves requests must not call it directly (`spawn_blocking`).
    ///
    /// # Errors
    ///
    /// Those of the file system. The file is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let path = path.as_ref();
        let (file, beside) = create_beside(path)?;
        let saved = self.write(file).and_then(|()| fs::rename(&beside, path));
        if saved.is_err() {
            drop(fs::remove_file(beside));
        }
        saved
    }

    fn write(&self, file: File) -> io::Result<()> {
        let entries = &*self.entries;
        let mut out = ChecksumWriter { out: BufWriter::new(file), sum: entries.key.hasher() };
        out.put(MAGIC)?;
        out.put(&entries.key.to_bytes())?;
        for (kind, table) in
            [(RevocationKind::Token, &entries.tokens), (RevocationKind::Session, &entries.sessions)]
        {
            table.try_for_each(|name, KeptUntil(until)| out.entry(kind, name, &[until]))?;
        }
        for (kind, table) in [
            (RevocationKind::Subject, &entries.subjects),
            (RevocationKind::Client, &entries.clients),
        ] {
            table.try_for_each(|name, kept| out.entry(kind, name, &[kept.moment, kept.until]))?;
        }
        let sum = out.sum.finish128().as_bytes();
        out.out.write_all(&sum)?;
        out.out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
    }
}

fn unreadable(path: &Path, problem: &dyn Display) -> ConfigError {
    ConfigError::UnreadableFile { path: path.to_owned(), problem: problem.to_string() }
}

/// Creates a new file beside another. A killed process may have left files there, even with the
/// same process id: in a container all processes have the same.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    static SAVED: AtomicU32 = AtomicU32::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    loop {
        let count = SAVED.fetch_add(1, Ordering::Relaxed);
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}-{count}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        match options.open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return opened.map(|file| (file, beside)),
        }
    }
}

/// Writes to a file, and computes the checksum of the bytes.
struct ChecksumWriter {
    out: BufWriter<File>,
    sum: SipHasher24,
}

impl ChecksumWriter {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.write(bytes);
        self.out.write_all(bytes)
    }

    fn entry(&mut self, kind: RevocationKind, name: HashedName, seconds: &[u32]) -> io::Result<()> {
        self.put(&[kind as u8])?;
        self.put(&name.to_bytes())?;
        seconds.iter().try_for_each(|second| self.put(&second.to_le_bytes()))
    }
}

fn read(bytes: &[u8]) -> Result<MemoryRevocations, &'static str> {
    const CUT: &str = "it is cut short";
    let rest = bytes.strip_prefix(MAGIC).ok_or("it holds no revocations of version 1")?;
    let (key, rest) = rest.split_first_chunk::<16>().ok_or(CUT)?;
    let key = NameKey::from_bytes(*key);
    let (mut rest, sum) = rest.split_last_chunk::<16>().ok_or(CUT)?;
    let mut hasher = key.hasher();
    hasher.write(&bytes[..bytes.len() - sum.len()]);
    if hasher.finish128().as_bytes() != *sum {
        return Err("it is cut short or damaged");
    }
    let revocations = MemoryRevocations::with_key(key);
    let entries = &*revocations.entries;
    let now = revocations.now();
    // The program that saved it has ended, and may have dated tokens until then.
    let since = NumericDate::from_seconds(now.into()).saturating_sub(MAX_DATED_AHEAD);
    while let Some((kind, behind)) = rest.split_first() {
        let (name, behind) = behind.split_first_chunk::<16>().ok_or(CUT)?;
        let name = HashedName::from_bytes(*name);
        let (first, behind) = number(behind).ok_or(CUT)?;
        rest = behind;
        // Nothing is cleared up meanwhile: it is the year 1970.
        match *kind {
            TOKEN => entries.tokens.insert(name, KeptUntil(first), 0, || ()),
            SESSION => entries.sessions.insert(name, KeptUntil(first), 0, || ()),
            SUBJECT | CLIENT => {
                let (until, behind) = number(behind).ok_or(CUT)?;
                rest = behind;
                let table = if *kind == SUBJECT { &entries.subjects } else { &entries.clients };
                // Noted as the moment of a client, which dates tokens of every name: this is about
                // seconds.
                entries.recent.lock().note_client(first, since, now);
                table.insert(name, IssuedUpTo { moment: first, until }, 0, || ());
            }
            _ => return Err("it holds a revocation of an unknown kind"),
        }
    }
    Ok(revocations)
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

const MAGIC: &[u8] = b"tower-bearer revocations 1\n";
const TOKEN: u8 = RevocationKind::Token as u8;
const SESSION: u8 = RevocationKind::Session as u8;
const SUBJECT: u8 = RevocationKind::Subject as u8;
const CLIENT: u8 = RevocationKind::Client as u8;
