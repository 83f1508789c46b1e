//! A second opinion: a store decides as [`MemorySessions`] does.

use tower_bearer::session::{
    CreationOutcome, MemorySessions, NewSession, RotationOutcome, Session, SessionStore,
};

use super::contract::{at, rotation, session};

/// Makes the same calls of two stores, in an order that `seed` decides, and compares the answers.
pub async fn as_in_memory(store: impl SessionStore, seed: u64) {
    let memory = MemorySessions::new();
    let mut random = Random(seed);
    for step in 0..400 {
        let now = step * 3;
        let subject = ["alice", "bob"][random.below(2)];
        let id = format!("{subject}-{}", random.below(6));
        let call = format!("seed {seed}, step {step}: {id}");
        match random.below(16) {
            0..=3 => {
                let mut new = session(&id, subject);
                (new.created_at, new.last_seen) = (at(now), at(now));
                (new.idle_until, new.expires_at) = (at(now + 100), at(now + 300));
                new.client_id = [None, Some("app".to_owned())][random.below(2)].clone();
                let began = at(now.saturating_sub(random.below(8) as u64));
                let max = [None, Some(0), Some(2), Some(4)][random.below(4)];
                let new = NewSession::new(new, began, max);
                let (one, other) = (memory.create(new.clone()).await, store.create(new).await);
                assert_eq!(created(one.unwrap()), created(other.unwrap()), "create {call}");
            }
            4..=11 => {
                let number = u8::try_from(random.below(5)).unwrap();
                let client = [None, Some("app")][random.below(2)];
                // Now and then by a clock that is behind.
                let now = now.saturating_sub([0, 0, 0, 50][random.below(4)]);
                let rotation = rotation(&id, number, now).with_client_id(client);
                let (one, other) = (memory.rotate(rotation).await, store.rotate(rotation).await);
                assert_eq!(rotated(one.unwrap()), rotated(other.unwrap()), "rotate {call}");
            }
            12 => {
                let of = [None, Some("alice")][random.below(2)];
                let (one, other) = (memory.end(&id, of).await, store.end(&id, of).await);
                assert_eq!(one.unwrap(), other.unwrap(), "end {call}");
            }
            13 if random.below(4) == 0 => {
                let except = [None, Some(&*id)][random.below(2)];
                let one = memory.end_all(subject, except, at(now)).await;
                let other = store.end_all(subject, except, at(now)).await;
                assert_eq!(sorted(one.unwrap()), sorted(other.unwrap()), "end all {call}");
            }
            14 => {
                let ids = [&*id, "alice-0", "bob-1"];
                memory.remove(&ids).await.unwrap();
                store.remove(&ids).await.unwrap();
            }
            15 => {
                let (one, other) = (memory.sweep(at(now)).await, store.sweep(at(now)).await);
                assert_eq!(
                    sorted(one.unwrap().ended),
                    sorted(other.unwrap().ended),
                    "sweep {call}"
                );
            }
            _ => {}
        }
        let one = memory.of_subject(subject, at(now)).await.unwrap();
        let other = store.of_subject(subject, at(now)).await.unwrap();
        assert_eq!(one, other, "of {call}");
    }
}

fn created(outcome: CreationOutcome) -> Option<Vec<Session>> {
    match outcome {
        CreationOutcome::Created { ended } => Some(ended),
        _ => None,
    }
}

fn rotated(outcome: RotationOutcome) -> (&'static str, Option<Session>) {
    match outcome {
        RotationOutcome::Rotated(session) => ("rotated", Some(session)),
        RotationOutcome::Repeated(session) => ("repeated", Some(session)),
        RotationOutcome::Reused(session) => ("reused", Some(session)),
        RotationOutcome::Ended(session) => ("ended", Some(session)),
        RotationOutcome::Expired => ("expired", None),
        RotationOutcome::WrongClient => ("wrong client", None),
        RotationOutcome::Unknown => ("unknown", None),
        other => panic!("{other:?}"),
    }
}

fn sorted(mut sessions: Vec<Session>) -> Vec<Session> {
    sessions.sort_by(|a, b| a.id.cmp(&b.id));
    sessions
}

/// `SplitMix64`, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }
}
