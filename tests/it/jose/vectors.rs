//! Tests the examples that the RFCs print, as data in `tests/fixtures/vectors`.
//!
//! None of them is an access token, so none is accepted. A valid signature shows in the reason: it
//! is one that only a payload with a valid signature can have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use tower_bearer::{Algorithm, AuthError, KeySet, Reason};

use crate::support::verifier_of;

/// A token that an RFC prints, with the key that verifies it.
#[derive(Deserialize)]
struct Signed {
    rfc: u32,
    section: String,
    algorithm: String,
    jwk: Value,
    token: String,
    /// The defect of the payload.
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Then {
    WrongIssuer,
    NotJson,
}

impl Signed {
    fn all() -> Vec<Self> {
        serde_json::from_str(include_str!("../../fixtures/vectors/signed.json")).unwrap()
    }

    fn name(&self) -> String {
        format!("RFC {} §{}", self.rfc, self.section)
    }

    async fn refusal(&self, token: &str) -> AuthError {
        let algorithm: Algorithm = self.algorithm.parse().unwrap();
        let keys = KeySet::from_jwks_for(self.jwk.to_string(), &[algorithm]).unwrap();
        verifier_of(keys).verify(token).await.unwrap_err()
    }

    fn segments(&self) -> [Vec<u8>; 3] {
        let decode = |segment| URL_SAFE_NO_PAD.decode(segment).unwrap();
        self.token.split('.').map(decode).collect::<Vec<_>>().try_into().unwrap()
    }
}

/// Returns the defect of the payload that the refusal names, which it can know only if the
/// signature was valid.
fn seen_behind_the_signature(error: &AuthError) -> Option<Then> {
    match (error.reason(), error.detail()) {
        (Reason::WrongIssuer, _) => Some(Then::WrongIssuer),
        (Reason::Malformed, Some("the payload is not JSON")) => Some(Then::NotJson),
        _ => None,
    }
}

fn join(segments: &[Vec<u8>; 3]) -> String {
    segments.each_ref().map(|segment| URL_SAFE_NO_PAD.encode(segment)).join(".")
}

#[tokio::test]
async fn signatures_that_the_rfcs_print_are_good() {
    // RFC 7515 §A: the examples of JWS
    // RFC 7520 §4: the examples of the JOSE cookbook
    // RFC 8037 §A.5: the example of Ed25519
    for vector in Signed::all() {
        let error = vector.refusal(&vector.token).await;

        let seen = seen_behind_the_signature(&error);
        assert_eq!(seen, Some(vector.then), "{}: {error:?}", vector.name());
    }
}

#[tokio::test]
async fn the_same_examples_altered_anywhere_are_not() {
    // RFC 7515 §5.2: the signature covers header and payload
    for vector in Signed::all() {
        let printed = vector.segments();
        let alter = |change: fn(&mut [Vec<u8>; 3])| {
            let mut segments = printed.clone();
            change(&mut segments);
            join(&segments)
        };
        for altered in [
            // A header of the same meaning, since the signature covers the bytes.
            alter(|[header, ..]| header.push(b' ')),
            alter(|[_, payload, _]| payload[0] ^= 1),
            alter(|[_, payload, _]| payload.push(b' ')),
            alter(|[.., signature]| signature[0] ^= 1),
            alter(|[.., signature]| *signature.last_mut().unwrap() ^= 1),
            alter(|[.., signature]| signature.truncate(signature.len() - 1)),
        ] {
            let error = vector.refusal(&altered).await;
            assert_eq!(error.reason(), Reason::InvalidSignature, "{}: {altered}", vector.name());
        }
        assert_eq!(join(&printed), vector.token);
    }
}

#[tokio::test]
async fn key_of_one_example_does_not_verify_another() {
    let vectors = Signed::all();
    for (vector, other) in vectors.iter().flat_map(|one| vectors.iter().map(move |two| (one, two)))
    {
        let same = vector.jwk == other.jwk && vector.algorithm == other.algorithm;
        let seen = seen_behind_the_signature(&vector.refusal(&other.token).await);
        assert_eq!(seen.is_some(), same, "{} with the key of {}", other.name(), vector.name());
    }
}

#[tokio::test]
async fn unsecured_example_is_refused_with_and_without_a_signature() {
    // RFC 7515 §A.5: an unsecured JWS
    // RFC 7519 §6: unsecured JWTs are refused
    let [signed, ..] = &Signed::all()[..] else { panic!("no vectors") };
    let [_, payload, signature] = signed.token.split('.').collect::<Vec<_>>()[..] else { panic!() };
    let unsecured = format!("eyJhbGciOiJub25lIn0.{payload}.");

    let error = signed.refusal(&unsecured).await;
    let with_signature = signed.refusal(&format!("{unsecured}{signature}")).await;

    assert_eq!(error.reason(), Reason::Malformed);
    assert_eq!(with_signature.reason(), Reason::UnsupportedAlgorithm);
}

#[tokio::test]
async fn unencoded_example_is_refused_although_its_signature_is_good() {
    // RFC 7797 §4.2: the payload `$.02`, unencoded and detached
    // RFC 7797 §7: JWTs are never unencoded
    let vectors = Signed::all();
    let encoded = vectors.iter().find(|vector| vector.rfc == 7797).unwrap();
    let header = "eyJhbGciOiJIUzI1NiIsImI2NCI6ZmFsc2UsImNyaXQiOlsiYjY0Il19";
    let signature = "A5dxf2s96_n5FLueVuW1Z_vh161FwXZC4YLPff6dmDY";

    for (payload, reason) in [
        ("", Reason::Malformed),
        // The payload holds a dot, so it is a segment too many.
        ("$.02", Reason::Malformed),
        ("JC4wMg", Reason::CriticalHeader),
    ] {
        let error = encoded.refusal(&format!("{header}.{payload}.{signature}")).await;
        assert_eq!(error.reason(), reason, "{payload:?}");
    }
}

/// A token with one RSA signature, valid or made wrong on purpose. The private key, of exponent 3,
/// was thrown away.
#[derive(Deserialize)]
struct Padded {
    name: String,
    algorithm: String,
    good: bool,
    token: String,
}

#[derive(Deserialize)]
struct PaddedSet {
    jwk: Value,
    cases: Vec<Padded>,
}

#[tokio::test]
async fn rsa_signature_with_any_other_padding_is_refused() {
    // RFC 7518 §3.5: the salt is as long as the hash
    // RFC 8017 §8.2.2: the encoded message is made again and compared, never parsed
    let set: PaddedSet =
        serde_json::from_str(include_str!("../../fixtures/vectors/rsa_padding.json")).unwrap();
    let jwk = set.jwk.to_string();

    for Padded { name, algorithm, good, token } in set.cases {
        let keys = KeySet::from_jwks_for(&jwk, &[algorithm.parse().unwrap()]).unwrap();
        let reason = verifier_of(keys).verify(&token).await.err().map(|error| error.reason());
        let expected = (!good).then_some(Reason::InvalidSignature);
        assert_eq!(reason, expected, "{algorithm}: {name}");
    }
}
