//! Names the keys in Redis, all with the hash tag `{namespace}`.
//!
//! | key | holds |
//! |---|---|
//! | `session:<id>` | a session, as [`record`](super::record) packs it |
//! | `subject:<subject>` | a sorted set of the subject's sessions, by the moment of the sign-in |
//! | `all-ended:<subject>` | the moment up to which all sign-ins of the subject are refused, for 15 minutes |
//! | `ended` | a set of the sessions that have ended and are not removed yet |
//!
//! Each key has an expiry date of its own, so a service that is shut down leaves nothing.

use crate::state::redis::Namespace;

/// The names of the keys in Redis.
#[derive(Clone, Debug)]
pub(super) struct SessionKeys(pub(super) Namespace);

impl SessionKeys {
    pub(super) fn session(&self, id: &str) -> String {
        self.0.key(format_args!("session:{id}"))
    }

    pub(super) fn of_subject(&self, subject: &str) -> String {
        self.0.key(format_args!("subject:{subject}"))
    }

    pub(super) fn all_ended(&self, subject: &str) -> String {
        self.0.key(format_args!("all-ended:{subject}"))
    }

    pub(super) fn ended(&self) -> String {
        self.0.key("ended")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_share_one_hash_tag_whatever_the_subject_is() {
        let keys = SessionKeys(Namespace::new("shop").unwrap());

        assert_eq!(keys.session("a"), "{shop}:1:session:a");
        assert_eq!(keys.of_subject("{b}"), "{shop}:1:subject:{b}");
        assert_eq!(keys.all_ended("{b}"), "{shop}:1:all-ended:{b}");
        assert_eq!(keys.ended(), "{shop}:1:ended");
    }
}
