//! This crate, with and without its cache of verified tokens.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use harness::{AUDIENCE, Guard, ISSUER, Subject, User, run};
use tower_bearer::{BearerLayer, Claims, KeySet, Validation, Verifier};

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, variant| {
        let handler = match variant {
            "unread" => get(async || {}),
            _ => get(async |Claims(user): Claims<User>| user.look()),
        };
        let route = Router::new().route("/", handler);
        Some(route.layer(BearerLayer::new(verifier(subject, variant != "uncached"))).with_state(()))
    });
}

fn verifier(subject: &Subject, cached: bool) -> Verifier<User> {
    let rules = Validation::new(ISSUER, AUDIENCE);
    let verifier = Verifier::new(keys(subject), rules).expect("sensible rules");
    if cached { verifier } else { verifier.without_cache() }
}

/// A set of one key, as the peers have it.
fn keys(subject: &Subject) -> KeySet {
    KeySet::from_jwks(&subject.jwks()).expect("a key set")
}
