use std::cell::Cell;
use std::error::Error as _;
use std::time::Duration;

use futures::executor::block_on;
use futures::future::join;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::yield_now;
use tokio::time::sleep;
use tower_bearer::keys::KeysState;
use tower_bearer::test_util::{TestKey, TestProvider};
use tower_bearer::{Algorithm, AuthError, Reason, RemoteKeys, Validation, Verifier};

use super::{of, source};
use crate::support::scripted::{Answer, Scripted, app, cached, own_budget};
use crate::support::{AUDIENCE, User, WithBearer, get, invalid_token, send};

const SECOND: Duration = Duration::from_secs(1);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn runtime_without_timers() -> Runtime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

#[track_caller]
fn are_unavailable(error: &AuthError, why: &str) {
    assert_eq!(error.reason(), Reason::KeysUnavailable);
    let source = error.source().unwrap().to_string();
    assert!(source.contains(why), "{source}");
}

/// Lets aborted tasks end.
async fn tasks_alive() -> usize {
    for _ in 0..10 {
        yield_now().await;
    }
    Handle::current().metrics().num_alive_tasks()
}

#[test]
fn source_made_outside_of_a_runtime_is_used_inside_of_one() {
    let provider = Scripted::new();
    let (_, verifier) = source(&provider);

    runtime().block_on(verifier.verify(&provider.mint())).unwrap();
}

#[test]
fn source_outlives_the_runtime_that_it_was_used_in() {
    let provider = Scripted::new();
    let (keys, verifier) = source(&provider);
    let old = provider.mint();
    runtime().block_on(verifier.verify(&old)).unwrap();
    provider.rotate();

    runtime().block_on(async {
        verifier.verify(&old).await.unwrap();
        verifier.verify(&provider.mint()).await.unwrap();
    });

    assert_eq!((provider.fetches(), keys.status().failures()), (2, 0));
}

#[test]
fn source_outlives_a_runtime_that_ends_in_the_middle_of_a_fetch() {
    let provider = Scripted::new();
    provider.answer(Answer::WhenOpened);
    let (keys, verifier) = source(&provider);
    runtime().block_on(async {
        let error = keys.await_ready(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.source().unwrap().to_string(), "the keys have not come yet");
    });
    assert_eq!(provider.fetches(), 1);

    provider.answer(Answer::Keys);
    runtime().block_on(verifier.verify(&provider.mint())).unwrap();

    assert_eq!(provider.fetches(), 2);
}

#[test]
fn remote_keys_outlive_the_runtime_that_they_were_fetched_in() {
    let here = runtime();
    let provider = here.block_on(TestProvider::start());
    let keys = RemoteKeys::discover(provider.issuer()).unwrap().with_shared_budget(own_budget());
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(keys, validation).unwrap();
    here.block_on(verifier.verify(&provider.mint(AUDIENCE))).unwrap();
    provider.rotate();
    let token = provider.mint(AUDIENCE);

    // The provider goes on in the first runtime; each of the two requests runs in another.
    for _ in 0..2 {
        let verifier = verifier.clone();
        let token = token.clone();
        let asked = std::thread::spawn(move || {
            runtime().block_on(async { verifier.verify(&token).await.map(|_| ()) })
        });
        here.block_on(async {
            while !asked.is_finished() {
                sleep(Duration::from_millis(1)).await;
            }
        });
        asked.join().unwrap().unwrap();
    }

    assert_eq!(provider.requests().jwks, 2);
}

#[test]
fn source_in_two_runtimes_at_once_fetches_in_one_of_them() {
    let provider = Scripted::new();
    let (_, verifier) = source(&provider);
    let token = provider.mint();
    let (first, second) = (runtime(), runtime());
    first.block_on(verifier.verify(&token)).unwrap();
    provider.rotate();
    let new = provider.mint();

    // The second waits for a fetch in the first, until the first has ended.
    let accepted = std::thread::spawn(move || second.block_on(verifier.verify(&new)).map(|_| ()));
    std::thread::sleep(Duration::from_millis(50));
    drop(first);

    accepted.join().unwrap().unwrap();
    assert_eq!(provider.fetches(), 2);
}

#[test]
fn without_a_runtime_the_keys_that_are_here_are_used_and_no_others() {
    let provider = Scripted::new();
    let (_, empty) = source(&provider);
    let (_, full) = of(cached(&provider).with_initial_keys(provider.keys()));

    block_on(full.verify(&provider.mint())).unwrap();

    are_unavailable(&block_on(empty.verify(&provider.mint())).unwrap_err(), "no runtime");
    assert_eq!(provider.fetches(), 0);
}

#[test]
fn in_a_runtime_without_timers_the_keys_that_are_here_are_used_and_no_others() {
    let provider = Scripted::new();
    let (keys, empty) = source(&provider);
    let (_, full) = of(cached(&provider).with_initial_keys(provider.keys()));

    runtime_without_timers().block_on(async {
        full.verify(&provider.mint()).await.unwrap();
        are_unavailable(&empty.verify(&provider.mint()).await.unwrap_err(), "timers");
        let error = keys.await_ready(SECOND).await.unwrap_err();
        assert!(error.source().unwrap().to_string().contains("timers"));

        let answer = send(&app(cached(&provider)), get("/").bearer(provider.mint())).await;
        answer.is_refused(503, None, Reason::KeysUnavailable);
    });

    runtime().block_on(empty.verify(&provider.mint())).unwrap();
}

#[test]
fn signature_is_bad_where_no_other_keys_can_be_waited_for() {
    let provider = Scripted::new();
    let (_, verifier) = of(cached(&provider).with_initial_keys(provider.keys()));
    let other = Scripted::new();
    let verified = async {
        for _ in 0..2 {
            let error = verifier.verify(&other.mint()).await.unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidSignature);
            verifier.verify(&provider.mint()).await.unwrap();
        }
    };
    let app = app(cached(&provider).with_initial_keys(provider.keys()));
    let refused = async {
        let answer = send(&app, get("/").bearer(other.mint())).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::InvalidSignature);
        send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    };

    block_on(verified);
    runtime_without_timers().block_on(refused);
    assert_eq!(provider.fetches(), 0);

    // In a runtime that can wait, the keys are waited for.
    provider.publish_only(TestKey::generate(Algorithm::ES256).with_key_id("key-1"));
    runtime().block_on(verifier.verify(&provider.mint())).unwrap();
    runtime().block_on(send(&app, get("/").bearer(provider.mint()))).is_ok("alice");
}

#[test]
fn runtime_is_asked_for_its_timers_once() {
    thread_local! {
        static PANICS: Cell<usize> = const { Cell::new(0) };
    }
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.set(PANICS.get() + 1);
        others(panic);
    }));
    let provider = Scripted::new();
    let (keys, verifier) = source(&provider);

    runtime_without_timers().block_on(async {
        for _ in 0..10 {
            are_unavailable(&verifier.verify(&provider.mint()).await.unwrap_err(), "timers");
            assert!(!keys.status().is_ready());
        }
    });

    assert_eq!(PANICS.get(), 1);
    runtime().block_on(verifier.verify(&provider.mint())).unwrap();
}

#[test]
fn request_in_a_runtime_without_timers_is_no_danger_to_those_in_others() {
    let provider = Scripted::new();
    let (_, verifier) = source(&provider);
    let good = runtime();
    good.block_on(verifier.verify(&provider.mint())).unwrap();
    let old = provider.mint();
    provider.rotate();

    runtime_without_timers().block_on(async {
        verifier.verify(&old).await.unwrap();
        are_unavailable(&verifier.verify(&provider.mint()).await.unwrap_err(), "timers");
    });

    good.block_on(verifier.verify(&provider.mint())).unwrap();
}

#[test]
fn in_a_runtime_without_sockets_remote_keys_are_unavailable() {
    let here = runtime();
    let provider = here.block_on(TestProvider::start());
    let keys = RemoteKeys::discover(provider.issuer()).unwrap().with_shared_budget(own_budget());
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(keys, validation).unwrap();
    let token = provider.mint(AUDIENCE);

    let without_sockets = Builder::new_current_thread().enable_time().build().unwrap();
    let error = without_sockets.block_on(verifier.verify(&token)).unwrap_err();

    are_unavailable(&error, "the fetch panicked");
    drop(without_sockets);
    here.block_on(verifier.verify(&token)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn source_has_one_task_which_ends_with_it() {
    let provider = Scripted::new();
    let (keys, verifier) = source(&provider);
    assert_eq!(tasks_alive().await, 0);
    verifier.verify(&provider.mint()).await.unwrap();
    assert_eq!(tasks_alive().await, 1);

    drop((keys, verifier));

    assert_eq!(tasks_alive().await, 0);
}

#[tokio::test(start_paused = true)]
async fn fetch_in_flight_ends_with_its_source() {
    let provider = Scripted::new();
    provider.answer(Answer::WhenOpened);
    let (keys, verifier) = source(&provider);
    keys.await_ready(SECOND).await.unwrap_err();
    assert_eq!(tasks_alive().await, 2);

    drop((keys, verifier));

    assert_eq!(tasks_alive().await, 0);
}

#[tokio::test(start_paused = true)]
async fn source_that_is_never_asked_starts_no_task() {
    let provider = Scripted::new();
    let (keys, _verifier) = source(&provider);

    keys.block_key("key-1");

    assert_eq!((tasks_alive().await, provider.fetches()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn source_that_is_asked_for_its_readiness_becomes_ready() {
    let provider = Scripted::new();
    let (keys, _verifier) = source(&provider);
    assert_eq!(keys.status().state(), KeysState::Missing);

    sleep(SECOND).await;

    assert_eq!(keys.status().state(), KeysState::Fresh);
}

#[tokio::test(start_paused = true)]
async fn fetch_that_panics_is_a_failure_and_the_source_goes_on() {
    let provider = Scripted::new();
    provider.answer(Answer::Panic);
    let (keys, verifier) = source(&provider);
    let token = provider.mint();

    are_unavailable(&verifier.verify(&token).await.unwrap_err(), "the fetch panicked");
    assert_eq!((keys.status().fetches(), keys.status().failures()), (1, 1));

    provider.answer(Answer::Keys);
    sleep(2 * SECOND).await;
    assert!(keys.status().is_ready());
    verifier.verify(&token).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn fetch_that_takes_half_a_minute_is_given_up() {
    let provider = Scripted::new();
    provider.set_latency(31 * SECOND);
    let (keys, _) = source(&provider);

    let error = keys.await_ready(30 * SECOND + SECOND / 10).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("longer than 30 seconds"));

    provider.set_latency(29 * SECOND);
    keys.await_ready(31 * SECOND).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn readiness_is_waited_for_as_long_as_the_program_wants_to() {
    let provider = Scripted::new();
    provider.answer(Answer::Failure("no route to the provider"));
    let (keys, _) = source(&provider);
    let before = tokio::time::Instant::now();

    let error = keys.await_ready(10 * SECOND).await.unwrap_err();

    assert_eq!(error.source().unwrap().to_string(), "no route to the provider");
    assert!(before.elapsed().abs_diff(10 * SECOND) < SECOND / 100, "{:?}", before.elapsed());
    // The source has not stopped trying.
    provider.answer(Answer::Keys);
    let both = join(keys.await_ready(60 * SECOND), keys.await_ready(60 * SECOND));
    assert!(matches!(both.await, (Ok(()), Ok(()))));
}
