//! Reads parts of a request, so that a part that two programs could read differently is none.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use http::HeaderName;
use http::header::HOST;
use percent_encoding::percent_decode_str;

use crate::request_head::RequestHead;

/// A part of a request that a policy compares with a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestPart {
    /// A segment of the path, counted from 0.
    PathSegment(usize),
    /// A parameter of an axum route.
    PathParameter(Cow<'static, str>),
    /// A label of the host, counted from 0 at its beginning.
    HostLabel(usize),
    /// A header field.
    HeaderField(Cow<'static, str>),
}

/// A part of a request. `None` if the request has not exactly one, and an error if the program is wrong.
type Read<'r> = Result<Option<Cow<'r, str>>, Cow<'static, str>>;

impl RequestPart {
    pub(super) fn read<'r>(&self, request: RequestHead<'r>) -> Read<'r> {
        match self {
            Self::PathSegment(index) => Ok(segment(request.uri().path(), *index)),
            Self::HostLabel(index) => {
                Ok(host(request).and_then(|host| label(host, *index)).map(Cow::Borrowed))
            }
            Self::HeaderField(name) => field(request, name),
            #[cfg(feature = "axum-router")]
            Self::PathParameter(name) => {
                Ok(super::path_parameter::read(request, name)?.map(Cow::Owned))
            }
            #[cfg(not(feature = "axum-router"))]
            Self::PathParameter(_) => Err("enable the feature `axum-router`".into()),
        }
    }

    pub(super) fn ignores_case(&self) -> bool {
        matches!(self, Self::HostLabel(_))
    }
}

impl fmt::Display for RequestPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathSegment(index) => write!(f, "segment {index} of the path"),
            Self::PathParameter(name) => write!(f, "the path parameter `{name}`"),
            Self::HostLabel(index) => write!(f, "label {index} of the host"),
            Self::HeaderField(name) => write!(f, "the header field `{name}`"),
        }
    }
}

fn segment(path: &str, index: usize) -> Option<Cow<'_, str>> {
    let mut segments = path.strip_prefix('/')?.split('/').enumerate().peekable();
    let mut wanted = None;
    while let Some((at, raw)) = segments.next() {
        let decoded = percent_decode_str(raw).decode_utf8().ok()?;
        let is_last = segments.peek().is_none();
        if matches!(&*decoded, "." | "..") || decoded.is_empty() && !is_last {
            return None;
        }
        if at == index {
            wanted = Some(decoded);
        }
    }
    wanted
}

/// Returns the name of the host, without its port.
fn host(request: RequestHead<'_>) -> Option<&str> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = match (fields.next(), fields.next()) {
        (None, _) => None,
        (Some(field), None) => Some(field.to_str().ok()?),
        (Some(_), Some(_)) => return None,
    };
    let host = match (request.uri().authority(), field) {
        (Some(authority), Some(field)) if !authority.as_str().eq_ignore_ascii_case(field) => {
            return None;
        }
        (Some(authority), _) => authority.as_str(),
        (None, field) => field?,
    };
    match host.split_once(':') {
        None => Some(host),
        Some((name, port)) => port.bytes().all(|byte| byte.is_ascii_digit()).then_some(name),
    }
}

fn label(host: &str, index: usize) -> Option<&str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_legal);
    // The last label of a name holds a letter. What looks like an address is none for some programs and one for others.
    let is_name = host.rsplit('.').next()?.bytes().any(|byte| !byte.is_ascii_digit());
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    let is_good = is_name && !is_address && host.split('.').all(is_label);
    host.split('.').nth(index).filter(|_| is_good)
}

fn field<'r>(request: RequestHead<'r>, name: &str) -> Read<'r> {
    let Ok(known) = HeaderName::from_bytes(name.as_bytes()) else {
        return Err(format!("change the name {name:?}: no header field can have it").into());
    };
    let mut fields = request.headers().get_all(known).iter();
    let (Some(field), None) = (fields.next(), fields.next()) else { return Ok(None) };
    Ok(field.to_str().ok().map(Cow::Borrowed))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn segment_is_the_decoded_one_of_an_unambiguous_path() {
        for (path, index, expected) in [
            ("/users/alice", 0, Some("users")),
            ("/users/alice", 1, Some("alice")),
            ("/users/alice/", 1, Some("alice")),
            ("/users/alice/", 2, Some("")),
            ("/users/alice", 2, None),
            ("/users/al%69ce", 1, Some("alice")),
            ("/users/a%2Fb", 1, Some("a/b")),
            ("/users/a%252Fb", 1, Some("a%2Fb")),
            ("/users/%C3%A9", 1, Some("é")),
            ("/users/%ff", 1, None),
            ("/users/%ff", 0, None),
            ("/users/a%", 1, Some("a%")),
            ("/users/alice;x=1", 1, Some("alice;x=1")),
            ("/users/a+b", 1, Some("a+b")),
            ("//alice", 1, None),
            ("/users//alice", 1, None),
            ("/users//alice", 0, None),
            ("/users/alice/../bob", 1, None),
            ("/users/alice/%2e%2E/bob", 1, None),
            ("/users/./alice", 2, None),
            ("/users/alice/..", 1, None),
            ("/users/alice/...", 1, Some("alice")),
            ("/", 0, Some("")),
            ("*", 0, None),
            ("", 0, None),
        ] {
            assert_eq!(segment(path, index).as_deref(), expected, "{path} {index}");
        }
    }

    #[test]
    fn label_is_one_of_a_name_and_of_no_address() {
        for (host, expected) in [
            ("acme.example.com", Some("acme")),
            ("Acme.Example.COM.", Some("Acme")),
            ("acme", Some("acme")),
            ("a_c-me.example.com", Some("a_c-me")),
            ("", None),
            (".", None),
            (".acme.example.com", None),
            ("acme..example.com", None),
            ("acme.example.com..", None),
            ("127.0.0.1", None),
            ("acme.1", None),
            ("127.1", None),
            ("1", None),
            ("[::1]", None),
            ("user@acme.example.com", None),
            ("acme%2eexample.com", None),
            ("äcme.example.com", None),
            ("acme.example.com/x", None),
        ] {
            assert_eq!(label(host, 0), expected, "{host}");
        }
        assert_eq!(label("acme.example.com", 2), Some("com"));
        assert_eq!(label("acme.example.com", 3), None);
        assert_eq!(label("127.example", 0), Some("127"));
    }

    #[test]
    fn host_is_the_only_one_that_the_request_names() {
        let read = |uri: &str, hosts: &[&str]| {
            let mut request = Request::get(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(()).unwrap();
            host(RequestHead::of(&request)).map(str::to_owned)
        };
        let is = |name: &str| Some(name.to_owned());

        assert_eq!(read("/", &["a.example"]), is("a.example"));
        assert_eq!(read("/", &["a.example:8080"]), is("a.example"));
        assert_eq!(read("/", &["a.example:"]), is("a.example"));
        assert_eq!(read("https://a.example/", &[]), is("a.example"));
        assert_eq!(read("https://a.example:1/", &["A.example:1"]), is("a.example"));
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a.example", "a.example"]),
            ("/", &["a.example:x"]),
            ("/", &["[::1]:80"]),
            ("/", &["a:1:2"]),
            ("https://a.example/", &["b.example"]),
            ("https://a.example/", &["a.example:443"]),
            ("https://a.example/", &["a.example", "a.example"]),
        ] {
            assert_eq!(read(uri, hosts), None, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn field_is_the_only_one_of_its_name() {
        let read = |fields: &[(&str, &[u8])], name: &str| {
            let mut request = Request::get("/");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let request = request.body(()).unwrap();
            field(RequestHead::of(&request), name).map(|text| text.map(Cow::into_owned))
        };

        assert_eq!(read(&[("x-tenant", b"acme")], "X-Tenant").unwrap().as_deref(), Some("acme"));
        assert_eq!(read(&[], "x-tenant"), Ok(None));
        assert_eq!(read(&[("x-tenant", b"a"), ("x-tenant", b"a")], "x-tenant"), Ok(None));
        assert_eq!(read(&[("x-tenant", b"\xff")], "x-tenant"), Ok(None));
        assert!(read(&[], "x tenant").is_err() && read(&[], "").is_err());
    }
}
