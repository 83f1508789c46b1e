use std::fmt;

use redis::{ErrorKind, ServerErrorKind};

/// The reason why a command or a connection to Redis failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RedisError {
    /// The connection cannot be used any more.
    Broken(String),
    /// This server refuses the command now, or to this client; the connection works.
    Refused(String),
    /// Another server keeps the keys.
    Elsewhere { host: String, port: u16 },
    /// The stream no longer holds the position of this node.
    Gap,
}

impl RedisError {
    pub(super) fn broken(problem: impl fmt::Display) -> Self {
        Self::Broken(problem.to_string())
    }

    /// An entry that an unknown version may have written. Skipping it could accept a revoked token.
    pub(super) fn unreadable(what: &str) -> Self {
        Self::Broken(format!("{what} cannot be read by this version"))
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        if let Some((place, _slot)) = error.redirect_node() {
            return match place.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
                Some((host, Ok(port))) => Self::Elsewhere { host: host.to_owned(), port },
                _ => Self::Broken(error.to_string()),
            };
        }
        let is_refusal = match error.kind() {
            ErrorKind::Server(kind) => matches!(
                kind,
                ServerErrorKind::ResponseError
                    | ServerErrorKind::ExecAbort
                    | ServerErrorKind::NoPerm
                    | ServerErrorKind::NoScript
            ),
            // `OOM`, `MISCONF`, `NOREPLICAS`, and codes that only newer servers know.
            ErrorKind::Extension => !matches!(error.code(), Some("UNBLOCKED" | "NOAUTH")),
            _ => false,
        };
        let problem = error.to_string();
        if is_refusal { Self::Refused(problem) } else { Self::Broken(problem) }
    }
}

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(problem) | Self::Refused(problem) => f.write_str(problem),
            Self::Elsewhere { host, port } => write!(f, "the keys have moved to {host}:{port}"),
            Self::Gap => f.write_str("the stream does not reach back to where this node stopped"),
        }
    }
}
