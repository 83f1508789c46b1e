//! Tests key sources on a machine that resumes from a suspension, which only unit tests can
//! simulate.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::clock::pretend_to_be_suspended;
use crate::jose::Algorithm;
use crate::keys::{KeysState, VerifyingKey};

const HOUR: Duration = Duration::from_secs(3600);

/// Has keys as long as it is told so.
#[derive(Clone, Default)]
struct Provider(Arc<AtomicBool>);

impl Fetch for Provider {
    async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
        if self.0.load(Ordering::SeqCst) {
            return Err(KeysUnavailable::new("no route"));
        }
        let key = VerifyingKey::from_secret(Algorithm::HS256, [7; 32]).expect("it is long enough");
        Ok(KeySet::from(key).into())
    }
}

async fn ready() -> (CachedKeys<Provider>, Provider, Header) {
    let provider = Provider::default();
    let keys = CachedKeys::new(provider.clone());
    keys.await_ready(HOUR).await.unwrap();
    (keys, provider, Header::parse(br#"{"alg":"HS256"}"#).unwrap())
}

#[tokio::test(start_paused = true)]
async fn keys_grow_old_while_the_machine_is_suspended() {
    let (keys, provider, header) = ready().await;
    provider.0.store(true, Ordering::SeqCst);
    assert_eq!(keys.status().state(), KeysState::Fresh);

    pretend_to_be_suspended(HOUR);

    assert_eq!(keys.status().state(), KeysState::Stale);
    assert!(matches!(keys.lookup(&header), Lookup::Found(_)) && keys.epoch().is_some());

    pretend_to_be_suspended(4 * HOUR);

    assert_eq!(keys.status().state(), KeysState::Expired);
    assert!(matches!(keys.lookup(&header), Lookup::Refresh) && keys.epoch().is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_within_a_minute_after_a_machine_has_woken_up() {
    let (keys, _, _) = ready().await;

    pretend_to_be_suspended(HOUR);
    tokio::time::sleep(Duration::from_secs(61)).await;

    assert_eq!((keys.status().state(), keys.status().fetches()), (KeysState::Fresh, 2));
}
