//! Reads the header of a proof, and keeps the keys of clients parsed.
//!
//! A client writes the same header into all of its proofs. So keys are found by the text of the
//! header, and neither the header nor the key is parsed again. The key of a proof that passed all
//! checks is kept, and no other.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::fault::{invalid, other_key};
use super::key_members::KeyMembers;
use super::proof::{self, Buffer, Proof};
use crate::error::AuthError;
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH, read_members};
use crate::jose::{Algorithm, Family};
use crate::keys::{PublicKey, VerifyingKey};

/// The key of a proof.
pub(super) enum SentKey<'b> {
    /// It is kept from an earlier proof.
    Known(Arc<ProofKey>),
    New(ProofHeader<'b>),
}

impl SentKey<'_> {
    /// Returns whether the key cannot have this thumbprint, as far as the text of a new one tells.
    pub(super) fn is_surely_not(&self, thumbprint: &str) -> bool {
        match self {
            Self::Known(key) => key.thumbprint() != thumbprint,
            Self::New(header) => header.key_members.is_surely_not(thumbprint),
        }
    }

    /// Returns the key, ready to verify with. It has to have this thumbprint, if one is known.
    pub(super) fn into_key(self, thumbprint: Option<&str>) -> Result<Arc<ProofKey>, AuthError> {
        match self {
            Self::Known(key) => Ok(key),
            Self::New(header) => header.into_key(thumbprint).map(Arc::new),
        }
    }
}

/// The header of a proof (RFC 9449 §4.2), before its key is parsed.
pub(super) struct ProofHeader<'b> {
    algorithm: Algorithm,
    /// The key, as it was written.
    jwk: &'b str,
    key_members: KeyMembers<'b>,
}

impl<'b> ProofHeader<'b> {
    /// Reads the first segment of a proof.
    pub(super) fn read(
        segment: &str,
        buffer: &'b mut Buffer,
        allowed: &[Algorithm],
    ) -> Result<Self, AuthError> {
        let text = proof::decoded(segment, buffer).ok_or_else(|| invalid(NO_HEADER))?;
        let members = Members::read(text).map_err(|error| {
            invalid(match error {
                JsonError::RepeatedName => {
                    "a member of the header comes twice, or there are too many"
                }
                JsonError::OtherType => "a member of the header has the wrong JSON type",
                _ => NO_HEADER,
            })
        })?;
        let Members { algorithm, token_type, jwk, has_extension } = members;
        // RFC 9449 §11.5: no other JWT is a proof.
        if token_type.as_deref() != Some("dpop+jwt") {
            return Err(invalid("`typ` is not `dpop+jwt`"));
        }
        // RFC 7515 §4.1.11 and RFC 7797 §7: no extension is understood here.
        if has_extension {
            return Err(invalid("the header has `crit` or `b64`"));
        }
        let algorithm = algorithm.ok_or_else(|| invalid("the header has no `alg`"))?;
        let algorithm = algorithm.parse::<Algorithm>().ok();
        let algorithm = algorithm.filter(|one| is_allowed(*one, allowed));
        let algorithm = algorithm.ok_or_else(|| invalid("`alg` is not allowed"))?;
        let (jwk, key_members) = jwk.ok_or_else(|| invalid("the header has no `jwk`"))?;
        Ok(Self { algorithm, jwk, key_members })
    }

    /// Parses the key, which has to have this thumbprint, if one is known.
    fn into_key(self, expected: Option<&str>) -> Result<ProofKey, AuthError> {
        let Self { algorithm, jwk, .. } = self;
        let bad = |problem| AuthError::bad_proof(format!("`jwk`: {problem}"));
        let public = PublicKey::from_jwk(jwk).map_err(bad)?;
        if public.rsa_bits().is_some_and(|bits| bits > MAX_RSA_BITS) {
            return Err(invalid("`jwk` has more than 4096 bits"));
        }
        // Before the key is prepared, which costs most.
        let thumbprint = public.thumbprint().ok_or_else(|| invalid("`jwk` is no public key"))?;
        if expected.is_some_and(|expected| expected != thumbprint) {
            return Err(other_key());
        }
        let key = public.into_verifying_key(algorithm).map_err(bad)?;
        Ok(ProofKey { algorithm, key, thumbprint })
    }
}

struct Members<'t> {
    algorithm: Option<Cow<'t, str>>,
    token_type: Option<Cow<'t, str>>,
    jwk: Option<(&'t str, KeyMembers<'t>)>,
    has_extension: bool,
}

impl<'t> Members<'t> {
    fn read(text: &'t str) -> Result<Self, JsonError> {
        let mut found = Self { algorithm: None, token_type: None, jwk: None, has_extension: false };
        let mut scanner = Scanner::new(text);
        read_members(&mut scanner, MAX_MEMBERS, |name, scanner| {
            match name {
                "alg" => found.algorithm = Some(scanner.text()?),
                "typ" => found.token_type = Some(scanner.text()?),
                "jwk" => {
                    let start = scanner.clone();
                    let key_members = KeyMembers::read(scanner)?;
                    found.jwk = Some((start.up_to(scanner), key_members));
                }
                "crit" | "b64" => {
                    scanner.skip(VALUE_DEPTH)?;
                    found.has_extension = true;
                }
                _ => _ = scanner.skip(VALUE_DEPTH)?,
            }
            Ok(())
        })?;
        scanner.finish()?;
        Ok(found)
    }
}

/// The key of a client.
pub(super) struct ProofKey {
    algorithm: Algorithm,
    key: VerifyingKey,
    thumbprint: String,
}

impl ProofKey {
    /// Returns the thumbprint of the key (RFC 7638), in base64url.
    pub(super) fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    pub(super) fn has_signed(&self, proof: &Proof<'_>) -> bool {
        let mut buffer = Buffer::new();
        let signature = proof.signature(&mut buffer);
        signature.is_some_and(|signature| {
            self.key.verify(self.algorithm, proof.signing_input(), signature)
        })
    }

    /// Returns whether the proofs of this key may be signed so.
    pub(super) fn is_allowed(&self, allowed: &[Algorithm]) -> bool {
        is_allowed(self.algorithm, allowed)
    }
}

/// Keeps the keys of clients, found by the header of their proofs.
pub(super) struct ProofKeys(Option<Cache<Box<str>, Arc<ProofKey>>>);

impl ProofKeys {
    pub(super) fn new(most: usize) -> Self {
        Self((most > 0).then(|| Cache::new(most)))
    }

    pub(super) fn find(&self, header: &str) -> Option<Arc<ProofKey>> {
        self.0.as_ref()?.get(header)
    }

    /// Keeps the key of a proof that is good.
    pub(super) fn remember(&self, header: &str, key: &Arc<ProofKey>) {
        if let Some(cache) = &self.0
            && header.len() <= MAX_KEPT_HEADER
            && cache.get(header).is_none()
        {
            cache.insert(header.into(), Arc::clone(key));
        }
    }
}

impl fmt::Debug for ProofKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.as_ref().map_or(0, Cache::len);
        f.debug_struct("ProofKeys").field("len", &len).finish()
    }
}

// RFC 9449 §4.3: never a symmetric algorithm, whatever is allowed.
fn is_allowed(algorithm: Algorithm, allowed: &[Algorithm]) -> bool {
    algorithm.family() != Family::Hmac
        && allowed.iter().any(|one| one.canonical() == algorithm.canonical())
}

const NO_HEADER: &str = "the header is no JSON object in base64url";
const MAX_MEMBERS: usize = 32;
/// RFC 9449 has no limit. A larger key takes longer to verify with, at a client's wish.
const MAX_RSA_BITS: usize = 4096;
/// The longest header that is kept: one with an RSA key of 4096 bits has about 1,000 characters.
const MAX_KEPT_HEADER: usize = 2048;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const HEADER: &str = r#"{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#;

    fn key() -> Arc<ProofKey> {
        let (segment, mut buffer) = (URL_SAFE_NO_PAD.encode(HEADER), Buffer::new());
        let header = ProofHeader::read(&segment, &mut buffer, &[Algorithm::EdDSA]).unwrap();
        Arc::new(header.into_key(None).unwrap())
    }

    fn detail_of(header: &str) -> String {
        let (segment, mut buffer) = (URL_SAFE_NO_PAD.encode(header), Buffer::new());
        let read = ProofHeader::read(&segment, &mut buffer, &[Algorithm::EdDSA]);
        read.map(|_| ()).unwrap_err().detail().unwrap().to_owned()
    }

    #[test]
    fn detail_says_in_what_way_the_header_is_wrong() {
        const TWICE: &str = "a member of the header comes twice, or there are too many";
        for (header, detail) in [
            (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, TWICE),
            (r#"{"jwk":{"kty":"OKP","kty":"OKP"}}"#, TWICE),
            (r#"{"alg":1}"#, "a member of the header has the wrong JSON type"),
            (r#"{"jwk":[]}"#, "a member of the header has the wrong JSON type"),
            (r#"{"alg":"EdDSA""#, NO_HEADER),
        ] {
            assert_eq!(detail_of(header), detail, "{header}");
        }
    }

    #[test]
    fn key_is_found_by_the_header_that_it_was_kept_with() {
        let (keys, key) = (ProofKeys::new(10), key());

        keys.remember("one", &key);

        assert!(keys.find("one").is_some_and(|found| Arc::ptr_eq(&found, &key)));
        assert!(keys.find("two").is_none());
    }

    #[test]
    fn key_with_a_long_header_is_not_kept() {
        let (keys, key) = (ProofKeys::new(10), key());
        for (length, is_kept) in [(2047, true), (2048, true), (2049, false), (4000, false)] {
            let header = "a".repeat(length);

            keys.remember(&header, &key);

            assert_eq!(keys.find(&header).is_some(), is_kept, "{length}");
        }
    }

    #[test]
    fn no_key_is_kept_where_none_may_be() {
        let keys = ProofKeys::new(0);

        keys.remember("one", &key());

        assert!(keys.find("one").is_none());
    }
}
