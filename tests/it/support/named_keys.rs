//! Makes keys with names and tokens of theirs, and waits for a condition.

use std::time::Duration;

use tower_bearer::Algorithm;
use tower_bearer::test_util::{TestKey, TestToken};

use crate::support::{AUDIENCE, ISSUER, key_for};

pub fn named(id: &str) -> TestKey {
    key_for(Algorithm::ES256).with_key_id(id)
}

pub fn token_of(key: &TestKey) -> String {
    TestToken::new(ISSUER, AUDIENCE).sign(key)
}

pub async fn settled(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to that");
}
