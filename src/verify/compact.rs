//! Reads the compact form of a signed token (RFC 7515 §3.1), in steps that cannot be skipped.
//!
//! A [`Compact`] is unauthenticated, and only its header can be read. A [`Payload`] exists only
//! after the signature was verified, and is the only access to the claims.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::claims::{self, ClaimPaths, Footprint, ParsedClaims};
use crate::error::{AuthError, Reason, shown};
use crate::jose::base64url;
use crate::jose::{Header, HeaderCache};
use crate::keys::VerifyingKey;

/// A token that is not verified yet.
pub(crate) struct Compact<'t, 'b> {
    header: Header,
    /// The header as it was written, if it was not in the cache of headers.
    new_header: Option<&'t str>,
    signing_input: &'t str,
    payload: &'t str,
    /// The decoded payload, and from `signature.start` on the decoded signature.
    bytes: &'b mut [u8],
    decoded: Option<usize>,
    signature: Range<usize>,
}

/// The memory for the decoded parts of one token.
pub(crate) struct Buffer<const N: usize> {
    /// Large enough for most tokens, without an allocation.
    small: [u8; N],
    large: Vec<u8>,
}

impl<const N: usize> Buffer<N> {
    pub(crate) fn new() -> Self {
        Self { small: [0; N], large: Vec::new() }
    }

    fn of(&mut self, length: usize) -> &mut [u8] {
        if length <= N {
            return &mut self.small[..length];
        }
        self.large.resize(length, 0);
        &mut self.large
    }
}

impl<'t, 'b> Compact<'t, 'b> {
    /// Splits a token that is at most `max_bytes` long.
    pub(crate) fn parse<const N: usize>(
        token: &'t str,
        max_bytes: usize,
        known: &HeaderCache,
        buffer: &'b mut Buffer<N>,
    ) -> Result<Self, AuthError> {
        if token.len() > max_bytes {
            return Err(Reason::TokenTooLarge.into());
        }
        let malformed = |detail: &'static str| AuthError::with_detail(Reason::Malformed, detail);
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let (Some(first), Some(second)) = (dots.next(), dots.next()) else {
            return Err(malformed("there are not three segments"));
        };
        let (signing_input, signature) = (&token[..second], &token[second + 1..]);
        let (header, payload) = (&signing_input[..first], &signing_input[first + 1..]);
        // The decoder refuses padding, foreign characters and bits after the last byte, so that a
        // token has one spelling. A further dot is a foreign character too.
        let start = base64url::room(payload.len());
        let bytes = buffer.of(start + base64url::room(signature.len()));
        let length = base64url::decode(signature, &mut bytes[start..])
            .ok_or_else(|| no_signature(signature))?;
        if payload.is_empty() || signature.is_empty() {
            let is_unsigned = signature.is_empty();
            return Err(malformed(if is_unsigned { NOT_SIGNED } else { "the payload is empty" }));
        }
        let (header, new_header) = if let Some(known) = known.find(header) {
            (known, None)
        } else {
            let bytes = decoded(header)
                .ok_or_else(|| malformed("the header is not base64url without padding"))?;
            (Header::parse(&bytes)?, Some(header))
        };
        let signature = start..start + length;
        Ok(Self { header, new_header, signing_input, payload, bytes, decoded: None, signature })
    }

    /// Returns the header, to choose a key by.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the issuer that the token names, to choose among issuers that are trusted already.
    pub(crate) fn unverified_issuer(&mut self) -> Result<Option<Cow<'_, str>>, AuthError> {
        let length = self.decode_payload()?;
        claims::unverified_issuer(str::from_utf8(&self.bytes[..length]).map_err(not_utf8)?)
    }

    /// Returns the payload without a look at the signature, for an explanation to a developer. Nothing may be decided by it.
    pub(crate) fn unverified_payload(&mut self) -> Result<&str, AuthError> {
        let length = self.decode_payload()?;
        str::from_utf8(&self.bytes[..length]).map_err(not_utf8)
    }

    /// Verifies the signature and nothing else, for an explanation. Returns the key that verified it.
    pub(crate) fn verify_signature(
        self,
        keys: &[VerifyingKey],
    ) -> Result<Option<&VerifyingKey>, AuthError> {
        match self.verify(keys) {
            // The signature is good, and the payload is another check.
            Err(error) if error.reason() != Reason::InvalidSignature => Ok(None),
            result => result.map(|verified| Some(verified.key)),
        }
    }

    fn decode_payload(&mut self) -> Result<usize, AuthError> {
        if let Some(length) = self.decoded {
            return Ok(length);
        }
        self.decoded = base64url::decode(self.payload, &mut self.bytes[..self.signature.start]);
        self.decoded.ok_or_else(|| {
            let detail = "the payload is not base64url without padding";
            AuthError::with_detail(Reason::Malformed, detail)
        })
    }

    /// Verifies the signature with the first of these keys that can, and gives access to the
    /// payload.
    pub(crate) fn verify<'k>(
        mut self,
        keys: &'k [VerifyingKey],
    ) -> Result<VerifiedJws<'t, 'b, 'k>, AuthError> {
        let message = self.signing_input.as_bytes();
        let signature = &self.bytes[self.signature.clone()];
        let algorithm = self.header.algorithm();
        let mut keys = keys.iter().take(MAX_CANDIDATES);
        let key = keys
            .find(|key| key.verify(algorithm, message, signature))
            .ok_or(Reason::InvalidSignature)?;
        let length = self.decode_payload().map_err(AuthError::after_signature)?;
        let Self { header, new_header, bytes, .. } = self;
        let text = str::from_utf8(&bytes[..length]);
        let text = text.map_err(|error| not_utf8(error).after_signature())?;
        Ok(VerifiedJws { header, new_header, key, payload: Payload(text) })
    }
}

/// A token whose signature was verified.
pub(crate) struct VerifiedJws<'t, 'b, 'k> {
    pub(crate) header: Header,
    /// The header as it was written, if it was not in the cache of headers.
    pub(crate) new_header: Option<&'t str>,
    /// The key that verified the signature.
    pub(crate) key: &'k VerifyingKey,
    pub(crate) payload: Payload<'b>,
}

#[cold]
fn no_signature(text: &str) -> AuthError {
    let detail = match memchr::memchr_iter(b'.', text.as_bytes()).count() {
        0 => "the signature is not base64url without padding",
        // RFC 7516 §9: a JWE has five segments.
        2 => return Reason::Encrypted.into(),
        _ => "there are not three segments",
    };
    AuthError::with_detail(Reason::Malformed, detail)
}

fn decoded(segment: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; base64url::room(segment.len())];
    let length = base64url::decode(segment, &mut bytes)?;
    bytes.truncate(length);
    Some(bytes)
}

// RFC 7519 §7.2, RFC 8725 §3.7: UTF-8 throughout, also in claims that are not read.
fn not_utf8<E>(_: E) -> AuthError {
    AuthError::with_detail(Reason::Malformed, "the payload is not UTF-8")
}

/// The payload of a token whose signature was verified.
pub(crate) struct Payload<'b>(&'b str);

impl Payload<'_> {
    /// Reads the claims that every token may have, and returns the memory that the application's claims may take.
    pub(crate) fn read(
        &self,
        paths: &ClaimPaths,
        parsed: &mut ParsedClaims,
        footprint: &mut Footprint,
    ) -> Result<(), AuthError> {
        claims::read(self.0, paths, parsed, footprint)
    }

    /// Reads the application's claims.
    pub(crate) fn claims<C: DeserializeOwned>(&self) -> Result<C, AuthError> {
        typed_claims(self.0)
    }
}

/// Reads the application's claims in the text of a payload.
pub(crate) fn typed_claims<C: DeserializeOwned>(text: &str) -> Result<C, AuthError> {
    serde_json::from_str(text).map_err(|error| {
        let problem = without_values(&error);
        let wanted = std::any::type_name::<C>();
        let detail = format!("the claims do not fit {wanted}: {problem}");
        AuthError::with_detail(Reason::ClaimsMismatch, detail)
    })
}

/// Returns serde's message without the value that it found, which is personal data and may be a
/// user's own text. Messages of serde keep the expected type and the position. Messages of the
/// application keep the position alone.
fn without_values(error: &serde_json::Error) -> String {
    let message = error.to_string();
    // Not searched for in the message, because the value may contain similar text.
    let place = match error.line() {
        0 => String::new(),
        line => format!(" at line {line} column {}", error.column()),
    };
    let message = message.strip_suffix(&place).unwrap_or(&message);
    let begins_with = |starts: &[&str]| starts.iter().any(|start| message.starts_with(start));
    let said = if begins_with(&["missing field `", "duplicate field `"]) {
        message
    } else if begins_with(&["invalid ", "unknown "]) && !message.contains(", there are no ") {
        message.rfind(", expected ").map_or("", |at| &message[at + 2..])
    } else {
        ""
    };
    shown(format!("{said}{place}").trim_start()).into_owned()
}

/// An unsecured JWT (RFC 7519 §6.1) looks so, whatever its header says.
const NOT_SIGNED: &str = "there is no signature: the token is not signed";

/// The number of keys that are tried on a token that does not name one.
pub(crate) const MAX_CANDIDATES: usize = 16;
