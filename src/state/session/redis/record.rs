//! Packs a session into one string, which the scripts read too.
//!
//! | bytes | |
//! |---|---|
//! | 1 | `L` live, `E` ended |
//! | 2 | `P` if there is a previous token, else `-` |
//! | 3–34 | the hash of the current token |
//! | 35–66 | the hash of the previous token, or zeros |
//! | 67–126 | created, last seen, idle until, expires: milliseconds since 1970 in 15 digits each |
//! | 127– | the lengths of the subject and of the client in digits, each with a space behind it |
//! | | subject, client, device; the last two as `-`, or `+` and the text |
//!
//! A hash of Redis would take a third more memory, and several times as much with a device of more than 64 bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::state::session::{Session, TokenHash};

/// Packs a session, without its name.
pub(super) fn packed(session: &Session) -> Vec<u8> {
    let mut record = Vec::with_capacity(256);
    record.push(if session.ended { b'E' } else { b'L' });
    record.push(if session.previous.is_some() { b'P' } else { b'-' });
    record.extend(session.current.as_bytes());
    record.extend(session.previous.map_or([0; 32], |previous| *previous.as_bytes()));
    for moment in [session.created_at, session.last_seen, session.idle_until, session.expires_at] {
        record.extend(milliseconds(moment).bytes());
    }
    let client = optional(session.client_id.as_deref());
    record.extend(format!("{} {} ", session.subject.len(), client.len()).bytes());
    record.extend(session.subject.bytes());
    record.extend(client);
    record.extend(optional(session.device.as_deref()));
    record
}

/// Unpacks the session of this name.
pub(super) fn unpacked(id: &[u8], record: &[u8]) -> Option<Session> {
    let (&[state, has_previous], rest) = record.split_first_chunk()?;
    let (current, rest) = rest.split_first_chunk()?;
    let (previous, rest) = rest.split_first_chunk()?;
    let (created_at, rest) = moment(rest)?;
    let (last_seen, rest) = moment(rest)?;
    let (idle_until, rest) = moment(rest)?;
    let (expires_at, rest) = moment(rest)?;
    let (subject, rest) = length(rest)?;
    let (client, rest) = length(rest)?;
    let (subject, rest) = rest.split_at_checked(subject)?;
    let (client, device) = rest.split_at_checked(client)?;
    Some(Session {
        id: text(id)?,
        subject: text(subject)?,
        client_id: read_optional(client).ok()?,
        device: read_optional(device).ok()?,
        created_at,
        last_seen,
        idle_until,
        expires_at,
        current: TokenHash::from_bytes(*current),
        previous: match has_previous {
            b'P' => Some(TokenHash::from_bytes(*previous)),
            b'-' => None,
            _ => return None,
        },
        ended: match state {
            b'E' => true,
            b'L' => false,
            _ => return None,
        },
    })
}

/// Writes a moment in 15 digits. An earlier moment than 1970 is written as 1970.
pub(super) fn milliseconds(moment: SystemTime) -> String {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{:015}", since.min(LATEST))
}

/// Writes a text that may be absent. An empty text is not an absent one.
pub(super) fn optional(text: Option<&str>) -> Vec<u8> {
    match text {
        Some(text) => [b"+", text.as_bytes()].concat(),
        None => b"-".to_vec(),
    }
}

fn read_optional(bytes: &[u8]) -> Result<Option<String>, Unreadable> {
    match bytes {
        b"-" => Ok(None),
        [b'+', rest @ ..] => text(rest).map(Some).ok_or(Unreadable),
        _ => Err(Unreadable),
    }
}

struct Unreadable;

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn moment(bytes: &[u8]) -> Option<(SystemTime, &[u8])> {
    let (digits, rest) = bytes.split_first_chunk::<DIGITS>()?;
    let milliseconds = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?, rest))
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let (digits, rest) = bytes.split_at(end);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, &rest[1..]))
}

const DIGITS: usize = 15;
/// The year 33658.
const LATEST: u128 = 999_999_999_999_999;

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn session() -> Session {
        let current = TokenHash::from_bytes([b'c'; 32]);
        let mut session = Session::new("s", "alice", current, at(1), at(3));
        session.client_id = Some("app".to_owned());
        session.idle_until = at(2);
        session
    }

    #[test]
    fn record_has_each_field_where_the_scripts_look_for_it() {
        let mut session = session();
        let record = String::from_utf8(packed(&session)).unwrap();

        let (tokens, moments) = (
            "c".repeat(32) + &"\0".repeat(32),
            "000000000000001000000000000001000000000000002000000000000003",
        );
        assert_eq!(record, format!("L-{tokens}{moments}5 4 alice+app-"));
        assert_eq!(&record[66..81], "000000000000001");
        assert_eq!(record.find("5 4"), Some(126));

        session.ended = true;
        session.previous = Some(TokenHash::from_bytes([b'p'; 32]));
        session.device = Some(String::new());
        let record = String::from_utf8(packed(&session)).unwrap();
        assert!(record.starts_with(&format!("EP{}{}0", "c".repeat(32), "p".repeat(32))));
        assert!(record.ends_with("alice+app+"));
    }

    #[test]
    fn moment_outside_of_fifteen_digits_is_the_nearest_inside() {
        for (moment, expected) in [
            (UNIX_EPOCH - Duration::from_secs(1), "000000000000000"),
            (at(999_999_999_999_999), "999999999999999"),
            (at(1_000_000_000_000_000), "999999999999999"),
        ] {
            assert_eq!(milliseconds(moment), expected);
        }
    }

    #[test]
    fn record_that_is_cut_off_or_odd_is_not_read() {
        let record = packed(&session());
        assert_eq!(unpacked(b"s", &record), Some(session()));

        for end in 0..record.len() {
            assert_eq!(unpacked(b"s", &record[..end]), None, "{end}");
        }
        for (place, byte) in [(0, b'X'), (1, b'X'), (70, b'x'), (126, b'x'), (130, 0xff)] {
            let mut odd = record.clone();
            odd[place] = byte;
            assert_eq!(unpacked(b"s", &odd), None, "{place}");
        }
        assert_eq!(unpacked(b"\xff", &record), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn session_is_unpacked_as_it_was_packed(
            texts in (".*", option::of(".*"), option::of(".*")),
            hashes in any::<([u8; 32], Option<[u8; 32]>)>(),
            moments in proptest::array::uniform4(0..1_000_000_000_000_000_u64),
            ended: bool,
        ) {
            let [created_at, last_seen, idle_until, expires_at] = moments.map(at);
            let mut session =
                Session::new("s", texts.0, TokenHash::from_bytes(hashes.0), created_at, expires_at);
            (session.client_id, session.device) = (texts.1, texts.2);
            session.previous = hashes.1.map(TokenHash::from_bytes);
            (session.last_seen, session.idle_until, session.ended) = (last_seen, idle_until, ended);

            prop_assert_eq!(unpacked(b"s", &packed(&session)), Some(session));
        }

        #[test]
        fn any_bytes_are_a_session_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            drop(unpacked(b"s", &bytes));
        }
    }
}
