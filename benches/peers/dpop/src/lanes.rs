//! The three ways to check a proof.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, Response};
use huskarl_crypto_native::NativeVerifierPlatform;
use huskarl_resource_server::core::crypto::verifier::{JwsVerifier, JwsVerifierPlatform};
use huskarl_resource_server::core::jwt::JtiUniquenessChecker;
use huskarl_resource_server::core::platform::MaybeSendBoxFuture;
use huskarl_resource_server::core::{EndpointUrl, Error};
use huskarl_resource_server::validator::custom::CustomValidator;
use jsonwebtoken::jwk::ThumbprintHash;
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tower::{Layer as _, Service};
use tower_bearer::dpop::{Dpop, DpopKey};
use tower_bearer::middleware::Bearer;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, Validation, Verifier};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
pub const URL: &str = "https://api.example.com/orders";

/// A resource server.
pub trait Lane {
    fn token(&self) -> &str;

    /// Whether it admits a request.
    fn admits(&self, request: Request<()>) -> bool;

    /// Forgets the proofs that were used, where that is not done by itself.
    fn forget(&self) {}

    fn request(&self, proof: HeaderValue) -> Request<()> {
        let request = Request::get(URL).header("authorization", format!("DPoP {}", self.token()));
        request.header("dpop", proof).body(()).expect("a request")
    }
}

/// The layer of this crate, with its caches of tokens and keys, and its store of used proofs.
pub struct Ours {
    token: String,
    service: Mutex<Bearer<Inner, Value>>,
}

impl Ours {
    pub fn new(token: &str) -> Self {
        let rules = Validation::new(ISSUER, AUDIENCE);
        let verifier = Verifier::new(issuer().verifying_key(), rules).expect("good rules");
        let dpop = Dpop::new(AUDIENCE).expect("a good URL");
        let service = BearerLayer::new(verifier).with_dpop(dpop).layer(Inner);
        Self { token: token.to_owned(), service: Mutex::new(service) }
    }
}

impl Lane for Ours {
    fn token(&self) -> &str {
        &self.token
    }

    fn admits(&self, request: Request<()>) -> bool {
        let mut service = self.service.lock().expect("nothing panics");
        match at_once(service.call(request)) {
            Ok(response) => response.status() == 200,
            Err(never) => match never {},
        }
    }
}

/// A service that answers, behind the layer.
#[derive(Clone)]
pub struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}

/// `huskarl`, with a set of used `jti` in memory.
pub struct Huskarl {
    token: String,
    validator: CustomValidator<Value>,
    used: Used,
}

impl Huskarl {
    pub fn new(token: &str) -> Self {
        let platform = Arc::new(NativeVerifierPlatform);
        let jwk = serde_json::from_value(issuer().to_jwk()).expect("a JWK");
        let verifier = at_once(platform.create_verifier_from_jwk(jwk)).expect("a key");
        let factory =
            move |_: Option<&EndpointUrl>,
                  _: Arc<dyn JwsVerifierPlatform>|
                  -> MaybeSendBoxFuture<'static, Result<Arc<dyn JwsVerifier>, Error>> {
                let verifier = Arc::clone(&verifier);
                Box::pin(async move { Ok(verifier) })
            };
        let used = Used::default();
        let validator = CustomValidator::builder()
            .with_claims::<Value>()
            .iss(ISSUER)
            .aud(AUDIENCE)
            .jws_verifier_factory(factory)
            .jws_verifier_platform(platform)
            .dpop_jti_checker(used.clone())
            .require_dpop(true);
        let validator = at_once(validator.build()).expect("a validator");
        Self { token: token.to_owned(), validator, used }
    }
}

impl Lane for Huskarl {
    fn token(&self) -> &str {
        &self.token
    }

    fn admits(&self, request: Request<()>) -> bool {
        // It marks a `jti` as used before it compares the URI, so that a refused proof is a used one the next time.
        let answer = at_once(self.validator.validate_request(
            request.headers(),
            request.method(),
            request.uri(),
            None,
        ));
        matches!(answer.outcome, Ok(Some(_)))
    }

    fn forget(&self) {
        self.used.0.lock().expect("nothing panics").clear();
    }
}

/// The `jti` that were used.
#[derive(Clone, Debug, Default)]
struct Used(Arc<Mutex<HashSet<String>>>);

impl JtiUniquenessChecker for Used {
    fn check_and_mark_seen(&self, jti: &str) -> MaybeSendBoxFuture<'_, Result<bool, Error>> {
        let is_new = self.0.lock().expect("nothing panics").insert(jti.to_owned());
        Box::pin(ready(Ok(!is_new)))
    }
}

/// The same back end as here, the token known already, and the checks in Spring Security's order.
pub struct SpringOrder {
    token: String,
    thumbprint: String,
    hash: String,
    used: Used,
}

#[derive(Deserialize)]
struct Proof {
    htm: String,
    htu: String,
    iat: u64,
    jti: String,
    ath: String,
}

impl SpringOrder {
    pub fn new(token: &str, thumbprint: &str) -> Self {
        let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(token));
        let (token, thumbprint) = (token.to_owned(), thumbprint.to_owned());
        Self { token, thumbprint, hash, used: Used::default() }
    }

    fn check(&self, request: &Request<()>) -> Option<()> {
        let proof = request.headers().get("dpop")?.to_str().ok()?;
        let header = jsonwebtoken::decode_header(proof).ok()?;
        let jwk = header.jwk.filter(|_| header.typ.as_deref() == Some("dpop+jwt"))?;
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let mut rules = jsonwebtoken::Validation::new(JwtAlgorithm::ES256);
        rules.validate_exp = false;
        rules.validate_aud = false;
        rules.required_spec_claims.clear();
        let claims = jsonwebtoken::decode::<Proof>(proof, &key, &rules).ok()?.claims;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        (now.abs_diff(claims.iat) <= 60).then_some(())?;
        self.used.0.lock().expect("nothing panics").insert(claims.jti).then_some(())?;
        (claims.htm == request.method().as_str()).then_some(())?;
        (claims.htu == request.uri().to_string()).then_some(())?;
        (claims.ath == self.hash).then_some(())?;
        (jwk.thumbprint(ThumbprintHash::SHA256).ok()? == self.thumbprint).then_some(())
    }
}

impl Lane for SpringOrder {
    fn token(&self) -> &str {
        &self.token
    }

    fn admits(&self, request: Request<()>) -> bool {
        self.check(&request).is_some()
    }

    fn forget(&self) {
        self.used.0.lock().expect("nothing panics").clear();
    }
}

pub fn token(client: &DpopKey) -> String {
    let token = TestToken::new(ISSUER, AUDIENCE).claim("cnf", json!({"jkt": client.thumbprint()}));
    token.claim("scope", "orders:read orders:write").sign(&issuer())
}

fn issuer() -> TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::generate(Algorithm::ES256)).clone()
}

/// The result of a future that does not wait.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("nothing waits"),
    }
}
