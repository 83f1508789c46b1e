use std::sync::Arc;

use super::accounts::ErasedAccounts;
use super::attempt::Throttle;
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
    pub(super) throttle: Option<Throttle>,
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
