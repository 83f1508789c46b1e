//! Revocations in a file, so that they outlive the program.
//!
//! Names are hashed, so the key of the hash is in the file too: whoever can read it can find out
//! whether a name that they guess was revoked. On Unix nobody but the owner may.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::hash::Hasher as _;
use std::io::{self, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::RevocationKind;
use super::memory::{IssuedUpTo, MAX_DATED_AHEAD, MemoryRevocations, Until};
use super::name::{Name, NameKey};
use crate::claims::NumericDate;
use crate::config_error::ConfigError;

impl MemoryRevocations {
    /// Reads the revocations that were [saved](Self::save) in this file, which must be there: another path
    /// than last time would let in every token that was revoked. For the first start of all there is
    /// [`create`](Self::create).
    ///
    /// Reads the file while it waits, so do it at the start.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when it is not there, cannot be read, is cut short or damaged, or
    /// was written by a later version. The file stays as it is.
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

    /// Starts without any revocation, and makes the file that [`open`](Self::open) reads at later starts.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when the file is there already, or cannot be made. One that is there
    /// stays as it is.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let revocations = Self::new();
        // Takes the place, so that of two who start at once one fails.
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

    /// Writes all revocations into this file, in place of what it held: all of the new, or, whatever
    /// happens meanwhile, all of the old.
    ///
    /// What is revoked while it runs may be in it or not. Waits for the disk: not for a task that
    /// serves requests (`spawn_blocking`).
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
        let mut out = Summed { out: BufWriter::new(file), sum: entries.key.hasher() };
        out.put(MAGIC)?;
        out.put(&entries.key.to_bytes())?;
        for (kind, table) in
            [(RevocationKind::Token, &entries.tokens), (RevocationKind::Session, &entries.sessions)]
        {
            table.try_for_each(|name, Until(until)| out.entry(kind, name, &[until]))?;
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

/// A new file beside another, whatever a process that was killed meanwhile has left there: in a container
/// all of them have the same number.
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

/// Writes, and sums up what was written.
struct Summed {
    out: BufWriter<File>,
    sum: SipHasher24,
}

impl Summed {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.write(bytes);
        self.out.write_all(bytes)
    }

    fn entry(&mut self, kind: RevocationKind, name: Name, seconds: &[u32]) -> io::Result<()> {
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
        let name = Name::from_bytes(*name);
        let (first, behind) = number(behind).ok_or(CUT)?;
        rest = behind;
        // Nothing is cleared up meanwhile: it is the year 1970.
        match *kind {
            TOKEN => entries.tokens.insert(name, Until(first), 0, || ()),
            SESSION => entries.sessions.insert(name, Until(first), 0, || ()),
            SUBJECT | CLIENT => {
                let (until, behind) = number(behind).ok_or(CUT)?;
                rest = behind;
                let table = if *kind == SUBJECT { &entries.subjects } else { &entries.clients };
                // As a client's, which dates tokens of every name: it is about seconds.
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
