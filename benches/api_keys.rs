//! Measures what the decision about an API key costs, without a layer and its cache.
//!
//! `cargo bench --bench api_keys`. `-- --quick` shows that it runs, and measures nothing.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

use std::time::{Duration, Instant};

use tower_bearer::api_key::{
    ApiKey, ApiKeyManager, ApiKeyPrefix, ApiKeyRequest, ApiKeys, MemoryApiKeys,
};
use tower_bearer::middleware::Authenticator as _;

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let time = if is_quick { Duration::from_millis(20) } else { Duration::from_secs(3) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has room for a runtime").block_on(async {
        let prefix = ApiKeyPrefix::new("acme").expect("a good prefix");
        let store = MemoryApiKeys::new();
        let manager = ApiKeyManager::new(prefix.clone(), store.clone()).with_max_per_owner(None);
        let request = || {
            let request = ApiKeyRequest::for_owner("build-server").with_label("nightly builds");
            request.with_roles(["builder"]).with_scopes(["images:read", "images:write"])
        };
        for _ in 0..if is_quick { 100 } else { 100_000 } {
            manager.create(request()).await.expect("memory never fails");
        }
        let known = manager.create(request()).await.expect("memory never fails").key;
        let unknown = ApiKey::generate(&prefix).expect("the system has randomness");
        let mut mistyped = known.as_str().to_owned();
        let last = if mistyped.ends_with('a') { 'b' } else { 'a' };
        mistyped.pop();
        mistyped.push(last);
        let keys = ApiKeys::new(prefix, store).expect("there is a back end");
        for (name, token) in [
            ("mistyped", mistyped.as_str()),
            ("cut off", &mistyped[..70]),
            ("not known", unknown.as_str()),
            ("known", known.as_str()),
        ] {
            let (mut count, began) = (0_u32, Instant::now());
            while began.elapsed() < time {
                for _ in 0..1_000 {
                    drop(std::hint::black_box(keys.authenticate(token).await));
                }
                count += 1_000;
            }
            println!("{name:12}{:>8.0} ns", began.elapsed().as_nanos() as f64 / f64::from(count));
        }
    });
}
