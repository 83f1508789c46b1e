use std::fmt;

use redis::{ErrorKind, ServerErrorKind};

/// The reason why a command or a connection to Redis failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::state) enum RedisError {
    /// The connection cannot be used any more.
    Broken(String),
    /// This server refuses the command now, or to this client; the connection works.
    Refused(String),
    /// This server does not know a script by its hash.
    UnknownScript,
    /// Another server keeps the keys.
    Elsewhere { host: String, port: u16 },
}

impl RedisError {
    pub(in crate::state) fn broken(problem: impl fmt::Display) -> Self {
        Self::Broken(problem.to_string())
    }

    /// An entry that an unknown version may have written. Skipping it could accept a revoked token.
    pub(in crate::state) fn unreadable(what: &str) -> Self {
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
        if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
            return Self::UnknownScript;
        }
        let is_refusal = match error.kind() {
            ErrorKind::Server(kind) => matches!(
                kind,
                ServerErrorKind::ResponseError
                    | ServerErrorKind::ExecAbort
                    | ServerErrorKind::NoPerm
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
            Self::UnknownScript => f.write_str("Redis does not know the script"),
            Self::Elsewhere { host, port } => write!(f, "the keys have moved to {host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use redis::{Value, parse_redis_value};

    use super::*;

    fn said(error: &str) -> RedisError {
        let answer = parse_redis_value(format!("-{error}\r\n").as_bytes());
        answer.and_then(Value::extract_error).unwrap_err().into()
    }

    #[test]
    fn server_that_leads_elsewhere_is_followed_there() {
        let elsewhere = |host: &str, port| RedisError::Elsewhere { host: host.to_owned(), port };

        assert_eq!(said("MOVED 3999 10.0.0.1:6381"), elsewhere("10.0.0.1", 6381));
        assert_eq!(said("ASK 3999 [::1]:6381"), elsewhere("[::1]", 6381));
        assert_eq!(said("MOVED 3999 :6381"), elsewhere("", 6381));
        assert!(matches!(said("MOVED 3999 10.0.0.1:x"), RedisError::Broken(_)));
    }

    #[test]
    fn answer_that_no_other_connection_would_change_is_a_refusal() {
        for refusal in [
            "ERR unknown command",
            "NOPERM this user has no permissions",
            "EXECABORT Transaction discarded",
            "OOM command not allowed when used memory > 'maxmemory'",
            "MISCONF Redis is configured to save RDB snapshots",
            "NOREPLICAS Not enough good replicas to write",
        ] {
            assert!(matches!(said(refusal), RedisError::Refused(_)), "{refusal}");
        }
        for broken in [
            "LOADING Redis is loading the dataset in memory",
            "READONLY You can't write against a read only replica",
            "CLUSTERDOWN The cluster is down",
            "NOAUTH Authentication required",
            "UNBLOCKED client unblocked via CLIENT UNBLOCK",
        ] {
            assert!(matches!(said(broken), RedisError::Broken(_)), "{broken}");
        }
    }

    #[test]
    fn problem_is_told_in_words() {
        for (problem, told) in [
            (RedisError::broken("no route"), "no route"),
            (RedisError::Refused("full".to_owned()), "full"),
            (said("MOVED 1 a:7"), "the keys have moved to a:7"),
            (said("NOSCRIPT No matching script"), "Redis does not know the script"),
            (RedisError::unreadable("an answer"), "an answer cannot be read by this version"),
        ] {
            assert_eq!(problem.to_string(), told);
        }
    }
}
