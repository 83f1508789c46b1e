//! Tests providers that are unusual, broken or malicious.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use tower_bearer::keys::{CachedKeys, Fetch, HttpFetch, KeysUnavailable};

use crate::support::ISSUER;
use crate::support::named_keys::named;

/// Answers by address, and records its requests.
#[derive(Clone, Default)]
struct Web {
    pages: Arc<Mutex<HashMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
enum Page {
    Body(String),
    Redirect(String),
    Unreachable,
    Silent,
}

impl Web {
    fn set(&self, address: &str, page: Page) {
        self.pages.lock().unwrap().insert(address.to_owned(), page);
    }

    fn set_metadata(&self, jwks_uri: &str) {
        let metadata = json!({ "issuer": ISSUER, "jwks_uri": jwks_uri });
        self.set(METADATA, Page::Body(metadata.to_string()));
    }

    fn set_keys(&self, address: &str) {
        let jwks = json!({ "keys": [named("a").to_jwk()] });
        self.set(address, Page::Body(jwks.to_string()));
    }

    fn remove(&self, address: &str) {
        self.pages.lock().unwrap().remove(address);
    }

    fn was_asked(&self, address: &str) -> bool {
        self.asked.lock().unwrap().iter().any(|one| one == address)
    }

    fn client(&self, fetch: HttpFetch) -> HttpFetch {
        let web = self.clone();
        fetch.with_client(move |request: Request<Bytes>| {
            let web = web.clone();
            async move { web.answer(&request.uri().to_string()).await }
        })
    }

    async fn answer(&self, address: &str) -> Result<Response<Full<Bytes>>, std::io::Error> {
        self.asked.lock().unwrap().push(address.to_owned());
        let page = self.pages.lock().unwrap().get(address).cloned();
        let response = Response::builder();
        Ok(match page {
            Some(Page::Body(body)) => response.body(body.into()).unwrap(),
            Some(Page::Redirect(to)) => {
                response.status(302).header("location", to).body(Full::default()).unwrap()
            }
            Some(Page::Unreachable) => return Err(std::io::Error::other("no such host")),
            Some(Page::Silent) => std::future::pending().await,
            None => response.status(404).body(Full::default()).unwrap(),
        })
    }
}

const METADATA: &str = "https://id.example.com/.well-known/openid-configuration";
const KEYS: &str = "https://id.example.com/keys";

fn discover(web: &Web) -> HttpFetch {
    web.client(HttpFetch::discover(ISSUER).unwrap())
}

fn problem(error: &KeysUnavailable) -> String {
    let all = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn provider_elsewhere_does_not_lead_to_this_machine() {
    // RFC 8414 §2: jwks_uri is https
    for local in ["http://127.0.0.1:8080/admin", "http://localhost/admin", "http://[::1]/admin"] {
        let web = Web::default();
        web.set_keys(local);
        web.set_metadata(local);
        let by_metadata = discover(&web).fetch().await;
        web.set(KEYS, Page::Redirect(local.to_owned()));
        let by_redirect = web.client(HttpFetch::new(KEYS).unwrap().with_redirects(3)).fetch().await;

        assert!(problem(&by_metadata.unwrap_err()).contains("not HTTPS"));
        assert!(problem(&by_redirect.unwrap_err()).contains("not HTTPS"));
        assert!(!web.was_asked(local), "{local}");
    }
}

#[tokio::test]
async fn redirect_leads_out_of_the_origin_only_where_that_may_be() {
    let web = Web::default();
    web.set_metadata(KEYS);
    web.set(KEYS, Page::Redirect("https://elsewhere.example.com/keys".to_owned()));
    web.set_keys("https://elsewhere.example.com/keys");

    discover(&web).with_redirects(1).fetch().await.unwrap();
    let refused = discover(&web).with_redirects(1).with_same_origin_only().fetch().await;

    assert!(problem(&refused.unwrap_err()).contains("another origin"));
}

#[tokio::test]
async fn keys_that_have_moved_are_found_whatever_is_left_in_their_old_place() {
    let moved = "https://keys.example.com/keys";
    for left in [
        Page::Unreachable,
        Page::Redirect(moved.to_owned()),
        Page::Body("<html>".to_owned()),
        Page::Body(json!({ "keys": [] }).to_string()),
    ] {
        let web = Web::default();
        web.set_metadata(KEYS);
        web.set_keys(KEYS);
        let fetch = discover(&web);
        fetch.fetch().await.unwrap();

        web.set(KEYS, left);
        web.set_metadata(moved);
        web.set_keys(moved);

        fetch.fetch().await.unwrap();
    }
}

#[tokio::test]
async fn what_metadata_said_outlives_keys_that_were_away_for_a_moment() {
    let web = Web::default();
    web.set_metadata(KEYS);
    web.set_keys(KEYS);
    let fetch = discover(&web);
    fetch.fetch().await.unwrap();

    web.remove(KEYS);
    web.set(METADATA, Page::Unreachable);
    let error = problem(&fetch.fetch().await.unwrap_err());
    assert!(error.contains(KEYS) && error.contains("404"), "{error}");
    web.set_keys(KEYS);

    fetch.fetch().await.unwrap();
}

#[tokio::test]
async fn host_that_is_silent_is_asked_in_one_place_only() {
    let web = Web::default();
    web.set(METADATA, Page::Silent);
    let fetch = discover(&web).with_timeout(Duration::from_millis(20));

    fetch.fetch().await.unwrap_err();

    assert_eq!(*web.asked.lock().unwrap(), [METADATA]);
}

#[tokio::test]
async fn provider_cannot_make_the_log_long() {
    let long = "x".repeat(100_000);
    let odd_key = |name: &str| json!({ "keys": [{ "kty": "RSA", "kid": "a", name: long }] });
    let web = Web::default();
    web.set_metadata(&format!("https://id.example.com/{long}"));
    let by_metadata = CachedKeys::new(discover(&web));
    let mut all = vec![by_metadata];
    for body in [odd_key("kid"), odd_key("kty"), json!({ "keys": long })] {
        let web = Web::default();
        web.set(KEYS, Page::Body(body.to_string()));
        all.push(CachedKeys::new(web.client(HttpFetch::new(KEYS).unwrap())));
    }

    for keys in all {
        keys.await_ready(Duration::from_millis(200)).await.unwrap_err();
        let status = keys.status();
        let message = status.last_error().unwrap().message();
        assert!(message.len() < 5_000, "{} bytes", message.len());
    }
}

#[test]
fn password_in_an_address_is_not_repeated() {
    for address in [
        "https://user:hunter2@id.example.com/keys",
        "https://user:hunter2 a@id.example.com",
        "https://u:hunter2@",
    ] {
        let error = HttpFetch::new(address).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
