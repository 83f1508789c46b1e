//! API keys through the layer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, Request, StatusCode};
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tower_bearer::api_key::{
    ApiKey, ApiKeyManager, ApiKeyPrefix, ApiKeyRecord, ApiKeyRequest, ApiKeySource, ApiKeys,
    ApiKeysUnavailable, IssuedApiKey, MemoryApiKeys,
};
use tower_bearer::challenge::AuthScheme;
use tower_bearer::middleware::Authenticator as _;
use tower_bearer::policy::{role, scope};
use tower_bearer::revocation::MemoryRevocations;
use tower_bearer::source::{AuthorizationHeader, HeaderToken};
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Principal, Reason, require};

use crate::support::log::Log;
use crate::support::{
    ISSUER, NOW, PLAIN, User, WithBearer, challenge, get, good, invalid_token, layer, send,
    validation, verifier,
};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

fn prefix() -> ApiKeyPrefix {
    ApiKeyPrefix::new("acme").unwrap()
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

/// A store whose look-ups are counted, can fail, and can be held up.
#[derive(Clone)]
struct Watched {
    store: MemoryApiKeys,
    asked: Arc<AtomicUsize>,
    is_away: Arc<AtomicBool>,
    gate: Arc<Semaphore>,
}

impl Watched {
    fn new(store: MemoryApiKeys) -> Self {
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Self { store, asked: Arc::default(), is_away: Arc::default(), gate }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl ApiKeySource for Watched {
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(ApiKeysUnavailable::new("the database is away"));
        }
        self.store.find(id).await
    }

    async fn record_uses(&self, uses: &[(String, SystemTime)]) -> Result<(), ApiKeysUnavailable> {
        self.store.record_uses(uses).await
    }

    fn generation(&self) -> u64 {
        self.store.generation()
    }
}

struct House {
    source: Watched,
    manager: ApiKeyManager,
    clock: Arc<TestClock>,
}

impl House {
    fn new() -> Self {
        let store = MemoryApiKeys::new();
        let clock = Arc::new(TestClock::at(NOW));
        let manager = ApiKeyManager::new(prefix(), store.clone()).with_clock(Arc::clone(&clock));
        Self { source: Watched::new(store), manager, clock }
    }

    /// No layer keeps an answer, so that each request asks.
    fn keys(&self) -> ApiKeys {
        let keys = ApiKeys::new(prefix(), self.source.clone()).unwrap();
        keys.with_freshness(Duration::ZERO).with_clock(Arc::clone(&self.clock))
    }

    fn layer(&self) -> BearerLayer<User> {
        layer().with_authenticator(self.keys(), validation()).unwrap()
    }

    async fn issue(&self, request: ApiKeyRequest) -> IssuedApiKey {
        self.manager.create(request).await.unwrap()
    }
}

fn request() -> ApiKeyRequest {
    ApiKeyRequest::for_owner("builder").with_scopes(["images:read"]).with_roles(["ci"])
}

fn app(layer: BearerLayer<User>) -> Router {
    let who = async |principal: Principal| {
        let jti = principal.registered().token_id().unwrap_or_default();
        format!("{} {} {}", principal.subject().unwrap(), principal.is_api_key(), jti)
    };
    Router::new()
        .route("/", on_get(who))
        .route("/read", on_get(who).layer(require(scope("images:read").and(role("ci")))))
        .route("/write", on_get(who).layer(require(scope("images:write"))))
        .layer(layer)
}

fn with(name: &HeaderName, value: &str) -> Request<Body> {
    Request::get("/").header(name, value).body(Body::empty()).unwrap()
}

fn unverified() -> String {
    invalid_token("The token cannot be verified")
}

#[tokio::test]
async fn key_speaks_for_its_owner_with_its_grants() {
    let house = House::new();
    let issued = house.issue(request().with_label("nightly")).await;
    let app = app(house.layer());
    let key = issued.key.as_str();

    let answer = send(&app, get("/").bearer(key)).await;
    assert_eq!(answer.body, format!("builder true {}", issued.record.id));
    assert_eq!(send(&app, get("/read").bearer(key)).await.status, StatusCode::OK);
    let refused = send(&app, get("/write").bearer(key)).await;
    let needed = challenge("insufficient_scope", "The token lacks a permission");
    assert_eq!(refused.reason, Some(Reason::InsufficientScope));
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{needed}");
    // A JWT goes its own way.
    let answer = send(&app, get("/").bearer(good())).await;
    assert!(answer.body.starts_with("alice false"), "{}", answer.body);
}

#[tokio::test]
async fn key_with_a_mistake_is_refused_without_a_look_up() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let app = app(house.layer());
    let key = issued.key.as_str();
    let mut mistyped = key.to_owned();
    let last = if key.ends_with('a') { "b" } else { "a" };
    mistyped.replace_range(key.len() - 1.., last);
    let lowered = key.to_ascii_lowercase();

    for bad in [&*mistyped, &lowered, &key[..key.len() - 1], "acme_", "acme_x", "acme_a.b.c"] {
        let answer = send(&app, get("/").bearer(bad)).await;
        answer.is_refused(401, Some(&unverified()), Reason::Malformed);
    }

    assert_eq!(house.source.asked(), 0);
    assert_eq!(send(&app, get("/").bearer(key)).await.status, StatusCode::OK);
    assert_eq!(house.source.asked(), 1);
}

#[tokio::test]
async fn key_that_is_not_known_is_refused_as_one_with_a_wrong_secret() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let made_up = ApiKey::generate(&prefix()).unwrap();
    // The same id with another secret: the record was replaced meanwhile, say.
    let other = House::new();
    let mut record = issued.record.clone();
    record.hash = made_up.hash().unwrap();
    let new = tower_bearer::api_key::NewApiKeyRecord::new(record, None);
    tower_bearer::api_key::ApiKeyStore::create(&other.source.store, new).await.unwrap();

    for (house, key) in [(&house, &made_up), (&other, &issued.key)] {
        let answer = send(&app(house.layer()), get("/").bearer(key.as_str())).await;
        answer.is_refused(401, Some(&unverified()), Reason::UnknownKey);
        assert_eq!(house.source.asked(), 1);
    }
    let answer = send(&app(house.layer()), get("/").bearer(issued.key.as_str())).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn key_of_another_application_goes_to_the_verifier() {
    let house = House::new();
    let other = ApiKey::generate(&ApiKeyPrefix::new("acme2").unwrap()).unwrap();
    let longer = ApiKey::generate(&ApiKeyPrefix::new("acme_live").unwrap()).unwrap();
    let app = app(house.layer());

    for key in [other, longer] {
        let answer = send(&app, get("/").bearer(key.as_str())).await;
        answer.is_refused(401, Some(&unverified()), Reason::Malformed);
    }
    assert_eq!(house.source.asked(), 0);
}

#[tokio::test]
async fn any_prefix_is_accepted_where_none_is_named() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let keys = ApiKeys::with_any_prefix(house.source.clone()).unwrap();
    let app = app(layer().with_authenticator(keys, validation()).unwrap());
    let other = ApiKey::generate(&ApiKeyPrefix::new("other").unwrap()).unwrap();
    let cut = &issued.key.as_str()[..70];

    assert_eq!(send(&app, get("/").bearer(issued.key.as_str())).await.status, StatusCode::OK);
    assert_eq!(send(&app, get("/").bearer(good())).await.status, StatusCode::OK);
    let answer = send(&app, get("/").bearer(other.as_str())).await;
    answer.is_refused(401, Some(&unverified()), Reason::UnknownKey);
    let answer = send(&app, get("/").bearer(cut)).await;
    answer.is_refused(401, Some(&unverified()), Reason::Malformed);
    assert_eq!(house.source.asked(), 2);
}

#[tokio::test]
async fn key_that_is_disabled_is_refused_until_it_is_enabled() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let app = app(house.layer());
    let ask = || send(&app, get("/").bearer(issued.key.as_str()));
    assert_eq!(ask().await.status, StatusCode::OK);

    house.manager.disable(&issued.record.id, None).await.unwrap();
    let challenge = invalid_token("The token is not active any more");
    ask().await.is_refused(401, Some(&challenge), Reason::Inactive);
    house.manager.enable(&issued.record.id, None).await.unwrap();

    assert_eq!(ask().await.status, StatusCode::OK);
}

#[tokio::test]
async fn key_that_has_ended_is_refused() {
    let house = House::new();
    let (issued, other) = (house.issue(request()).await, house.issue(request()).await);
    let app = app(house.layer());
    assert_eq!(send(&app, get("/").bearer(issued.key.as_str())).await.status, StatusCode::OK);

    house.manager.end(&issued.record.id, Some("builder")).await.unwrap();

    let answer = send(&app, get("/").bearer(issued.key.as_str())).await;
    let challenge = invalid_token("The token was revoked");
    answer.is_refused(401, Some(&challenge), Reason::Revoked);
    assert_eq!(send(&app, get("/").bearer(other.key.as_str())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn key_that_ends_on_one_node_is_refused_at_once_on_others() {
    /// A source that does not notice changes by other programs, as a database does not.
    #[derive(Clone)]
    struct OfOtherNode(MemoryApiKeys);
    impl ApiKeySource for OfOtherNode {
        async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
            self.0.find(id).await
        }
    }
    let (house, revocations) = (House::new(), MemoryRevocations::new());
    let manager = house.manager.clone().with_revocations(ISSUER, revocations.clone());
    let (issued, other) = (house.issue(request()).await, house.issue(request()).await);
    let keys = ApiKeys::new(prefix(), OfOtherNode(house.source.store.clone())).unwrap();
    let layer = BearerLayer::new(verifier().with_revocations(revocations));
    let app = app(layer.with_authenticator(keys, validation()).unwrap());
    let ask = |issued: &IssuedApiKey| send(&app, get("/").bearer(issued.key.as_str()));
    for issued in [&issued, &other] {
        assert_eq!(ask(issued).await.status, StatusCode::OK);
    }

    manager.end(&issued.record.id, None).await.unwrap();

    let challenge = invalid_token("The token was revoked");
    ask(&issued).await.is_refused(401, Some(&challenge), Reason::Revoked);
    assert_eq!(ask(&other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn key_is_good_until_it_expires() {
    let house = House::new();
    let issued = house.issue(request().with_lifetime(Duration::from_secs(100))).await;
    let app = app(house.layer());

    house.clock.advance(Duration::from_secs(99));
    assert_eq!(send(&app, get("/").bearer(issued.key.as_str())).await.status, StatusCode::OK);
    house.clock.advance(Duration::from_secs(1));

    let answer = send(&app, get("/").bearer(issued.key.as_str())).await;
    let challenge = invalid_token("The token has expired");
    answer.is_refused(401, Some(&challenge), Reason::Expired);
}

#[tokio::test]
async fn both_keys_are_good_during_a_rotation() {
    let house = House::new();
    let old = house.issue(request().with_label("nightly")).await;
    let manager = house.manager.clone().with_rotation_overlap(Duration::from_secs(60));
    let app = app(house.layer());
    let status = async |key: &ApiKey| send(&app, get("/read").bearer(key.as_str())).await.status;

    let new = manager.rotate(&old.record.id, "builder").await.unwrap();

    assert_eq!(new.record.label, "nightly");
    assert_eq!(new.replaced.unwrap().expires_at, Some(now() + Duration::from_secs(60)));
    assert_eq!(status(&old.key).await, StatusCode::OK);
    assert_eq!(status(&new.key).await, StatusCode::OK);
    house.clock.advance(Duration::from_secs(60));
    assert_eq!(status(&old.key).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status(&new.key).await, StatusCode::OK);
}

#[tokio::test]
async fn store_that_is_away_is_503_and_never_401() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let made_up = ApiKey::generate(&prefix()).unwrap();
    let app = app(house.layer());
    house.source.is_away.store(true, Ordering::SeqCst);

    for key in [&issued.key, &made_up] {
        let answer = send(&app, get("/").bearer(key.as_str())).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(answer.headers[RETRY_AFTER], "5");
    }
    house.source.is_away.store(false, Ordering::SeqCst);
    assert_eq!(send(&app, get("/").bearer(issued.key.as_str())).await.status, StatusCode::OK);
}

#[tokio::test]
async fn key_is_found_in_a_field_of_its_own_beside_the_authorization_field() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let scheme = AuthScheme::new("ApiKey").unwrap();
    let source = HeaderToken::new(X_API_KEY).with_scheme(scheme);
    let keys = house.keys().with_scheme(scheme);
    let layer = layer().with_authenticator(keys, validation()).unwrap();
    let beside = app(layer.clone().with_source(source.clone()));
    let before = app(layer.with_source_instead(source.or(AuthorizationHeader::new())));
    let (key, bearer) = (issued.key.as_str(), format!("Bearer {}", good()));

    for app in [&beside, &before] {
        assert_eq!(send(app, with(&X_API_KEY, key)).await.status, StatusCode::OK);
        assert_eq!(send(app, get("/").bearer(key)).await.status, StatusCode::OK);
        assert_eq!(send(app, with(&AUTHORIZATION, &bearer)).await.status, StatusCode::OK);
        // A JWT is not accepted where API keys stand.
        let answer = send(app, with(&X_API_KEY, &good())).await;
        answer.is_refused(401, Some(&unverified()), Reason::Malformed);
        send(app, get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        // Nothing is found in a query.
        let in_query = get(&format!("/?api_key={key}&access_token={key}"));
        send(app, in_query).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        let twice = with(&X_API_KEY, key).field("x-api-key", key);
        let refused = send(app, twice).await;
        assert_eq!((refused.status.as_u16(), refused.reason), (400, Some(Reason::SeveralTokens)));
    }
    let both = || with(&X_API_KEY, key).bearer(good());
    let refused = send(&beside, both()).await;
    assert_eq!((refused.status.as_u16(), refused.reason), (400, Some(Reason::SeveralTokens)));
    let answer = send(&before, both()).await;
    assert!(answer.body.starts_with("builder true"), "{}", answer.body);
}

#[tokio::test]
async fn key_is_found_under_a_scheme_of_its_own() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let scheme = AuthScheme::new("ApiKey").unwrap();
    let keys = house.keys().with_scheme(scheme);
    let layer = layer().with_authenticator(keys, validation()).unwrap();
    let app = app(layer.with_schemes([AuthScheme::BEARER.into(), scheme.into()]));
    let authorization = |value: String| with(&AUTHORIZATION, &value);

    let accepted = send(&app, authorization(format!("apikey {}", issued.key.as_str()))).await;
    assert_eq!(accepted.status, StatusCode::OK);
    let accepted = send(&app, authorization(format!("Bearer {}", good()))).await;
    assert_eq!(accepted.status, StatusCode::OK);

    let refused = send(&app, authorization(format!("ApiKey {}", good()))).await;
    assert_eq!((refused.status.as_u16(), refused.reason), (401, Some(Reason::Malformed)));
    let offered: Vec<_> = refused.headers.get_all(WWW_AUTHENTICATE).iter().collect();
    assert!(offered.iter().any(|one| one.as_bytes().starts_with(b"ApiKey ")), "{offered:?}");
}

#[tokio::test]
async fn last_use_is_recorded_behind_the_request_and_seldom() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let keys = house.keys();
    let last = async || {
        // The task that records runs on this thread.
        tokio::task::yield_now().await;
        let found = house.source.store.find(&issued.record.id).await.unwrap();
        found.unwrap().last_used
    };
    let use_it = async || drop(keys.authenticate(issued.key.as_str()).await.unwrap());

    use_it().await;
    assert_eq!(last().await, Some(now()));
    house.clock.advance(Duration::from_secs(599));
    use_it().await;
    assert_eq!(last().await, Some(now()));
    house.clock.advance(Duration::from_secs(1));
    use_it().await;
    assert_eq!(last().await, Some(now() + Duration::from_secs(600)));

    // A key that is refused is not used.
    house.manager.end(&issued.record.id, None).await.unwrap();
    house.clock.advance(Duration::from_secs(1000));
    keys.authenticate(issued.key.as_str()).await.unwrap_err();
    assert_eq!(last().await, Some(now() + Duration::from_secs(600)));
}

#[tokio::test]
async fn flood_of_made_up_keys_is_bounded_and_delays_no_key_that_was_good() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let keys = Arc::new(house.keys());
    keys.authenticate(issued.key.as_str()).await.unwrap();
    house.source.gate.forget_permits(Semaphore::MAX_PERMITS);

    let mut flood = Vec::new();
    for _ in 0..1_000 {
        let (keys, key) = (Arc::clone(&keys), ApiKey::generate(&prefix()).unwrap());
        flood.push(tokio::spawn(async move { keys.authenticate(key.as_str()).await.err() }));
        tokio::task::yield_now().await;
    }
    let known = tokio::spawn({
        let (keys, key) = (Arc::clone(&keys), issued.key.clone());
        async move { keys.authenticate(key.as_str()).await }
    });
    tokio::task::yield_now().await;

    // One look-up from before, eight of the flood, and that of the good key, which did not wait.
    assert_eq!(house.source.asked(), 1 + 8 + 1);
    house.source.gate.add_permits(Semaphore::MAX_PERMITS);
    known.await.unwrap().unwrap();
    let mut reasons = Vec::new();
    for one in flood {
        reasons.push(one.await.unwrap().unwrap().reason());
    }
    let count = |wanted| reasons.iter().filter(|reason| **reason == wanted).count();
    assert_eq!(count(Reason::UnknownKey), 8 + 512);
    assert_eq!(count(Reason::AuthenticatorFailed), 1_000 - 520);
}

#[tokio::test]
async fn generation_changes_with_the_store() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let keys = house.keys();
    let before = keys.generation();

    house.manager.disable(&issued.record.id, None).await.unwrap();

    assert_ne!(keys.generation(), before);
}

#[tokio::test]
async fn key_is_accepted_and_refused_over_a_socket() {
    let house = House::new();
    let issued = house.issue(request()).await;
    let scheme = AuthScheme::new("ApiKey").unwrap();
    let keys = house.keys().with_scheme(scheme);
    let layer = layer().with_authenticator(keys, validation()).unwrap();
    let app = app(layer.with_source(HeaderToken::new(X_API_KEY).with_scheme(scheme)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let ask = async |field: &str| {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{field}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let key = issued.key.as_str();

    for good in [format!("authorization: Bearer {key}"), format!("x-api-key: {key}")] {
        let answer = ask(&good).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("builder true"), "{answer}");
    }
    for bad in [format!("authorization: Bearer {}", &key[..70]), format!("x-api-key: {}", good())] {
        let answer = ask(&bad).await;
        assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_token"), "{answer}");
    }
}

#[tokio::test]
async fn uses_that_cannot_be_recorded_are_reported_once_and_refuse_no_request() {
    #[derive(Clone)]
    struct Forgetful(MemoryApiKeys);
    impl ApiKeySource for Forgetful {
        async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
            self.0.find(id).await
        }

        async fn record_uses(&self, _: &[(String, SystemTime)]) -> Result<(), ApiKeysUnavailable> {
            Err(ApiKeysUnavailable::new("the disk is full"))
        }
    }
    let (log, _guard) = Log::of_this_thread();
    let house = House::new();
    let issued = house.issue(request()).await;
    let keys = ApiKeys::new(prefix(), Forgetful(house.source.store.clone())).unwrap();

    for _ in 0..10 {
        keys.authenticate(issued.key.as_str()).await.unwrap();
        tokio::task::yield_now().await;
    }

    let [(level, text)] = &log.about("could not be recorded")[..] else {
        panic!("{:?}", log.events())
    };
    assert_eq!(*level, tracing::Level::WARN);
    assert!(text.contains("the disk is full") && !text.contains(&issued.record.id), "{text}");
}

#[tokio::test]
async fn nothing_shows_a_secret() {
    let (log, _guard) = Log::of_this_thread();
    let house = House::new();
    let issued = house.issue(request()).await;
    let secret = &issued.key.as_str()[22..];

    let shown = format!("{:?} {issued:?} {:?}", house.keys(), house.manager);
    let refused = house.keys().authenticate(&issued.key.as_str()[..70]).await.unwrap_err();

    let app = app(house.layer());
    house.manager.end(&issued.record.id, None).await.unwrap();
    for token in [issued.key.as_str(), &issued.key.as_str()[..70]] {
        assert_eq!(send(&app, get("/").bearer(token)).await.status, StatusCode::UNAUTHORIZED);
    }

    assert!(log.events().len() >= 2);
    let shown = format!("{shown} {refused:?} {refused:#} {:?}", log.events());
    assert!(!shown.contains(&secret[..10]) && shown.contains(&issued.record.id), "{shown}");
}

proptest! {
    #[test]
    fn any_token_with_the_prefix_is_refused_without_a_panic(rest in "\\PC{0,100}") {
        let house = House::new();
        let keys = house.keys();
        let token = format!("acme_{rest}");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();

        let refused = runtime.block_on(keys.authenticate(&token)).unwrap_err();

        prop_assert_eq!(refused.reason(), Reason::Malformed);
    }
}
