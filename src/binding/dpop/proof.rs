use std::borrow::Cow;

use http::HeaderValue;

use super::fault::invalid;
use crate::claims::NumericDate;
use crate::error::AuthError;
use crate::jose::base64url;
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH, read_members};

/// A proof: a JWT in compact form (RFC 7515 §7.1), of which nothing is verified yet.
pub(super) struct Proof<'r> {
    header: &'r str,
    payload: &'r str,
    signing_input: &'r str,
    signature: &'r str,
}

impl<'r> Proof<'r> {
    pub(super) fn parse(field: &'r HeaderValue) -> Result<Self, AuthError> {
        let text = field.to_str().map_err(|_| invalid(NO_JWT))?;
        if text.len() > MAX_PROOF {
            return Err(invalid("the proof is longer than 8 KiB"));
        }
        let parts = text.rsplit_once('.').and_then(|(signing_input, signature)| {
            let (header, payload) = signing_input.split_once('.')?;
            (!payload.contains('.')).then_some((header, payload, signing_input, signature))
        });
        let (header, payload, signing_input, signature) = parts.ok_or_else(|| invalid(NO_JWT))?;
        Ok(Self { header, payload, signing_input, signature })
    }

    /// Returns the first segment, as it was sent.
    pub(super) fn header(&self) -> &'r str {
        self.header
    }

    /// Reads the claims, which are not verified.
    pub(super) fn claims<'b>(&self, buffer: &'b mut Buffer) -> Result<ProofClaims<'b>, AuthError> {
        let text = decoded(self.payload, buffer).ok_or_else(|| invalid(NO_JWT))?;
        ProofClaims::read(text)
    }

    /// Returns what was signed.
    pub(super) fn signing_input(&self) -> &'r [u8] {
        self.signing_input.as_bytes()
    }

    /// Returns the decoded signature.
    pub(super) fn signature<'b>(&self, buffer: &'b mut Buffer) -> Option<&'b [u8]> {
        decoded_bytes(self.signature, buffer)
    }
}

/// The claims of a proof (RFC 9449 §4.2).
pub(super) struct ProofClaims<'t> {
    /// `jti`.
    pub(super) id: Cow<'t, str>,
    /// `htm`.
    pub(super) method: Cow<'t, str>,
    /// `htu`.
    pub(super) uri: Cow<'t, str>,
    pub(super) issued_at: NumericDate,
    /// `ath`.
    pub(super) token_hash: Option<Cow<'t, str>>,
    pub(super) nonce: Option<Cow<'t, str>>,
    pub(super) expires_at: Option<NumericDate>,
    pub(super) not_before: Option<NumericDate>,
}

impl<'t> ProofClaims<'t> {
    fn read(text: &'t str) -> Result<Self, AuthError> {
        let found = Found::read(text).map_err(|error| {
            invalid(match error {
                JsonError::RepeatedName => "a claim comes twice, or there are too many",
                JsonError::OtherType => "a claim has the wrong JSON type",
                _ => "the claims are no JSON object",
            })
        })?;
        let Found { id, method, uri, issued_at, token_hash, nonce, expires_at, not_before } = found;
        Ok(Self {
            id: id.filter(|id| !id.is_empty()).ok_or_else(|| invalid("there is no `jti`"))?,
            method: method.ok_or_else(|| invalid("there is no `htm`"))?,
            uri: uri.ok_or_else(|| invalid("there is no `htu`"))?,
            issued_at: issued_at.ok_or_else(|| invalid("there is no `iat`"))?,
            token_hash,
            nonce,
            expires_at,
            not_before,
        })
    }
}

/// The claims that were found.
#[derive(Default)]
struct Found<'t> {
    id: Option<Cow<'t, str>>,
    method: Option<Cow<'t, str>>,
    uri: Option<Cow<'t, str>>,
    issued_at: Option<NumericDate>,
    token_hash: Option<Cow<'t, str>>,
    nonce: Option<Cow<'t, str>>,
    expires_at: Option<NumericDate>,
    not_before: Option<NumericDate>,
}

impl<'t> Found<'t> {
    fn read(text: &'t str) -> Result<Self, JsonError> {
        let mut found = Self::default();
        let mut scanner = Scanner::new(text);
        read_members(&mut scanner, MAX_MEMBERS, |name, scanner| {
            match name {
                "jti" => found.id = Some(scanner.text()?),
                "htm" => found.method = Some(scanner.text()?),
                "htu" => found.uri = Some(scanner.text()?),
                "ath" => found.token_hash = Some(scanner.text()?),
                "nonce" => found.nonce = Some(scanner.text()?),
                "iat" => found.issued_at = Some(date(scanner)?),
                "exp" => found.expires_at = Some(date(scanner)?),
                "nbf" => found.not_before = Some(date(scanner)?),
                _ => _ = scanner.skip(VALUE_DEPTH)?,
            }
            Ok(())
        })?;
        scanner.finish()?;
        Ok(found)
    }
}

fn date(scanner: &mut Scanner<'_>) -> Result<NumericDate, JsonError> {
    match scanner.integer() {
        Some(seconds) => Ok(NumericDate::from_seconds(seconds)),
        None => serde_json::from_str(scanner.number()?).map_err(|_| JsonError::Syntax),
    }
}

/// Room for a decoded segment.
pub(super) struct Buffer {
    few: [u8; 640],
    many: Vec<u8>,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { few: [0; 640], many: Vec::new() }
    }
}

/// Decodes a segment that is text.
pub(super) fn decoded<'b>(segment: &str, buffer: &'b mut Buffer) -> Option<&'b str> {
    str::from_utf8(decoded_bytes(segment, buffer)?).ok()
}

fn decoded_bytes<'b>(segment: &str, buffer: &'b mut Buffer) -> Option<&'b [u8]> {
    let room = base64url::room(segment.len());
    let Buffer { few, many } = buffer;
    let bytes = if let Some(few) = few.get_mut(..room) {
        few
    } else {
        many.resize(room, 0);
        &mut many[..]
    };
    let length = base64url::decode(segment, bytes)?;
    bytes.get(..length)
}

const NO_JWT: &str = "the field is no JWT in compact form";
/// The longest proof. One with an RSA key of 4096 bits has less than 3 KiB.
const MAX_PROOF: usize = 8 * 1024;
/// The limit on the members of the claims. RFC 9449 has six.
const MAX_MEMBERS: usize = 32;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn field(text: &str) -> HeaderValue {
        HeaderValue::from_str(text).unwrap()
    }

    fn detail_of(claims: &str) -> String {
        let field = field(&format!("e30.{}.AA", URL_SAFE_NO_PAD.encode(claims)));
        let proof = Proof::parse(&field).unwrap();
        let refused = proof.claims(&mut Buffer::new()).map(|_| ()).unwrap_err();
        refused.detail().unwrap().to_owned()
    }

    #[test]
    fn proof_of_8_kib_is_read_and_a_longer_one_is_not() {
        let of_length = |length: usize| field(&format!("a.b.{}", "c".repeat(length - 4)));

        assert!(Proof::parse(&of_length(8192)).is_ok());
        for length in [8193, 9000] {
            let refused = Proof::parse(&of_length(length)).map(|_| ()).unwrap_err();
            assert_eq!(refused.detail(), Some("the proof is longer than 8 KiB"));
        }
    }

    #[test]
    fn detail_says_in_what_way_the_claims_are_wrong() {
        for (claims, detail) in [
            (r#"{"jti":"a","jti":"a"}"#, "a claim comes twice, or there are too many"),
            (r#"{"jti":1}"#, "a claim has the wrong JSON type"),
            (r#"{"jti":"a""#, "the claims are no JSON object"),
            (r#"{"jti":""}"#, "there is no `jti`"),
        ] {
            assert_eq!(detail_of(claims), detail, "{claims}");
        }
    }
}
