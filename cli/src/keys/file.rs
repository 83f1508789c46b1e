//! Writes keys to files that only their owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The readers that a file may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner only (mode 600).
    Owner,
    /// The users that the system's defaults allow.
    Usual,
}

/// Writes a file, and replaces an existing one only when forced. A file that is replaced is replaced as a whole.
pub(crate) fn write(
    path: &Path,
    content: &[u8],
    readers: Readers,
    is_forced: bool,
) -> Result<(), Failure> {
    let unwritable = |error: io::Error| {
        Failure::new(format_args!("{} cannot be written: {error}", path.display()))
    };
    if path == Path::new("-") {
        return Err(Failure::new("`-` is no file").with_hint("leave --out away to print the key"));
    }
    if is_forced {
        // A device or a pipe would be replaced by a file.
        let is_file = |kind: fs::FileType| kind.is_file() || kind.is_symlink();
        if path.symlink_metadata().is_ok_and(|about| !is_file(about.file_type())) {
            return Err(Failure::new(format_args!("{} is no file", path.display())));
        }
        let beside = beside(path);
        let mut written = create(&beside, content, readers);
        if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            fs::remove_file(&beside).map_err(unwritable)?;
            written = create(&beside, content, readers);
        }
        let written = written.and_then(|()| fs::rename(&beside, path));
        return written.map_err(|error| {
            drop(fs::remove_file(&beside));
            unwritable(error)
        });
    }
    create(path, content, readers).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unwritable(error),
    })
}

/// Returns whether two paths name one file, however they are written.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or_else(|| Path::new("."));
        Some((folder.canonicalize().ok()?, path.file_name()?.to_owned()))
    };
    one == other || place(one).is_some_and(|one| Some(one) == place(other))
}

/// Refuses a path where a file is already.
pub(crate) fn check_absent(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(format_args!("{} exists already", path.display()))
        .with_hint("choose another name, or replace the file with --force")
}

fn create(path: &Path, content: &[u8], readers: Readers) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if readers == Readers::Owner {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    #[cfg(not(unix))]
    let _ = readers;
    let mut file: File = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}
