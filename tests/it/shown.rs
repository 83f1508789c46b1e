//! Tests the output of `{:?}`: the name of the type, enough to tell one from another, and no
//! secret.

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, Service, service_fn};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::endpoints::{ClientList, LogoutScope, LogoutService, RevocationService};
use tower_bearer::keys::{CachedKeys, FetchBudget, HttpFetch, KeyFile, KeySource, Lookup};
use tower_bearer::policy::role;
use tower_bearer::revocation::MemoryRevocations;
use tower_bearer::test_util::TestClock;
use tower_bearer::{Issuers, KeySet, Principal, require};

use crate::support::scripted::Scripted;
use crate::support::{ISSUER, NOW, get, good, key, layer, validation, verifier};

/// The output of each type that has something to hide, or nothing of its own to show.
async fn all_shown() -> Vec<(&'static str, String)> {
    fn text(shown: impl Debug) -> String {
        format!("{shown:?}")
    }
    let inner =
        || service_fn(|_: Request<Body>| async { Ok::<_, String>(Response::new(Body::empty())) });
    let app = layer().layer("inner");
    let mut waits = layer().layer(inner());
    let guard = require(role("admin"));
    let mut guarded = guard.layer(inner());
    let verified = verifier().verify(&good()).await.unwrap();
    let principal = verified.principal().clone();
    let keys = KeySet::from(key().verifying_key());
    let Lookup::Found(candidates) = keys.lookup(principal.header().unwrap()) else {
        panic!("the key is there")
    };
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    let store = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let clients = ClientList::new().with_client("shop", "a client's secret").unwrap();
    let revocation =
        RevocationService::new(key().verifying_key(), ISSUER, clients.clone(), store.clone());
    let mut revocation = revocation.unwrap();
    let logout = LogoutService::multi_issuer(&issuers, LogoutScope::Session, store.clone());
    let active = ActiveCheck::new(|_: Principal| async { Ok::<_, String>(true) });
    let fetch = HttpFetch::discover(ISSUER).unwrap();
    let fetch = fetch.with_metadata_url("https://inside.example.com/metadata").unwrap();
    let refused = principal.check(role("admin")).unwrap_err();
    vec![
        ("BearerLayer", text(layer())),
        ("Bearer", text(&app)),
        ("ResponseFuture", text(waits.call(get("/")))),
        ("RequireLayer", text(&guard)),
        ("RequireService", text(guard.layer("inner"))),
        ("GuardFuture", text(guarded.call(get("/")))),
        ("Verifier", text(verifier())),
        ("Verified", text(&verified)),
        ("Principal", text(&principal)),
        ("RegisteredClaims", text(principal.registered())),
        ("Grants", text(principal.grants())),
        ("Audience", text(principal.registered().audience().unwrap())),
        ("Header", text(principal.header().unwrap())),
        ("Rejection", text(&refused)),
        ("VerifyingKey", text(key().verifying_key())),
        ("KeySet", text(&keys)),
        ("[VerifyingKey", text(candidates)),
        ("CachedKeys", text(CachedKeys::new(Scripted::new()))),
        ("FetchBudget", text(FetchBudget::new(7, Duration::from_secs(1)))),
        ("HttpFetch", text(fetch)),
        ("KeyFile", text(KeyFile::new("keys.json"))),
        ("{\"https://id.example.com\": ", text(&issuers)),
        ("MemoryRevocations", text(&store)),
        ("ActiveCheck", text(&active)),
        ("{\"shop\"}", text(&clients)),
        ("RevocationService", text(&revocation)),
        ("EndpointFuture", text(revocation.call(get("/")))),
        ("LogoutService", text(&logout)),
    ]
}

#[tokio::test]
async fn everything_is_shown_by_its_name() {
    for (name, text) in all_shown().await {
        assert!(text.starts_with(name), "{name}: {text}");
    }
}

#[tokio::test]
async fn nothing_that_is_shown_holds_a_secret_or_a_token() {
    let signature = good().rsplit_once('.').unwrap().1.to_owned();
    let secret = key().to_jwk()["k"].as_str().unwrap().to_owned();
    for (name, text) in all_shown().await {
        for hidden in ["a client's secret", &signature, &secret] {
            assert!(!text.contains(hidden), "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn settings_and_state_are_shown_where_they_help() {
    let all = all_shown().await;
    for (name, detail) in [
        ("Verifier", "max_token_bytes: 16384"),
        ("Verifier", "has_revocations: false"),
        ("Verifier", "has_active_check: false"),
        ("ActiveCheck", "AnswerCache { len: 0"),
        ("FetchBudget", "fetches: 7"),
        ("HttpFetch", "https://id.example.com"),
        ("HttpFetch", "metadata: Some(\"https://inside.example.com/metadata\")"),
        ("HttpFetch", "root_certificates: 0"),
        ("KeyFile", "keys.json"),
        ("CachedKeys", "the script"),
        ("Principal", "https://id.example.com"),
        ("RequireService", "inner"),
    ] {
        let (_, text) = all.iter().find(|(one, _)| *one == name).unwrap();
        assert!(text.contains(detail), "{name}: {text}");
    }
    let view = MemoryRevocations::new();
    let revoking = format!("{:?}", verifier().with_revocations(view));
    assert!(revoking.contains("has_revocations: true"), "{revoking}");
    let check = ActiveCheck::new(|_: Principal| async { Ok::<_, String>(true) });
    let checking = format!("{:?}", verifier().with_active_check(check));
    assert!(checking.contains("has_active_check: true"), "{checking}");
}

#[tokio::test]
async fn rejection_reads_as_the_error_that_it_is_for() {
    let verified = verifier().verify(&good()).await.unwrap();
    let refused = verified.principal().check(role("admin")).unwrap_err();

    let source = refused.source().unwrap().to_string();

    assert!(!source.is_empty());
    assert_eq!(refused.to_string(), source);
}
