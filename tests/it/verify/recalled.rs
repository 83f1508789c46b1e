//! Tests tokens that come again, and the facts that a verifier may remember of them.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::routing::get as on_get;
use futures::executor::block_on;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, Lookup};
use tower_bearer::revocation::{MemoryRevocations, Revocable, Revocation, Revocations, Revoked};
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::{Algorithm, BearerLayer, KeySet, Reason};

use crate::support::{
    ISSUER, NOW, WithBearer, get, good, invalid_token, key, send, token, verifier, verifier_of,
};

/// Forwards to the keys that it holds now, their epoch too.
struct HandsOn<K>(RwLock<K>);

impl<K: KeySource> KeySource for HandsOn<K> {
    fn lookup(&self, header: &Header) -> Lookup {
        self.0.read().unwrap_or_else(PoisonError::into_inner).lookup(header)
    }

    fn epoch(&self) -> Option<u64> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).epoch()
    }
}

async fn replaced_key_is_noticed<K: KeySource + Clone>(of: fn(&TestKey) -> K) {
    let (old, new) = (TestKey::generate(Algorithm::HS256), TestKey::generate(Algorithm::HS256));
    let keys = of(&old);
    let source = Arc::new(HandsOn(RwLock::new(keys.clone())));
    let verifier = verifier_of(Arc::clone(&source));
    let layer = BearerLayer::new(verifier.clone());
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
    let token = token().sign(&old);
    send(&app, get("/").bearer(&token)).await.is_ok("in");
    *source.0.write().unwrap() = keys;
    send(&app, get("/").bearer(&token)).await.is_ok("in");
    assert_eq!(verifier.cache_stats().unwrap().hits, 1);

    *source.0.write().unwrap() = of(&new);

    let refused = send(&app, get("/").bearer(&token)).await;
    let challenge = invalid_token("The token cannot be verified");
    refused.is_refused(401, Some(&challenge), Reason::InvalidSignature);
}

#[tokio::test]
async fn source_that_hands_on_the_epoch_of_the_keys_it_holds_forgets_those_it_held() {
    replaced_key_is_noticed(|key| KeySet::from(key.verifying_key())).await;
    replaced_key_is_noticed(TestKey::verifying_key).await;
}

impl Revocations for HandsOn<MemoryRevocations> {
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
        Revocations::lookup(&*self.0.read().unwrap(), issuer, name)
    }

    fn epoch(&self) -> u64 {
        Revocations::epoch(&*self.0.read().unwrap())
    }
}

#[tokio::test]
async fn view_that_hands_on_the_epoch_of_what_it_holds_knows_what_it_was_given_instead() {
    let of = |jti| {
        let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
        view.revoke(Revocation::token(ISSUER, jti, UNIX_EPOCH + Duration::from_secs(NOW + 900)));
        view
    };
    let view = Arc::new(HandsOn(RwLock::new(of("t1"))));
    let layer = BearerLayer::new(verifier().with_revocations(Arc::clone(&view)));
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
    let token = token().claim("jti", "t2").sign(&key());
    send(&app, get("/").bearer(&token)).await.is_ok("in");

    *view.0.write().unwrap() = of("t2");

    let refused = send(&app, get("/").bearer(&token)).await;
    let challenge = invalid_token("The token was revoked");
    refused.is_refused(401, Some(&challenge), Reason::Revoked);
}

#[test]
fn bounds_that_are_left_open_are_no_bounds_of_memory() {
    for (entries, bytes) in [(usize::MAX, 1 << 20), (usize::MAX, usize::MAX)] {
        let verifier = verifier().with_cache(entries, bytes);

        block_on(verifier.verify(&good())).unwrap();
        block_on(verifier.verify(&good())).unwrap();

        assert_eq!(verifier.cache_stats().unwrap().hits, 1);
    }
}
