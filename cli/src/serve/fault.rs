//! The faults that a provider can have on demand.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::sleep;

use super::reply::{self, Reply};

/// A failure of the documents and of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fault {
    /// Connections end without an answer.
    Down,
    /// Requests are never answered.
    Hang,
    /// The good answer, late.
    Slow,
    /// Status 500.
    #[serde(rename = "500")]
    ServerError,
    /// An HTML page with status 200, as a captive portal sends it.
    NotJson,
    /// A key set without keys.
    EmptyKeys,
    /// The keys of another provider, which verify no token of this one.
    ForeignKeys,
    /// Metadata that names another issuer.
    WrongIssuer,
}

impl Fault {
    pub(super) const ALL: [Self; 8] = [
        Self::Down,
        Self::Hang,
        Self::Slow,
        Self::ServerError,
        Self::NotJson,
        Self::EmptyKeys,
        Self::ForeignKeys,
        Self::WrongIssuer,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Hang => "hang",
            Self::Slow => "slow",
            Self::ServerError => "500",
            Self::NotJson => "not_json",
            Self::EmptyKeys => "empty_keys",
            Self::ForeignKeys => "foreign_keys",
            Self::WrongIssuer => "wrong_issuer",
        }
    }

    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Down => "connections end without an answer",
            Self::Hang => "requests are never answered",
            Self::Slow => "answers come five seconds late",
            Self::ServerError => "answers have status 500",
            Self::NotJson => "answers are an HTML page with status 200",
            Self::EmptyKeys => "the key set holds no key",
            Self::ForeignKeys => "the key set holds keys that have signed no token",
            Self::WrongIssuer => "the metadata names another issuer",
        }
    }

    /// Returns the fault after this one; after the last one there is none.
    pub(super) fn next(current: Option<Self>) -> Option<Self> {
        match current {
            None => Some(Self::ALL[0]),
            Some(current) => Self::ALL.into_iter().skip_while(|&fault| fault != current).nth(1),
        }
    }
}

/// Waits as long as the fault of the moment wants, and returns the answer in place of the good one. `None` ends the
/// connection.
///
/// Faults of the content of a document are left to the document.
pub(super) async fn interfere(faults: &watch::Sender<Option<Fault>>, good: Reply) -> Option<Reply> {
    let mut changes = faults.subscribe();
    let fault = *changes.borrow_and_update();
    match fault {
        None | Some(Fault::EmptyKeys | Fault::ForeignKeys | Fault::WrongIssuer) => Some(good),
        Some(Fault::Down) => None,
        Some(Fault::Hang) => {
            drop(changes.changed().await);
            None
        }
        Some(Fault::Slow) => {
            tokio::select! {
                () = sleep(LATE) => {}
                _ = changes.changed() => {}
            }
            Some(good)
        }
        Some(Fault::ServerError) => Some(reply::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "server_error",
            "the provider was told to fail",
        )),
        Some(Fault::NotJson) => {
            let page = "<!doctype html><title>Sign in</title>\n";
            Some(reply::typed(StatusCode::OK, "text/html; charset=utf-8", page))
        }
    }
}

const LATE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_press_goes_through_all_faults_and_back_to_none() {
        let mut seen = Vec::new();
        let mut fault = Fault::next(None);
        while let Some(current) = fault {
            seen.push(current);
            fault = Fault::next(Some(current));
        }

        assert_eq!(seen, Fault::ALL);
    }

    #[test]
    fn names_of_faults_are_those_that_requests_use() {
        for fault in Fault::ALL {
            assert_eq!(serde_json::to_value(fault).unwrap(), fault.name());
        }
    }
}
