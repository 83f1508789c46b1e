//! The contract of a store, as tests that take one.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_bearer::api_key::{
    ApiKeyChange, ApiKeyCreation, ApiKeyHash, ApiKeyRecord, ApiKeyRotation, ApiKeyRotationOutcome,
    ApiKeySource, ApiKeyStore, NewApiKeyRecord,
};

/// Runs every test of the contract that has no other tasks, each with a store that is empty.
pub async fn all<S: ApiKeyStore, F: Future<Output = S>>(make: impl Fn() -> F) {
    key_is_found_as_it_was_stored(make().await).await;
    key_that_does_not_exist_is_not_found(make().await).await;
    storing_a_key_twice_is_the_same_as_once(make().await).await;
    keys_of_an_owner_are_listed_oldest_first(make().await).await;
    owner_has_no_more_live_keys_than_it_may_have(make().await).await;
    key_is_disabled_and_enabled(make().await).await;
    key_that_has_ended_is_not_changed_any_more(make().await).await;
    key_of_another_owner_is_not_changed(make().await).await;
    old_key_is_good_for_some_time_after_its_rotation(make().await).await;
    rotation_lets_no_key_live_longer(make().await).await;
    key_that_is_not_good_is_not_rotated(make().await).await;
    rotation_does_not_pass_the_limit(make().await).await;
    last_use_moves_forward_only(make().await).await;
    sweep_removes_what_has_been_gone_for_long(make().await).await;
    any_text_is_kept(make().await).await;
    moments_are_kept_to_the_millisecond(make().await).await;
}

pub fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
}

/// Begins at 0 and does not expire.
pub fn key(id: &str, owner: &str) -> ApiKeyRecord {
    ApiKeyRecord::new(id, ApiKeyHash::from_bytes([7; 32]), owner, at(0))
}

pub async fn create(store: &impl ApiKeyStore, record: ApiKeyRecord) {
    let created = store.create(NewApiKeyRecord::new(record, None)).await.unwrap();
    assert_eq!(created, ApiKeyCreation::Created);
}

pub async fn fill(store: &impl ApiKeyStore, owner: &str, count: u64) {
    for number in 0..count {
        let mut record = key(&format!("{owner}-{number}"), owner);
        record.created_at = at(number);
        create(store, record).await;
    }
}

async fn found(store: &impl ApiKeySource, id: &str) -> ApiKeyRecord {
    store.find(id).await.unwrap().unwrap_or_else(|| panic!("{id}"))
}

async fn ids(store: &impl ApiKeyStore, owner: &str) -> Vec<String> {
    let keys = store.of_owner(owner).await.unwrap();
    keys.into_iter().map(|record| record.id).collect()
}

async fn key_is_found_as_it_was_stored(store: impl ApiKeyStore) {
    let mut stored = key("k", "alice");
    stored.label = "nightly builds".into();
    stored.roles = vec!["builder".into(), "two words".into()];
    stored.scopes = vec!["images:read".into(), "images:write".into()];
    stored.expires_at = Some(at(1000));
    stored.lifetime = Some(Duration::from_millis(1_000_001));
    stored.last_used = Some(at(10));
    stored.disabled = true;
    create(&store, stored.clone()).await;
    create(&store, key("other", "bob")).await;

    assert_eq!(found(&store, "k").await, stored);
    assert_eq!(store.of_owner("alice").await.unwrap(), [stored]);
    assert_eq!(found(&store, "other").await, key("other", "bob"));
}

async fn key_that_does_not_exist_is_not_found(store: impl ApiKeyStore) {
    fill(&store, "alice", 1).await;

    assert_eq!(store.find("alice-1").await.unwrap(), None);
    assert_eq!(store.find("").await.unwrap(), None);
    assert_eq!(store.change("none", None, ApiKeyChange::Disable).await.unwrap(), None);
    let rotation = ApiKeyRotation::new("none", key("new", "alice"), at(10), at(1), None);
    assert_eq!(store.rotate(rotation).await.unwrap(), ApiKeyRotationOutcome::Unknown);
    assert!(store.of_owner("bob").await.unwrap().is_empty());
    store.record_uses(&[("none".into(), at(1))]).await.unwrap();
    assert_eq!(ids(&store, "alice").await, ["alice-0"]);
}

async fn storing_a_key_twice_is_the_same_as_once(store: impl ApiKeyStore) {
    create(&store, key("k", "alice")).await;
    let mut again = key("k", "mallory");
    again.hash = ApiKeyHash::from_bytes([8; 32]);

    create(&store, again).await;
    let limited = NewApiKeyRecord::new(key("k", "alice"), Some(1));
    let created = store.create(limited).await.unwrap();

    assert_eq!(created, ApiKeyCreation::Created);
    assert_eq!(found(&store, "k").await, key("k", "alice"));
    assert!(ids(&store, "mallory").await.is_empty());
}

async fn keys_of_an_owner_are_listed_oldest_first(store: impl ApiKeyStore) {
    for (id, second) in [("b", 2), ("a", 2), ("c", 1), ("z", 0)] {
        let mut record = key(id, "alice");
        record.created_at = at(second);
        create(&store, record).await;
    }
    fill(&store, "alic", 1).await;
    fill(&store, "Alice", 1).await;
    store.change("c", None, ApiKeyChange::End(at(3))).await.unwrap();

    assert_eq!(ids(&store, "alice").await, ["z", "c", "a", "b"]);
}

async fn owner_has_no_more_live_keys_than_it_may_have(store: impl ApiKeyStore) {
    let new = |id: &str, second: u64| {
        let mut record = key(id, "alice");
        record.created_at = at(second);
        record.expires_at = Some(at(second + 10));
        NewApiKeyRecord::new(record, Some(2))
    };
    fill(&store, "bob", 5).await;

    assert_eq!(store.create(new("a", 0)).await.unwrap(), ApiKeyCreation::Created);
    assert_eq!(store.create(new("b", 1)).await.unwrap(), ApiKeyCreation::Created);
    assert_eq!(store.create(new("c", 9)).await.unwrap(), ApiKeyCreation::TooMany);
    assert_eq!(store.find("c").await.unwrap(), None);
    // The first has expired.
    assert_eq!(store.create(new("d", 10)).await.unwrap(), ApiKeyCreation::Created);
    assert_eq!(store.create(new("e", 10)).await.unwrap(), ApiKeyCreation::TooMany);
    store.change("d", None, ApiKeyChange::Disable).await.unwrap();
    assert_eq!(store.create(new("e", 10)).await.unwrap(), ApiKeyCreation::TooMany);
    store.change("d", None, ApiKeyChange::End(at(10))).await.unwrap();
    assert_eq!(store.create(new("e", 10)).await.unwrap(), ApiKeyCreation::Created);
}

async fn key_is_disabled_and_enabled(store: impl ApiKeyStore) {
    fill(&store, "alice", 2).await;

    let changed = store.change("alice-0", None, ApiKeyChange::Disable).await.unwrap().unwrap();
    assert!(changed.disabled && found(&store, "alice-0").await == changed);
    let again = store.change("alice-0", Some("alice"), ApiKeyChange::Disable).await.unwrap();
    assert_eq!(again, Some(changed));
    let changed = store.change("alice-0", Some("alice"), ApiKeyChange::Enable).await.unwrap();

    assert!(!changed.unwrap().disabled);
    let mut expected = key("alice-0", "alice");
    expected.created_at = at(0);
    assert_eq!(found(&store, "alice-0").await, expected);
    assert!(!found(&store, "alice-1").await.disabled);
}

async fn key_that_has_ended_is_not_changed_any_more(store: impl ApiKeyStore) {
    fill(&store, "alice", 1).await;

    let ended = store.change("alice-0", Some("alice"), ApiKeyChange::End(at(5))).await.unwrap();
    let ended = ended.unwrap();

    assert_eq!(ended.ended_at, Some(at(5)));
    assert!(!ended.is_live(at(4)));
    for change in [ApiKeyChange::End(at(9)), ApiKeyChange::Disable, ApiKeyChange::Enable] {
        let changed = store.change("alice-0", None, change).await.unwrap();
        assert_eq!(changed, Some(ended.clone()), "{change:?}");
    }
    assert_eq!(found(&store, "alice-0").await, ended);
}

async fn key_of_another_owner_is_not_changed(store: impl ApiKeyStore) {
    fill(&store, "alice", 1).await;

    for change in [ApiKeyChange::End(at(9)), ApiKeyChange::Disable] {
        assert_eq!(store.change("alice-0", Some("bob"), change).await.unwrap(), None);
    }
    let rotation = ApiKeyRotation::new("alice-0", key("new", "bob"), at(10), at(1), None);
    assert_eq!(store.rotate(rotation).await.unwrap(), ApiKeyRotationOutcome::Unknown);

    assert_eq!(found(&store, "alice-0").await, key("alice-0", "alice"));
    assert_eq!(store.find("new").await.unwrap(), None);
}

async fn old_key_is_good_for_some_time_after_its_rotation(store: impl ApiKeyStore) {
    fill(&store, "alice", 1).await;
    let mut new = key("new", "alice");
    new.created_at = at(50);

    let rotation = ApiKeyRotation::new("alice-0", new.clone(), at(60), at(50), None);
    let outcome = store.rotate(rotation).await.unwrap();

    let ApiKeyRotationOutcome::Rotated(old) = outcome else { panic!("{outcome:?}") };
    assert_eq!(old.expires_at, Some(at(60)));
    assert!(old.is_live(at(59)) && !old.is_live(at(60)));
    assert_eq!(found(&store, "alice-0").await, *old);
    assert_eq!(found(&store, "new").await, new);
    assert_eq!(ids(&store, "alice").await, ["alice-0", "new"]);
}

async fn rotation_lets_no_key_live_longer(store: impl ApiKeyStore) {
    let mut old = key("old", "alice");
    old.expires_at = Some(at(55));
    create(&store, old.clone()).await;

    let rotation = ApiKeyRotation::new("old", key("new", "alice"), at(60), at(50), None);
    let outcome = store.rotate(rotation).await.unwrap();

    assert_eq!(outcome, ApiKeyRotationOutcome::Rotated(Box::new(old.clone())));
    assert_eq!(found(&store, "old").await, old);
}

async fn key_that_is_not_good_is_not_rotated(store: impl ApiKeyStore) {
    let mut expired = key("expired", "alice");
    expired.expires_at = Some(at(50));
    create(&store, expired).await;
    create(&store, key("disabled", "alice")).await;
    create(&store, key("ended", "alice")).await;
    store.change("disabled", None, ApiKeyChange::Disable).await.unwrap();
    store.change("ended", None, ApiKeyChange::End(at(1))).await.unwrap();

    for id in ["expired", "disabled", "ended"] {
        let rotation = ApiKeyRotation::new(id, key("new", "alice"), at(60), at(50), None);
        assert_eq!(store.rotate(rotation).await.unwrap(), ApiKeyRotationOutcome::Unknown, "{id}");
    }
    assert_eq!(store.find("new").await.unwrap(), None);
    // The twin: a moment before.
    let rotation = ApiKeyRotation::new("expired", key("new", "alice"), at(60), at(49), None);
    let outcome = store.rotate(rotation).await.unwrap();
    assert!(matches!(&outcome, ApiKeyRotationOutcome::Rotated(_)), "{outcome:?}");
}

async fn rotation_does_not_pass_the_limit(store: impl ApiKeyStore) {
    fill(&store, "alice", 2).await;
    let rotation = |id, new| ApiKeyRotation::new(id, key(new, "alice"), at(60), at(2), Some(2));

    // Beside the old key, there is one.
    let outcome = store.rotate(rotation("alice-0", "new")).await.unwrap();
    assert!(matches!(&outcome, ApiKeyRotationOutcome::Rotated(_)), "{outcome:?}");
    // Now there are the old key of before and another.
    assert_eq!(
        store.rotate(rotation("new", "newer")).await.unwrap(),
        ApiKeyRotationOutcome::TooMany
    );

    assert_eq!(store.find("newer").await.unwrap(), None);
    assert_eq!(found(&store, "new").await.expires_at, None);
}

async fn last_use_moves_forward_only(store: impl ApiKeyStore) {
    fill(&store, "alice", 2).await;

    let uses = [("alice-0".to_owned(), at(10)), ("alice-1".to_owned(), at(20))];
    store.record_uses(&uses).await.unwrap();
    store.record_uses(&[("alice-0".into(), at(9))]).await.unwrap();
    store.record_uses(&[]).await.unwrap();

    assert_eq!(found(&store, "alice-0").await.last_used, Some(at(10)));
    assert_eq!(found(&store, "alice-1").await.last_used, Some(at(20)));
    store.record_uses(&[("alice-0".into(), at(11))]).await.unwrap();
    assert_eq!(found(&store, "alice-0").await.last_used, Some(at(11)));
}

async fn sweep_removes_what_has_been_gone_for_long(store: impl ApiKeyStore) {
    fill(&store, "alice", 3).await;
    let mut expired = key("expired", "alice");
    expired.expires_at = Some(at(50));
    create(&store, expired).await;
    store.change("alice-0", None, ApiKeyChange::End(at(40))).await.unwrap();
    store.change("alice-1", None, ApiKeyChange::Disable).await.unwrap();

    while store.sweep(at(39)).await.unwrap() {}
    assert_eq!(ids(&store, "alice").await.len(), 4);
    while store.sweep(at(40)).await.unwrap() {}
    assert_eq!(ids(&store, "alice").await, ["expired", "alice-1", "alice-2"]);
    while store.sweep(at(50)).await.unwrap() {}

    assert_eq!(ids(&store, "alice").await, ["alice-1", "alice-2"]);
    assert_eq!(store.find("expired").await.unwrap(), None);
}

async fn any_text_is_kept(store: impl ApiKeyStore) {
    let texts = ["é 漢 🦀", "a'b\"c\\d", "%_", "\u{FFFF}0", "a\0b", " x ", "\n", ""];
    for (number, text) in texts.into_iter().enumerate() {
        let mut record = key(&number.to_string(), if text.is_empty() { "x" } else { text });
        record.label = text.into();
        record.roles = vec![text.into(), "other".into()];
        create(&store, record.clone()).await;

        assert_eq!(found(&store, &number.to_string()).await, record, "{text:?}");
        assert_eq!(store.of_owner(&record.owner).await.unwrap(), [record], "{text:?}");
    }
}

async fn moments_are_kept_to_the_millisecond(store: impl ApiKeyStore) {
    let mut record = key("k", "alice");
    record.created_at = at(1) + Duration::from_millis(1);
    record.expires_at = Some(at(2) + Duration::from_millis(999));
    create(&store, record.clone()).await;
    let used = at(3) + Duration::from_millis(42);
    store.record_uses(&[("k".into(), used)]).await.unwrap();
    record.last_used = Some(used);

    assert_eq!(found(&store, "k").await, record);
}

/// Of many calls at once, no two make one key too many, and one rotation wins over the end of its key or comes before.
pub async fn calls_at_once_are_one_after_the_other(store: impl ApiKeyStore) {
    let store = Arc::new(store);
    let creating: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            let new = NewApiKeyRecord::new(key(&format!("k{number}"), "alice"), Some(5));
            tokio::spawn(async move { store.create(new).await.unwrap() })
        })
        .collect();
    let mut created = 0;
    for one in creating {
        created += usize::from(one.await.unwrap() == ApiKeyCreation::Created);
    }
    assert_eq!((created, ids(&*store, "alice").await.len()), (5, 5));

    create(&*store, key("k", "bob")).await;
    let rotating: Vec<_> = (0..10)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let new = key(&format!("n{number}"), "bob");
                let rotation = ApiKeyRotation::new("k", new, at(60), at(1), Some(3));
                store.rotate(rotation).await.unwrap()
            })
        })
        .collect();
    let mut rotated = 0;
    for one in rotating {
        rotated += usize::from(matches!(one.await.unwrap(), ApiKeyRotationOutcome::Rotated(_)));
    }
    assert_eq!((rotated, ids(&*store, "bob").await.len()), (3, 4));
}
