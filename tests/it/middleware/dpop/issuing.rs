use http::request::Parts;
use tower_bearer::claims::ConfirmationMethod;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::dpop::Nonces;
use tower_bearer::endpoints::MetadataService;
use tower_bearer::error::ErrorCode;
use tower_bearer::mtls::ClientCertificate;
use tower_bearer::{TokenIssuer, Validation, Verifier};

use super::*;
use crate::support::{AUDIENCE, ISSUER, send};

const TOKEN_URL: &str = "https://id.example.com/token";

fn endpoint() -> Dpop {
    Dpop::new("https://id.example.com").unwrap().with_clock(TestClock::at(NOW))
}

fn token_request(proof: Option<&str>) -> Parts {
    let mut request = request(Method::POST, "/token");
    if let Some(proof) = proof {
        request = request.field("dpop", proof);
    }
    request.into_parts().0
}

fn proof() -> Proof {
    Proof::good().claim("htm", "POST").claim("htu", TOKEN_URL).without_claim("ath")
}

#[tokio::test]
async fn token_is_bound_to_the_key_of_the_proof_in_the_request_for_it() {
    let (dpop, issuer_key) = (endpoint(), SigningKey::generate(Algorithm::ES256).unwrap());
    let issuer = TokenIssuer::new(ISSUER, AUDIENCE, issuer_key.clone()).unwrap();
    let thumbprint = dpop.thumbprint_of(&token_request(Some(&proof().sign()))).await.unwrap();
    let thumbprint = thumbprint.unwrap();
    assert_eq!(thumbprint, super::thumbprint(&client()));

    let token = issuer.token_for("alice").with_key_thumbprint(&thumbprint).issue().unwrap();

    let verifier =
        Verifier::<User>::new(issuer_key.verifying_key(), Validation::new(ISSUER, AUDIENCE));
    let app = app(BearerLayer::new(verifier.unwrap()).with_dpop(dpop_now()));
    let own = Proof::new(&client(), token.as_str()).claim("iat", now());
    send(&app, with_proof(token.as_str(), own.sign())).await.is_ok("alice");
    let thief = SigningKey::generate(Algorithm::ES256).unwrap();
    let stolen = Proof::new(&thief, token.as_str()).claim("iat", now());
    is_refused(&send(&app, with_proof(token.as_str(), stolen.sign())).await, Reason::WrongBinding);
}

fn dpop_now() -> Dpop {
    Dpop::new(ORIGIN).unwrap()
}

fn now() -> u64 {
    SystemClock.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn request_for_a_token_without_a_proof_binds_nothing_and_one_with_a_bad_proof_is_refused() {
    assert_eq!(endpoint().thumbprint_of(&token_request(None)).await.unwrap(), None);
    for (proof, reason) in [
        (proof().claim("htu", "https://id.example.com/other"), Reason::ProofForOtherRequest),
        (proof().claim("htm", "GET"), Reason::ProofForOtherRequest),
        (proof().claim("iat", NOW - 100), Reason::StaleProof),
        (proof().without_claim("jti"), Reason::InvalidProof),
        (proof().member("typ", "JWT"), Reason::InvalidProof),
    ] {
        let error =
            endpoint().thumbprint_of(&token_request(Some(&proof.sign()))).await.unwrap_err();
        assert_eq!(error.reason(), reason);
        assert_eq!(error.reason().code(), Some(ErrorCode::InvalidDpopProof));
    }
    let dpop = endpoint();
    let (used, used_request) = (proof().sign(), |proof: &str| token_request(Some(proof)));
    assert!(dpop.thumbprint_of(&used_request(&used)).await.unwrap().is_some());
    let error = dpop.thumbprint_of(&used_request(&used)).await.unwrap_err();
    assert_eq!(error.reason(), Reason::ReplayedProof);
}

#[tokio::test]
async fn token_endpoint_can_ask_for_a_nonce() {
    let dpop = endpoint().with_nonces(Nonces::generate().unwrap());

    let error = dpop.thumbprint_of(&token_request(Some(&proof().sign()))).await.unwrap_err();
    assert_eq!(error.reason().code(), Some(ErrorCode::UseDpopNonce));
    let fields = error.response_fields();
    let nonce = fields["dpop-nonce"].to_str().unwrap();
    let good = proof().claim("nonce", nonce).sign();

    assert!(dpop.thumbprint_of(&token_request(Some(&good))).await.unwrap().is_some());
}

#[tokio::test]
async fn metadata_says_the_algorithms_of_proofs() {
    // RFC 9449 §5.1: algorithms are published in metadata
    let dpop = endpoint().with_algorithms([Algorithm::ES256, Algorithm::Ed25519]).unwrap();
    let metadata = MetadataService::new(ISSUER, "https://id.example.com/jwks.json").unwrap();
    let app = Router::new().route_service("/metadata", metadata.with_dpop(&dpop));

    let answer = send(&app, crate::support::get("/metadata")).await;

    let members: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(members["dpop_signing_alg_values_supported"], json!(["ES256", "Ed25519"]));
}

#[tokio::test]
async fn token_can_be_bound_to_a_key_and_to_a_certificate() {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let issuer = TokenIssuer::new(ISSUER, AUDIENCE, key.clone()).unwrap();
    let certificate = ClientCertificate::from_sha256([1; 32]);
    let both = issuer.token_for("alice").with_key_thumbprint("abc");
    let both = both.with_client_certificate(&certificate).issue().unwrap();
    let validation = Validation::new(ISSUER, AUDIENCE).dangerous().accept_bound_tokens();
    let verifier = Verifier::<User>::new(key.verifying_key(), validation).unwrap();

    let verified = verifier.verify(both.as_str()).await.unwrap();

    let confirmation = verified.principal().confirmation().unwrap();
    assert_eq!(confirmation.jwk_thumbprint(), Some("abc"));
    assert_eq!(confirmation.certificate_thumbprint(), Some(certificate.thumbprint()));
    assert!(!confirmation.names(ConfirmationMethod::Other));
}
