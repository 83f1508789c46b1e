//! A DPoP proof, in three ways: the input as the `DPoP` field, as the claims and as the header of a proof that the
//! client of the token has signed. All go through a layer. The last two get behind the signature, where a stranger never
//! comes but any client does.

#![no_main]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, Response};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::dpop::{Dpop, ProofId, ProofUse, ReplayCheck, ReplayStore};
use tower_bearer::middleware::Bearer;
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Reason, SigningKey};
use tower_bearer_fuzz as fuzz;
use tower_layer::Layer as _;
use tower_service::Service;

struct Fixed {
    key: SigningKey,
    token: String,
    /// The `ath` of the token.
    hash: String,
    service: Bearer<Admitted, Value>,
}

fuzz_target!(|input: &[u8]| {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    let fixed = FIXED.get_or_init(fixed);

    if let Ok(field) = HeaderValue::from_bytes(input) {
        if fixed.send(field).is_ok() {
            fixed.check_accepted(std::str::from_utf8(input).expect("a proof is ASCII"));
        }
    }

    let with_claims = fixed.sign(fuzz::PROOF_HEADER.as_bytes(), input);
    let result = fixed.send(with_claims.parse().expect("a field"));
    if with_claims.len() > MAX_PROOF {
        assert_eq!(result, Err(Reason::InvalidProof));
    } else {
        fuzz::judge_proof_claims(input, &fixed.hash).check(result.is_ok(), &result);
    }
    if result.is_ok() {
        fixed.check_accepted(&with_claims);
    }

    let with_header = fixed.sign(input, fuzz::proof_claims(&fixed.hash).as_bytes());
    let result = fixed.send(with_header.parse().expect("a field"));
    if with_header.len() > MAX_PROOF {
        assert_eq!(result, Err(Reason::InvalidProof));
    } else {
        fuzz::judge_proof_header(input).check(result.is_ok(), &result);
    }
    if result.is_ok() {
        fixed.check_accepted(&with_header);
    }
});

impl Fixed {
    fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = self.key.sign(input.as_bytes()).expect("a back end");
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn send(&self, proof: HeaderValue) -> Result<(), Reason> {
        let request = Request::get("/").header("authorization", format!("DPoP {}", self.token));
        let request = request.header("dpop", proof).body(()).expect("a request");
        let response = fuzz::now(self.service.clone().call(request)).expect("no error");
        match response.extensions().get::<Reason>() {
            None => {
                assert_eq!(response.status(), 200);
                Ok(())
            }
            Some(reason) => {
                assert_eq!(response.status(), 401);
                assert!(REASONS.contains(reason), "{reason}");
                let challenges: Vec<_> =
                    response.headers().get_all("www-authenticate").iter().collect();
                let [challenge] = challenges[..] else { panic!("{challenges:?}") };
                // No bytes of a client come back.
                let code = format!(
                    "DPoP realm=\"api\", error=\"{}\", ",
                    reason.code().expect("it has one").as_str()
                );
                assert!(challenge.to_str().expect("ASCII").starts_with(&code), "{challenge:?}");
                Err(*reason)
            }
        }
    }

    /// Checks that the key of the token has made the proof, and for this request.
    fn check_accepted(&self, proof: &str) {
        let segments: Vec<&str> = proof.split('.').collect();
        let [header, claims, signature] = segments[..] else { panic!("three segments") };
        let decode = |segment: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(segment).expect("base64url");
            // One spelling for one proof.
            assert_eq!(URL_SAFE_NO_PAD.encode(&bytes), segment);
            bytes
        };
        // Ed25519 signs a text in one way only (RFC 8032 §5.1.6).
        let input = format!("{header}.{claims}");
        assert_eq!(decode(signature), self.key.sign(input.as_bytes()).expect("a back end"));
        fuzz::judge_proof_header(&decode(header)).check(true, &"the header");
        fuzz::judge_proof_claims(&decode(claims), &self.hash).check(true, &"the claims");
    }
}

#[derive(Clone)]
struct Admitted;

impl Service<Request<()>> for Admitted {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(())))
    }
}

/// Accepts every proof, so that one input does not change the verdict about the next one.
struct Forgetful;

impl ReplayStore for Forgetful {
    fn remember(&self, _: ProofId, _: Duration) -> ReplayCheck {
        ReplayCheck::Done(Ok(ProofUse::First))
    }
}

fn fixed() -> Fixed {
    let fuzz::Bound { key, token, hash } = fuzz::bound();
    let dpop = Dpop::new(fuzz::AUDIENCE).expect("a URL").with_clock(TestClock::at(fuzz::NOW));
    let layer = BearerLayer::new(fuzz::verifier()).with_dpop(dpop.with_replay_store(Forgetful));
    Fixed { key, token, hash, service: layer.layer(Admitted) }
}

const MAX_PROOF: usize = 8 * 1024;
const REASONS: [Reason; 5] = [
    Reason::InvalidProof,
    Reason::ProofForOtherRequest,
    Reason::StaleProof,
    Reason::WrongBinding,
    Reason::MissingProof,
];
