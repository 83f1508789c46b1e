//! Tests key sources that are chosen at run time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_bearer::jose::Header;
use tower_bearer::keys::{BoxKeySource, KeySource, KeysState, KeysUnavailable, Lookup};
use tower_bearer::{Algorithm, Issuers, Reason};

use crate::support::scripted::{Answer, Scripted, app, cached};
use crate::support::{
    WithBearer, get, invalid_token, key_for, send, token, validation, verifier_of,
};

/// Chooses a source as a configured program does.
fn chosen(is_fetched: bool, provider: &Scripted) -> BoxKeySource {
    if is_fetched { cached(provider).boxed() } else { provider.keys().boxed() }
}

#[tokio::test(start_paused = true)]
async fn source_that_is_chosen_at_run_time_verifies_tokens_through_the_layer() {
    for is_fetched in [false, true] {
        let provider = Scripted::new();
        let app = app(chosen(is_fetched, &provider));
        let stranger = token().sign(&key_for(Algorithm::ES256).with_key_id("key-1"));

        for _ in 0..2 {
            send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
        }

        let refused = send(&app, get("/").bearer(stranger)).await;
        let invalid = invalid_token("The token cannot be verified");
        refused.is_refused(401, Some(&invalid), Reason::InvalidSignature);
        assert_eq!(provider.fetches(), usize::from(is_fetched));
    }
}

#[tokio::test(start_paused = true)]
async fn boxed_source_refreshes_if_the_one_in_it_does() {
    let provider = Scripted::new();
    let [fixed, fetched] = [false, true].map(|is_fetched| chosen(is_fetched, &provider));
    let [fixed, fetched] = [fixed, fetched].map(app);
    send(&fetched, get("/").bearer(provider.mint())).await.is_ok("alice");

    provider.rotate();
    let new = provider.mint();

    send(&fetched, get("/").bearer(&new)).await.is_ok("alice");
    let unknown = send(&fixed, get("/").bearer(&new)).await;
    assert_eq!((unknown.status.as_u16(), unknown.reason), (401, Some(Reason::UnknownKey)));
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn boxed_source_answers_503_if_the_one_in_it_cannot_be_reached() {
    let provider = Scripted::new();
    provider.answer(Answer::Failure("no route"));
    let app = app(chosen(true, &provider));

    let refused = send(&app, get("/").bearer(provider.mint())).await;

    refused.is_refused(503, None, Reason::KeysUnavailable);
}

#[tokio::test(start_paused = true)]
async fn boxed_source_tells_its_status_and_epoch() {
    let provider = Scripted::new();
    let keys = Arc::new(cached(&provider));
    let issuers = Issuers::new();
    issuers.add(Arc::clone(&keys).boxed(), validation()).unwrap();

    keys.await_ready(Duration::from_secs(1)).await.unwrap();

    let [(_, status)] = &issuers.status()[..] else { panic!("one issuer") };
    assert_eq!((status.state(), status.source()), (KeysState::Fresh, "the script"));
    assert_eq!(Arc::clone(&keys).boxed().epoch(), keys.epoch());
    assert!(keys.epoch().is_some());
}

/// Counts the calls of each method.
struct Asked(Mutex<Vec<&'static str>>);

impl KeySource for &'static Asked {
    fn lookup(&self, _: &Header) -> Lookup {
        self.0.lock().unwrap().push("lookup");
        Lookup::Refresh
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        self.0.lock().unwrap().push("refresh");
        Ok(Lookup::Unknown)
    }

    fn may_be_outdated(&self) -> bool {
        self.0.lock().unwrap().push("may_be_outdated");
        false
    }
}

#[tokio::test]
async fn source_boxed_twice_is_asked_as_often_as_one_that_is_not_boxed() {
    let asked = || &*Box::leak(Box::new(Asked(Mutex::default())));
    let (plain, boxed) = (asked(), asked());

    for verifier in [verifier_of(plain), verifier_of(boxed.boxed().boxed())] {
        let error = verifier.verify(&token().sign(&key_for(Algorithm::ES256))).await;
        assert_eq!(error.unwrap_err().reason(), Reason::UnknownKey);
    }

    assert_eq!(*plain.0.lock().unwrap(), *boxed.0.lock().unwrap());
    assert!(plain.0.lock().unwrap().contains(&"refresh"));
}
