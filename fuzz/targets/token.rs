//! A token, in three ways: the input as the whole token, as the payload and as the header of a token
//! that was signed properly. The last two get behind the signature, where a stranger never comes but
//! a provider's mistake does.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{AuthError, Reason, Verified, Verifier};
use tower_bearer_fuzz as fuzz;

fuzz_target!(|input: &[u8]| {
    static FIXED: OnceLock<(Verifier<Value>, TestKey)> = OnceLock::new();
    let (verifier, key) = FIXED.get_or_init(|| (fuzz::verifier(), fuzz::signer()));
    let verify = |token: &str| fuzz::now(verifier.verify(token));

    if let Ok(token) = std::str::from_utf8(input) {
        if let Ok(verified) = verify(token) {
            check_accepted(token, &verified);
        }
    }

    let token = TestToken::new(fuzz::ISSUER, fuzz::AUDIENCE).at(fuzz::NOW);
    let with_payload = token.clone().raw_payload(input).sign(key);
    let result = verify(&with_payload);
    if with_payload.len() > 16 * 1024 {
        is_refused(&result, &[Reason::TokenTooLarge]);
        return;
    }
    fuzz::judge_payload(input).check(result.is_ok(), &result);
    match &result {
        Ok(verified) => check_accepted(&with_payload, verified),
        Err(_) => is_refused(
            &result,
            &[
                Reason::Malformed,
                Reason::MissingClaim,
                Reason::InvalidClaim,
                Reason::WrongIssuer,
                Reason::WrongAudience,
                Reason::Expired,
                Reason::NotYetValid,
                Reason::WrongTokenType,
                Reason::BoundToken,
                Reason::ClaimsMismatch,
            ],
        ),
    }

    let with_header = token.raw_header(input).sign(key);
    let result = verify(&with_header);
    if with_header.len() <= 16 * 1024 {
        fuzz::judge_header(input, fuzz::KEY_ID).check(result.is_ok(), &result);
    }
    if let Ok(verified) = &result {
        check_accepted(&with_header, verified);
    }
});

fn is_refused(result: &Result<Verified<Value>, AuthError>, reasons: &[Reason]) {
    let reason = result.as_ref().expect_err("it is refused").reason();
    assert!(reasons.contains(&reason), "{reason}");
}

fn check_accepted(token: &str, verified: &Verified<Value>) {
    let segments: Vec<&str> = token.split('.').collect();
    let [header, payload, signature] = segments[..] else { panic!("three segments") };
    let decode = |segment: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(segment).expect("base64url");
        // One spelling for one token.
        assert_eq!(URL_SAFE_NO_PAD.encode(&bytes), segment);
        bytes
    };
    let (header, payload, _) = (decode(header), decode(payload), decode(signature));
    let algorithm = verified.principal().header().expect("a signed token").algorithm();
    assert_ne!(fuzz::judge_header(&header, algorithm.as_str()), fuzz::Expected::Refused);
    assert_ne!(fuzz::judge_payload(&payload), fuzz::Expected::Refused);
    fuzz::check_claims(verified, &payload);
}
