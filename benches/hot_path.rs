//! What a token costs: the verifier beside the bare signature, the layer beside the bare route.
//!
//! ```text
//! cargo bench --bench hot_path              about a minute
//! cargo bench --bench hot_path -- --quick   a second: shows that it runs, measures nothing
//! ```
//!
//! Every case gets a short slice of time, one after the other, again and again (A B C A B C …), so
//! that a busy machine is equally unkind to all of them. What is printed are medians over these
//! rounds. Compare numbers of one run only, and above all the ratios. The first table shows how far
//! the bare signature wandered between its best and its worst round: differences that are small
//! against that say nothing.
//!
//! Allocations are those of one call, counted outside of the timed slices; C code is not counted.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod measure;

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use axum::{Router, body::Body, extract::Request, routing::get};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::FutureExt as _;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::json;
use tower::{Service as _, util::MapRequestLayer};
use tower_bearer::jose::KeyManagement;
use tower_bearer::keys::{DecryptionKey, EncryptionKey};
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, Validation, Verifier};

use self::measure::{Case, FULL, QUICK, measure};

fn main() {
    // `cargo bench` adds `--bench`, which means nothing here.
    let quick = std::env::args().any(|argument| argument == "--quick");
    let plan = if quick { QUICK } else { FULL };
    let subjects: Vec<Subject> = ALGORITHMS.into_iter().map(Subject::new).collect();

    let mut signatures: Vec<_> = subjects.iter().map(Subject::signature_case).collect();
    let mut verifiers: Vec<_> = subjects.iter().map(Subject::verifier_case).collect();
    let mut recalls: Vec<_> = subjects.iter().map(Subject::recall_case).collect();
    let mut opened: Vec<_> = subjects.iter().map(Subject::decryption_case).collect();
    let mut encrypted: Vec<_> = subjects.iter().map(Subject::encrypted_case).collect();
    let mut routes = route_cases(&subjects);
    let mut all: Vec<&mut Case> = signatures
        .iter_mut()
        .chain(&mut verifiers)
        .chain(&mut recalls)
        .chain(&mut opened)
        .chain(&mut encrypted)
        .chain(&mut routes)
        .collect();
    measure(&mut all, &plan);

    println!("{} rounds, slices of {:?}; nanoseconds, medians", plan.rounds, plan.slice);
    println!("{} bytes of claims", subjects[0].claims().len());
    print_verifiers(&signatures, &verifiers, &recalls);
    print_encrypted(&opened, &encrypted);
    print_routes(&routes);
    if signatures.iter().any(|bare| bare.median() > 1.1 * bare.quantile(0.0)) {
        println!("\nThe machine was too busy: a median is 10 % above its best round. Run again.");
    }
}

/// One algorithm, a key for it, and a token.
struct Subject {
    key: TestKey,
    token: String,
}

impl Subject {
    fn new(algorithm: Algorithm) -> Self {
        let key = TestKey::generate(algorithm).with_key_id("2026-11");
        let token = access_token().sign(&key);
        Self { key, token }
    }

    fn name(&self) -> &'static str {
        self.key.algorithm().as_str()
    }

    /// Without a cache: each token is a new one.
    fn verifier(&self) -> Verifier<User> {
        self.remembering().without_cache()
    }

    fn remembering(&self) -> Verifier<User> {
        Verifier::new(self.key.verifying_key(), Validation::new(ISSUER, AUDIENCE))
            .expect("a sensible validation")
    }

    fn claims(&self) -> Vec<u8> {
        decode(self.token.split('.').nth(1).expect("three segments"))
    }

    fn signature_case(&self) -> Case {
        let (message, signature) = self.token.rsplit_once('.').expect("three segments");
        let (message, signature) = (message.to_owned(), decode(signature));
        let check = bare_check(&self.key);
        Case::new(self.name(), || (), move |()| assert!(check(message.as_bytes(), &signature)))
    }

    fn verifier_case(&self) -> Case {
        self.case_of(self.name(), self.verifier())
    }

    /// The token was verified before.
    fn recall_case(&self) -> Case {
        self.case_of(self.name(), self.remembering())
    }

    /// The arithmetic of an encrypted token alone: `A256GCM` with a shared secret, and the signature.
    fn decryption_case(&self) -> Case {
        let token = self.encrypted();
        let parts: Vec<&str> = token.split('.').collect();
        let (header, iv, tag) = (parts[0].to_owned(), decode(parts[2]), decode(parts[4]));
        let text = decode(parts[3]);
        let key = UnboundKey::new(&AES_256_GCM, &SHARED_SECRET).expect("32 bytes");
        let key = LessSafeKey::new(key);
        let (message, signature) = self.token.rsplit_once('.').expect("three segments");
        let (message, signature) = (message.to_owned(), decode(signature));
        let check = bare_check(&self.key);
        let open = move |mut text: Vec<u8>| {
            let iv = Nonce::try_assume_unique_for_key(&iv).expect("12 bytes");
            let header = Aad::from(header.as_bytes());
            key.open_in_place_separate_tag(iv, header, &tag, &mut text).expect("a good tag");
            assert!(check(message.as_bytes(), &signature));
        };
        Case::new(self.name(), move || text.clone(), open)
    }

    /// A new token, encrypted with a shared secret (`dir`).
    fn encrypted_case(&self) -> Case {
        let key = DecryptionKey::from_secret(KeyManagement::Dir, SHARED_SECRET).expect("32 bytes");
        let (token, verifier) = (self.encrypted(), self.verifier().with_decryption_keys(key));
        Case::new(
            self.name(),
            || (),
            move |()| {
                let done = verifier.verify(&token).now_or_never();
                done.expect("static keys need no waiting").expect("a good token")
            },
        )
    }

    fn encrypted(&self) -> String {
        let key = EncryptionKey::from_secret(KeyManagement::Dir, SHARED_SECRET).expect("32 bytes");
        tower_bearer::test_util::encrypted(&self.token, &key)
    }

    fn case_of(&self, name: &str, verifier: Verifier<User>) -> Case {
        let token = self.token.clone();
        Case::new(
            name,
            || (),
            move |()| {
                let done = verifier.verify(&token).now_or_never();
                done.expect("static keys need no waiting").expect("a good token")
            },
        )
    }
}

/// An access token with about 390 bytes of claims.
fn access_token() -> TestToken {
    TestToken::new(ISSUER, AUDIENCE)
        .claim("sub", "9f6f0f1e-3c1b-4b77-9a55-1d2f0c8f0c11")
        .claim("jti", "b7d1f2ae64a84ff3a2d2a1d8f0a3c5e7")
        .claim("client_id", "orders-web-frontend")
        .claim("scope", "openid profile orders:read orders:write")
        .claim("roles", json!(["customer", "support"]))
        .claim("email", "jane.doe@example.com")
        .claim("name", "Jane Elizabeth Doe")
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "what counts is that they are read from the token")]
struct User {
    sub: String,
    email: String,
    name: String,
    roles: Vec<String>,
}

type BareCheck = Box<dyn Fn(&[u8], &[u8]) -> bool>;

/// The arithmetic alone, by the same library, with a key that was parsed once.
fn bare_check(key: &TestKey) -> BareCheck {
    let jwk = key.to_jwk();
    let part = |name: &str| decode(jwk[name].as_str().expect("a string"));
    let public = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
        ParsedPublicKey::new(algorithm, key).expect("a good key")
    };
    let key = match key.algorithm() {
        Algorithm::HS256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, &part("k"));
            return Box::new(move |message, tag| hmac::verify(&key, message, tag).is_ok());
        }
        Algorithm::RS256 => RsaPublicKeyComponents { n: part("n"), e: part("e") }
            .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
            .expect("a good key"),
        Algorithm::ES256 => {
            public(&signature::ECDSA_P256_SHA256_FIXED, &[vec![4], part("x"), part("y")].concat())
        }
        Algorithm::EdDSA => public(&signature::ED25519, &part("x")),
        other => unreachable!("{other} is not measured"),
    };
    Box::new(move |message, signature| key.verify_sig(message, signature).is_ok())
}

/// The same request, of which only the layers in front of an empty route make use or not.
fn route_cases(subjects: &[Subject]) -> Vec<Case> {
    let route = || Router::new().route("/", get(async || {}));
    let shared: Arc<str> = Arc::from("as cheap as an extension can be");
    let nothing = MapRequestLayer::new(|request: Request| request);
    let extension = MapRequestLayer::new(move |mut request: Request| {
        request.extensions_mut().insert(Arc::clone(&shared));
        request
    });
    let token = &subjects[0].token;
    let mut cases = vec![
        route_case("bare route", route(), token),
        route_case("layer that does nothing", route().layer(nothing), token),
        route_case("layer that adds an Arc", route().layer(extension), token),
    ];
    for (verifier, state) in
        [(Subject::verifier as fn(&Subject) -> _, "new"), (Subject::remembering, "again")]
    {
        cases.extend(subjects.iter().map(|subject| {
            let app = route().layer(BearerLayer::new(verifier(subject)));
            let name = format!("BearerLayer, {} {state}", subject.name());
            route_case(&name, app, &subject.token)
        }));
    }
    cases
}

fn route_case(name: &str, app: Router, token: &str) -> Case {
    // As `axum::serve` does, or the layers would be applied anew for each request.
    let mut app: Router = app.with_state(());
    let field = http::HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII");
    let request = move || {
        let request = Request::get("/").header(AUTHORIZATION, field.clone());
        request.body(Body::empty()).expect("a good request")
    };
    Case::new(name, request, move |request| {
        let response = app.call(request).now_or_never().expect("nothing to wait for");
        assert_eq!(response.as_ref().expect("infallible").status(), http::StatusCode::OK);
        response
    })
}

fn print_verifiers(signatures: &[Case], verifiers: &[Case], recalls: &[Case]) {
    println!(
        "\n{:26}{:>10}{:>18}{:>10}{:>8}{:>8}{:>13}{:>8}{:>13}",
        "",
        "signature",
        "min – max",
        "Verifier",
        "ratio",
        "added",
        "allocations",
        "again",
        "allocations",
    );
    for ((bare, full), again) in signatures.iter().zip(verifiers).zip(recalls) {
        let (low, high) = (bare.quantile(0.0), bare.quantile(1.0));
        let (bare_ns, full_ns) = (bare.median(), full.median());
        println!(
            "{:26}{bare_ns:>10.0}{:>18}{full_ns:>10.0}{:>8.2}{:>8.0}{:>13}{:>8.0}{:>13}",
            bare.name,
            format!("{low:.0} – {high:.0}"),
            full_ns / bare_ns,
            full_ns - bare_ns,
            full.allocations,
            again.median(),
            again.allocations,
        );
    }
}

fn print_encrypted(opened: &[Case], encrypted: &[Case]) {
    println!(
        "\n{:26}{:>22}{:>10}{:>8}",
        "dir, A256GCM", "A256GCM + signature", "Verifier", "ratio"
    );
    for (bare, full) in opened.iter().zip(encrypted) {
        let (bare_ns, full_ns) = (bare.median(), full.median());
        println!("{:26}{bare_ns:>22.0}{full_ns:>10.0}{:>8.2}", bare.name, full_ns / bare_ns);
    }
}

fn print_routes(routes: &[Case]) {
    println!("\n{:26}{:>10}{:>10}{:>10}{:>14}", "", "ns", "ratio", "added", "allocations");
    let bare = routes[0].median();
    for route in routes {
        let ns = route.median();
        let (ratio, added) = (ns / bare, ns - bare);
        println!("{:26}{ns:>10.0}{ratio:>10.2}{added:>10.0}{:>14}", route.name, route.allocations);
    }
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
const SHARED_SECRET: [u8; 32] = [7; 32];
const ISSUER: &str = "https://id.example.com/realms/shop";
const AUDIENCE: &str = "https://api.example.com";
