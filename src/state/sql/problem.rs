use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::error::SessionsUnavailable;

/// The reason why a database did not do what it was told.
#[derive(Debug)]
pub(in crate::state) enum Problem {
    /// The message of the database or of the connection. It holds no value of a row and no address.
    Said(String),
    /// The address cannot be read. It may hold a password, so nothing of it is told.
    Address,
    /// The database did not answer in time.
    Silent(Duration),
    /// The database does not store text in UTF-8.
    #[cfg(feature = "postgres")]
    Encoding,
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Configuration(_) => Self::Address,
            error => Self::Said(error.to_string()),
        }
    }
}

#[cfg(feature = "api-keys")]
impl From<Problem> for crate::error::ApiKeysUnavailable {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl From<Problem> for SessionsUnavailable {
    fn from(problem: Problem) -> Self {
        Self::new(problem)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(problem) => f.write_str(problem),
            Self::Address => f.write_str("the URL or options of the database cannot be read"),
            Self::Silent(waited) => write!(f, "the database did not answer in {waited:?}"),
            #[cfg(feature = "postgres")]
            Self::Encoding => f.write_str("the database does not store text in UTF-8"),
        }
    }
}

impl Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_not_told() {
        let error = sqlx::Error::Configuration("postgres://u:secret@host is none".into());

        let error = SessionsUnavailable::from(Problem::from(error));

        let told = format!("{error} {error:?} {}", error.source().unwrap());
        assert!(!told.contains("secret"), "{told}");
        assert!(told.contains("cannot be read"), "{told}");
    }

    #[test]
    fn problem_is_told_in_words() {
        let silent = Problem::Silent(Duration::from_secs(5));
        assert_eq!(silent.to_string(), "the database did not answer in 5s");
        let said = Problem::from(sqlx::Error::WorkerCrashed);
        assert_eq!(said.to_string(), sqlx::Error::WorkerCrashed.to_string());
    }
}
