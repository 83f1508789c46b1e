//! What a suspended machine finds when it wakes up. Here, where it can be pretended.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::claims::Principal;
use crate::clock::pretend_to_be_suspended;
use crate::jose::Algorithm;
use crate::test_util::{TestKey, TestToken};
use crate::validation::Validation;
use crate::verifier::Verifier;

#[tokio::test(start_paused = true)]
async fn answer_grows_old_while_the_machine_is_suspended() {
    let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
    let (key, calls) = (TestKey::generate(Algorithm::HS256), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&calls);
    let check = StillActive::new(move |_: Principal| {
        counted.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok::<_, io::Error>(true))
    });
    let verifier = Verifier::<Value>::new(key.verifying_key(), Validation::new(issuer, audience))
        .unwrap()
        .with_active_check(check.cached_for(Duration::from_secs(10)));
    let token = TestToken::new(issuer, audience).sign(&key);
    let calls_after_one_more = async || {
        verifier.verify(&token).await.unwrap();
        calls.load(Ordering::SeqCst)
    };
    assert_eq!(calls_after_one_more().await, 1);

    pretend_to_be_suspended(Duration::from_secs(9));
    assert_eq!(calls_after_one_more().await, 1);
    pretend_to_be_suspended(Duration::from_secs(1));
    assert_eq!(calls_after_one_more().await, 2);
}
