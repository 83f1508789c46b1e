//! Writes refusals in gRPC: the status of each, and its encoding.
//!
//! Details follow Google's error model (`google.rpc.Status`), which clients of every language can
//! read. Three small messages are encoded by hand, because a protobuf library would be the larger
//! part of this crate.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::response::Parts;
use http::{HeaderName, HeaderValue, StatusCode};

use super::grpc_protocol::GrpcProtocol;
use super::rejection::Rejection;
use crate::error::ReasonClass;

/// Turns an answer into one without messages ("Trailers-Only"), which consists of headers alone.
pub(super) fn answer(rejection: &Rejection, protocol: GrpcProtocol, parts: &mut Parts) {
    parts.status = StatusCode::OK;
    let details = STANDARD_NO_PAD.encode(details(rejection));
    let details = HeaderValue::try_from(details).expect("base64 is ASCII");
    parts.headers.insert(CONTENT_TYPE, protocol.content_type());
    parts.headers.insert(STATUS, HeaderValue::from(code(rejection.reason().class())));
    parts.headers.insert(MESSAGE, percent_encoded(rejection.description()));
    parts.headers.insert(DETAILS, details);
    // The status 200 looks like a success to caches, which must not store the answer.
    parts.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// Returns the number of the gRPC status.
///
/// A malformed `authorization` is `UNAUTHENTICATED` and not `INVALID_ARGUMENT`: gRPC's own
/// documentation says so ("incorrect Auth metadata"), and clients take the latter for a fault in
/// the message they sent.
pub(crate) const fn code(class: ReasonClass) -> u16 {
    match class {
        ReasonClass::NoCredentials | ReasonClass::BadRequest | ReasonClass::BadToken => 16,
        ReasonClass::NotAllowed => 7,
        ReasonClass::NotFound => 5,
        ReasonClass::Unavailable => 14,
        ReasonClass::Misconfigured => 13,
    }
}

/// Returns a `google.rpc.Status` with an `ErrorInfo`, which holds the code and the required scopes,
/// and a `RetryInfo` where waiting helps.
pub(crate) fn details(rejection: &Rejection) -> Vec<u8> {
    let mut info = ProtobufMessage::default();
    info.text(1, &rejection.code().to_ascii_uppercase());
    info.text(2, rejection.realm());
    if let Some(scopes) = rejection.needed_scopes() {
        let mut entry = ProtobufMessage::default();
        entry.text(1, "scope");
        entry.text(2, scopes);
        info.message(3, &entry);
    }

    let mut status = ProtobufMessage::default();
    status.number(1, code(rejection.reason().class()).into());
    status.text(2, rejection.description());
    status.message(3, &any("type.googleapis.com/google.rpc.ErrorInfo", &info));
    if let Some(after) = rejection.error().retry_after() {
        let mut duration = ProtobufMessage::default();
        duration.number(1, after.as_secs());
        duration.number(2, after.subsec_nanos().into());
        let mut retry = ProtobufMessage::default();
        retry.message(1, &duration);
        status.message(3, &any("type.googleapis.com/google.rpc.RetryInfo", &retry));
    }
    status.0
}

fn any(name: &str, message: &ProtobufMessage) -> ProtobufMessage {
    let mut any = ProtobufMessage::default();
    any.text(1, name);
    any.message(2, message);
    any
}

/// A message in the encoding of Protocol Buffers.
#[derive(Default)]
struct ProtobufMessage(Vec<u8>);

impl ProtobufMessage {
    fn number(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn text(&mut self, field: u64, text: &str) {
        self.bytes(field, text.as_bytes());
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint((field << 3) | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        let low = |value: u64| value.to_le_bytes()[0];
        while value >= 0x80 {
            self.0.push(low(value) | 0x80);
            value >>= 7;
        }
        self.0.push(low(value));
    }
}

/// Encodes `Status-ProtobufMessage`: characters other than printable ASCII, and `%`, become `%` and two
/// digits.
fn percent_encoded(text: &str) -> HeaderValue {
    let encoded: String = text
        .bytes()
        .map(|byte| match byte {
            b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect();
    HeaderValue::try_from(encoded).expect("what is left is printable ASCII")
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_is_percent_encoded() {
        assert_eq!(percent_encoded("100 % öl\n"), "100 %25 %C3%B6l%0A");
        assert_eq!(percent_encoded("The token has expired"), "The token has expired");
    }

    #[test]
    fn numbers_above_127_take_several_bytes() {
        let mut message = ProtobufMessage::default();

        message.number(1, 300);

        // The example in the specification of the encoding.
        assert_eq!(message.0, [0x08, 0xac, 0x02]);
    }
}
