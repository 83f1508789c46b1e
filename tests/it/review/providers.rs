//! Providers that are odd, broken or up to something.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use tower_bearer::{Fetch, HttpFetch, KeysUnavailable};

use super::named;
use crate::support::ISSUER;

/// Answers by address, and knows what it was asked.
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

    fn client(&self, fetch: HttpFetch) -> HttpFetch {
        let web = self.clone();
        fetch.with_client(move |request: Request<()>| {
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
