use std::fmt;

use redis::{ErrorKind, ServerErrorKind};

/// Tells why a command or a connection to Redis failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RedisError {
    /// The connection is of no use any more.
    Broken(String),
    /// This server cannot do it right now, or not for us; the connection is fine.
    Refused(String),
    /// The keys are kept by another server.
    Elsewhere { host: String, port: u16 },
    /// The stream does not hold our position any more.
    Gap,
}

impl RedisError {
    pub(super) fn broken(problem: impl fmt::Display) -> Self {
        Self::Broken(problem.to_string())
    }

    /// What a version that we do not know may have written. Passing over it would let something in.
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
            // `OOM`, `MISCONF`, `NOREPLICAS`, and what only newer servers know.
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
