//! Several nodes that share a store.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::watch;
use tower_bearer::session::{
    CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore,
    SessionsUnavailable, Swept,
};

use super::contract::{at, fill, rotation, session, token};

/// Two nodes, of which each call takes the other one.
pub struct TwoNodes<S> {
    nodes: [S; 2],
    calls: AtomicUsize,
}

impl<S> TwoNodes<S> {
    pub fn new(one: S, other: S) -> Self {
        Self { nodes: [one, other], calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &S {
        &self.nodes[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }
}

impl<S: SessionStore> SessionStore for TwoNodes<S> {
    async fn create(&self, new: NewSession) -> Result<CreationOutcome, SessionsUnavailable> {
        self.next().create(new).await
    }

    async fn rotate(&self, rotation: Rotation<'_>) -> Result<RotationOutcome, SessionsUnavailable> {
        self.next().rotate(rotation).await
    }

    async fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        self.next().of_subject(subject, now).await
    }

    async fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        self.next().end(id, subject).await
    }

    async fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        self.next().end_all(subject, except, now).await
    }

    async fn remove(&self, ids: &[&str]) -> Result<(), SessionsUnavailable> {
        self.next().remove(ids).await
    }

    async fn sweep(&self, now: SystemTime) -> Result<Swept, SessionsUnavailable> {
        self.next().sweep(now).await
    }
}

/// 40 sign-ins of one subject, which may have three sessions.
pub async fn sign_ins_do_not_pass_the_limit(store: impl SessionStore) {
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..40)
        .map(|number| {
            let store = Arc::clone(&store);
            let session = session(&format!("s{number}"), "alice");
            tokio::spawn(
                async move { store.create(NewSession::new(session, at(0), Some(3))).await },
            )
        })
        .collect();

    let mut ended = HashSet::new();
    for task in tasks {
        let CreationOutcome::Created { ended: now } = task.await.unwrap().unwrap() else {
            panic!("superseded")
        };
        for session in now {
            assert!(ended.insert(session.id), "it has given way twice");
        }
    }

    let live = store.of_subject("alice", at(1)).await.unwrap();
    assert_eq!((live.len(), ended.len()), (3, 37));
    assert!(live.iter().all(|session| !ended.contains(&session.id)));
}

/// Sign-ins that began before all sessions were ended, stored while they are.
pub async fn no_sign_in_gets_past_the_end_of_all(store: impl SessionStore) {
    let store = Arc::new(store);
    for round in 0..10 {
        let subject = format!("alice-{round}");
        let signing_in: Vec<_> = (0..10)
            .map(|number| {
                let store = Arc::clone(&store);
                let new = session(&format!("{subject}-{number}"), &subject);
                tokio::spawn(async move { store.create(NewSession::new(new, at(0), None)).await })
            })
            .collect();
        let ended = store.end_all(&subject, None, at(0)).await.unwrap();

        let mut created = 0;
        for task in signing_in {
            match task.await.unwrap().unwrap() {
                CreationOutcome::Created { .. } => created += 1,
                CreationOutcome::Superseded => {}
                other => panic!("{other:?}"),
            }
        }

        assert_eq!(ended.len(), created);
        assert!(store.of_subject(&subject, at(1)).await.unwrap().is_empty());
    }
}

/// Calls of every kind that change many rows, among nodes that sweep.
pub async fn calls_of_every_kind_succeed(store: impl SessionStore) {
    let store = Arc::new(store);
    let tasks: Vec<_> = (0..64_u64)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let subject = format!("alice-{}", number % 4);
                let id = format!("s{}", number / 4);
                match number % 8 {
                    0..=3 => {
                        let new = NewSession::new(session(&id, &subject), at(0), Some(4));
                        store.create(new).await.map(drop)
                    }
                    4 => store.end_all(&subject, None, at(number)).await.map(drop),
                    5 => store.remove(&["s3", "s1", "s2", "s0"]).await,
                    6 => store.sweep(at(number + 60)).await.map(drop),
                    _ => store.end(&id, None).await.map(drop),
                }
            })
        })
        .collect();

    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

/// Refreshes of four clients, who ask again when there is no answer, while connections are broken.
pub async fn broken_connections_lose_no_exchange(store: impl SessionStore, cut: impl AsyncFn()) {
    let store = Arc::new(store);
    fill(&*store, "alice", 4).await;
    let done = Arc::new(watch::Sender::new(0_u32));
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let id = format!("alice-{client}");
                let (mut number, began) = (0, Instant::now());
                while number < LAST {
                    match store.rotate(rotation(&id, number, 50)).await {
                        Ok(RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_)) => {
                            number += 1;
                            done.send_modify(|done| *done += 1);
                        }
                        Ok(other) => panic!("{id} with {number}: {other:?}"),
                        Err(error) => {
                            assert!(began.elapsed() < Duration::from_secs(120), "{error:?}");
                            // As clients do.
                            tokio::time::sleep(Duration::from_millis(20)).await;
                        }
                    }
                }
            })
        })
        .collect();

    let mut progress = done.subscribe();
    // Else the wait would not end with the last client.
    drop(done);
    for cuts in 1..20 {
        progress.wait_for(|done| *done >= cuts * u32::from(LAST) / 5).await.unwrap();
        cut().await;
    }
    for client in clients {
        client.await.unwrap();
    }

    let live = store.of_subject("alice", at(60)).await.unwrap();
    assert_eq!(live.len(), 4);
    for session in live {
        assert_eq!((session.current, session.previous), (token(LAST), Some(token(LAST - 1))));
    }
}

/// The number of exchanges of each client.
const LAST: u8 = 100;
