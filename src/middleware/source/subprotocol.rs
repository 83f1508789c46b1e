//! Finds the token in the protocols of a WebSocket.
//!
//! A WebSocket over HTTP/2 is recognized by `Sec-WebSocket-Version` on `CONNECT`. The `:protocol`
//! of RFC 8441 stands in an extension whose type belongs to the server's library, and is not worth
//! a dependency on hyper.

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::{Method, StatusCode, request};

use super::{Presented, TokenSource};
use crate::error::Reason;

/// Finds the token in `Sec-WebSocket-Protocol: bearer, <token>`, for browsers, whose `WebSocket`
/// can set no other field:
///
/// ```js
/// new WebSocket("wss://api.example.com/live", ["bearer", token, "chat.v2"])
/// ```
///
/// The field is read on requests that open a WebSocket and on no others: HTTP/1 upgrades, and
/// extended `CONNECT` (RFC 8441) over HTTP/2. Both entries are removed before inner services see
/// the request. A browser requires that the response selects one of its protocols. If the handler
/// selects none, the response selects `bearer`. It never contains the token.
///
/// ```
/// # fn add(layer: tower_bearer::BearerLayer<()>) {
/// use tower_bearer::source::WebSocketProtocol;
///
/// let layer = layer.with_source(WebSocketProtocol);
/// # }
/// ```
///
/// If one layer is inside another, only the outer one finds the token.
///
/// A proxy may log the field: it is safer than a query parameter and less safe than the
/// `Authorization` field. Any page can open a WebSocket to any server, and this token is the proof
/// that the page may.
#[derive(Clone, Copy, Debug, Default)]
pub struct WebSocketProtocol;

impl TokenSource for WebSocketProtocol {
    fn find<'r>(&self, request: &'r request::Parts) -> Result<Option<Presented<'r>>, Reason> {
        if !opens_web_socket(request) {
            return Ok(None);
        }
        let mut found = None;
        let mut protocols = entries(&request.headers);
        while let Some(protocol) = protocols.next() {
            if protocol.map_err(|()| Reason::MalformedSubprotocol)? != MARKER {
                continue;
            }
            let token = protocols.next().and_then(Result::ok);
            let token = token.filter(|token| *token != MARKER && is_token(token));
            if found.replace(token.ok_or(Reason::MalformedSubprotocol)?).is_some() {
                return Err(Reason::MalformedSubprotocol);
            }
        }
        Ok(found.map(|token| Presented::bearer(token.as_bytes())))
    }

    fn strip(&self, request: &mut request::Parts) {
        match without_token(&request.headers) {
            Some(rest) => drop(request.headers.insert(SEC_WEBSOCKET_PROTOCOL, rest)),
            None => drop(request.headers.remove(SEC_WEBSOCKET_PROTOCOL)),
        }
    }

    fn complete(&self, status: StatusCode, headers: &mut HeaderMap) {
        let is_open = [StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK].contains(&status);
        if is_open && !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(MARKER));
        }
    }
}

fn opens_web_socket(request: &request::Parts) -> bool {
    let headers = &request.headers;
    if request.method == Method::CONNECT {
        // The `:protocol` of RFC 8441 stands in an extension with a type of the server's own. This
        // field is always sent with it, and never without it.
        return headers.contains_key(SEC_WEBSOCKET_VERSION);
    }
    request.method == Method::GET
        && lists(headers, &CONNECTION, "upgrade")
        && lists(headers, &UPGRADE, "websocket")
}

/// Returns whether a comma-separated field names something, in any case.
pub(crate) fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(wanted))
}

/// Returns the entries of all fields, in order. A field that is not text becomes `Err`.
fn entries(headers: &HeaderMap) -> impl Iterator<Item = Result<&str, ()>> {
    headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().flat_map(|value| {
        let (text, error) = match value.to_str() {
            Ok(text) => (Some(text), None),
            Err(_) => (None, Some(Err(()))),
        };
        let entries = text.into_iter().flat_map(|text| text.split(','));
        entries.map(|one| Ok(one.trim_matches([' ', '\t']))).chain(error)
    })
}

/// Returns the entries that are left for the handler, in one field.
fn without_token(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut rest: Vec<&str> = Vec::new();
    let mut protocols = entries(headers).flatten();
    while let Some(protocol) = protocols.next() {
        if protocol == MARKER {
            protocols.next();
        } else {
            rest.push(protocol);
        }
    }
    HeaderValue::try_from(rest.join(", ")).ok().filter(|rest| !rest.is_empty())
}

// An entry is a token of RFC 9110 §5.6.2, which may hold every character of a JWT.
fn is_token(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(is_char)
}

const MARKER: &str = "bearer";

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn request(protocols: &[&str]) -> request::Parts {
        let mut request = Request::get("/")
            .header("connection", "keep-alive, Upgrade")
            .header("upgrade", "WebSocket");
        for protocol in protocols {
            request = request.header(SEC_WEBSOCKET_PROTOCOL, *protocol);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn find(protocols: &[&str]) -> Result<Option<String>, Reason> {
        let request = request(protocols);
        let found = WebSocketProtocol.find(&request)?;
        found.map(|found| WebSocketProtocol.read(found.token()).map(str::to_owned)).transpose()
    }

    #[test]
    fn token_is_the_entry_behind_bearer_in_one_field_or_several() {
        for protocols in [
            &["bearer, a.b.c"][..],
            &["chat, bearer,a.b.c ,x"],
            &["bearer", "a.b.c"],
            &["chat", "bearer, a.b.c"],
        ] {
            assert_eq!(find(protocols), Ok(Some("a.b.c".into())), "{protocols:?}");
        }
    }

    #[test]
    fn other_protocols_are_nothing_sent() {
        for protocols in [&[][..], &["chat"], &["Bearer, a.b.c"], &["bearer.a.b.c"], &[""]] {
            assert_eq!(find(protocols), Ok(None), "{protocols:?}");
        }
    }

    #[test]
    fn bearer_without_exactly_one_token_is_malformed() {
        for protocols in [
            &["bearer"][..],
            &["chat, bearer"],
            &["bearer, "],
            &["bearer, , a.b.c"],
            &["bearer, bearer"],
            &["bearer, a.b.c, bearer, a.b.c"],
            &["bearer, a b"],
            &["bearer, a=b"],
            &["bearer, \"a\""],
        ] {
            assert_eq!(find(protocols), Err(Reason::MalformedSubprotocol), "{protocols:?}");
        }
    }

    #[test]
    fn field_is_read_only_where_a_web_socket_opens() {
        let mut plain = request(&["bearer, a.b.c"]);
        plain.headers.remove(UPGRADE);
        let mut post = request(&["bearer, a.b.c"]);
        post.method = Method::POST;
        let mut tunnel = request(&["bearer, a.b.c"]);
        tunnel.method = Method::CONNECT;
        let mut extended = request(&["bearer, a.b.c"]);
        extended.method = Method::CONNECT;
        extended.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));

        for request in [&plain, &post, &tunnel] {
            assert!(matches!(WebSocketProtocol.find(request), Ok(None)));
        }
        let found = WebSocketProtocol.find(&extended).unwrap();
        assert_eq!(found.map(|found| found.token()), Some(&b"a.b.c"[..]));
    }

    #[test]
    fn stripping_leaves_the_other_protocols() {
        for (before, after) in [
            (&["bearer, a.b.c"][..], None),
            (&["chat, bearer, a.b.c, soap"], Some("chat, soap")),
            (&["chat", "bearer", "a.b.c"], Some("chat")),
        ] {
            let mut request = request(before);
            WebSocketProtocol.strip(&mut request);
            let left = request.headers.get(SEC_WEBSOCKET_PROTOCOL);
            assert_eq!(left.map(|left| left.to_str().unwrap()), after);
            assert!(request.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().count() <= 1);
        }
    }
}
