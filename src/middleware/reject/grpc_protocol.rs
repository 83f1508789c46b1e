//! Recognizes gRPC requests.
//!
//! Layer, `require` and extractors read the `Content-Type` when they refuse, so an accepted request
//! pays nothing. A refusal of a handler (`Principal::check`) does not know the request and is
//! answered as HTTP: a 200 that only gRPC reads as a refusal must not reach other clients. Services
//! of tonic return a `Status`.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

/// A protocol of the gRPC family. The answer has to name the protocol of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcProtocol {
    Grpc,
    Web,
    WebText,
}

impl GrpcProtocol {
    /// Returns the protocol by `Content-Type`. `None` for all other requests.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.as_bytes();
        let (start, rest) = kind.split_at_checked(PREFIX.len())?;
        if !start.eq_ignore_ascii_case(PREFIX) {
            return None;
        }
        // The rest names the format of messages (`+proto`) or is a parameter.
        let end = rest.iter().position(|&byte| matches!(byte, b'+' | b';' | b' '));
        let name = rest[..end.unwrap_or(rest.len())].to_ascii_lowercase();
        match &*name {
            b"" => Some(Self::Grpc),
            b"-web" => Some(Self::Web),
            b"-web-text" => Some(Self::WebText),
            _ => None,
        }
    }

    /// Returns the `Content-Type` of an answer.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text+proto",
        })
    }
}

const PREFIX: &[u8] = b"application/grpc";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_is_recognized_by_the_content_type() {
        for (kind, protocol) in [
            ("application/grpc", Some(GrpcProtocol::Grpc)),
            ("application/grpc+proto", Some(GrpcProtocol::Grpc)),
            ("Application/gRPC; charset=x", Some(GrpcProtocol::Grpc)),
            ("application/grpc-web", Some(GrpcProtocol::Web)),
            ("application/grpc-web+proto", Some(GrpcProtocol::Web)),
            ("application/grpc-web-text", Some(GrpcProtocol::WebText)),
            ("application/grpc-web-text+proto", Some(GrpcProtocol::WebText)),
            ("application/grpcs", None),
            ("application/grp", None),
            ("application/json", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));

            assert_eq!(GrpcProtocol::of(&headers), protocol, "{kind}");
        }
        assert_eq!(GrpcProtocol::of(&HeaderMap::new()), None);
    }
}
