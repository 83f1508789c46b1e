//! Tests a document other than keys that is kept fresh.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tower_bearer::refresh::{FetchBudget, Load, Loaded, Refreshed, State};

use crate::support::scripted::own_budget;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A list of plans that another program keeps, and how it is loaded. Clones share it.
#[derive(Clone)]
struct Plans(Arc<Table>);

struct Table {
    /// The content of the table, or the error of a load.
    content: Mutex<Result<Vec<&'static str>, &'static str>>,
    loads: AtomicUsize,
    /// A load passes for each permit.
    gate: Semaphore,
}

impl Plans {
    fn new() -> Self {
        let plans = Self::closed();
        plans.open();
        plans
    }

    /// Lets no load pass before it is opened.
    fn closed() -> Self {
        Self(Arc::new(Table {
            content: Mutex::new(Ok(vec!["free"])),
            loads: AtomicUsize::new(0),
            gate: Semaphore::new(0),
        }))
    }

    fn open(&self) {
        self.0.gate.add_permits(1_000);
    }

    fn set(&self, content: Result<&[&'static str], &'static str>) {
        *self.0.content.lock().unwrap() = content.map(<[_]>::to_vec);
    }

    fn loads(&self) -> usize {
        self.0.loads.load(Ordering::SeqCst)
    }
}

impl Load for Plans {
    type Document = Vec<&'static str>;
    type Error = &'static str;

    async fn load(&self) -> Result<Loaded<Vec<&'static str>>, &'static str> {
        self.0.loads.fetch_add(1, Ordering::SeqCst);
        // As it was asked for: what is on its way may be old already.
        let content = self.0.content.lock().unwrap().clone();
        self.0.gate.acquire().await.unwrap().forget();
        match content {
            Ok(plans) => Ok(Loaded::from(plans).with_fresh_for(10 * MINUTE)),
            Err("panic") => panic!("as the test wants it"),
            Err(problem) => Err(problem),
        }
    }

    fn describe(&self) -> String {
        "the table of plans".to_owned()
    }
}

fn kept(plans: &Plans) -> Arc<Refreshed<Plans>> {
    Arc::new(refreshed(plans))
}

fn refreshed(plans: &Plans) -> Refreshed<Plans> {
    Refreshed::new(plans.clone()).with_shared_budget(own_budget())
}

fn current(document: &Refreshed<Plans>) -> Option<Vec<&'static str>> {
    document.current().map(|plans| plans.to_vec())
}

#[tokio::test(start_paused = true)]
async fn readers_that_come_at_once_share_one_load() {
    let plans = Plans::closed();
    let document = kept(&plans);
    let readers: Vec<_> = (0..100).map(|_| Arc::clone(&document)).collect();
    let readers = readers.into_iter().map(|reader| tokio::spawn(async move { reader.get().await }));
    let readers: Vec<_> = readers.collect();
    sleep(SECOND).await;
    assert_eq!((plans.loads(), current(&document)), (1, None));

    plans.open();

    for reader in join_all(readers).await {
        assert_eq!(*reader.unwrap().unwrap(), ["free"]);
    }
    assert_eq!(*document.get().await.unwrap(), ["free"]);
    assert_eq!(plans.loads(), 1);
}

#[tokio::test(start_paused = true)]
async fn document_is_loaded_again_in_the_background_before_it_is_too_old() {
    let plans = Plans::new();
    let document = kept(&plans);
    document.get().await.unwrap();
    plans.set(Ok(&["free", "team"]));

    sleep(7 * MINUTE).await;
    assert_eq!((plans.loads(), current(&document).unwrap().len()), (1, 1));
    sleep(2 * MINUTE).await;
    assert_eq!((plans.loads(), current(&document).unwrap().len()), (2, 2));
    assert_eq!(document.status().state(), State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn reader_does_not_wait_for_the_load_that_replaces_its_document() {
    let plans = Plans::closed();
    let document = kept(&plans);
    plans.0.gate.add_permits(1);
    document.get().await.unwrap();
    // The second load does not end.
    while plans.loads() < 2 {
        sleep(SECOND).await;
    }

    let began = Instant::now();

    assert_eq!(*document.get().await.unwrap(), ["free"]);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn document_stays_in_use_while_loads_fail_expires_and_comes_back() {
    let plans = Plans::new();
    let document = refreshed(&plans).with_stale_if_error(HOUR).with_fetch_budget(0, SECOND);
    document.await_ready(SECOND).await.unwrap();
    plans.set(Err("no route"));

    sleep(69 * MINUTE).await;
    assert_eq!(*document.get().await.unwrap(), ["free"]);
    let status = document.status();
    assert_eq!((status.state(), status.is_ready()), (State::Stale, true));
    assert!(status.last_error().unwrap().message().contains("no route"));

    sleep(MINUTE).await;
    assert_eq!(document.current(), None);
    let error = document.get().await.unwrap_err();
    assert_eq!(error.to_string(), "the document cannot be loaded: no route");
    assert!((SECOND..=MINUTE).contains(&error.retry_after()));
    assert_eq!((document.status().state(), document.status().is_ready()), (State::Expired, false));

    plans.set(Ok(&["team"]));
    sleep(MINUTE).await;
    assert_eq!(current(&document), Some(vec!["team"]));
    assert_eq!(document.status().state(), State::Fresh);
}

#[tokio::test(start_paused = true)]
async fn failed_loads_are_repeated_with_pauses_that_grow() {
    let plans = Plans::new();
    plans.set(Err("no route"));
    let document = kept(&plans);

    document.get().await.unwrap_err();
    sleep(MINUTE).await;
    // 1, 2, 4, … seconds, half of that at least
    assert!((6..=8).contains(&plans.loads()), "{}", plans.loads());

    let before = plans.loads();
    sleep(HOUR).await;
    assert!((60..=121).contains(&(plans.loads() - before)), "{}", plans.loads());
}

#[tokio::test(start_paused = true)]
async fn initial_document_is_used_until_the_first_load_has_ended() {
    let plans = Plans::closed();
    let document = refreshed(&plans).with_initial(vec!["built in"]);

    assert_eq!(*document.get().await.unwrap(), ["built in"]);
    assert_eq!(document.status().state(), State::Stale);

    plans.open();
    sleep(SECOND).await;
    assert_eq!(current(&document), Some(vec!["free"]));
}

#[test]
fn document_at_hand_is_used_where_no_other_can_be_loaded() {
    let document = refreshed(&Plans::new()).with_initial(vec!["built in"]);
    assert_eq!(current(&document), Some(vec!["built in"]));

    let error = futures::executor::block_on(refreshed(&Plans::new()).get()).unwrap_err();
    assert!(error.to_string().contains("no runtime is here"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn refresh_loads_what_is_newer_as_often_as_the_budget_says() {
    let plans = Plans::new();
    let document = refreshed(&plans).with_fetch_budget(2, MINUTE);
    document.get().await.unwrap();

    for newer in [&["a"], &["b"]] {
        plans.set(Ok(newer));
        assert_eq!(*document.refresh().await.unwrap(), *newer);
    }
    plans.set(Ok(&["c"]));
    let error = document.refresh().await.unwrap_err();

    assert!(error.to_string().contains("too often"), "{error}");
    assert_eq!((current(&document), plans.loads()), (Some(vec!["b"]), 3));

    sleep(MINUTE).await;
    assert_eq!(*document.refresh().await.unwrap(), ["c"]);
}

#[tokio::test(start_paused = true)]
async fn budget_of_none_that_is_shared_refreshes_nothing_on_demand() {
    let plans = Plans::new();
    let document = refreshed(&plans).with_shared_budget(FetchBudget::new(0, SECOND));
    document.get().await.unwrap();

    document.refresh().await.unwrap_err();

    assert_eq!((current(&document), plans.loads()), (Some(vec!["free"]), 1));
}

#[tokio::test(start_paused = true)]
async fn refresh_is_not_content_with_a_load_that_began_before_it() {
    let plans = Plans::closed();
    let document = kept(&plans);
    plans.0.gate.add_permits(1);
    document.get().await.unwrap();
    let [one, other] = [(); 2].map(|()| Arc::clone(&document));
    let first = tokio::spawn(async move { one.refresh().await });
    sleep(SECOND).await;
    // Too late for the load that is under way.
    plans.set(Ok(&["team"]));
    let second = tokio::spawn(async move { other.refresh().await });
    sleep(SECOND).await;
    assert_eq!(plans.loads(), 2);

    plans.open();

    assert_eq!(*first.await.unwrap().unwrap(), ["free"]);
    assert_eq!(*second.await.unwrap().unwrap(), ["team"]);
    assert_eq!(plans.loads(), 3);
}

#[tokio::test(start_paused = true)]
async fn refresh_that_fails_says_so_and_the_document_stays() {
    let plans = Plans::new();
    let document = kept(&plans);
    document.get().await.unwrap();
    plans.set(Err("no route"));

    let error = document.refresh().await.unwrap_err();

    assert!(error.to_string().contains("no route"), "{error}");
    assert_eq!(*document.get().await.unwrap(), ["free"]);
}

#[tokio::test(start_paused = true)]
async fn readers_wait_no_longer_than_is_set_and_no_more_of_them() {
    let plans = Plans::closed();
    let document = Arc::new(refreshed(&plans).with_wait(2 * SECOND).with_max_waiting(1));
    let reader = Arc::clone(&document);
    let waiting = tokio::spawn(async move { reader.get().await });
    sleep(SECOND).await;

    let error = document.get().await.unwrap_err();
    assert!(error.to_string().contains("too many requests wait"), "{error}");

    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("did not come in time"), "{error}");
    plans.open();
    assert_eq!(*document.get().await.unwrap(), ["free"]);
}

#[tokio::test(start_paused = true)]
async fn load_that_panics_or_takes_half_a_minute_has_failed() {
    let plans = Plans::new();
    plans.set(Err("panic"));
    let error = kept(&plans).get().await.unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");

    let document = refreshed(&Plans::closed()).with_wait(HOUR);
    let error = timeout(31 * SECOND, document.get()).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("30 seconds"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn task_ends_with_its_document() {
    let plans = Plans::new();
    let document = kept(&plans);
    document.get().await.unwrap();
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 1);

    drop(document);
    sleep(HOUR).await;

    assert_eq!((metrics.num_alive_tasks(), plans.loads()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn function_is_a_source_with_an_error_of_its_own() {
    let document = Refreshed::new(async || "42".parse::<u32>().map(Loaded::from));
    assert_eq!(*document.get().await.unwrap(), 42);

    let document = Refreshed::new(async || "forty-two".parse::<u32>().map(Loaded::from));
    let error = document.get().await.unwrap_err().to_string();
    assert!(error.contains("invalid digit"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn status_is_an_object_of_numbers_and_words() {
    let plans = Plans::new();
    let document = kept(&plans);
    document.get().await.unwrap();
    sleep(SECOND).await;

    let mut status = serde_json::to_value(document.status()).unwrap();

    for moment in ["last_success", "next_refresh"] {
        assert!(status[moment].take().as_u64().is_some(), "{status}");
    }
    let expected = json!({
        "source": "the table of plans", "state": "fresh", "age_seconds": 1, "last_success": null,
        "last_error": null, "stale_since": null, "next_refresh": null, "loads": 1, "failures": 0,
    });
    assert_eq!(status, expected);
}
