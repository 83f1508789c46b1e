//! The `Authorization` fields of a request: each line of the input is one field.

#![no_main]

use http::header::{AUTHORIZATION, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tower_bearer::Reason;
use tower_bearer::source::{AuthorizationHeader, TokenSource};

fuzz_target!(|input: &[u8]| {
    let mut request = http::Request::new(());
    let mut fields = Vec::new();
    for line in input.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).take(4) {
        // What http refuses to hold cannot arrive either.
        if let Ok(field) = HeaderValue::from_bytes(line) {
            request.headers_mut().append(AUTHORIZATION, field);
            fields.push(line);
        }
    }
    let (parts, ()) = request.into_parts();

    let found = AuthorizationHeader::new().find(&parts).and_then(|presented| {
        presented
            .map(|presented| AuthorizationHeader::new().read(presented.token()).map(str::as_bytes))
            .transpose()
    });

    match &fields[..] {
        [] => assert_eq!(found, Ok(None)),
        [field] => assert_eq!(found, judge(field)),
        _ => assert_eq!(found, Err(Reason::RepeatedAuthorization)),
    }
});

/// RFC 6750 §2.1 and RFC 9110 §11.4, one byte after the other.
fn judge(field: &[u8]) -> Result<Option<&[u8]>, Reason> {
    const TCHAR: &[u8] = b"!#$%&'*+-.^_`|~0123456789\
        ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    const B64: &[u8] = b"-._~+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let malformed = Err(Reason::MalformedAuthorization);
    // Only visible ASCII, spaces and tabs: the rest of what http holds is no text.
    if !field.iter().all(|&byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        return malformed;
    }
    let scheme: Vec<u8> = field.iter().copied().take_while(|byte| TCHAR.contains(byte)).collect();
    let mut rest = field[scheme.len()..].iter().copied().peekable();
    if scheme.to_ascii_lowercase() != b"bearer" {
        let ends = matches!(rest.peek(), None | Some(b' '));
        return if ends && !scheme.is_empty() { Ok(None) } else { malformed };
    }
    let mut at = scheme.len();
    while rest.next_if_eq(&b' ').is_some() {
        at += 1;
    }
    let mut body = 0;
    while rest.next_if(|byte| B64.contains(byte)).is_some() {
        body += 1;
    }
    while rest.next_if_eq(&b'=').is_some() {}
    if at > scheme.len() && body > 0 && rest.next().is_none() {
        Ok(Some(&field[at..]))
    } else {
        malformed
    }
}
