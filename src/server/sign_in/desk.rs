use std::sync::Arc;

use http::Method;

use super::accounts::ErasedAccounts;
use super::attempt::{OnOutcome, Throttle};
#[cfg(feature = "dpop")]
use crate::binding::dpop::Dpop;
use crate::middleware::cookies::Cookies;
use crate::observe::trace::Pace;
use crate::server::password::Passwords;
use crate::server::session::Sessions;

/// The parts that all services share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) sessions: Sessions,
    pub(super) accounts: Arc<dyn ErasedAccounts>,
    pub(super) passwords: Passwords,
    pub(super) cookies: Option<Cookies>,
    /// Checks the proofs of clients.
    #[cfg(feature = "dpop")]
    pub(super) dpop: Option<Dpop>,
    pub(super) throttle: Option<Throttle>,
    pub(super) on_outcome: Option<OnOutcome>,
    /// The clients that may sign users in.
    pub(super) clients: Vec<String>,
    /// Limits how often the log repeats itself.
    pub(super) pace: Arc<Pace>,
}

/// The operation of one service.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    SignIn,
    Refresh,
    SignOut,
    SignOutEverywhere,
    ListSessions,
    EndSession,
    ChangePassword,
}

impl Operation {
    /// Returns the methods of the operation, and their list for `Allow`.
    pub(super) fn methods(self) -> (&'static [Method], &'static str) {
        match self {
            Self::SignIn
            | Self::Refresh
            | Self::SignOut
            | Self::SignOutEverywhere
            | Self::ChangePassword => (&[Method::POST], "POST"),
            Self::ListSessions => (&[Method::GET, Method::HEAD], "GET, HEAD"),
            Self::EndSession => (&[Method::DELETE], "DELETE"),
        }
    }

    /// Returns whether the operation reads the body of the request.
    pub(super) fn reads_body(self) -> bool {
        match self {
            Self::SignIn | Self::Refresh | Self::SignOut | Self::ChangePassword => true,
            Self::SignOutEverywhere | Self::ListSessions | Self::EndSession => false,
        }
    }
}
