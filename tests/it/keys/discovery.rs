//! Tests keys found by an issuer's metadata, over real sockets.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, LOCATION};
use http::{Request, Response};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tower_bearer::keys::{Fetch, HttpFetch, KeyProblem, KeysState};
use tower_bearer::test_util::{Fault, MetadataPlace, ProviderOptions, TestKey, TestProvider};
use tower_bearer::{Algorithm, BearerLayer, ConfigError, Reason, RemoteKeys, Validation, Verifier};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{AUDIENCE, User, WithBearer, get, send};

use MetadataPlace::{OAuthInserted, OpenIdAppended, OpenIdInserted};

async fn provider_at(path: &str, places: &[MetadataPlace]) -> TestProvider {
    let options =
        ProviderOptions::new().with_issuer_path(path).with_metadata_at(places.iter().copied());
    TestProvider::start_with(options).await
}

fn discover(provider: &TestProvider) -> HttpFetch {
    HttpFetch::discover(provider.issuer()).unwrap()
}

/// Keys that are fetched when the tests cause it, and not again on their own for a while.
fn kept(fetch: HttpFetch) -> RemoteKeys {
    RemoteKeys::new(fetch).with_backoff(A_LONG_TIME..=A_LONG_TIME)
}

fn verifier(provider: &TestProvider, fetch: HttpFetch) -> (Arc<RemoteKeys>, Verifier<User>) {
    let keys = Arc::new(kept(fetch));
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    (Arc::clone(&keys), Verifier::new(keys, validation).unwrap())
}

async fn accepts(provider: &TestProvider, fetch: HttpFetch) -> bool {
    let (_keys, verifier) = verifier(provider, fetch);
    verifier.verify(&provider.mint(AUDIENCE)).await.is_ok()
}

/// Returns the problem of one fetch, if there is one.
async fn problem(fetch: &HttpFetch) -> Option<String> {
    let error = fetch.fetch().await.err()?;
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    Some(text)
}

fn paths(provider: &TestProvider) -> Vec<String> {
    provider.received().iter().map(|request| request.uri().path().to_owned()).collect()
}

/// Lets this much time pass at once. A clock that stood still would run ahead whenever all wait for
/// a socket.
async fn leap(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
}

const A_LONG_TIME: Duration = Duration::from_secs(100 * 60 * 60);

#[tokio::test]
async fn metadata_is_found_in_each_of_its_places() {
    // RFC 8414 §3: the path is inserted between host and path, without a slash at its end
    // OIDC Discovery §4: the path is appended to the issuer
    for (path, place, tried) in [
        ("", OpenIdAppended, 1),
        ("", OAuthInserted, 2),
        ("/", OpenIdAppended, 1),
        ("/", OAuthInserted, 2),
        ("/realms/shop", OpenIdAppended, 1),
        ("/realms/shop", OAuthInserted, 2),
        ("/realms/shop", OpenIdInserted, 3),
        ("/realms/shop/", OpenIdAppended, 1),
        ("/realms/shop/", OAuthInserted, 2),
        ("/realms/shop/", OpenIdInserted, 3),
    ] {
        let provider = provider_at(path, &[place]).await;

        assert!(accepts(&provider, discover(&provider)).await, "{path} {place:?}");

        let requests = provider.requests();
        assert_eq!((requests.metadata, requests.jwks), (1, 1), "{path} {place:?}");
        assert_eq!(requests.not_found, tried - 1, "{path} {place:?}");
    }
}

#[tokio::test]
async fn places_are_tried_in_order_until_one_has_the_metadata() {
    // OIDC Discovery §4: the order of places
    let appended = "/realms/shop/.well-known/openid-configuration";
    let oauth = "/.well-known/oauth-authorization-server/realms/shop";
    let openid = "/.well-known/openid-configuration/realms/shop";
    let keys = "/realms/shop/jwks";
    for (places, expected) in [
        (&[OAuthInserted, OpenIdInserted, OpenIdAppended][..], &[appended, keys][..]),
        (&[OpenIdInserted, OpenIdAppended], &[appended, keys]),
        (&[OpenIdInserted, OAuthInserted], &[appended, oauth, keys]),
        (&[OpenIdInserted], &[appended, oauth, openid, keys]),
    ] {
        let provider = provider_at("/realms/shop", places).await;

        assert!(accepts(&provider, discover(&provider)).await, "{places:?}");

        assert_eq!(paths(&provider), expected);
    }
}

#[tokio::test]
async fn place_whose_metadata_cannot_be_used_is_passed_over() {
    // The client stands in for a server with different documents in different places.
    let issuer = "https://id.example.com";
    let good = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{issuer}/keys"}}"#);
    let jwks = TestProvider::start().await.jwks();
    for (openid, is_good) in [("<html>", true), ("{}", true), ("<html>", false)] {
        let (good, jwks) = (good.clone(), jwks.clone());
        let fetch =
            HttpFetch::discover(issuer).unwrap().with_client(move |request: Request<Bytes>| {
                let body = match request.uri().path() {
                    "/.well-known/openid-configuration" => openid.to_owned(),
                    "/.well-known/oauth-authorization-server" if is_good => good.clone(),
                    "/keys" => jwks.clone(),
                    _ => String::new(),
                };
                std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(body))))
            });

        assert_eq!(problem(&fetch).await.is_none(), is_good, "{openid}");
    }
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_used() {
    // RFC 8414 §3.3: the issuer is the one asked for, to the letter
    // RFC 9068 §4: the issuer is the one of the server's metadata
    let provider = TestProvider::start().await;
    provider.set_metadata_fault(Fault::WrongIssuer);
    let fetch = discover(&provider);

    let text = problem(&fetch).await.unwrap();

    assert!(text.contains("somebody.else.example") && text.contains("to the letter"), "{text}");
    assert_eq!(provider.requests().jwks, 0);
    provider.heal();
    assert_eq!(problem(&fetch).await, None);
}

#[tokio::test]
async fn issuer_with_a_slash_is_another_one_than_without() {
    // OIDC Discovery §4.3: a slash at the end is a difference
    for (path, other) in [("", "/"), ("/", ""), ("/a", "/a/"), ("/a/", "/a")] {
        let provider = provider_at(path, &[OpenIdAppended, OAuthInserted]).await;
        let own = provider.issuer();
        let other = format!("{}{other}", own.strip_suffix(path).unwrap());

        let text = problem(&HttpFetch::discover(&other).unwrap()).await.unwrap();

        assert!(text.contains(&format!("of the issuer {own:?}")), "{text}");
        assert!(accepts(&provider, discover(&provider)).await);
    }
}

#[tokio::test]
async fn request_is_answered_503_while_the_metadata_is_of_another_issuer() {
    let provider = TestProvider::start().await;
    provider.set_metadata_fault(Fault::WrongIssuer);
    let (_keys, verifier) = verifier(&provider, discover(&provider));
    let app = Router::new().route("/", on_get(|| async {})).layer(BearerLayer::new(verifier));
    let request = || get("/").bearer(provider.mint(AUDIENCE));

    let answer = send(&app, request()).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    assert!(answer.headers.contains_key("retry-after"));
    provider.heal();
    send(&app, request()).await.is_ok("");
}

#[test]
fn issuer_is_https_without_query_and_fragment() {
    // RFC 8414 §2: the issuer is https, without query and fragment
    for issuer in [
        "http://id.example.com",
        "https://id.example.com?tenant=a",
        "https://id.example.com#a",
        "id.example.com",
    ] {
        let error = HttpFetch::discover(issuer).unwrap_err();
        assert!(matches!(error, ConfigError::Address { .. }), "{issuer}");
    }
    for issuer in ["https://id.example.com", "https://id.example.com/", "https://id.example.com/a"]
    {
        assert!(HttpFetch::discover(issuer).is_ok(), "{issuer}");
    }
}

#[tokio::test]
async fn jwks_uri_that_is_not_https_is_not_used() {
    // RFC 8414 §2: jwks_uri is https
    let provider = TestProvider::start().await;
    let own = provider.jwks_url();
    for (uri, expected) in [
        ("http://id.example.com/jwks", "not HTTPS"),
        ("http://127.0.0.1.example.com/jwks", "not HTTPS"),
        ("/jwks", "https://"),
        ("file:///etc/passwd", "URL"),
        ("", "URL"),
    ] {
        provider.set_jwks_uri(uri);

        let text = problem(&discover(&provider)).await.unwrap();

        assert!(text.contains("no good `jwks_uri`") && text.contains(expected), "{uri}: {text}");
    }
    // On this machine there is no one in between.
    provider.set_jwks_uri(own);
    assert!(accepts(&provider, discover(&provider)).await);
}

#[tokio::test]
async fn keys_of_another_origin_are_used_unless_that_was_ruled_out() {
    // RFC 8414 §2: keys of the issuer's own origin can be asked for
    let (provider, elsewhere) = (TestProvider::start().await, TestProvider::start().await);
    provider.set_jwks_uri(elsewhere.jwks_url());
    let token = provider.token(AUDIENCE).sign(&elsewhere.key());

    let (_keys, usual) = verifier(&provider, discover(&provider));
    usual.verify(&token).await.unwrap();
    let (keys, strict) = verifier(&provider, discover(&provider).with_same_origin_only());
    let error = strict.verify(&token).await.unwrap_err();

    assert_eq!(error.reason(), Reason::KeysUnavailable);
    let message = keys.status().last_error().unwrap().message().to_owned();
    assert!(message.contains("another origin"), "{message}");
    assert_eq!(elsewhere.requests().jwks, 1);

    let own = TestProvider::start().await;
    assert!(accepts(&own, discover(&own).with_same_origin_only()).await);
}

#[tokio::test]
async fn keys_that_have_moved_are_found_within_the_same_fetch() {
    for gone in [404, 410] {
        let (provider, elsewhere) = (TestProvider::start().await, TestProvider::start().await);
        let (keys, verifier) = verifier(&provider, discover(&provider));
        verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();

        provider.set_jwks_fault(Fault::Status(gone));
        provider.set_jwks_uri(elsewhere.jwks_url());
        let token = provider.token(AUDIENCE).sign(&elsewhere.rotate());

        verifier.verify(&token).await.unwrap();
        assert_eq!((keys.status().fetches(), keys.status().failures()), (2, 0));
        assert_eq!((provider.requests().metadata, provider.requests().jwks), (2, 2));
        assert_eq!(elsewhere.requests().jwks, 1);
    }
}

#[tokio::test]
async fn keys_that_are_gone_and_have_not_moved_are_not_asked_for_again() {
    let provider = TestProvider::start().await;
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);

    provider.set_jwks_fault(Fault::Status(404));

    assert!(problem(&fetch).await.unwrap().contains("404"));
    assert_eq!((provider.requests().metadata, provider.requests().jwks), (2, 2));
}

#[tokio::test]
async fn metadata_is_looked_for_first_where_it_was_the_last_time() {
    let provider = provider_at("/realms/shop", &[OpenIdInserted]).await;
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);
    let before = paths(&provider).len();

    leap(Duration::from_secs(11 * 60)).await;
    assert_eq!(problem(&fetch).await, None);

    let openid = "/.well-known/openid-configuration/realms/shop";
    assert_eq!(paths(&provider)[before..], [openid, "/realms/shop/jwks"]);
}

#[tokio::test]
async fn keys_that_cannot_be_had_for_another_reason_have_not_moved() {
    let provider = TestProvider::start().await;
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);

    provider.set_jwks_fault(Fault::Status(500));

    assert!(problem(&fetch).await.unwrap().contains("500"));
    assert_eq!((provider.requests().metadata, provider.requests().jwks), (1, 2));
    provider.heal();
    assert_eq!(problem(&fetch).await, None);
}

#[tokio::test]
async fn keys_that_were_gone_with_the_metadata_are_found_again_without_it() {
    let provider = TestProvider::start().await;
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);

    provider.set_fault(Fault::Status(404));
    assert!(problem(&fetch).await.unwrap().contains("404"));
    provider.heal();
    provider.set_metadata_fault(Fault::Status(404));

    assert_eq!(problem(&fetch).await, None);
}

#[tokio::test]
async fn keys_go_on_while_the_metadata_cannot_be_had() {
    let (log, _guard) = Log::of_this_thread();
    let provider = TestProvider::start().await;
    let (keys, verifier) = verifier(&provider, discover(&provider));
    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();

    provider.set_metadata_fault(Fault::Status(500));
    leap(Duration::from_secs(11 * 60)).await;
    provider.rotate();

    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
    assert!(provider.requests().metadata >= 2);
    assert_eq!((keys.status().state(), keys.status().failures()), (KeysState::Fresh, 0));
    let (level, text) = log.about("metadata not fetched").remove(0);
    assert_eq!(level, Level::WARN);
    assert!(text.contains(provider.issuer()) && text.contains("500"), "{text}");
}

#[tokio::test]
async fn metadata_not_confirmed_for_a_day_is_used_no_more() {
    let provider = TestProvider::start().await;
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);
    provider.set_metadata_fault(Fault::Status(500));

    leap(Duration::from_secs(23 * 60 * 60)).await;
    assert_eq!(problem(&fetch).await, None);
    leap(Duration::from_secs(2 * 60 * 60)).await;
    assert!(problem(&fetch).await.unwrap().contains("no metadata"));

    provider.heal();
    assert_eq!(problem(&fetch).await, None);
}

#[tokio::test]
async fn metadata_is_asked_for_again_when_it_is_not_fresh_and_not_before() {
    let provider = TestProvider::start().await;
    provider.set_cache_control(Some("max-age=300"));
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);

    leap(Duration::from_secs(290)).await;
    assert_eq!(problem(&fetch).await, None);
    assert_eq!(provider.requests().metadata, 1);

    leap(Duration::from_secs(20)).await;
    assert_eq!(problem(&fetch).await, None);
    let requests = provider.requests();
    // Nothing had changed, so nothing was sent again.
    assert_eq!((requests.metadata, requests.jwks, requests.not_modified), (2, 3, 3));

    // From then on it is fresh for as long again.
    leap(Duration::from_secs(290)).await;
    assert_eq!(problem(&fetch).await, None);
    assert_eq!(provider.requests().metadata, 2);
}

#[tokio::test]
async fn metadata_that_does_not_say_for_how_long_is_fresh_for_ten_minutes() {
    let provider = TestProvider::start().await;
    provider.set_cache_control(None);
    let fetch = discover(&provider);
    assert_eq!(problem(&fetch).await, None);

    for (pause, metadata) in [(590, 1), (20, 2)] {
        leap(Duration::from_secs(pause)).await;
        assert_eq!(problem(&fetch).await, None);
        assert_eq!(provider.requests().metadata, metadata);
    }
}

#[tokio::test]
async fn answer_that_is_not_a_document_is_no_metadata_and_no_keys() {
    // RFC 8414 §3.2: the answer is 200 and JSON
    let provider = TestProvider::start().await;
    for (fault, expected) in [
        (Fault::Status(201), "201"),
        (Fault::Status(204), "204"),
        (Fault::Status(304), "304"),
        (Fault::Status(404), "404"),
        (Fault::Status(500), "500"),
        (Fault::Html, "not"),
        (Fault::Huge, "longer than 262144 bytes"),
        (Fault::Truncated, "no complete answer"),
        (Fault::Redirect, "302"),
    ] {
        for set in [TestProvider::set_metadata_fault, TestProvider::set_jwks_fault] {
            set(&provider, fault);
            let text = problem(&discover(&provider)).await.unwrap();
            assert!(text.contains(expected), "{fault:?}: {text}");

            provider.heal();
            assert_eq!(problem(&discover(&provider)).await, None);
        }
    }
}

#[tokio::test]
async fn answer_that_takes_too_long_is_given_up() {
    let provider = TestProvider::start().await;
    let slow = [Fault::Hang, Fault::SlowHeaders(A_LONG_TIME), Fault::SlowBody(A_LONG_TIME)];
    for fault in slow {
        provider.set_fault(fault);
        let fetch = discover(&provider).with_timeout(Duration::from_millis(50));

        let text = problem(&fetch).await.unwrap();

        assert!(text.contains("within 50ms"), "{fault:?}: {text}");
    }
    provider.set_fault(Fault::SlowBody(Duration::from_millis(50)));
    assert_eq!(problem(&discover(&provider)).await, None);
}

#[tokio::test]
async fn redirects_are_followed_only_as_often_as_was_asked_for() {
    // RFC 8414 §2: redirects are not followed
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Redirect);

    assert!(problem(&discover(&provider)).await.unwrap().contains("302"));
    assert_eq!(provider.requests().redirected, 0);

    assert!(accepts(&provider, discover(&provider).with_redirects(1)).await);
    assert_eq!(provider.requests().redirected, 2);
}

/// A fetch whose first answers lead to these addresses, one after the other, and then to keys.
fn redirected(to: &'static [&'static str], jwks: String) -> HttpFetch {
    let answered = AtomicUsize::new(0);
    let client = move |_: Request<Bytes>| {
        let response = match to.get(answered.fetch_add(1, Ordering::SeqCst)) {
            Some(to) => Response::builder().status(302).header(LOCATION, *to).body(Full::default()),
            None => Response::builder().body(Full::<Bytes>::from(jwks.clone())),
        };
        std::future::ready(response)
    };
    HttpFetch::new("https://id.example.com/jwks").unwrap().with_client(client)
}

#[tokio::test]
async fn redirects_lead_only_to_where_keys_may_come_from() {
    let jwks = TestProvider::start().await.jwks();
    for (to, expected) in [
        (&["http://id.example.com/jwks"][..], Some("not followed")),
        (&["file:///etc/passwd"], Some("not followed")),
        (&["https://user:word@id.example.com/"], Some("not followed")),
        (&["/b", "http://10.0.0.1/"], Some("not followed")),
        (&["/a", "/b", "/c"], Some("more than 2 redirects")),
        (&["/a", "b"], None),
        (&["https://keys.example.com/jwks"], None),
    ] {
        let text = problem(&redirected(to, jwks.clone()).with_redirects(2)).await;

        match expected {
            Some(expected) => assert!(text.unwrap().contains(expected), "{to:?}"),
            None => assert_eq!(text, None, "{to:?}"),
        }
    }
}

#[tokio::test]
async fn only_a_redirect_leads_anywhere() {
    // RFC 9110 §10.2.2: beside a 201, Location names what was made
    let jwks = TestProvider::start().await.jwks();
    for status in [201, 401, 503] {
        let jwks = jwks.clone();
        let client = move |request: Request<Bytes>| {
            let is_first = request.uri().path() == "/jwks";
            let response = Response::builder().status(if is_first { status } else { 200 });
            let response = response.header(LOCATION, "https://id.example.com/elsewhere");
            std::future::ready(response.body(Full::<Bytes>::from(jwks.clone())))
        };
        let fetch = HttpFetch::new("https://id.example.com/jwks").unwrap();

        let text = problem(&fetch.with_client(client).with_redirects(1)).await.unwrap();

        assert!(text.contains(&format!("the answer is {status}")), "{text}");
    }
}

/// A body that never comes.
struct Never;

impl http_body::Body for Never {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn document_that_says_it_is_too_long_is_not_waited_for() {
    for (length, expected) in [(262_145, "longer than 262144 bytes"), (262_144, "within 10s")] {
        let client = move |_: Request<Bytes>| {
            std::future::ready(Response::builder().header(CONTENT_LENGTH, length).body(Never))
        };
        let fetch = HttpFetch::new("https://id.example.com/jwks").unwrap().with_client(client);

        let text = problem(&fetch).await.unwrap();

        assert!(text.contains(expected), "{length}: {text}");
    }
}

#[tokio::test]
async fn algorithm_none_in_the_metadata_lets_no_unsigned_token_in() {
    // The provider's metadata lists it, as real ones do.
    let provider = TestProvider::start().await;
    let (_keys, verifier) = verifier(&provider, discover(&provider));
    let unsigned = provider.sign(&provider.token(AUDIENCE).header("alg", "none"));

    let error = verifier.verify(&unsigned).await.unwrap_err();

    assert_eq!(error.reason(), Reason::UnsupportedAlgorithm);
    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
}

#[tokio::test]
async fn requests_are_sent_with_the_client_that_was_given() {
    let provider = TestProvider::start().await;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let sent = Arc::new(AtomicUsize::new(0));
    let fetch = discover(&provider).with_client({
        let sent = Arc::clone(&sent);
        move |request: Request<Bytes>| {
            sent.fetch_add(1, Ordering::SeqCst);
            client.request(request.map(Full::new))
        }
    });

    assert!(accepts(&provider, fetch).await);

    assert_eq!(sent.load(Ordering::SeqCst), 2);
    let accepted: Vec<_> =
        provider.received().iter().map(|request| request.headers()["accept"].clone()).collect();
    assert_eq!(accepted, ["application/json", "application/jwk-set+json, application/json"]);
}

#[tokio::test]
async fn limits_hold_for_the_client_that_was_given() {
    let provider = TestProvider::start().await;
    provider.set_jwks_fault(Fault::Redirect);
    let client = Client::builder(TokioExecutor::new()).build_http();
    let fetch = discover(&provider)
        .with_client(move |request: Request<Bytes>| client.request(request.map(Full::new)))
        .with_timeout(Duration::from_millis(200));

    assert!(problem(&fetch).await.unwrap().contains("302"));
    provider.set_jwks_fault(Fault::Huge);
    assert!(problem(&fetch).await.unwrap().contains("longer than 262144 bytes"));
    provider.set_jwks_fault(Fault::Hang);
    assert!(problem(&fetch).await.unwrap().contains("within 200ms"));
    provider.heal();
    assert_eq!(problem(&fetch).await, None);
}

#[tokio::test]
async fn document_of_256_kib_is_read_and_a_longer_one_is_not() {
    let jwks = TestProvider::start().await.jwks();
    let padded = |length: usize| format!("{jwks}{}", " ".repeat(length - jwks.len()));
    let of = |body: String| {
        let client = move |_: Request<Bytes>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(
                body.clone(),
            ))))
        };
        HttpFetch::new("https://id.example.com/jwks").unwrap().with_client(client)
    };

    assert_eq!(problem(&of(padded(256 * 1024))).await, None);
    let text = problem(&of(padded(256 * 1024 + 1))).await.unwrap();
    assert!(text.contains("longer than 262144 bytes"), "{text}");
}

#[tokio::test]
async fn first_hundred_keys_are_used_and_the_status_tells_of_the_rest() {
    let provider = TestProvider::start().await;
    let published: Vec<TestKey> = (0..101).map(|_| provider.publish_next()).collect();
    let (keys, verifier) = verifier(&provider, discover(&provider));
    let signed_with = |key: &TestKey| provider.token(AUDIENCE).sign(key);

    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
    let (hundredth, next) = (&published[98], &published[99]);
    verifier.verify(&signed_with(hundredth)).await.unwrap();
    let error = verifier.verify(&signed_with(next)).await.unwrap_err();

    assert_eq!((hundredth.key_id(), next.key_id()), (Some("key-100"), Some("key-101")));
    assert_eq!(error.reason(), Reason::UnknownKey);
    assert_eq!(keys.status().keys(), 100);
    let status = keys.status();
    let [rest] = status.skipped() else { panic!("{status:?}") };
    assert_eq!((rest.index, &rest.problem), (100, &KeyProblem::TooMany { most: 100 }));
}

#[tokio::test]
async fn odd_keys_are_left_out_with_their_reasons_and_cost_no_other() {
    let (log, _guard) = Log::of_this_thread();
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::OddKeys);
    let (keys, verifier) = verifier(&provider, discover(&provider));

    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();

    let status = keys.status();
    let skipped: Vec<_> =
        status.skipped().iter().map(|key| (key.index, key.key_id.as_deref())).collect();
    assert_eq!(
        skipped,
        [
            (0, None),
            (1, Some("odd-ml-dsa")),
            (2, Some("odd-secret")),
            (4, Some("odd-private")),
            (5, Some("odd-short")),
            (6, Some("odd-incomplete")),
            (7, Some("odd-point")),
        ]
    );
    assert_eq!(status.keys(), 1);
    let problem_of = |name: &str| {
        let key = status.skipped().iter().find(|key| key.key_id.as_deref() == Some(name));
        key.unwrap().problem.clone()
    };
    assert_eq!(problem_of("odd-secret"), KeyProblem::PublishedSecret);
    assert_eq!(problem_of("odd-private"), KeyProblem::Private);
    assert_eq!(problem_of("odd-short"), KeyProblem::RsaSize { bits: 1024 });
    assert_eq!(problem_of("odd-point"), KeyProblem::Curve);
    let levels: Vec<_> = log.about("key skipped").into_iter().map(|(level, _)| level).collect();
    let (warn, error) = (Level::WARN, Level::ERROR);
    assert_eq!(levels, [warn, warn, error, error, warn, warn, warn]);
    for name in ["odd-secret", "odd-private"] {
        assert_eq!(log.about(name)[0].0, Level::ERROR);
    }
}

#[tokio::test]
async fn secret_that_is_published_verifies_nothing() {
    // RFC 7517 §9.2: a secret in a public set is not used
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::OddKeys);
    let secret = TestKey::from_secret(Algorithm::HS256, Fault::ODD_SECRET);
    let (keys, verifier) = verifier(&provider, discover(&provider));
    for (key, reason) in [
        (secret.clone().with_key_id("odd-secret"), Reason::UnknownKey),
        (secret.clone().with_key_id("key-1"), Reason::AlgorithmNotAllowed),
        (secret.clone(), Reason::AlgorithmNotAllowed),
    ] {
        let forged = provider.token(AUDIENCE).sign(&key);

        let error = verifier.verify(&forged).await.unwrap_err();

        assert_eq!(error.reason(), reason, "{key:?}");
    }
    assert_eq!(keys.status().state(), KeysState::Fresh);
    verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
}

#[tokio::test]
async fn set_of_nothing_but_secrets_is_a_failed_fetch() {
    let secret = TestKey::from_secret(Algorithm::HS256, Fault::ODD_SECRET);
    let public = TestKey::generate(Algorithm::ES256);
    for (keys, is_good) in [(vec![&secret], false), (vec![&secret, &public], true)] {
        let keys: Vec<_> = keys.iter().map(|key| key.to_jwk()).collect();
        let body = serde_json::json!({ "keys": keys }).to_string();
        let client = move |_: Request<Bytes>| {
            std::future::ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(
                body.clone(),
            ))))
        };
        let fetch = HttpFetch::new("https://id.example.com/jwks").unwrap().with_client(client);

        assert_eq!(problem(&fetch).await.is_none(), is_good);
    }
}
