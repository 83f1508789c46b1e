//! The contract of a store, as tests that take one.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_bearer::session::{
    CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, TokenHash,
};

/// Runs every test of the contract that has no other tasks, each with a store that is empty.
pub async fn all<S: SessionStore, F: Future<Output = S>>(make: impl Fn() -> F) {
    session_is_found_as_it_was_stored(make().await).await;
    token_is_exchanged_once_and_again_until_its_successor_is_used(make().await).await;
    used_token_ends_the_session(make().await).await;
    expired_session_is_not_refreshed(make().await).await;
    token_is_bound_to_its_client(make().await).await;
    session_that_does_not_exist_is_unknown(make().await).await;
    session_of_another_subject_is_not_ended(make().await).await;
    ended_session_stays_until_it_is_removed(make().await).await;
    oldest_sessions_give_way(make().await).await;
    all_sessions_but_one_are_ended(make().await).await;
    sign_in_that_began_before_all_were_ended_is_refused(make().await).await;
    storing_a_session_twice_is_the_same_as_once(make().await).await;
    any_text_is_kept(make().await).await;
    sweep_returns_what_was_not_removed(make().await).await;
}

pub fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second)
}

pub fn token(number: u8) -> TokenHash {
    TokenHash::from_bytes([number; 32])
}

/// Begins at 0, is idle until 100, and ends at 1000.
pub fn session(id: &str, subject: &str) -> Session {
    let mut session = Session::new(id, subject, token(0), at(0), at(1000));
    session.idle_until = at(100);
    session
}

/// Exchanges the token of this number for the next. The session may then be idle for 100 seconds.
pub fn rotation(id: &str, number: u8, now: u64) -> Rotation<'_> {
    let (presented, next) = (token(number), token(number + 1));
    Rotation::new(id, presented, next, at(now), at(now + 100))
}

pub async fn fill(store: &impl SessionStore, subject: &str, count: u64) {
    for number in 0..count {
        let mut session = session(&format!("{subject}-{number}"), subject);
        session.created_at = at(number);
        create(store, session, None).await;
    }
}

async fn create(store: &impl SessionStore, session: Session, max: Option<usize>) -> Vec<String> {
    let signed_in_at = session.created_at;
    match store.create(NewSession::new(session, signed_in_at, max)).await.unwrap() {
        CreationOutcome::Created { ended } => ids(&ended),
        other => panic!("{other:?}"),
    }
}

fn ids(sessions: &[Session]) -> Vec<String> {
    let mut ids: Vec<_> = sessions.iter().map(|session| session.id.clone()).collect();
    ids.sort();
    ids
}

async fn live(store: &impl SessionStore, subject: &str, now: u64) -> Vec<String> {
    let sessions = store.of_subject(subject, at(now)).await.unwrap();
    sessions.into_iter().map(|session| session.id).collect()
}

async fn session_is_found_as_it_was_stored(store: impl SessionStore) {
    let mut stored = session("s", "alice");
    stored.client_id = Some("app".into());
    stored.device = Some("Firefox on Linux".into());
    create(&store, stored.clone(), None).await;
    fill(&store, "bob", 1).await;

    let found = store.of_subject("alice", at(1)).await.unwrap();

    assert_eq!(found, [stored]);
    assert!(live(&store, "carol", 1).await.is_empty());
    assert!(live(&store, "alice", 100).await.is_empty());
}

async fn token_is_exchanged_once_and_again_until_its_successor_is_used(store: impl SessionStore) {
    fill(&store, "alice", 1).await;

    let RotationOutcome::Rotated(session) = store.rotate(rotation("alice-0", 0, 50)).await.unwrap()
    else {
        panic!("first")
    };
    assert_eq!((session.current, session.previous), (token(1), Some(token(0))));
    assert_eq!((session.last_seen, session.idle_until), (at(50), at(150)));
    for now in [51, 140] {
        let again = store.rotate(rotation("alice-0", 0, now)).await.unwrap();
        assert!(matches!(&again, RotationOutcome::Repeated(_)), "{again:?}");
    }
    let RotationOutcome::Rotated(session) =
        store.rotate(rotation("alice-0", 1, 230)).await.unwrap()
    else {
        panic!("second")
    };

    assert_eq!(store.of_subject("alice", at(240)).await.unwrap(), [session]);
}

async fn used_token_ends_the_session(store: impl SessionStore) {
    fill(&store, "alice", 2).await;
    store.rotate(rotation("alice-0", 0, 50)).await.unwrap();
    store.rotate(rotation("alice-0", 1, 51)).await.unwrap();

    let reused = store.rotate(rotation("alice-0", 0, 52)).await.unwrap();
    let after = store.rotate(rotation("alice-0", 2, 53)).await.unwrap();

    assert!(matches!(&reused, RotationOutcome::Reused(session) if session.ended), "{reused:?}");
    assert!(matches!(&after, RotationOutcome::Ended(_)), "{after:?}");
    assert_eq!(live(&store, "alice", 54).await, ["alice-1"]);
}

async fn expired_session_is_not_refreshed(store: impl SessionStore) {
    fill(&store, "alice", 2).await;

    let idle = store.rotate(rotation("alice-0", 0, 100)).await.unwrap();
    let in_time = store.rotate(rotation("alice-1", 0, 99)).await.unwrap();
    for (number, now) in (1..).zip((150..1000).step_by(50)) {
        let refreshed = store.rotate(rotation("alice-1", number, now)).await.unwrap();
        assert!(matches!(&refreshed, RotationOutcome::Rotated(_)), "{now}: {refreshed:?}");
    }
    let too_old = store.rotate(rotation("alice-1", 18, 1000)).await.unwrap();

    // Where the store itself removes what has expired, it is not known any more.
    for expired in [idle, too_old] {
        let is_gone = matches!(&expired, RotationOutcome::Expired | RotationOutcome::Unknown);
        assert!(is_gone, "{expired:?}");
    }
    assert!(matches!(&in_time, RotationOutcome::Rotated(_)), "{in_time:?}");
}

async fn token_is_bound_to_its_client(store: impl SessionStore) {
    let mut bound = session("s", "alice");
    bound.client_id = Some("app".into());
    create(&store, bound, None).await;

    for client_id in [None, Some("App"), Some("")] {
        let rotation = rotation("s", 0, 50).with_client_id(client_id);
        let outcome = store.rotate(rotation).await.unwrap();
        assert!(matches!(&outcome, RotationOutcome::WrongClient), "{client_id:?}: {outcome:?}");
    }

    let outcome = store.rotate(rotation("s", 0, 50).with_client_id(Some("app"))).await.unwrap();
    assert!(matches!(&outcome, RotationOutcome::Rotated(_)), "{outcome:?}");
}

async fn session_that_does_not_exist_is_unknown(store: impl SessionStore) {
    let outcome = store.rotate(rotation("s", 0, 50)).await.unwrap();

    assert!(matches!(&outcome, RotationOutcome::Unknown), "{outcome:?}");
    assert!(store.end("s", None).await.unwrap().is_none());
    assert!(store.end_all("alice", None, at(50)).await.unwrap().is_empty());
    store.remove(&["s"]).await.unwrap();
}

async fn session_of_another_subject_is_not_ended(store: impl SessionStore) {
    fill(&store, "alice", 1).await;

    assert!(store.end("alice-0", Some("bob")).await.unwrap().is_none());
    assert_eq!(live(&store, "alice", 1).await, ["alice-0"]);

    let ended = store.end("alice-0", Some("alice")).await.unwrap().unwrap();
    assert_eq!((ended.id.as_str(), ended.ended), ("alice-0", true));
    assert!(live(&store, "alice", 1).await.is_empty());
}

async fn ended_session_stays_until_it_is_removed(store: impl SessionStore) {
    fill(&store, "alice", 2).await;

    for _ in 0..2 {
        assert!(store.end("alice-0", None).await.unwrap().is_some());
        let outcome = store.rotate(rotation("alice-0", 0, 50)).await.unwrap();
        assert!(matches!(&outcome, RotationOutcome::Ended(_)), "{outcome:?}");
    }
    // One that has not ended stays.
    store.remove(&["alice-0", "alice-1", "no such"]).await.unwrap();

    assert!(store.end("alice-0", None).await.unwrap().is_none());
    let outcome = store.rotate(rotation("alice-0", 0, 50)).await.unwrap();
    assert!(matches!(&outcome, RotationOutcome::Unknown), "{outcome:?}");
    assert_eq!(live(&store, "alice", 50).await, ["alice-1"]);
}

async fn oldest_sessions_give_way(store: impl SessionStore) {
    fill(&store, "alice", 3).await;
    fill(&store, "bob", 3).await;
    store.end("alice-1", None).await.unwrap();
    let newer = |number: u64| {
        let mut newer = session(&format!("alice-{number}"), "alice");
        newer.created_at = at(number);
        newer
    };

    // Two are live, and three may be.
    assert!(create(&store, newer(3), Some(3)).await.is_empty());
    assert_eq!(create(&store, newer(4), Some(3)).await, ["alice-0"]);
    assert_eq!(create(&store, newer(5), Some(1)).await, ["alice-2", "alice-3", "alice-4"]);

    assert_eq!(live(&store, "alice", 6).await, ["alice-5"]);
    assert_eq!(live(&store, "bob", 6).await.len(), 3);
}

async fn all_sessions_but_one_are_ended(store: impl SessionStore) {
    fill(&store, "alice", 4).await;
    fill(&store, "bob", 1).await;
    store.end("alice-0", None).await.unwrap();

    let ended = store.end_all("alice", Some("alice-2"), at(50)).await.unwrap();

    // With the one that had ended before, since it was not removed.
    assert_eq!(ids(&ended), ["alice-0", "alice-1", "alice-3"]);
    assert!(ended.iter().all(|session| session.ended));
    assert_eq!(live(&store, "alice", 51).await, ["alice-2"]);
    assert_eq!(live(&store, "bob", 51).await, ["bob-0"]);
    let all = store.end_all("alice", None, at(52)).await.unwrap();
    assert_eq!(all.len(), 4);
}

async fn sign_in_that_began_before_all_were_ended_is_refused(store: impl SessionStore) {
    fill(&store, "alice", 1).await;
    store.end_all("alice", None, at(50)).await.unwrap();
    // An earlier moment does not replace a later one.
    store.end_all("alice", None, at(40)).await.unwrap();
    let begun_at = |second: u64| {
        let mut new = session(&format!("new-{second}"), "alice");
        new.created_at = at(60);
        NewSession::new(new, at(second), None)
    };

    for second in [41, 50] {
        let outcome = store.create(begun_at(second)).await.unwrap();
        assert!(matches!(&outcome, CreationOutcome::Superseded), "{second}: {outcome:?}");
    }
    let outcome = store.create(begun_at(51)).await.unwrap();

    assert!(matches!(&outcome, CreationOutcome::Created { .. }), "{outcome:?}");
    assert_eq!(live(&store, "alice", 61).await, ["new-51"]);
    fill(&store, "bob", 1).await;
}

async fn storing_a_session_twice_is_the_same_as_once(store: impl SessionStore) {
    fill(&store, "alice", 1).await;
    let new = session("s", "alice");

    for _ in 0..2 {
        assert!(create(&store, new.clone(), Some(2)).await.is_empty());
    }

    assert_eq!(live(&store, "alice", 1).await.len(), 2);
}

async fn any_text_is_kept(store: impl SessionStore) {
    let long = "x".repeat(1000);
    for (number, text) in
        ["é ü 名 🦀", "'; drop table x; --", "%_\\\"", "{a}", " a ", "A", "a", &long]
            .into_iter()
            .enumerate()
    {
        let mut stored = session(&format!("s{number}"), text);
        (stored.device, stored.client_id) = (Some(text.into()), Some(text.into()));
        create(&store, stored.clone(), None).await;
        assert_eq!(store.of_subject(text, at(1)).await.unwrap(), [stored], "{text}");
        let id = format!("s{number}");
        let rotation = rotation(&id, 0, 50).with_client_id(Some(text));
        let outcome = store.rotate(rotation).await.unwrap();
        assert!(matches!(&outcome, RotationOutcome::Rotated(_)), "{text}: {outcome:?}");
    }
}

async fn sweep_returns_what_was_not_removed(store: impl SessionStore) {
    fill(&store, "alice", 2).await;
    let swept = store.sweep(at(1)).await.unwrap();
    assert!(swept.ended.is_empty() && !swept.has_more);
    store.end("alice-0", None).await.unwrap();

    assert_eq!(ids(&store.sweep(at(2)).await.unwrap().ended), ["alice-0"]);
    store.remove(&["alice-0"]).await.unwrap();

    assert!(store.sweep(at(3)).await.unwrap().ended.is_empty());
    assert_eq!(live(&store, "alice", 4).await, ["alice-1"]);
}

/// 100 tasks present the same token, and then its successor.
pub async fn hundred_refreshes_at_once(store: impl SessionStore) {
    let store = Arc::new(store);
    fill(&*store, "alice", 1).await;

    for number in [0, 1] {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.rotate(rotation("alice-0", number, 50)).await })
            })
            .collect();
        let (mut rotated, mut repeated) = (0, 0);
        for task in tasks {
            match task.await.unwrap().unwrap() {
                RotationOutcome::Rotated(session) => {
                    rotated += 1;
                    assert_eq!(session.current, token(number + 1));
                }
                RotationOutcome::Repeated(session) => {
                    repeated += 1;
                    assert_eq!(session.current, token(number + 1));
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((rotated, repeated), (1, 99));
    }

    // All who come with the older token now are too late, and the session ends once.
    let mut reused = 0;
    for _ in 0..3 {
        match store.rotate(rotation("alice-0", 0, 51)).await.unwrap() {
            RotationOutcome::Reused(_) => reused += 1,
            RotationOutcome::Ended(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reused, 1);
}
