//! Writes and reads revocations in Redis: readable for operators, and with one spelling each.
//!
//! A field of a bucket is the name, `subject 22 https://id.example.com alice`, with the length of
//! the issuer in bytes before it; its value is the moment for a subject or client, and empty
//! otherwise. An entry of the stream has one pair: `revoke` with the bucket's end, the moment or
//! `-`, and the name; `restore` with the name; `mark` with any text, by which a node finds its
//! position again.

use super::super::{Revocable, Revocation, RevocationKind, Revoked};
use crate::claims::NumericDate;

/// A revocation as it is written in Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RevocationEntry {
    /// The second from which it may be forgotten, since 1970.
    pub(super) end: u64,
    /// The moment up to which it holds, for a subject or client.
    pub(super) moment: Option<u32>,
    /// The name in its spelling.
    pub(super) name: String,
}

impl RevocationEntry {
    pub(super) fn new(revocation: &Revocation, end: u64) -> Self {
        let moment = match (revocation.name().kind(), revocation.revoked()) {
            (RevocationKind::Token | RevocationKind::Session, _) => None,
            (_, Revoked::Entirely) => Some(u32::MAX),
            (_, Revoked::IssuedUpTo(moment)) => {
                Some(super::super::memory::second(moment.rounded_up()))
            }
        };
        let name = spelt(revocation.issuer(), revocation.name());
        Self { end, moment, name }
    }

    /// Reads a field of a bucket.
    pub(super) fn read(end: u64, moment: &str, name: &str) -> Option<Self> {
        let moment = match moment {
            "" => None,
            moment => Some(moment.parse().ok()?),
        };
        let (_, revocable) = read_name(name)?;
        let needs_moment = matches!(revocable, Revocable::Subject(_) | Revocable::Client(_));
        (moment.is_some() == needs_moment).then(|| Self { end, moment, name: name.to_owned() })
    }

    pub(super) fn moment(&self) -> String {
        self.moment.map(|moment| moment.to_string()).unwrap_or_default()
    }

    pub(super) fn revocation(&self) -> Option<Revocation> {
        let (issuer, name) = read_name(&self.name)?;
        // The largest number stands for all time, as it does in memory.
        let moment = self.moment.filter(|moment| *moment != u32::MAX);
        let moment = moment.map(|moment| NumericDate::from_seconds(moment.into()));
        Some(Revocation::new(issuer, name, moment))
    }

    pub(super) fn until(&self) -> u32 {
        u32::try_from(self.end).unwrap_or(u32::MAX)
    }
}

/// The meaning of an entry of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StreamEvent {
    Revoked(RevocationEntry),
    Restored { name: String },
    Mark,
}

impl StreamEvent {
    pub(super) fn read(word: &str, text: &str) -> Option<Self> {
        match word {
            "revoke" => {
                let (end, rest) = text.split_once(' ')?;
                let (moment, name) = rest.split_once(' ')?;
                let moment = if moment == "-" { "" } else { moment };
                RevocationEntry::read(end.parse().ok()?, moment, name).map(Self::Revoked)
            }
            "restore" => read_name(text).map(|_| Self::Restored { name: text.to_owned() }),
            "mark" => Some(Self::Mark),
            _ => None,
        }
    }
}

/// Spells a name: `token 22 https://id.example.com t1`.
pub(super) fn spelt(issuer: &str, name: Revocable<'_>) -> String {
    format!("{} {} {issuer} {}", name.kind().as_str(), issuer.len(), name.as_str())
}

pub(super) fn read_name(text: &str) -> Option<(&str, Revocable<'_>)> {
    let (kind, rest) = text.split_once(' ')?;
    let (length, rest) = rest.split_once(' ')?;
    let (issuer, rest) = rest.split_at_checked(length.parse().ok()?)?;
    let name = rest.strip_prefix(' ')?;
    let kind = [
        RevocationKind::Token,
        RevocationKind::Session,
        RevocationKind::Subject,
        RevocationKind::Client,
    ]
    .into_iter()
    .find(|known| known.as_str() == kind)?;
    Some((issuer, Revocable::new(kind, name)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn revocation(kind: u8, issuer: &str, name: &str, moment: u32) -> Revocation {
        let moment = Some(NumericDate::from_seconds(moment.into()));
        match kind {
            0 => Revocation::new(issuer, Revocable::Token(name), None),
            1 => Revocation::new(issuer, Revocable::Session(name), None),
            2 => Revocation::new(issuer, Revocable::Subject(name), moment),
            _ => Revocation::new(issuer, Revocable::Client(name), moment),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_what_is_read(
            kind in 0_u8..4, issuer in ".*", name in ".*", moment in 0..u32::MAX, end: u32,
        ) {
            let revocation = revocation(kind, &issuer, &name, moment);
            let entry = RevocationEntry::new(&revocation, end.into());
            let moment = entry.moment();

            let field = RevocationEntry::read(end.into(), &moment, &entry.name);
            let moment = if moment.is_empty() { "-" } else { &moment };
            let event = StreamEvent::read("revoke", &format!("{end} {moment} {}", entry.name));

            prop_assert_eq!(field.as_ref(), Some(&entry));
            prop_assert_eq!(event, Some(StreamEvent::Revoked(entry.clone())));
            prop_assert_eq!(entry.revocation(), Some(revocation));
        }

        #[test]
        fn two_names_are_never_spelt_alike(
            kinds in (0_u8..4, 0_u8..4),
            one in ("[ 0-9a]{0,4}", "[ 0-9a]{0,4}"),
            other in ("[ 0-9a]{0,4}", "[ 0-9a]{0,4}"),
        ) {
            let first = revocation(kinds.0, &one.0, &one.1, 1);
            let second = revocation(kinds.1, &other.0, &other.1, 1);

            let are_alike = RevocationEntry::new(&first, 1).name == RevocationEntry::new(&second, 1).name;

            prop_assert_eq!(are_alike, first == second);
        }

        #[test]
        fn any_text_is_read_without_a_panic(word in ".*", text in ".*") {
            drop(StreamEvent::read(&word, &text));
            drop(StreamEvent::read("revoke", &text));
            drop(RevocationEntry::read(1, &word, &text));
        }
    }

    #[test]
    fn entry_of_the_stream_says_that_a_name_was_taken_back_or_where_a_node_has_looked() {
        let name = "token 1 i t";

        let taken_back = StreamEvent::Restored { name: name.to_owned() };
        assert_eq!(StreamEvent::read("restore", name), Some(taken_back));
        assert_eq!(StreamEvent::read("mark", "0123"), Some(StreamEvent::Mark));
        assert_eq!(
            (StreamEvent::read("restore", "token 1 i"), StreamEvent::read("other", name)),
            (None, None)
        );
    }

    #[test]
    fn entry_is_kept_until_its_bucket_ends() {
        let until = |end| RevocationEntry { end, moment: None, name: String::new() }.until();

        assert_eq!((until(60), until(1 << 40)), (60, u32::MAX));
    }

    #[test]
    fn operator_can_read_it() {
        let issuer = "https://id.example.com";

        let name = spelt(issuer, Revocable::Subject("alice"));

        assert_eq!(name, "subject 22 https://id.example.com alice");
    }

    #[test]
    fn revocation_for_all_time_stays_one() {
        let revocation = Revocation::new("i", Revocable::Client("c"), None);

        let entry = RevocationEntry::new(&revocation, 1);

        assert_eq!(entry.revocation().unwrap().revoked(), Revoked::Entirely);
    }

    #[test]
    fn subject_without_a_moment_and_token_with_one_are_unreadable() {
        assert_eq!(RevocationEntry::read(1, "", "subject 1 i s"), None);
        assert_eq!(RevocationEntry::read(1, "5", "token 1 i t"), None);
        assert!(RevocationEntry::read(1, "5", "subject 1 i s").is_some());
        assert!(RevocationEntry::read(1, "", "token 1 i t").is_some());
        for name in ["token", "token 1", "token 9 i t", "token x i t", "tokens 1 i t", "token 1 it"]
        {
            assert_eq!(read_name(name), None, "{name}");
        }
    }
}
