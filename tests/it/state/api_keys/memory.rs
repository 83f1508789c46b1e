use tower_bearer::api_key::{ApiKeyChange, ApiKeySource as _, ApiKeyStore as _, BoxApiKeyStore};
use tower_bearer::api_key::{ApiKeyRotation, MemoryApiKeys};

use super::contract;

#[tokio::test]
async fn memory_keeps_the_contract_of_a_store() {
    contract::all(|| async { MemoryApiKeys::new() }).await;
    contract::all(|| async { BoxApiKeyStore::new(MemoryApiKeys::new()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_once_are_one_after_the_other() {
    contract::calls_at_once_are_one_after_the_other(MemoryApiKeys::new()).await;
}

#[tokio::test]
async fn generation_changes_with_each_change_that_refuses_a_key() {
    let store = MemoryApiKeys::new();
    let before = store.generation();
    contract::fill(&store, "alice", 2).await;
    store.record_uses(&[("alice-0".into(), contract::at(1))]).await.unwrap();
    assert_eq!(store.generation(), before);

    let mut last = before;
    for step in 0..4 {
        match step {
            0 => drop(store.change("alice-0", None, ApiKeyChange::Disable).await.unwrap()),
            1 => drop(store.change("alice-0", None, ApiKeyChange::Enable).await.unwrap()),
            2 => {
                let new = contract::key("new", "alice");
                let (until, now) = (contract::at(9), contract::at(2));
                let rotation = ApiKeyRotation::new("alice-0", new, until, now, None);
                drop(store.clone().rotate(rotation).await.unwrap());
            }
            _ => {
                let end = ApiKeyChange::End(contract::at(3));
                drop(
                    BoxApiKeyStore::new(store.clone()).change("alice-0", None, end).await.unwrap(),
                );
            }
        }
        assert_ne!(store.generation(), last, "{step}");
        last = store.generation();
    }
    store.sweep(contract::at(3)).await.unwrap();
    assert_ne!(store.generation(), last);
    assert_eq!(store.len(), 2);
}
