use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::HeaderValue;

use crate::config_error::ConfigError;
use crate::text::without_mark;

/// A file with a token to send when keys are fetched. It is read again for each fetch, because Kubernetes
/// replaces the token every hour.
#[derive(Clone, Debug)]
pub(crate) struct BearerFile(Arc<Path>);

impl BearerFile {
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when there is no token in it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, ConfigError> {
        let file = Self(path.into());
        file.read().map(|_| file)
    }

    /// Reads the value of the `Authorization` field.
    pub(crate) fn read(&self) -> Result<HeaderValue, ConfigError> {
        let unreadable =
            |problem: String| ConfigError::UnreadableFile { path: self.0.to_path_buf(), problem };
        let bytes = self.read_file().map_err(|error| unreadable(error.to_string()))?;
        let token = without_mark(&bytes).trim_ascii();
        // RFC 6750 §2.1: the characters of a token.
        let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(byte);
        if token.is_empty() || !token.iter().all(is_token) {
            return Err(unreadable("what it holds is no bearer token (RFC 6750 §2.1)".to_owned()));
        }
        let field = [b"Bearer ", token].concat();
        let mut field = HeaderValue::from_bytes(&field).expect("a token has visible ASCII only");
        field.set_sensitive(true);
        Ok(field)
    }

    fn read_file(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(&self.0)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::other(format!("it is longer than {MOST_BYTES} bytes")));
        }
        Ok(bytes)
    }
}

const MOST_BYTES: u64 = 64 * 1024;
