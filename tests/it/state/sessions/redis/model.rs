//! Compares random calls with [`MemorySessions`].

use std::fmt::Debug;
use std::time::Duration;

use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tower_bearer::session::{MemorySessions, Rotation, SessionStore, SessionsUnavailable};

use super::*;

/// A call of a store. Names and subjects are numbers.
#[derive(Clone, Debug)]
enum Call {
    Create { id: u8, subject: u8, client: Option<u8>, took: u64, most: Option<usize> },
    Rotate { id: u8, presented: u8, next: u8, client: Option<u8>, idle: u64 },
    OfSubject { subject: u8 },
    End { id: u8, subject: Option<u8> },
    EndAll { subject: u8, except: Option<u8> },
    Remove { ids: Vec<u8> },
    Sweep,
}

/// Names that a careless script would mix up.
const NAMES: [&str; 4] = ["a", "", "a\0b", "é {x} 🦀"];

fn name(number: u8) -> &'static str {
    NAMES[usize::from(number)]
}

fn call() -> impl Strategy<Value = Call> {
    let (id, subject, client) = (|| 0..6_u8, || 0..3_u8, || option::of(0..2_u8));
    prop_oneof![
        4 => (id(), subject(), client(), 0..4_u64, option::of(0..3_usize)).prop_map(
            |(id, subject, client, took, most)| Call::Create { id, subject, client, took, most }),
        8 => (id(), 0..4_u8, 0..2_u8, client(), 1..5_u64).prop_map(
            |(id, presented, more, client, idle)| {
                Call::Rotate { id, presented, next: presented + more, client, idle }
            }),
        2 => subject().prop_map(|subject| Call::OfSubject { subject }),
        2 => (id(), option::of(subject())).prop_map(|(id, subject)| Call::End { id, subject }),
        1 => (subject(), option::of(id())).prop_map(|(subject, except)| Call::EndAll { subject, except }),
        1 => proptest::collection::vec(id(), 0..4).prop_map(|ids| Call::Remove { ids }),
        1 => Just(Call::Sweep),
    ]
}

/// Makes a call in this minute, and says what came of it.
async fn made(store: &impl SessionStore, call: &Call, minute: u64) -> String {
    let at = |minute: u64| at(60 * minute);
    let text = |id: &u8| format!("s{id}");
    fn told<T: Debug>(outcome: Result<T, SessionsUnavailable>) -> String {
        format!("{:?}", outcome.unwrap())
    }
    match call {
        Call::Create { id, subject, client, took, most } => {
            let mut session =
                Session::new(text(id), name(*subject), token(0), at(minute), at(minute + 15));
            session.idle_until = at(minute + 5);
            session.client_id = client.map(|client| name(client).to_owned());
            let began = at(minute.saturating_sub(*took));
            told(store.create(NewSession::new(session, began, *most)).await)
        }
        Call::Rotate { id, presented, next, client, idle } => {
            let id = text(id);
            let (presented, next) = (token(*presented), token(*next));
            let rotation = Rotation::new(&id, presented, next, at(minute), at(minute + idle));
            told(store.rotate(rotation.with_client_id(client.map(name))).await)
        }
        Call::OfSubject { subject } => told(store.of_subject(name(*subject), at(minute)).await),
        Call::End { id, subject } => told(store.end(&text(id), subject.map(name)).await),
        Call::EndAll { subject, except } => {
            let except = except.as_ref().map(text);
            told(store.end_all(name(*subject), except.as_deref(), at(minute)).await)
        }
        Call::Remove { ids } => {
            let ids: Vec<_> = ids.iter().map(text).collect();
            told(store.remove(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await)
        }
        Call::Sweep => {
            // As of the beginning: Redis removes what has expired by its own clock, for which no minute passes.
            let mut swept = store.sweep(at(0)).await.unwrap().ended;
            swept.sort_by(|one, other| one.id.cmp(&other.id));
            format!("{swept:?}")
        }
    }
}

#[test]
#[ignore = "needs redis-server: scripts/interop"]
fn needs_redis_random_calls_end_as_they_do_in_memory() {
    let redis = Redis::start(FORGETFUL);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    let calls = proptest::collection::vec((call(), 0..3_u64), 1..60);

    // The minute never passes in the life of a session in Redis, so that only the calls say what has expired.
    let outcome = TestRunner::new(config).run(&calls, |calls| {
        runtime.block_on(async {
            let (redis, memory) = (node(&redis), MemorySessions::new());
            let mut minute = 10;
            for (number, (call, passed)) in calls.iter().enumerate() {
                // Sign-ins of one minute have no order.
                minute += passed + u64::from(matches!(call, Call::Create { .. }));
                let expected = made(&memory, call, minute).await;
                let found = made(&redis, call, minute).await;
                prop_assert_eq!(found, expected, "call {}: {:?}", number, call);
            }
            Ok(())
        })
    });

    outcome.unwrap();
}

#[test]
#[ignore = "needs redis-server: scripts/interop"]
fn needs_redis_store_goes_on_in_another_runtime() {
    let redis = Redis::start(FORGETFUL);
    let store = node(&redis);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    runtime().block_on(contract::fill(&store, "alice", 1));
    for number in 0..3 {
        runtime().block_on(is_rotated(&store, "alice-0", number));
    }

    let error = futures::executor::block_on(store.end("alice-0", None)).unwrap_err();
    assert!(format!("{error:?}").contains("no runtime is here"), "{error:?}");
    let timeless = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let error = timeless.block_on(store.end("alice-0", None)).unwrap_err();
    assert!(format!("{error:?}").contains("timers"), "{error:?}");
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        assert!(store.of_subject("alice", at(60)).await.is_ok());
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
}
