//! Decides what a presented refresh token is exchanged for.
//!
//! The successor is derived from the presented token, so a client that asks twice, in two tabs or after a lost
//! answer, gets the same one. For that the previous token has to stay good until its successor is used. A token
//! older than that was used by two parties, and one of them is a thief.

use std::time::SystemTime;

use super::{Session, TokenHash};

/// The exchange of a refresh token for its successor.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rotation<'r> {
    /// The session that the token names. The token is known to have been given out for it.
    pub id: &'r str,
    /// The presented token.
    pub presented: TokenHash,
    /// Its successor.
    pub next: TokenHash,
    /// The client that presented it.
    pub client_id: Option<&'r str>,
    /// The moment of the exchange.
    pub now: SystemTime,
    /// The moment until which the session may then be idle.
    pub idle_until: SystemTime,
}

/// The answer of [`Rotation::apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RotationVerdict {
    /// The token was the current one. Its successor is now.
    Rotated,
    /// The token was exchanged before, and its successor was not used yet.
    Repeated,
    /// The token was exchanged before, and its successor was used. The session has ended.
    Reused,
    /// The session had ended before.
    Ended,
    /// The session has expired.
    Expired,
    /// The token is bound to another client.
    WrongClient,
}

impl RotationVerdict {
    /// Returns whether the session was changed, so that a store has to write it.
    pub const fn changes(self) -> bool {
        matches!(self, Self::Rotated | Self::Repeated | Self::Reused)
    }

    /// Adds the session to the answer.
    pub fn of(self, session: Session) -> RotationOutcome {
        match self {
            Self::Rotated => RotationOutcome::Rotated(session),
            Self::Repeated => RotationOutcome::Repeated(session),
            Self::Reused => RotationOutcome::Reused(session),
            Self::Ended => RotationOutcome::Ended(session),
            Self::Expired => RotationOutcome::Expired,
            Self::WrongClient => RotationOutcome::WrongClient,
        }
    }
}

/// The answer of [`SessionStore::rotate`](super::SessionStore::rotate), with the session as it is afterwards.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RotationOutcome {
    /// The token was the current one. Its successor is now.
    Rotated(Session),
    /// The token was exchanged before, and its successor was not used yet.
    Repeated(Session),
    /// The token was exchanged before, and its successor was used. The session has ended.
    Reused(Session),
    /// The session had ended before. Its access tokens may not be revoked yet.
    Ended(Session),
    /// The session has expired.
    Expired,
    /// The token is bound to another client.
    WrongClient,
    /// There is no such session.
    Unknown,
}

impl<'r> Rotation<'r> {
    /// Creates the exchange of one token for another.
    pub const fn new(
        id: &'r str,
        presented: TokenHash,
        next: TokenHash,
        now: SystemTime,
        idle_until: SystemTime,
    ) -> Self {
        Self { id, presented, next, client_id: None, now, idle_until }
    }

    /// Names the client that presents the token.
    #[must_use]
    pub const fn with_client_id(mut self, client_id: Option<&'r str>) -> Self {
        self.client_id = client_id;
        self
    }

    /// Applies the exchange to a session. A store calls this in a transaction and writes the session if it
    /// [changes](RotationVerdict::changes); one that cannot does the same in its own language.
    pub fn apply(&self, session: &mut Session) -> RotationVerdict {
        if session.ended {
            return RotationVerdict::Ended;
        }
        if self.now >= session.due() {
            return RotationVerdict::Expired;
        }
        if session.client_id.as_deref() != self.client_id {
            return RotationVerdict::WrongClient;
        }
        let verdict = if self.presented == session.current {
            session.previous = Some(self.presented);
            session.current = self.next;
            RotationVerdict::Rotated
        } else if session.previous == Some(self.presented) && session.current == self.next {
            RotationVerdict::Repeated
        } else {
            session.ended = true;
            return RotationVerdict::Reused;
        };
        session.last_seen = session.last_seen.max(self.now);
        session.idle_until = session.idle_until.max(self.idle_until);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    fn token(number: u8) -> TokenHash {
        TokenHash::from_bytes([number; 32])
    }

    fn session() -> Session {
        let mut session = Session::new("s", "alice", token(0), at(100), at(1000));
        session.idle_until = at(200);
        session
    }

    fn rotation(number: u8, now: u64) -> Rotation<'static> {
        Rotation {
            id: "s",
            presented: token(number),
            next: token(number + 1),
            client_id: None,
            now: at(now),
            idle_until: at(now + 100),
        }
    }

    #[test]
    fn current_token_is_exchanged_and_the_session_stays_longer() {
        let mut session = session();

        let verdict = rotation(0, 150).apply(&mut session);

        assert_eq!(verdict, RotationVerdict::Rotated);
        assert_eq!((session.current, session.previous), (token(1), Some(token(0))));
        assert_eq!((session.last_seen, session.idle_until), (at(150), at(250)));
    }

    #[test]
    fn previous_token_is_good_until_its_successor_is_used() {
        let mut session = session();
        assert_eq!(rotation(0, 101).apply(&mut session), RotationVerdict::Rotated);
        for now in [102, 199] {
            assert_eq!(rotation(0, now).apply(&mut session), RotationVerdict::Repeated);
        }
        assert_eq!(session.current, token(1));

        assert_eq!(rotation(1, 200).apply(&mut session), RotationVerdict::Rotated);

        // RFC 9700 §4.14.2: a token that was replaced ends the session when it is used again
        assert_eq!(rotation(0, 201).apply(&mut session), RotationVerdict::Reused);
        assert!(session.ended);
        assert_eq!(rotation(2, 202).apply(&mut session), RotationVerdict::Ended);
    }

    #[test]
    fn session_expires_when_it_is_idle_and_in_any_case() {
        assert_eq!(rotation(0, 199).apply(&mut session()), RotationVerdict::Rotated);
        assert_eq!(rotation(0, 200).apply(&mut session()), RotationVerdict::Expired);

        let mut kept_busy = session();
        kept_busy.idle_until = at(2000);
        assert_eq!(rotation(0, 999).apply(&mut kept_busy.clone()), RotationVerdict::Rotated);
        assert_eq!(rotation(0, 1000).apply(&mut kept_busy), RotationVerdict::Expired);
        assert!(!RotationVerdict::Expired.changes() && !kept_busy.ended);
    }

    #[test]
    fn token_is_bound_to_its_client_and_a_mistake_ends_nothing() {
        let with = |client_id| Session { client_id, ..session() };
        for (bound, presented, good) in [
            (None, None, true),
            (Some("app"), Some("app"), true),
            (Some("app"), Some("App"), false),
            (Some("app"), None, false),
            (None, Some("app"), false),
        ] {
            let mut session = with(bound.map(str::to_owned));

            let verdict = Rotation { client_id: presented, ..rotation(0, 150) }.apply(&mut session);

            let expected =
                if good { RotationVerdict::Rotated } else { RotationVerdict::WrongClient };
            assert_eq!(verdict, expected, "{bound:?} {presented:?}");
            assert!(!session.ended);
        }
    }

    #[test]
    fn clock_that_goes_back_shortens_nothing() {
        let mut session = session();
        assert_eq!(rotation(0, 190).apply(&mut session), RotationVerdict::Rotated);

        assert_eq!(rotation(1, 120).apply(&mut session), RotationVerdict::Rotated);

        assert_eq!((session.last_seen, session.idle_until), (at(190), at(290)));
    }
}
