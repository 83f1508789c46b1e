//! Tokens that come again, and what a verifier may remember of them.

use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::routing::get as on_get;
use futures::executor::block_on;
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, BearerLayer, Header, KeySet, KeySource, Lookup, Reason};

use crate::support::{WithBearer, get, good, invalid_token, send, token, verifier, verifier_of};

/// Hands on what the keys say that it holds now, their epoch too.
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
    let challenge = invalid_token("The token's signature is invalid");
    refused.is_refused(401, Some(&challenge), Reason::InvalidSignature);
}

#[tokio::test]
async fn source_that_hands_on_the_epoch_of_the_keys_it_holds_forgets_those_it_held() {
    replaced_key_is_noticed(|key| KeySet::from(key.verifying_key())).await;
    replaced_key_is_noticed(TestKey::verifying_key).await;
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
