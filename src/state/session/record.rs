use std::fmt;
use std::time::SystemTime;

/// The SHA-256 hash of a refresh token's secret.
///
/// The secret has 256 random bits, so a copy of the store does not help to find it, and a fast hash is enough.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// Creates a hash from its bytes, as a store has kept them.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes, for a store to keep.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

// A hash is no secret. It has no use in a log either.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// One sign-in of a subject, as a [`SessionStore`](super::SessionStore) keeps it.
///
/// All moments are in whole milliseconds, so a store may keep a number.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Session {
    /// The name of the session: `sid` of its access tokens. 22 characters of base64url.
    pub id: String,
    /// The subject that signed in: `sub` of its access tokens.
    pub subject: String,
    /// The client that the refresh tokens are bound to, if the sign-in named one.
    pub client_id: Option<String>,
    /// The device, in words that the user recognises.
    pub device: Option<String>,
    /// The moment of the sign-in.
    pub created_at: SystemTime,
    /// The moment of the last refresh; before the first, that of the sign-in.
    pub last_seen: SystemTime,
    /// The moment after which the session has expired, unless it is refreshed before.
    pub idle_until: SystemTime,
    /// The moment after which the session has expired in any case.
    pub expires_at: SystemTime,
    /// The refresh token that was given out last.
    pub current: TokenHash,
    /// The refresh token before that. It is good until the current one was used.
    pub previous: Option<TokenHash>,
    /// Whether the session has ended, and only the revocation of its access tokens may be missing.
    pub ended: bool,
}

impl Session {
    /// Creates a session that begins now. Set the other fields of a session that a store has kept.
    pub fn new(
        id: impl Into<String>,
        subject: impl Into<String>,
        current: TokenHash,
        now: SystemTime,
        expires_at: SystemTime,
    ) -> Self {
        Self {
            id: id.into(),
            subject: subject.into(),
            client_id: None,
            device: None,
            created_at: now,
            last_seen: now,
            idle_until: expires_at,
            expires_at,
            current,
            previous: None,
            ended: false,
        }
    }

    /// Returns the moment after which the session has expired if it is not refreshed.
    pub fn due(&self) -> SystemTime {
        self.idle_until.min(self.expires_at)
    }

    /// Returns whether the session can be refreshed now.
    pub fn is_live(&self, now: SystemTime) -> bool {
        !self.ended && now < self.due()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("created_at", &self.created_at)
            .field("last_seen", &self.last_seen)
            .field("idle_until", &self.idle_until)
            .field("expires_at", &self.expires_at)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
