use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

/// A sign-in that is about to be tried, for a limit on attempts.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct SignInAttempt<'a> {
    /// The name that was typed; for another password, the subject of the user.
    pub username: &'a str,
    /// Whether a user who is signed in sets another password. Count these attempts apart: a subject of one user may be the
    /// name of another.
    pub is_password_change: bool,
    /// The request: its extensions hold the client's address, if the server puts it there.
    pub request: &'a Parts,
}

impl fmt::Debug for SignInAttempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInAttempt").finish_non_exhaustive()
    }
}

/// Decides whether an attempt is one too many, and after how long another may be made.
pub(super) type Throttle = Arc<dyn Fn(SignInAttempt<'_>) -> Result<(), Duration> + Send + Sync>;

/// Learns whether the password of an attempt was correct.
pub(super) type OnOutcome = Arc<dyn Fn(SignInAttempt<'_>, bool) + Send + Sync>;
