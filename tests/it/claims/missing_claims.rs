//! Tests tokens without `iss` or `exp`, which an application may have before it moves over.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get as on_get;
use serde_json::json;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{BearerLayer, ConfigError, Issuers, Principal, Reason, Validation, Verifier};

use crate::support::{
    Answer, ISSUER, NOW, User, WithBearer, get, invalid_token, key, key_for, send, token,
    validation, verifier_with,
};

const STAFF: &str = "https://login.example.com/realms/staff";

fn app_of(verifier: Verifier<User>) -> Router {
    let whose = |principal: Principal| async move { principal.issuer().to_owned() };
    Router::new().route("/", on_get(whose)).layer(BearerLayer::new(verifier))
}

fn app(validation: Validation) -> Router {
    app_of(verifier_with(key().verifying_key(), validation))
}

fn app_of_issuers(issuers: &Issuers) -> Router {
    app_of(Verifier::multi_issuer(issuers).with_clock(TestClock::at(NOW)))
}

async fn answer(app: &Router, token: TestToken) -> Answer {
    send(app, get("/").bearer(token.sign(&key()))).await
}

#[track_caller]
fn is_invalid(answer: &Answer, reason: Reason) {
    let description = match reason {
        Reason::MissingClaim => "The token lacks a claim",
        Reason::InvalidClaim => "A claim of the token is invalid",
        Reason::WrongIssuer => "The token is from another issuer",
        Reason::Expired => "The token has expired",
        Reason::TooOld => "The token is too old",
        Reason::Revoked => "The token was revoked",
        other => panic!("{other}"),
    };
    answer.is_refused(401, Some(&invalid_token(description)), reason);
}

fn without_issuer() -> Validation {
    validation().dangerous().accept_missing_issuer()
}

fn without_expiry() -> Validation {
    validation().dangerous().accept_missing_expiry()
}

fn hour() -> Duration {
    Duration::from_secs(3600)
}

#[tokio::test]
async fn token_without_issuer_is_accepted_only_where_that_is_asked_for_by_name() {
    is_invalid(&answer(&app(validation()), token().without("iss")).await, Reason::MissingClaim);
    is_invalid(&answer(&app(without_expiry()), token().without("iss")).await, Reason::MissingClaim);

    let app = app(without_issuer());
    // The second time from the cache.
    for _ in 0..2 {
        answer(&app, token().without("iss")).await.is_ok(ISSUER);
        answer(&app, token()).await.is_ok(ISSUER);
    }
}

#[tokio::test]
async fn wrong_issuer_is_refused_where_a_missing_one_is_not() {
    let app = app(without_issuer());

    for issuer in ["", "https://id.example.com/", "https://other.example.com"] {
        is_invalid(&answer(&app, token().claim("iss", issuer)).await, Reason::WrongIssuer);
    }
    for issuer in [json!(null), json!(1), json!([ISSUER])] {
        is_invalid(&answer(&app, token().claim("iss", issuer)).await, Reason::InvalidClaim);
    }
    answer(&app, token().without("iss")).await.is_ok(ISSUER);
}

#[tokio::test]
async fn token_without_expiry_is_accepted_only_where_that_is_asked_for_by_name() {
    is_invalid(&answer(&app(validation()), token().without("exp")).await, Reason::MissingClaim);
    is_invalid(&answer(&app(without_issuer()), token().without("exp")).await, Reason::MissingClaim);

    let app = app(without_expiry());
    for _ in 0..2 {
        answer(&app, token().without("exp")).await.is_ok(ISSUER);
        answer(&app, token()).await.is_ok(ISSUER);
    }
}

#[tokio::test]
async fn expiry_that_is_there_counts_where_a_missing_one_is_accepted() {
    let app = app(without_expiry());

    is_invalid(&answer(&app, token().claim("exp", NOW - 60)).await, Reason::Expired);
    for expiry in [json!(null), json!("never"), json!(false)] {
        is_invalid(&answer(&app, token().claim("exp", expiry)).await, Reason::InvalidClaim);
    }
    answer(&app, token().claim("exp", NOW - 59)).await.is_ok(ISSUER);
}

#[tokio::test]
async fn maximum_age_ends_a_token_without_expiry_also_when_it_is_remembered() {
    let clock = TestClock::at(NOW);
    let rules = without_expiry().with_max_age(hour());
    let verifier = Verifier::new(key().verifying_key(), rules).unwrap().with_clock(clock.clone());
    let app = app_of(verifier.clone());
    let endless = || token().without("exp");

    answer(&app, endless()).await.is_ok(ISSUER);
    is_invalid(&answer(&app, endless().without("iat")).await, Reason::MissingClaim);
    clock.set(NOW + 3600 + 59);
    answer(&app, endless()).await.is_ok(ISSUER);
    assert_eq!(verifier.cache_stats().unwrap().hits, 1);
    clock.set(NOW + 3600 + 60);
    is_invalid(&answer(&app, endless()).await, Reason::TooOld);
}

#[tokio::test]
async fn token_without_expiry_is_found_in_the_cache_years_later() {
    let clock = TestClock::at(NOW);
    let verifier = Verifier::new(key().verifying_key(), without_expiry()).unwrap();
    let verifier = verifier.with_clock(clock.clone());
    let app = app_of(verifier.clone());

    answer(&app, token().without("exp")).await.is_ok(ISSUER);
    clock.advance(24 * 365 * 10 * hour());
    answer(&app, token().without("exp")).await.is_ok(ISSUER);

    assert_eq!(verifier.cache_stats().unwrap().hits, 1);
}

#[tokio::test]
async fn required_claims_stay_required() {
    for claim in ["iss", "exp"] {
        let rules = validation().dangerous().accept_missing_issuer();
        let rules = rules.dangerous().accept_missing_expiry().with_required_claims([claim]);
        let app = app(rules);

        is_invalid(&answer(&app, token().without(claim)).await, Reason::MissingClaim);
        answer(&app, token()).await.is_ok(ISSUER);
    }
}

#[tokio::test]
async fn one_of_several_issuers_judges_the_tokens_that_name_none() {
    let staff_key = key_for(tower_bearer::Algorithm::ES256);
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), without_issuer()).unwrap();
    issuers.add(staff_key.verifying_key(), Validation::new(STAFF, "staff-api")).unwrap();
    let app = app_of_issuers(&issuers);
    let of_staff = || TestToken::new(STAFF, "staff-api").at(NOW);

    for _ in 0..2 {
        answer(&app, token().without("iss")).await.is_ok(ISSUER);
        answer(&app, token()).await.is_ok(ISSUER);
        send(&app, get("/").bearer(of_staff().sign(&staff_key))).await.is_ok(STAFF);
    }
    // By the keys and rules of the one issuer and of no other.
    let crossed = send(&app, get("/").bearer(of_staff().without("iss").sign(&staff_key))).await;
    assert_eq!((crossed.status.as_u16(), crossed.reason), (401, Some(Reason::AlgorithmNotAllowed)));
    let crossed = answer(&app, of_staff().without("iss")).await;
    assert_eq!((crossed.status.as_u16(), crossed.reason), (401, Some(Reason::WrongAudience)));
    let other = answer(&app, token().claim("iss", "https://other.example.com")).await;
    assert_eq!((other.status.as_u16(), other.reason), (401, Some(Reason::WrongIssuer)));
}

#[tokio::test]
async fn tokens_that_name_no_issuer_go_and_come_with_the_one_that_accepts_them() {
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    let app = app_of_issuers(&issuers);
    let sent = async || answer(&app, token().without("iss")).await;
    let is_missing = |answer: &Answer| {
        assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::MissingClaim)));
    };

    is_missing(&sent().await);
    assert!(issuers.remove(ISSUER));
    issuers.add(key().verifying_key(), without_issuer()).unwrap();
    sent().await.is_ok(ISSUER);
    assert!(issuers.remove(ISSUER));
    is_missing(&sent().await);
    issuers.add(key().verifying_key(), validation()).unwrap();
    is_missing(&sent().await);
}

#[test]
fn two_issuers_cannot_both_have_the_tokens_that_name_none() {
    let staff = || Validation::new(STAFF, "staff-api").dangerous().accept_missing_issuer();
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), without_issuer()).unwrap();

    let error = issuers.add(key().verifying_key(), staff()).unwrap_err();

    assert_eq!(error, ConfigError::RepeatedMissingIssuer { issuer: ISSUER.to_owned() });
    assert!(error.to_string().contains("accept_missing_issuer"), "{error}");
    assert_eq!(issuers.names(), [ISSUER]);
    issuers.add(key().verifying_key(), Validation::new(STAFF, "staff-api")).unwrap();
    issuers.remove(ISSUER);
    issuers.remove(STAFF);
    issuers.add(key().verifying_key(), staff()).unwrap();
}

#[tokio::test]
async fn token_without_issuer_or_expiry_is_revoked_under_the_configured_issuer() {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let bare = || token().without("iss").without("exp").claim("sid", "s1").claim("azp", "shop");
    for revocation in [
        Revocation::token(ISSUER, "test-token", at(NOW + 900)),
        Revocation::session(ISSUER, "s1"),
        Revocation::subject(ISSUER, "alice", at(NOW)),
        Revocation::client(ISSUER, "shop", at(NOW)),
    ] {
        let known = MemoryRevocations::new().with_clock(TestClock::at(NOW));
        let rules = without_issuer().dangerous().accept_missing_expiry();
        let verifier = verifier_with(key().verifying_key(), rules);
        let app = app_of(verifier.with_revocations(known.clone()));
        answer(&app, bare()).await.is_ok(ISSUER);

        known.revoke(&revocation);

        is_invalid(&answer(&app, bare()).await, Reason::Revoked);
    }
}

#[tokio::test]
async fn revocation_of_a_token_without_expiry_is_never_forgotten() {
    let clock = TestClock::at(NOW);
    let known = MemoryRevocations::new().with_clock(clock.clone());
    let rules = without_issuer().dangerous().accept_missing_expiry();
    let verifier = Verifier::<User>::new(key().verifying_key(), rules).unwrap();
    let verifier = verifier.with_clock(clock.clone()).with_revocations(known.clone());
    let bare = token().without("iss").without("exp").sign(&key());
    let verified = verifier.verify(&bare).await.unwrap();

    known.revoke(Revocation::of(verified.principal()).unwrap());
    clock.advance(24 * 365 * 10 * hour());
    known.forget_expired();

    assert_eq!(verifier.verify(&bare).await.unwrap_err().reason(), Reason::Revoked);
}

#[tokio::test]
async fn token_that_could_outlive_its_revocation_is_refused() {
    let with = |rules: Validation| {
        let known = MemoryRevocations::new().with_clock(TestClock::at(NOW));
        let known = known.with_max_lifetime(hour());
        let verifier = verifier_with(key().verifying_key(), rules);
        app_of(verifier.with_revocations(known))
    };
    let endless = || token().without("exp");

    let refused = answer(&with(without_expiry()), endless()).await;
    is_invalid(&refused, Reason::MissingClaim);
    let long = without_expiry().with_max_age(hour() + Duration::from_secs(1));
    is_invalid(&answer(&with(long), endless()).await, Reason::InvalidClaim);

    answer(&with(without_expiry().with_max_age(hour())), endless()).await.is_ok(ISSUER);
    let anyway = without_expiry().dangerous().accept_unrevocable_tokens();
    answer(&with(anyway), endless()).await.is_ok(ISSUER);
    answer(&with(without_expiry()), token()).await.is_ok(ISSUER);
}

/// By the clock of the system, as `time_left` is.
async fn principal_of(rules: Validation, token: TestToken) -> Principal {
    let verifier = Verifier::<User>::new(key().verifying_key(), rules).unwrap();
    let token = token.sign(&key());
    let verified = verifier.verify(&token).await.unwrap();
    // The second time from the cache.
    let again = verifier.verify(&token).await.unwrap();
    let left = verified.principal().time_left();
    assert!(again.principal().time_left() <= left);
    again.principal().clone()
}

fn now() -> u64 {
    SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[track_caller]
fn is_about(left: Duration, seconds: u64) {
    let range = Duration::from_secs(seconds - 10)..=Duration::from_secs(seconds + 1);
    assert!(range.contains(&left), "{left:?} {seconds}");
}

#[tokio::test]
async fn time_left_goes_on_to_the_moment_at_which_the_token_is_refused() {
    let expired = TestToken::new(ISSUER, crate::support::AUDIENCE).claim("exp", now() - 20);
    let left = principal_of(validation(), expired.clone()).await.time_left();
    is_about(left, 40);
    let mild = validation().with_leeway(Duration::from_secs(300));
    is_about(principal_of(mild, expired).await.time_left(), 280);

    let good = TestToken::new(ISSUER, crate::support::AUDIENCE);
    let strict = validation().with_leeway(Duration::ZERO);
    is_about(principal_of(strict, good.clone()).await.time_left(), 900);
    is_about(principal_of(validation(), good).await.time_left(), 960);
}

#[tokio::test]
async fn time_left_ends_with_the_maximum_age_if_that_comes_first() {
    let old = TestToken::new(ISSUER, crate::support::AUDIENCE).claim("iat", now() - 100);
    let aged = |seconds| validation().with_max_age(Duration::from_secs(seconds));

    is_about(principal_of(aged(110), old.clone()).await.time_left(), 70);
    is_about(principal_of(aged(100_000), old).await.time_left(), 960);
}

#[tokio::test]
async fn token_without_expiry_has_time_left_to_the_end_of_the_calendar_or_of_its_age() {
    let endless = TestToken::new(ISSUER, crate::support::AUDIENCE).without("exp");
    let left = principal_of(without_expiry(), endless.clone()).await;
    assert!(left.time_left() > 24 * 365 * 1000 * hour(), "{left:?}");
    assert_eq!(left.expires_at(), None);
    // The call of the example in the documentation.
    assert!(std::time::Instant::now().checked_add(left.time_left()).is_some());
    drop(tokio::time::sleep(left.time_left()));

    let aged = without_expiry().with_max_age(hour());
    is_about(principal_of(aged, endless).await.time_left(), 3660);
}

#[test]
fn switches_are_seen_in_what_is_shown() {
    let issuers = Issuers::new();
    let rules = without_issuer().dangerous().accept_missing_expiry();
    issuers.add(TestKey::generate(tower_bearer::Algorithm::HS256).verifying_key(), rules).unwrap();

    let shown = format!("{issuers:?}");
    assert!(shown.contains("missing_issuer: true, missing_expiry: true"), "{shown}");
    assert!(format!("{:?}", validation()).contains("missing_issuer: false, missing_expiry: false"));
}
