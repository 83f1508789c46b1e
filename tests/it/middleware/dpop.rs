//! Tests tokens that are bound to a key for DPoP (RFC 9449).

mod proofs;
mod keys;
mod targets;
mod schemes;
mod nonces;
mod replays;
mod client;
mod issuing;
mod alarm;
mod differential;
mod clients;

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::WWW_AUTHENTICATE;
use http::{Method, Request};
use serde_json::{Value, json};
use tower_bearer::dpop::{Dpop, DpopKey};
use tower_bearer::keys::SigningKey;
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, BearerLayer, Principal, Reason};

use crate::support::{Answer, NOW, User, WithBearer, key, layer, token};

const ORIGIN: &str = "https://api.example.com";

/// The key of the client.
fn client() -> SigningKey {
    static KEY: OnceLock<SigningKey> = OnceLock::new();
    KEY.get_or_init(|| SigningKey::generate(Algorithm::ES256).unwrap()).clone()
}

fn thumbprint(key: &SigningKey) -> String {
    key.verifying_key().thumbprint().unwrap()
}

/// A token that is bound to this key.
fn bound_to(key: &SigningKey) -> String {
    token().claim("cnf", json!({"jkt": thumbprint(key)})).sign(&crate::support::key())
}

fn bound() -> String {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| bound_to(&client())).clone()
}

fn dpop() -> Dpop {
    Dpop::new(ORIGIN).unwrap().with_clock(TestClock::at(NOW))
}

fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new().route("/", any(name)).route("/{*rest}", any(name)).layer(layer)
}

fn required() -> Router {
    app(layer().with_dpop(dpop()))
}

/// A proof whose parts a test can change.
#[derive(Clone)]
struct Proof {
    key: SigningKey,
    header: Value,
    claims: Value,
}

impl Proof {
    /// A good proof for a GET of `/` with this token.
    fn new(key: &SigningKey, token: &str) -> Self {
        let public: Value = public_jwk(key);
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
        Self {
            key: key.clone(),
            header: json!({"typ": "dpop+jwt", "alg": key.algorithm().as_str(), "jwk": public}),
            claims: json!({
                "jti": unique(),
                "htm": "GET",
                "htu": format!("{ORIGIN}/"),
                "iat": NOW,
                "ath": URL_SAFE_NO_PAD.encode(hash),
            }),
        }
    }

    /// A good proof of the client for its token.
    fn good() -> Self {
        Self::new(&client(), &bound())
    }

    fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    fn without_claim(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name).unwrap();
        self
    }

    fn member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    fn without_member(mut self, name: &str) -> Self {
        self.header.as_object_mut().unwrap().remove(name).unwrap();
        self
    }

    fn sign(&self) -> String {
        sign(&self.key, &self.header.to_string(), &self.claims.to_string())
    }
}

/// Signs these texts, whatever they are.
fn sign(key: &SigningKey, header: &str, claims: &str) -> String {
    let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The public members of a key, and no others.
fn public_jwk(key: &SigningKey) -> Value {
    let set = serde_json::to_value(key.public_keys()).unwrap();
    let mut jwk = set["keys"][0].clone();
    let members = jwk.as_object_mut().unwrap();
    members.retain(|name, _| ["kty", "crv", "x", "y", "n", "e"].contains(&name.as_str()));
    jwk
}

fn unique() -> String {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("proof-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A request with this token and this proof.
fn with_proof(token: &str, proof: impl AsRef<str>) -> Request<Body> {
    request(Method::GET, "/")
        .field("authorization", format!("DPoP {token}"))
        .field("dpop", proof.as_ref())
}

fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let fields = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    fields.map(|field| field.to_str().unwrap()).collect()
}

const ALGS: &str = "ES256 ES384 ES512 Ed25519 EdDSA PS256 PS384 PS512 RS256 RS384 RS512";

/// The challenge of a layer that requires DPoP.
fn challenge(error: &str, description: &str) -> String {
    format!(
        "DPoP realm=\"api\", error=\"{error}\", error_description=\"{description}\", algs=\"{ALGS}\""
    )
}

fn plain() -> String {
    format!("DPoP realm=\"api\", algs=\"{ALGS}\"")
}

/// Checks that a proof is refused with the answer that this reason has.
#[track_caller]
fn is_refused(answer: &Answer, reason: Reason) {
    let (error, description) = match reason {
        Reason::MissingProof => ("invalid_dpop_proof", "A DPoP proof is needed"),
        Reason::InvalidProof => ("invalid_dpop_proof", "The DPoP proof is not valid"),
        Reason::ProofForOtherRequest => {
            ("invalid_dpop_proof", "The DPoP proof is for another method or URI")
        }
        Reason::StaleProof => {
            ("invalid_dpop_proof", "The DPoP proof was made too long ago, or a clock is wrong")
        }
        Reason::ReplayedProof => ("invalid_dpop_proof", "The DPoP proof was used before"),
        Reason::NonceNeeded => ("use_dpop_nonce", "The DPoP proof needs the nonce of this answer"),
        Reason::WrongBinding => ("invalid_token", "The token is bound to another key"),
        Reason::UnboundToken => ("invalid_token", "A token that is bound to a key is needed"),
        other => panic!("{other}"),
    };
    answer.is_refused(401, Some(&challenge(error, description)), reason);
}
