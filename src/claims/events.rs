use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::jose::json::{MemberName, SeenNames};

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
    pub(super) fn read(json: &str) -> Self {
        match serde_json::from_str(json) {
            Ok(Members { logout: true }) => Self::Logout,
            _ if json == "null" => Self::Null,
            _ => Self::Other,
        }
    }
}

struct Members {
    logout: bool,
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of events")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut logout = false;
        let mut seen = SeenNames::at_most(MAX_EVENTS);
        while let Some(name) = map.next_key::<MemberName<'de>>()? {
            if seen.insert(name).map_err(A::Error::custom)? == BACK_CHANNEL_LOGOUT {
                map.next_value::<AnyObject>()?;
                logout = true;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Members { logout })
    }
}

/// Accepts an object with any members.
struct AnyObject;

impl<'de> Deserialize<'de> for AnyObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnyObject)
    }
}

impl<'de> Visitor<'de> for AnyObject {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

const BACK_CHANNEL_LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
const MAX_EVENTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_is_an_object_in_an_object() {
        for events in ["{E:{}}", r#"{"x":1,E:{"a":[1]}}"#, r#"{E:{},"urn:other":{}}"#] {
            let events = events.replace('E', &format!("\"{BACK_CHANNEL_LOGOUT}\""));
            assert_eq!(Events::read(&events), Events::Logout, "{events}");
        }
    }

    #[test]
    fn anything_else_is_no_logout() {
        assert_eq!(Events::read("null"), Events::Null);
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
            assert_eq!(Events::read(&events), Events::Other, "{events}");
        }
        let longer = format!(r#"{{"{BACK_CHANNEL_LOGOUT}/":{{}}}}"#);
        assert_eq!(Events::read(&longer), Events::Other);
    }
}
