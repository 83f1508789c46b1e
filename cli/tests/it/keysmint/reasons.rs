//! Each reason that a verifier finds in a token has a flag of `mint` that makes such a token.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::{KeySet, Reason, Validation, Verifier};

use crate::keysmint::support::{AUDIENCE, Folder, ISSUER};

/// The reason, the arguments that make a token refused for it, and those of its twin, which is accepted.
const FLAGS: [(Reason, &str, &str); 23] = [
    (Reason::TokenTooLarge, "--too-large", ""),
    (Reason::Malformed, "--malformed", ""),
    (Reason::Malformed, "--none", ""),
    (Reason::Encrypted, "--encrypted-shape", ""),
    (Reason::UnsupportedAlgorithm, "--unknown-algorithm", ""),
    (Reason::AlgorithmNotAllowed, "--alg-confusion", ""),
    (Reason::CriticalHeader, "--critical", ""),
    (Reason::UnknownKey, "--wrong-key", ""),
    (Reason::InvalidSignature, "--wrong-signature", ""),
    (Reason::WrongTokenType, "--wrong-type", "--header typ=\"JWT\""),
    (Reason::BoundToken, "--bound", ""),
    (Reason::MissingClaim, "--missing exp", "--missing nbf"),
    (Reason::MissingClaim, "--missing iss", ""),
    (Reason::InvalidClaim, "--invalid exp", ""),
    (Reason::InvalidClaim, "--invalid aud", ""),
    (Reason::Expired, "--expired", ""),
    (Reason::TooOld, "--too-old", ""),
    (Reason::NotYetValid, "--not-yet-valid", ""),
    (Reason::WrongIssuer, "--wrong-issuer", ""),
    (Reason::WrongAudience, "--wrong-audience", ""),
    (Reason::MissingClaim, "--missing aud", ""),
    (Reason::Revoked, "--claim-text jti=revoked", "--claim-text jti=good"),
    (Reason::ClaimsMismatch, "--claim-text level=high", "--claim level=3"),
];

/// Reasons that a token alone does not decide: the request, the route, a service that is asked, or the program.
const NOT_OF_A_TOKEN: [Reason; 34] = [
    Reason::MissingToken,
    Reason::MalformedAuthorization,
    Reason::RepeatedAuthorization,
    Reason::MalformedSubprotocol,
    Reason::RepeatedCookie,
    Reason::SeveralTokens,
    Reason::NotEncrypted,
    Reason::NotTrusted,
    Reason::Inactive,
    Reason::InsufficientAuthentication,
    Reason::InsufficientScope,
    Reason::Forbidden,
    Reason::CrossSite,
    Reason::MissingCsrfToken,
    Reason::ForeignOrigin,
    Reason::ForeignHost,
    Reason::ForeignSession,
    Reason::WrongBinding,
    Reason::UnboundToken,
    Reason::DowngradedToken,
    Reason::MissingProof,
    Reason::InvalidProof,
    Reason::ProofForOtherRequest,
    Reason::StaleProof,
    Reason::ReplayedProof,
    Reason::NonceNeeded,
    Reason::ReplaysUnavailable,
    Reason::KeysUnavailable,
    Reason::RevocationsUnavailable,
    Reason::ActiveCheckFailed,
    Reason::AuthenticatorFailed,
    Reason::LayerMissing,
    Reason::ClaimsTypeMissing,
    Reason::MisusedPolicy,
];

/// The claims of an application.
#[derive(Deserialize)]
struct Shape {
    #[serde(default)]
    #[expect(dead_code, reason = "its type is what counts")]
    level: u32,
}

#[tokio::test]
async fn every_flag_makes_a_token_that_is_refused_for_its_reason_and_its_twin_is_accepted() {
    let folder = Folder::with_key();
    let keys = KeySet::from_jwks(folder.read("jwks.json")).unwrap();
    let revocations = MemoryRevocations::new();
    let ends = SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    revocations.revoke(Revocation::token(ISSUER, "revoked", ends));
    let validation = Validation::new(ISSUER, AUDIENCE).with_max_age(Duration::from_secs(24 * 3600));
    let verifier = Verifier::<Shape>::new(keys, validation).unwrap().with_revocations(revocations);

    for (reason, flag, twin) in FLAGS {
        let refused = verifier.verify(&folder.mint(flag)).await.err();
        let accepted = verifier.verify(&folder.mint(twin)).await.err();

        let refused = refused.unwrap_or_else(|| panic!("{flag} is accepted"));
        assert_eq!(refused.reason(), reason, "{flag}: {refused}");
        assert!(accepted.is_none(), "{twin}: {accepted:?}");
    }
}

#[test]
fn every_reason_has_a_flag_or_is_not_of_a_token() {
    for reason in Reason::ALL {
        let has_flag = FLAGS.iter().any(|(one, ..)| one == reason);
        let is_other = NOT_OF_A_TOKEN.contains(reason);
        assert!(has_flag != is_other, "{reason}");
    }
}

#[test]
fn token_of_every_flag_passes_once_its_explanation_was_followed() {
    let folder = Folder::with_key();
    let explained = || {
        let rules = "--max-age 1d --keys jwks.json --file token.txt";
        folder.run(&format!("explain --json --issuer {ISSUER} --audience {AUDIENCE} {rules}"))
    };
    // Neither a list of revocations nor the claims of an application is at hand.
    let not_here = [Reason::Revoked, Reason::ClaimsMismatch];

    for (reason, flag, _) in FLAGS.iter().filter(|(reason, ..)| !not_here.contains(reason)) {
        folder.write("token.txt", folder.mint(flag));
        let first = explained().json();
        assert_eq!(first["reason"], reason.as_str(), "{flag}: {first}");

        let mut left = first;
        // A token whose claims cannot be read lacks them all after the first change.
        for _ in 0..3 {
            if left["verdict"] == "accepted" {
                break;
            }
            folder.write("why.json", left.to_string());
            let usual = "mint --key key.json --like token.txt --keep-dates --edits why.json";
            folder.write("token.txt", folder.good(usual));
            left = explained().json();
        }
        assert_eq!(left["verdict"], "accepted", "{flag}: {left}");
        assert_eq!(explained().code, 0);
    }
}

#[test]
fn token_that_lacks_a_role_or_a_scope_passes_once_its_explanation_was_followed() {
    let folder = Folder::with_key();
    for (reason, needs) in [
        ("forbidden", "--role admin --role staff"),
        ("insufficient_scope", "--scope orders:read --scope orders:write"),
        ("forbidden", "--role admin --scope orders:write"),
    ] {
        let explained = || {
            let usual = format!("explain --json --issuer {ISSUER} --audience {AUDIENCE}");
            folder.run(&format!("{usual} --keys jwks.json --file token.txt {needs}"))
        };
        folder.write("token.txt", folder.mint("--role clerk --scope orders:read"));

        let refused = explained();
        assert_eq!(refused.json()["reason"], reason, "{needs}");
        folder.write("why.json", refused.stdout);
        let token = folder.good("mint --key key.json --like token.txt --edits why.json");
        folder.write("token.txt", token);

        assert_eq!(explained().code, 0, "{needs}");
    }
}
