use crate::jose::json::{JsonError, Scanner, SeenNames, VALUE_DEPTH};

/// The meaning of the claim `events` (RFC 8417 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Events {
    /// Contains the event that a user was logged out at the provider (OpenID Connect Back-Channel
    /// Logout §2.4), perhaps among others.
    Logout,
    /// Any other value, including values that are no events.
    Other,
    /// `null`.
    Null,
}

impl Events {
    pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<Self, JsonError> {
        let first = scanner.peek()?;
        if first != b'{' {
            scanner.skip(VALUE_DEPTH)?;
            return Ok(if first == b'n' { Self::Null } else { Self::Other });
        }
        scanner.begin(b'{')?;
        let mut seen = SeenNames::at_most(MAX_EVENTS);
        let (mut has_logout, mut is_odd, mut is_first) = (false, false, true);
        while let Some(name) = scanner.next_name(&mut is_first)? {
            if name == BACK_CHANNEL_LOGOUT {
                has_logout = true;
                is_odd |= scanner.peek()? != b'{';
            }
            is_odd |= seen.insert(name).is_err();
            scanner.skip(VALUE_DEPTH - 1)?;
        }
        Ok(if has_logout && !is_odd { Self::Logout } else { Self::Other })
    }
}

const BACK_CHANNEL_LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const MAX_EVENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &str) -> Events {
        let mut scanner = Scanner::new(events);
        let read = Events::read(&mut scanner).unwrap();
        assert_eq!(scanner.finish(), Ok(()), "{events}");
        read
    }

    #[test]
    fn event_is_an_object_in_an_object() {
        for events in ["{E:{}}", r#"{"x":1,E:{"a":[1]}}"#, r#"{E:{},"urn:other":{}}"#] {
            let events = events.replace('E', &format!("\"{BACK_CHANNEL_LOGOUT}\""));
            assert_eq!(read(&events), Events::Logout, "{events}");
        }
    }

    #[test]
    fn anything_else_is_no_logout() {
        assert_eq!(read("null"), Events::Null);
        for events in [
            "true",
            "1",
            "E",
            "[]",
            "[E]",
            "[{E:{}}]",
            "{}",
            r#"{"x":{}}"#,
            "{E:null}",
            "{E:true}",
            "{E:[]}",
            r#"{E:""}"#,
            "{E:1}",
            "{E:{},E:{}}",
            r#"{E:{},"x":1,"x":1}"#,
        ] {
            let events = events.replace('E', &format!("\"{BACK_CHANNEL_LOGOUT}\""));
            assert_eq!(read(&events), Events::Other, "{events}");
        }
        let longer = format!(r#"{{"{BACK_CHANNEL_LOGOUT}/":{{}}}}"#);
        assert_eq!(read(&longer), Events::Other);
    }
}
