use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::Uri;
use http::uri::{Authority, Scheme};

/// The last nonce of each server (RFC 9449 §8.2: a nonce belongs to an origin).
#[derive(Default)]
pub(super) struct ServerNonces(Mutex<HashMap<Origin, Box<str>>>);

type Origin = (Scheme, Authority);

impl ServerNonces {
    pub(super) fn of(&self, uri: &Uri) -> Option<String> {
        let origin = origin(uri)?;
        let nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.get(&origin).map(ToString::to_string)
    }

    pub(super) fn remember(&self, uri: &Uri, nonce: &str) {
        let Some(origin) = origin(uri) else { return };
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A nonce that is forgotten costs one more request.
        if nonces.len() >= MAX_ORIGINS && !nonces.contains_key(&origin) {
            nonces.clear();
        }
        nonces.insert(origin, nonce.into());
    }
}

fn origin(uri: &Uri) -> Option<Origin> {
    uri.scheme().cloned().zip(uri.authority().cloned())
}

const MAX_ORIGINS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_of_new_servers_take_no_more_room_than_the_first_and_those_of_known_ones_displace_none()
     {
        let nonces = ServerNonces::default();
        let uri = |number: usize| format!("https://{number}.example.com/").parse::<Uri>().unwrap();
        let first = |nonces: &ServerNonces| nonces.of(&uri(0));
        (0..MAX_ORIGINS).for_each(|number| nonces.remember(&uri(number), "a"));
        nonces.remember(&uri(1), "b");
        assert_eq!(
            (first(&nonces).as_deref(), nonces.of(&uri(1)).as_deref()),
            (Some("a"), Some("b"))
        );

        nonces.remember(&uri(MAX_ORIGINS), "c");
        assert_eq!((first(&nonces), nonces.of(&uri(MAX_ORIGINS)).as_deref()), (None, Some("c")));
    }
}
