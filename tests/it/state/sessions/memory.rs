use super::contract;
use tower_bearer::session::{MemorySessions, SessionStore as _};

#[tokio::test]
async fn memory_keeps_the_contract_of_a_store() {
    contract::all(|| async { MemorySessions::new() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundred_refreshes_at_once_end_with_one_successor() {
    contract::hundred_refreshes_at_once(MemorySessions::new()).await;
}

#[tokio::test]
async fn sweep_removes_what_has_expired_and_nothing_else() {
    let store = MemorySessions::new();
    contract::fill(&store, "alice", 3).await;

    store.sweep(contract::at(99)).await.unwrap();
    assert_eq!(store.len(), 3);
    store.sweep(contract::at(1_000)).await.unwrap();

    assert!(store.is_empty());
}

#[tokio::test]
async fn session_that_was_refreshed_is_not_swept_when_it_was_due_first() {
    let store = MemorySessions::new();
    contract::fill(&store, "alice", 1).await;
    store.rotate(contract::rotation("alice-0", 0, 90)).await.unwrap();

    store.sweep(contract::at(150)).await.unwrap();

    assert_eq!(store.len(), 1);
    store.sweep(contract::at(190)).await.unwrap();
    assert!(store.is_empty());
}
