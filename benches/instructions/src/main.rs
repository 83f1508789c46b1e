//! Runs one case so that callgrind can count it: `scripts/instructions`.
//!
//! ```text
//! instructions                     names the cases
//! instructions verify/HS256 100    runs one, 100 times
//! ```
//!
//! `instructions --refused` names the cases of `scripts/decryption-failures`, which see.
//!
//! The script runs each case twice, less and more often, and takes the difference: what is done once
//! is no part of it, nor is the signature, during which callgrind does not collect. Keys and tokens
//! are the same in every run; the tokens expire in 2100, and the private keys were thrown away.

mod refused;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::Body;
use axum::extract::Request as AxumRequest;
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::util::MapRequestLayer;
use tower_bearer::claims::Hierarchy;
use tower_bearer::cookies::Cookies;
use tower_bearer::jose::KeyManagement;
use tower_bearer::keys::DecryptionKey;
use tower_bearer::mcp::Operations;
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::mtls::{CertificateBinding, ClientCertificate};
use tower_bearer::policy::{Policy, role, scope};
use tower_bearer::source::{HeaderToken, Presented};
use tower_bearer::{
    AuthError, BearerLayer, Claims, KeySet, Principal, Validation, Verifier, require,
};
use tower_layer::Layer as _;
use tower_service::Service;

/// A new kind of case is one line here.
const KINDS: &[(&str, fn(&Subject) -> Case)] = &[
    ("hit", |subject| verify(verifier(subject), subject)),
    ("hit_layer", |subject| layer(verifier(subject), subject)),
    ("policy_hit", |subject| {
        let layer = BearerLayer::new(verifier(subject)).with_policy(may_write());
        called(layer, AUTHORIZATION, &bearer(subject))
    }),
    ("policy_hit_hierarchy", |subject| {
        let roles = "support > editor > viewer".parse::<Hierarchy>().expect("a chain");
        let rules = Validation::new(ISSUER, AUDIENCE).with_role_hierarchy(roles);
        let keys = KeySet::from_jwks(subject.jwk.to_string()).expect("a key");
        let verifier = Verifier::new(keys, rules).expect("sensible rules");
        let layer = BearerLayer::new(verifier).with_policy(role("viewer"));
        called(layer, AUTHORIZATION, &bearer(subject))
    }),
    ("ways_hit", |subject| called(ways(subject), AUTHORIZATION, &bearer(subject))),
    ("ways_hit_opaque", |subject| called(ways(subject), AUTHORIZATION, &opaque(subject))),
    ("places_hit", |subject| called(places(subject), AUTHORIZATION, &bearer(subject))),
    ("places_hit_key", |subject| called(places(subject), X_API_KEY, KEY)),
    ("bound_hit", |subject| bound(verifier(subject), subject)),
    ("verify", |subject| verify(uncached(subject), subject)),
    ("hit_beside_jwe", |subject| verify(decrypting(verifier(subject)), subject)),
    ("verify_beside_jwe", |subject| verify(decrypting(uncached(subject)), subject)),
    ("newcomer", |subject| newcomers(verifier(subject), subject)),
    ("flood", |subject| newcomers(verifier(subject).with_cache(64, 1 << 20), subject)),
    ("layer", |subject| layer(uncached(subject), subject)),
    ("route_bare", |subject| route(routes(), subject)),
    ("route_nothing", |subject| route(routes().layer(MapRequestLayer::new(same)), subject)),
    ("route_arc", |subject| route(with_arc(), subject)),
    ("route_hit", |subject| route(with_claims(subject), subject)),
    ("route_require", |subject| {
        let guarded = routes().layer(require(may_write()));
        route(guarded.layer(BearerLayer::new(verifier(subject))), subject)
    }),
    ("route_cookie", |subject| route_with(with_cookie(subject), COOKIE, &cookies(subject))),
    ("route_browser_hit", |subject| {
        route_of_browser(with_claims(subject), AUTHORIZATION, &bearer(subject))
    }),
    ("route_browser_cookie", |subject| {
        route_of_browser(with_cookie(subject), COOKIE, &cookies(subject))
    }),
    ("body_bare", |subject| with_body(subject, None)),
    ("body_operation", |subject| with_body(subject, Some(Operations::new()))),
];

fn main() {
    let subjects: Vec<Subject> =
        serde_json::from_str(include_str!("../tokens.json")).expect("keys and tokens");
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next();
    let calls: u32 = arguments.next().map_or(1, |calls| calls.parse().expect("a number"));
    if wanted
        .as_deref()
        .is_some_and(|wanted| wanted == "--refused" || wanted.starts_with("refused/"))
    {
        return refused::run(wanted.as_deref().expect("a name"), calls);
    }
    for (kind, make) in KINDS {
        // What it costs to keep a token does not depend on the signature, nor does a route.
        let one_is_enough = ["newcomer", "flood"].contains(kind)
            || kind.starts_with("route")
            || kind.starts_with("body")
            || kind.starts_with("ways")
            || kind.starts_with("places")
            || kind.starts_with("policy")
            || kind.starts_with("bound");
        let counts = |subject: &&Subject| !one_is_enough || subject.jwk["kty"] == "oct";
        for subject in subjects.iter().filter(counts) {
            let name = format!("{kind}/{}", subject.jwk["alg"].as_str().expect("a name"));
            match &wanted {
                None => println!("{name}"),
                Some(wanted) if *wanted == name => {
                    let mut case = make(subject);
                    (0..calls).for_each(|_| case());
                }
                Some(_) => {}
            }
        }
    }
}

type Case = Box<dyn FnMut()>;

/// A policy of which each part is asked.
fn may_write() -> impl Policy {
    role("admin").or(scope("orders:read orders:write"))
}

#[derive(Deserialize)]
struct Subject {
    jwk: Value,
    token: String,
}

#[derive(Default, Deserialize)]
#[expect(dead_code, reason = "what counts is that they are read from the token")]
struct User {
    sub: String,
    email: String,
    name: String,
    roles: Vec<String>,
}

fn verifier(subject: &Subject) -> Verifier<User> {
    let keys = KeySet::from_jwks(subject.jwk.to_string()).expect("a key");
    Verifier::new(keys, Validation::new(ISSUER, AUDIENCE)).expect("sensible rules")
}

/// Decrypts tokens that are encrypted, and is asked about others.
fn decrypting(verifier: Verifier<User>) -> Verifier<User> {
    let key = DecryptionKey::from_secret(KeyManagement::Dir, [7; 32]).expect("a key");
    verifier.with_decryption_keys(key)
}

/// Takes every token for a new one.
fn uncached(subject: &Subject) -> Verifier<User> {
    verifier(subject).without_cache()
}

fn verify(verifier: Verifier<User>, subject: &Subject) -> Case {
    let token = subject.token.clone();
    Box::new(move || {
        black_box(now(verifier.verify(black_box(&token))).expect("a good token"));
    })
}

/// New tokens, one after the other: the cache keeps them while there is room, and refuses them when they would
/// evict others that were not hit either.
fn newcomers(verifier: Verifier<User>, subject: &Subject) -> Case {
    // The same number, however many of them are verified: to sign them is no part of the difference.
    let tokens: Vec<String> = (0..400).map(|number| subject.sign(number)).collect();
    let mut tokens = tokens.into_iter();
    Box::new(move || {
        let token = tokens.next().expect("no more calls than that");
        black_box(now(verifier.verify(black_box(&token))).expect("a good token"));
    })
}

impl Subject {
    /// The token once more, with another `jti`.
    fn sign(&self, number: u32) -> String {
        self.sign_with("jti", format!("{number:032}").into())
    }

    /// The token once more, with this claim.
    fn sign_with(&self, name: &str, value: Value) -> String {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let mut parts = self.token.split('.');
        let (header, claims) = (parts.next().expect("a header"), parts.next().expect("claims"));
        let mut claims: Value = serde_json::from_slice(&decode(claims)).expect("JSON");
        claims[name] = value;
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let secret = decode(self.jwk["k"].as_str().expect("a secret"));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

fn layer(verifier: Verifier<User>, subject: &Subject) -> Case {
    called(BearerLayer::new(verifier), AUTHORIZATION, &bearer(subject))
}

/// A request with the token, with its making and with a service that does nothing.
fn called(layer: BearerLayer<User>, name: HeaderName, field: &str) -> Case {
    let mut service = layer.layer(Inner);
    let field = HeaderValue::try_from(field).expect("ASCII");
    Box::new(move || {
        let mut request = Request::new(String::new());
        request.headers_mut().insert(name.clone(), field.clone());
        let response = now(service.call(black_box(request))).expect("infallible");
        assert_eq!(black_box(response).status(), 200);
    })
}

/// A token that is bound to a certificate, with the certificate of its client.
fn bound(verifier: Verifier<User>, subject: &Subject) -> Case {
    let certificate = ClientCertificate::from_sha256([7; 32]);
    let token = subject.sign_with("cnf", json!({ "x5t#S256": certificate.thumbprint() }));
    let layer = BearerLayer::new(verifier).with_binding(CertificateBinding::new());
    let mut service = layer.layer(Inner);
    let field = HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII");
    Box::new(move || {
        let mut request = Request::new(String::new());
        request.headers_mut().insert(AUTHORIZATION, field.clone());
        request.extensions_mut().insert(certificate.clone());
        let response = now(service.call(black_box(request))).expect("infallible");
        assert_eq!(black_box(response).status(), 200);
    })
}

/// A call of a tool of 2 KiB, whose operation is read or not.
fn with_body(subject: &Subject, operations: Option<Operations>) -> Case {
    let layer = BearerLayer::new(verifier(subject));
    match operations {
        None => sent(layer.layer(Anything), subject),
        Some(operations) => {
            let operations = operations.with_open_tools(["close_order"]);
            sent(layer.layer(operations.layer(Anything)), subject)
        }
    }
}

fn sent<S>(mut service: S, subject: &Subject) -> Case
where
    S: Service<Request<Full<Bytes>>, Response = Response<()>, Error = Infallible> + 'static,
{
    let field = HeaderValue::try_from(bearer(subject)).expect("ASCII");
    let fields: Vec<_> = (0..22)
        .map(|number| {
            format!(
                r#""field{number:02}":{{"number":{number},"note":"some words about the order {number:04}","tags":["new","paid"]}}"#
            )
        })
        .collect();
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{{"name":"close_order","arguments":{{{}}}}}}}"#,
        fields.join(",")
    );
    assert!((1900..2200).contains(&body.len()), "{}", body.len());
    let body = Bytes::from(body);
    Box::new(move || {
        let mut request = Request::new(Full::new(body.clone()));
        *request.method_mut() = Method::POST;
        request.headers_mut().insert(AUTHORIZATION, field.clone());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = now(service.call(black_box(request))).expect("infallible");
        assert_eq!(black_box(response).status(), 200);
    })
}

/// Answers requests with any body.
#[derive(Clone)]
struct Anything;

impl<B> Service<Request<B>> for Anything {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(())))
    }
}

/// A layer with four ways for the tokens in one field: JWTs, API keys, and opaque tokens of two
/// issuers.
fn ways(subject: &Subject) -> BearerLayer<User> {
    let rules = || Validation::new(ISSUER, AUDIENCE);
    BearerLayer::new(verifier(subject))
        .with_authenticator(Prefix(KEY), rules())
        .and_then(|layer| layer.with_authenticator(Prefix("opaque_"), rules()))
        .and_then(|layer| layer.with_authenticator(Prefix("other_"), rules()))
        .expect("sensible rules")
}

/// The same layer, with two more places for tokens.
fn places(subject: &Subject) -> BearerLayer<User> {
    let layer = ways(subject).with_source(HeaderToken::new(X_API_KEY));
    layer.with_source(HeaderToken::cloudflare_access())
}

/// An opaque token of the same length as the JWT.
fn opaque(subject: &Subject) -> String {
    format!("Bearer opaque_{}", &subject.token.replace('.', "_")[7..])
}

/// Vouches for each token with this prefix.
struct Prefix(&'static str);

impl Authenticator for Prefix {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(self.0.as_bytes())
    }

    async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
        let claims = r#"{"sub":"alice","email":"a@example.com","name":"Alice","roles":["admin"]}"#;
        Ok(Authenticated::from_json(claims)?.with_freshness(Duration::from_secs(3600)))
    }
}

#[derive(Clone)]
struct Inner;

impl Service<Request<String>> for Inner {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let principal = request.extensions().get::<Principal>();
        let claims = principal.and_then(Principal::claims::<User>);
        assert!(claims.is_some(), "claims for the handler");
        ready(Ok(Response::new(String::new())))
    }
}

fn route(router: Router, subject: &Subject) -> Case {
    route_with(router, AUTHORIZATION, &bearer(subject))
}

fn bearer(subject: &Subject) -> String {
    format!("Bearer {}", subject.token)
}

/// The token in a cookie among others.
fn cookies(subject: &Subject) -> String {
    let csrf = "c".repeat(64);
    let token = &subject.token;
    let others = "_ga=GA1.1.1234567890.1234567890; theme=dark";
    format!("{others}; __Host-access={token}; __Host-csrf={csrf}")
}

/// A request to a whole axum router, as `axum::serve` makes it.
fn route_with(router: Router, name: HeaderName, field: &str) -> Case {
    let mut router: Router = router.with_state(());
    let field = HeaderValue::try_from(field).expect("ASCII");
    Box::new(move || {
        let mut request = Request::new(Body::empty());
        request.headers_mut().insert(name.clone(), field.clone());
        let response = now(router.call(black_box(request))).expect("infallible");
        assert_eq!(black_box(response).status(), 200);
    })
}

/// The same request with the other fields that a browser sends.
fn route_of_browser(router: Router, name: HeaderName, field: &str) -> Case {
    let mut router: Router = router.with_state(());
    let field = HeaderValue::try_from(field).expect("ASCII");
    let others = BROWSER
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    Box::new(move || {
        let mut request = Request::new(Body::empty());
        request.headers_mut().extend(others.iter().cloned());
        request.headers_mut().insert(name.clone(), field.clone());
        let response = now(router.call(black_box(request))).expect("infallible");
        assert_eq!(black_box(response).status(), 200);
    })
}

fn routes() -> Router {
    Router::new().route("/", get(async || "hello"))
}

fn same(request: AxumRequest) -> AxumRequest {
    request
}

/// What every layer costs that leaves something for the handler.
fn with_arc() -> Router {
    let value = Arc::new(User::default());
    let insert = move |mut request: AxumRequest| {
        request.extensions_mut().insert(Arc::clone(&value));
        request
    };
    let route = get(async |Extension(user): Extension<Arc<User>>| black_box(user).hello());
    Router::new().route("/", route).layer(MapRequestLayer::new(insert))
}

fn with_claims(subject: &Subject) -> Router {
    Router::new().route("/", get(greeting)).layer(BearerLayer::new(verifier(subject)))
}

fn with_cookie(subject: &Subject) -> Router {
    let cookies = Cookies::new([7; 32]).expect("a long secret");
    let layer = BearerLayer::new(verifier(subject)).with_source(cookies.source());
    Router::new().route("/", get(greeting)).layer(layer)
}

async fn greeting(Claims(user): Claims<User>) -> &'static str {
    black_box(user).hello()
}

impl User {
    fn hello(&self) -> &'static str {
        "hello"
    }
}

/// The usual path waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("static keys need no waiting"),
    }
}

/// The fields that Chromium sends when a page fetches something from its own origin.
const BROWSER: [(&str, &str); 13] = [
    ("host", "app.example.com"),
    ("connection", "keep-alive"),
    ("sec-ch-ua-platform", "\"Linux\""),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36"),
    ("sec-ch-ua", "\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\""),
    ("sec-ch-ua-mobile", "?0"),
    ("accept", "*/*"),
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "cors"),
    ("sec-fetch-dest", "empty"),
    ("referer", "https://app.example.com/orders"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en-GB,en;q=0.9"),
];

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const KEY: &str = "shop_0123456789abcdef_0123456789abcdef0123456789abcdef0123456789abcdef";
const ISSUER: &str = "https://id.example.com/realms/shop";
const AUDIENCE: &str = "https://api.example.com";
