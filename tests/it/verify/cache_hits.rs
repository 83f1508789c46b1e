//! Tests hits: tokens that were verified before. Every change since is noticed, and nothing else is
//! worked out again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, Lookup};
use tower_bearer::policy::role;
use tower_bearer::revocation::{
    MemoryRevocations, Revocable, Revocation, Revocations, RevocationsUnavailable, Revoked,
};
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::verify::CacheStats;
use tower_bearer::{
    Algorithm, BearerLayer, Claims, Issuers, KeySet, Principal, Reason, Verifier, require,
};

use crate::support::scripted::{self, Scripted};
use crate::support::{
    Answer, ISSUER, NOW, User, WithBearer, challenge, get, good, invalid_token, key, key_for, send,
    token, validation, verifier, verifier_of,
};

fn app(verifier: &Verifier<User>) -> Router {
    let whose = |Claims(user): Claims<User>| async move { user.sub.clone().unwrap_or_default() };
    Router::new().route("/", on_get(whose)).layer(BearerLayer::new(verifier.clone()))
}

async fn answer_to(app: &Router, token: &str) -> Answer {
    send(app, get("/").bearer(token)).await
}

fn stats(verifier: &Verifier<User>) -> CacheStats {
    verifier.cache_stats().unwrap()
}

#[track_caller]
fn counted(verifier: &Verifier<User>, hits: u64, misses: u64) {
    let stats = stats(verifier);
    assert_eq!((stats.hits, stats.misses), (hits, misses));
}

#[tokio::test]
async fn token_is_verified_once_and_found_afterwards() {
    let verifier = verifier();
    let app = app(&verifier);

    for _ in 0..3 {
        answer_to(&app, &good()).await.is_ok("alice");
    }

    counted(&verifier, 2, 1);
    assert_eq!(stats(&verifier).entries, 1);
}

#[tokio::test]
async fn field_that_only_begins_with_a_remembered_token_is_refused_as_ever() {
    // RFC 6750 §2.1: the grammar of credentials
    let app = app(&verifier());
    answer_to(&app, &good()).await.is_ok("alice");
    let malformed = challenge("invalid_request", "The Authorization field is malformed");

    for behind in [" ", ",", "\t", " x", "\u{e9}", "==x"] {
        let field = format!("Bearer {}{behind}", good());
        let answer = send(&app, get("/").field("authorization", field)).await;
        answer.is_refused(400, Some(&malformed), Reason::MalformedAuthorization);
    }
    for before in ["Bearer\t", "Bearer\t "] {
        let field = before.to_owned() + &good();
        let answer = send(&app, get("/").field("authorization", field)).await;
        answer.is_refused(400, Some(&malformed), Reason::MalformedAuthorization);
    }
    for before in ["Bearer   ", "bEARER "] {
        send(&app, get("/").field("authorization", before.to_owned() + &good()))
            .await
            .is_ok("alice");
    }
}

#[tokio::test]
async fn claims_are_shared_and_not_read_again() {
    let verifier = verifier();

    let first = verifier.verify(&good()).await.unwrap();
    let second = verifier.verify(&good()).await.unwrap();

    assert!(Arc::ptr_eq(first.claims(), second.claims()));
}

#[tokio::test]
async fn other_text_is_another_token_whatever_it_ends_with() {
    let verifier = verifier();
    let app = app(&verifier);
    let good = good();
    answer_to(&app, &good).await.is_ok("alice");

    // With the signature of the valid one: the hashed part of both is the same.
    let (_, signature) = good.rsplit_once('.').unwrap();
    let other = token().claim("sub", "admin").sign(&key());
    let (input, _) = other.rsplit_once('.').unwrap();
    let forged = format!("{input}.{signature}");

    for _ in 0..2 {
        let challenge = invalid_token("The token cannot be verified");
        let refused = answer_to(&app, &forged).await;
        refused.is_refused(401, Some(&challenge), Reason::InvalidSignature);
    }
    answer_to(&app, &good).await.is_ok("alice");
    counted(&verifier, 1, 3);
    assert_eq!(stats(&verifier).entries, 1);
}

#[tokio::test]
async fn token_that_expires_is_refused_at_that_very_moment_and_its_memory_given_back() {
    let clock = TestClock::at(NOW);
    let verifier = verifier().with_clock(clock.clone());
    let app = app(&verifier);
    answer_to(&app, &good()).await.is_ok("alice");

    clock.set(NOW + 900 + 59);
    answer_to(&app, &good()).await.is_ok("alice");
    clock.set(NOW + 900 + 60);
    let refused = answer_to(&app, &good()).await;

    refused.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
    counted(&verifier, 1, 2);
    assert_eq!((stats(&verifier).entries, stats(&verifier).bytes), (0, 0));
}

/// A hit reads a clock that is faster and less exact, but not when the exact time matters.
#[tokio::test]
async fn token_expires_at_that_very_moment_by_the_clock_of_the_system_too() {
    let rules = validation().with_leeway(Duration::ZERO);
    let verifier = Verifier::<User>::new(key().verifying_key(), rules).unwrap();
    let expires = since_1970() + Duration::from_millis(2500);
    let claim = |since: Duration| serde_json::json!(since.as_secs_f64());
    let token = token().at(1).claim("exp", claim(expires)).sign(&key());
    let (mut accepted, mut refused) = (0, 0);

    while refused < 100 {
        let before = since_1970();
        let result = verifier.verify(&token).await;
        let after = since_1970();
        match result {
            Ok(_) => accepted += 1,
            Err(error) => {
                assert_eq!(error.reason(), Reason::Expired);
                refused += 1;
            }
        }
        // The written number is a fraction, and so not the moment to the nanosecond.
        let microsecond = Duration::from_micros(1);
        if after + microsecond < expires {
            assert_eq!(refused, 0, "{:?} too early", expires - after);
        } else if before > expires + microsecond {
            assert!(refused > 0, "{:?} too late", before - expires);
        }
    }
    assert!(accepted > 100, "{accepted}");
    assert_eq!(stats(&verifier).hits, accepted - 1);
}

fn since_1970() -> Duration {
    SystemClock.now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

#[tokio::test]
async fn token_is_refused_when_it_becomes_too_old_or_the_clock_is_set_back() {
    let clock = TestClock::at(NOW);
    let rules = validation().with_max_age(Duration::from_secs(100));
    let verifier = Verifier::new(key().verifying_key(), rules).unwrap().with_clock(clock.clone());
    let app = app(&verifier);
    for (seconds, reason, sentence) in [
        (NOW + 160, Reason::TooOld, "The token is too old"),
        (NOW - 61, Reason::NotYetValid, "The token is not valid yet"),
    ] {
        clock.set(NOW);
        answer_to(&app, &good()).await.is_ok("alice");
        answer_to(&app, &good()).await.is_ok("alice");

        clock.set(seconds);

        let refused = answer_to(&app, &good()).await;
        refused.is_refused(401, Some(&invalid_token(sentence)), reason);
    }
}

#[tokio::test]
async fn revoked_token_is_refused_with_the_next_request_and_restored_ones_are_found_again() {
    let view = MemoryRevocations::new();
    let verifier = verifier().with_revocations(view.clone());
    let app = app(&verifier);
    answer_to(&app, &good()).await.is_ok("alice");
    answer_to(&app, &good()).await.is_ok("alice");

    view.revoke(Revocation::subject(
        ISSUER,
        "alice",
        SystemTime::UNIX_EPOCH + Duration::from_secs(NOW),
    ));

    let refused = answer_to(&app, &good()).await;
    refused.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
    view.restore(ISSUER, Revocable::Subject("alice"));
    answer_to(&app, &good()).await.is_ok("alice");
    counted(&verifier, 2, 2);
}

#[tokio::test]
async fn revocation_of_others_does_not_make_a_token_be_verified_again() {
    let view = MemoryRevocations::new();
    let verifier = verifier().with_revocations(view.clone());
    let app = app(&verifier);
    answer_to(&app, &good()).await.is_ok("alice");

    for n in 0..10 {
        view.revoke(Revocation::session(ISSUER, &n.to_string()));
        answer_to(&app, &good()).await.is_ok("alice");
    }

    counted(&verifier, 10, 1);
}

/// A view that never changes its epoch and is not ready now and then.
struct Torn(RwLock<bool>);

impl Revocations for Torn {
    fn lookup(&self, _: &str, _: Revocable<'_>) -> Option<Revoked> {
        None
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        if *self.0.read().unwrap() { Ok(()) } else { Err(RevocationsUnavailable::new("gap")) }
    }
}

#[tokio::test]
async fn token_is_503_while_the_view_is_not_whole_and_found_again_afterwards() {
    let view = Arc::new(Torn(RwLock::new(true)));
    let verifier = verifier().with_revocations(Arc::clone(&view));
    let app = app(&verifier);
    answer_to(&app, &good()).await.is_ok("alice");

    *view.0.write().unwrap() = false;
    answer_to(&app, &good()).await.is_refused(503, None, Reason::RevocationsUnavailable);
    *view.0.write().unwrap() = true;

    answer_to(&app, &good()).await.is_ok("alice");
    counted(&verifier, 1, 2);
}

#[tokio::test]
async fn token_of_an_issuer_that_went_is_refused_and_one_that_came_back_judges_anew() {
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    let verifier = Verifier::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let app = app(&verifier);
    answer_to(&app, &good()).await.is_ok("alice");
    answer_to(&app, &good()).await.is_ok("alice");

    issuers.remove(ISSUER);
    let refused = answer_to(&app, &good()).await;
    let challenge = invalid_token("The token cannot be verified");
    refused.is_refused(401, Some(&challenge), Reason::WrongIssuer);

    issuers.add(key_for(Algorithm::HS384).verifying_key(), validation()).unwrap();
    let refused = answer_to(&app, &good()).await;
    let challenge = invalid_token("The token cannot be verified");
    refused.is_refused(401, Some(&challenge), Reason::AlgorithmNotAllowed);

    issuers.remove(ISSUER);
    issuers.add(key().verifying_key(), validation()).unwrap();
    answer_to(&app, &good()).await.is_ok("alice");
    counted(&verifier, 1, 4);
}

#[tokio::test]
async fn issuer_that_comes_back_with_the_same_keys_and_other_rules_judges_by_these() {
    let (issuers, key) = (Issuers::new(), key().verifying_key());
    issuers.add(key.clone(), validation()).unwrap();
    let verifier = Verifier::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let app = app(&verifier);
    answer_to(&app, &good()).await.is_ok("alice");
    answer_to(&app, &good()).await.is_ok("alice");

    issuers.remove(ISSUER);
    issuers.add(key.clone(), validation().with_required_claims(["tenant"])).unwrap();
    let refused = answer_to(&app, &good()).await;
    let challenge = invalid_token("The token lacks a claim");
    refused.is_refused(401, Some(&challenge), Reason::MissingClaim);

    issuers.remove(ISSUER);
    issuers.add(key, validation()).unwrap();
    answer_to(&app, &good()).await.is_ok("alice");
    counted(&verifier, 1, 3);
}

/// Keys that are replaced behind the verifier's back, by a source that knows no epochs.
struct Replaced(RwLock<KeySet>);

impl KeySource for Replaced {
    fn lookup(&self, header: &Header) -> Lookup {
        self.0.read().unwrap().lookup(header)
    }
}

#[tokio::test]
async fn token_is_refused_when_its_key_is_replaced_and_found_when_the_key_is_merely_read_again() {
    let key = TestKey::generate(Algorithm::HS256).with_key_id("1");
    let source = Arc::new(Replaced(RwLock::new(key.verifying_key().into())));
    let verifier = verifier_of(Arc::clone(&source));
    let app = app(&verifier);
    let token = token().sign(&key);
    answer_to(&app, &token).await.is_ok("alice");

    *source.0.write().unwrap() = KeySet::from_jwks(key.to_jwk().to_string()).unwrap();
    answer_to(&app, &token).await.is_ok("alice");
    counted(&verifier, 1, 1);

    let other = TestKey::generate(Algorithm::HS256).with_key_id("1");
    *source.0.write().unwrap() = other.verifying_key().into();
    let refused = answer_to(&app, &token).await;
    let challenge = invalid_token("The token cannot be verified");
    refused.is_refused(401, Some(&challenge), Reason::InvalidSignature);
    assert_eq!(stats(&verifier).entries, 0);
}

/// A key whose source says that nothing changes, and counts how often it is asked.
struct Counted(AtomicUsize);

impl KeySource for Counted {
    fn lookup(&self, header: &Header) -> Lookup {
        self.0.fetch_add(1, Ordering::SeqCst);
        key().verifying_key().lookup(header)
    }

    fn epoch(&self) -> Option<u64> {
        Some(7)
    }
}

#[tokio::test]
async fn source_is_not_asked_again_while_its_epoch_is_the_same() {
    let source = Arc::new(Counted(AtomicUsize::new(0)));
    let verifier = verifier_of(Arc::clone(&source));
    let app = app(&verifier);

    for _ in 0..3 {
        answer_to(&app, &good()).await.is_ok("alice");
    }

    counted(&verifier, 2, 1);
    assert_eq!(source.0.load(Ordering::SeqCst), 1);
}

#[test]
fn keys_that_never_change_have_an_epoch_of_their_own() {
    let (one, other) = (key().verifying_key(), key().verifying_key());
    let (set, other_set) = (KeySet::from(one.clone()), KeySet::from(one.clone()));

    let epochs = [one.epoch(), other.epoch(), set.epoch(), other_set.epoch()];

    for (index, epoch) in epochs.iter().enumerate() {
        assert!(epoch.is_some() && !epochs[..index].contains(epoch), "{epochs:?}");
    }
    assert_eq!((one.clone().epoch(), set.clone().epoch()), (one.epoch(), set.epoch()));
}

#[tokio::test(start_paused = true)]
async fn fetched_keys_that_go_take_their_tokens_with_them_and_others_stay() {
    let provider = Scripted::new();
    let keys = Arc::new(scripted::cached(&provider));
    let verifier = verifier_of(Arc::clone(&keys));
    let app = app(&verifier);
    let stolen = provider.mint();
    provider.rotate();
    let other = provider.mint();
    for token in [&stolen, &other, &stolen, &other] {
        answer_to(&app, token).await.is_ok("alice");
    }
    let before = stats(&verifier);

    keys.block_key("key-1");

    let challenge = invalid_token("The token cannot be verified");
    let refused = answer_to(&app, &stolen).await;
    refused.is_refused(401, Some(&challenge), Reason::UnknownKey);
    answer_to(&app, &other).await.is_ok("alice");
    assert_eq!(stats(&verifier).hits, before.hits + 1);
}

#[tokio::test(start_paused = true)]
async fn token_is_503_when_its_keys_have_become_too_old_to_be_used() {
    let provider = Scripted::new();
    let keys = scripted::cached(&provider).with_stale_if_error(Duration::from_secs(60));
    let verifier = verifier_of(keys);
    let app = app(&verifier);
    let token = provider.mint();
    answer_to(&app, &token).await.is_ok("alice");
    provider.answer(scripted::Answer::Failure("away"));

    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;

    answer_to(&app, &token).await.is_refused(503, None, Reason::KeysUnavailable);
    provider.answer(scripted::Answer::Keys);
    tokio::time::sleep(Duration::from_secs(120)).await;
    answer_to(&app, &token).await.is_ok("alice");
}

#[tokio::test]
async fn clones_share_what_was_verified_and_other_rules_share_nothing() {
    let verifier = verifier();
    verifier.verify(&good()).await.unwrap();

    verifier.clone().verify(&good()).await.unwrap();
    counted(&verifier, 1, 1);

    for other in [
        verifier.clone().with_clock(TestClock::at(NOW)),
        verifier.clone().with_max_token_bytes(10_000),
        verifier.clone().with_revocations(MemoryRevocations::new()),
        verifier.clone().with_cache(8, 100_000),
    ] {
        other.verify(&good()).await.unwrap();
        counted(&other, 0, 1);
    }
    let shorter = verifier.clone().with_max_token_bytes(10);
    assert_eq!(shorter.verify(&good()).await.unwrap_err().reason(), Reason::TokenTooLarge);
}

#[tokio::test]
async fn guards_know_behind_which_layer_a_remembered_token_came_and_whether_behind_any() {
    let verifier = verifier();
    let guarded = || {
        let whose = |principal: Principal| async move { principal.subject().unwrap().to_owned() };
        let admin = on_get(|| async { "in" }).layer(require(role("admin")));
        Router::new().route("/", on_get(whose)).route("/admin", admin)
    };
    let behind = |realm: &str| {
        guarded().layer(BearerLayer::new(verifier.clone()).with_realm(realm).unwrap())
    };
    let (staff, shop) = (behind("staff"), behind("shop"));

    for _ in 0..3 {
        for (app, realm) in [(&staff, "staff"), (&shop, "shop")] {
            answer_to(app, &good()).await.is_ok("alice");
            let refused = send(app, get("/admin").bearer(good())).await;
            let challenge = format!("Bearer realm=\"{realm}\"");
            refused.is_refused(403, Some(&challenge), Reason::Forbidden);
        }
        // The same verifier, and no layer.
        let verified = verifier.verify(&good()).await.unwrap();
        let mut request = get("/");
        request.extensions_mut().insert(verified.principal().clone());
        send(&guarded(), request).await.is_refused(500, None, Reason::LayerMissing);
    }
    counted(&verifier, 14, 1);
}

#[tokio::test]
async fn guards_believe_what_a_layer_finds_that_was_first_verified_without_one() {
    let verifier = verifier();
    let admin = on_get(|| async { "in" }).layer(require(role("admin")));
    let app = Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .route("/admin", admin)
        .layer(BearerLayer::new(verifier.clone()).with_realm("shop").unwrap());
    let other = token().claim("roles", ["admin"]).sign(&key());
    for token in [&good(), &other] {
        verifier.verify(token).await.unwrap();
    }

    answer_to(&app, &good()).await.is_ok("alice");
    send(&app, get("/admin").bearer(&other)).await.is_ok("in");
    let refused = send(&app, get("/admin").bearer(good())).await;

    refused.is_refused(403, Some("Bearer realm=\"shop\""), Reason::Forbidden);
    counted(&verifier, 3, 2);
}

#[tokio::test]
async fn without_a_cache_every_token_is_verified_each_time() {
    let verifier = verifier().without_cache();
    let app = app(&verifier);

    answer_to(&app, &good()).await.is_ok("alice");
    answer_to(&app, &good()).await.is_ok("alice");

    assert_eq!(verifier.cache_stats(), None);
    let (first, second) = (verifier.verify(&good()).await, verifier.verify(&good()).await);
    assert!(!Arc::ptr_eq(first.unwrap().claims(), second.unwrap().claims()));
}

#[tokio::test]
async fn refused_tokens_are_not_kept() {
    let verifier = verifier();
    let app = app(&verifier);
    for bad in [
        token().claim("exp", 1).sign(&key()),
        token().claim("aud", "x").sign(&key()),
        token().claim("email", 5).sign(&key()),
        token().sign(&key_for(Algorithm::HS512)),
    ] {
        assert_ne!(answer_to(&app, &bad).await.status, 200);
    }

    assert_eq!(stats(&verifier).entries, 0);
    answer_to(&app, &good()).await.is_ok("alice");
    assert_eq!(stats(&verifier).entries, 1);
}
