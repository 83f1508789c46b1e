use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::config_error::ConfigError;
use crate::error::shown;

/// A change of keys that was not made. The keys are as they were.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotateError {
    /// The next key has not been published for long enough, so verifiers may not know it.
    TooEarly {
        /// The time after which the key can be replaced.
        wait: Duration,
    },
    /// There is one key, which is never replaced.
    Fixed,
    /// There is no key of this id.
    UnknownKey {
        /// The id as it was given.
        key_id: String,
    },
    /// The key is the one that signs.
    ActiveKey {
        /// The id as it was given.
        key_id: String,
    },
    /// A key cannot be made, or the file with the keys cannot be read or written.
    Keys(ConfigError),
}

impl fmt::Display for RotateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooEarly { wait } => write!(
                f,
                "the next key has not been published for long enough; in {} s it has; in an emergency, \
                 `rotate_now` does not wait",
                wait.as_secs()
            ),
            Self::Fixed => f.write_str(
                "there is one key, which is never replaced; make the keys by `generate`, `create` or `open`",
            ),
            Self::UnknownKey { key_id } => write!(f, "there is no key \"{}\"", shown(key_id)),
            Self::ActiveKey { key_id } => write!(
                f,
                "the key \"{}\" signs tokens; replace it first, by `rotate` or `rotate_now`",
                shown(key_id)
            ),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl Error for RotateError {}

impl From<ConfigError> for RotateError {
    fn from(error: ConfigError) -> Self {
        Self::Keys(error)
    }
}
