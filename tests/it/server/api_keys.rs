//! The services by which owners look after their API keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower_bearer::api_key::{
    ApiKeyChange, ApiKeyCreation, ApiKeyEndpoints, ApiKeyError, ApiKeyManager, ApiKeyPrefix,
    ApiKeyRecord, ApiKeyRequest, ApiKeyRotation, ApiKeyRotationOutcome, ApiKeySource, ApiKeyStore,
    ApiKeys, ApiKeysUnavailable, MemoryApiKeys, NewApiKeyRecord,
};
use tower_bearer::policy::role;
use tower_bearer::revocation::{
    MemoryRevocations, Revocable, Revocation, RevocationStore, Revocations as _,
    RevocationsUnavailable, Revoked,
};
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Reason, Validation, Verifier};

use crate::support::{AUDIENCE, Answer, ISSUER, NOW, WithBearer, key, send, token, validation};

/// A store that can be away.
#[derive(Clone, Default)]
struct Store {
    keys: MemoryApiKeys,
    is_away: Arc<AtomicBool>,
}

impl Store {
    fn asked(&self) -> Result<&MemoryApiKeys, ApiKeysUnavailable> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(ApiKeysUnavailable::new("the database is away"));
        }
        Ok(&self.keys)
    }
}

impl ApiKeySource for Store {
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        self.asked()?.find(id).await
    }
}

impl ApiKeyStore for Store {
    async fn create(&self, new: NewApiKeyRecord) -> Result<ApiKeyCreation, ApiKeysUnavailable> {
        self.asked()?.create(new).await
    }

    async fn of_owner(&self, owner: &str) -> Result<Vec<ApiKeyRecord>, ApiKeysUnavailable> {
        self.asked()?.of_owner(owner).await
    }

    async fn change(
        &self,
        id: &str,
        owner: Option<&str>,
        change: ApiKeyChange,
    ) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        self.asked()?.change(id, owner, change).await
    }

    async fn rotate(
        &self,
        rotation: ApiKeyRotation<'_>,
    ) -> Result<ApiKeyRotationOutcome, ApiKeysUnavailable> {
        self.asked()?.rotate(rotation).await
    }

    async fn sweep(&self, before: SystemTime) -> Result<bool, ApiKeysUnavailable> {
        self.asked()?.sweep(before).await
    }
}

struct House {
    store: Store,
    revocations: MemoryRevocations,
    manager: ApiKeyManager,
    app: Router,
}

impl House {
    fn new() -> Self {
        Self::with(|endpoints| endpoints)
    }

    fn with(change: impl FnOnce(ApiKeyEndpoints) -> ApiKeyEndpoints) -> Self {
        let prefix = || ApiKeyPrefix::new("acme").unwrap();
        let (store, clock) = (Store::default(), Arc::new(TestClock::at(NOW)));
        let revocations = MemoryRevocations::new();
        let manager = ApiKeyManager::new(prefix(), store.clone())
            .with_max_per_owner(Some(3))
            .with_revocations(ISSUER, revocations.clone())
            .with_clock(Arc::clone(&clock));
        let keys = change(ApiKeyEndpoints::new(manager.clone(), ISSUER));
        let verifier = Verifier::<Value>::new(key().verifying_key(), validation()).unwrap();
        let layer = BearerLayer::new(verifier.with_clock(Arc::clone(&clock)));
        let by_key = ApiKeys::new(prefix(), store.clone()).unwrap().with_clock(clock);
        let layer = layer.with_authenticator(by_key, validation()).unwrap();
        let app = Router::new()
            .route_service("/api-keys", keys.keys())
            .route_service("/api-keys/{id}", keys.key())
            .route_service("/api-keys/{id}/rotate", keys.rotation())
            .route_layer(layer);
        Self { store, revocations, manager, app }
    }

    async fn ask(&self, method: Method, path: &str, token: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = send(&self.app, request.bearer(token)).await;
        if answer.status != StatusCode::UNAUTHORIZED {
            assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
        }
        answer
    }

    async fn create(&self, token: &str, body: &Value) -> Answer {
        self.ask(Method::POST, "/api-keys", token, &body.to_string()).await
    }

    async fn created(&self, token: &str, body: &Value) -> Value {
        let answer = self.create(token, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
        json(&answer)
    }

    async fn list(&self, token: &str) -> Vec<Value> {
        let answer = self.ask(Method::GET, "/api-keys", token, "").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        json(&answer).as_array().unwrap().clone()
    }

    async fn end(&self, token: &str, id: &str) -> Answer {
        self.ask(Method::DELETE, &format!("/api-keys/{id}"), token, "").await
    }

    async fn rotate(&self, token: &str, id: &str) -> Answer {
        self.ask(Method::POST, &format!("/api-keys/{id}/rotate"), token, "").await
    }
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
}

fn user(subject: &str, roles: &[&str], scope: &str) -> String {
    let token = token().claim("sub", subject).claim("roles", json!(roles));
    token.claim("scope", scope).sign(&key())
}

fn alice() -> String {
    user("alice", &["ci", "dev"], "images:read images:write")
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    let body = json(answer);
    assert_eq!((answer.status.as_u16(), body["error"].as_str()), (status, Some(error)), "{body}");
}

#[tokio::test]
async fn key_is_shown_once_and_listed_without_its_secret() {
    let house = House::new();
    let wanted = json!({
        "label": "nightly", "roles": ["ci"], "scopes": ["images:read"], "expires_in": 3600,
    });

    let created = house.created(&alice(), &wanted).await;
    let listed = house.list(&alice()).await;

    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("acme_"));
    let mut expected = created.clone();
    expected.as_object_mut().unwrap().remove("key");
    assert_eq!(listed, [expected]);
    let expected = json!({
        "id": created["id"], "owner": "alice", "label": "nightly", "roles": ["ci"],
        "scopes": ["images:read"], "created_at": "2027-01-15T08:00:00Z",
        "expires_at": "2027-01-15T09:00:00Z", "last_used": null, "state": "active",
    });
    assert_eq!(listed, [expected]);
    // It is good: it may list nothing, as it is a key.
    refused(&house.ask(Method::GET, "/api-keys", key, "").await, 403, "forbidden");
    assert!(house.list(&user("bob", &[], "")).await.is_empty());
    let head = house.ask(Method::HEAD, "/api-keys", &alice(), "").await;
    assert_eq!(head.status, StatusCode::OK);
}

#[tokio::test]
async fn key_has_no_grant_that_its_maker_does_not_have() {
    let house = House::new();

    for wanted in [
        json!({ "roles": ["admin"] }),
        json!({ "roles": ["ci", "admin"] }),
        json!({ "scopes": ["images:delete"] }),
        json!({ "scopes": ["images:read", "images"] }),
        json!({ "roles": ["images:read"] }),
        json!({ "scopes": ["ci"] }),
    ] {
        refused(&house.create(&alice(), &wanted).await, 403, "forbidden");
    }
    assert!(house.list(&alice()).await.is_empty());

    let all = json!({ "roles": ["ci", "dev"], "scopes": ["images:read", "images:write"] });
    house.created(&alice(), &all).await;
    let none = house.created(&alice(), &json!({})).await;
    assert_eq!((&none["roles"], &none["scopes"]), (&json!([]), &json!([])));
    assert_eq!(none["expires_at"], Value::Null);
}

#[tokio::test]
async fn only_an_administrator_makes_and_ends_keys_of_others() {
    let house = House::with(|endpoints| endpoints.with_administrators(role("admin")));
    let root = user("root", &["admin"], "images:read");
    let for_bob = json!({ "owner": "bob", "scopes": ["images:read"] });

    refused(&house.create(&alice(), &for_bob).await, 403, "forbidden");
    let created = house.created(&root, &for_bob).await;
    assert_eq!(created["owner"], "bob");
    // An administrator gives no grant that it does not have.
    let more = json!({ "owner": "bob", "scopes": ["images:write"] });
    refused(&house.create(&root, &more).await, 403, "forbidden");
    house.created(&alice(), &json!({ "owner": "alice" })).await;

    let id = created["id"].as_str().unwrap();
    refused(&house.end(&alice(), id).await, 404, "not_found");
    refused(&house.rotate(&root, id).await, 404, "not_found");
    assert_eq!(house.list(&user("bob", &[], "")).await[0]["state"], "active");
    assert_eq!(house.end(&root, id).await.status, StatusCode::NO_CONTENT);
    assert_eq!(house.list(&user("bob", &[], "")).await[0]["state"], "ended");
}

#[tokio::test]
async fn no_owner_is_named_where_there_is_no_administrator() {
    let house = House::new();
    let root = user("root", &["admin"], "");

    refused(&house.create(&root, &json!({ "owner": "bob" })).await, 403, "forbidden");
    house.created(&root, &json!({ "owner": "root" })).await;
}

#[tokio::test]
async fn ended_key_is_refused_and_revoked_by_its_id() {
    let house = House::new();
    let created = house.created(&alice(), &json!({})).await;
    let (id, key) = (created["id"].as_str().unwrap(), created["key"].as_str().unwrap());
    let revoked = || house.revocations.lookup(ISSUER, Revocable::Token(id));
    assert_eq!(revoked(), None);

    refused(&house.end(&user("bob", &[], ""), id).await, 404, "not_found");
    assert_eq!(revoked(), None);
    assert_eq!(house.end(&alice(), id).await.status, StatusCode::NO_CONTENT);

    assert_eq!(revoked(), Some(Revoked::Entirely));
    let answer = house.ask(Method::GET, "/api-keys", key, "").await;
    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::Revoked)));
    // Again is the same, and no other key is there.
    assert_eq!(house.end(&alice(), id).await.status, StatusCode::NO_CONTENT);
    refused(&house.end(&alice(), "0123456789abcdef").await, 404, "not_found");
    refused(&house.rotate(&alice(), id).await, 404, "not_found");
}

#[tokio::test]
async fn key_that_could_not_be_revoked_is_refused_here_and_the_call_can_be_repeated() {
    #[derive(Clone, Default)]
    struct Away(Arc<AtomicBool>, MemoryRevocations);
    impl RevocationStore for Away {
        async fn add(&self, revocation: Revocation) -> Result<(), RevocationsUnavailable> {
            if self.0.load(Ordering::SeqCst) {
                return Err(RevocationsUnavailable::new("the network is down"));
            }
            self.1.add(revocation).await
        }
    }
    let (house, revocations) = (House::new(), Away::default());
    let manager = house.manager.clone().with_revocations(ISSUER, revocations.clone());
    let issued = manager.create(ApiKeyRequest::for_owner("alice")).await.unwrap();
    let id = &issued.record.id;
    let revoked = || revocations.1.lookup(ISSUER, Revocable::Token(id)).is_some();
    revocations.0.store(true, Ordering::SeqCst);

    let failed = manager.end(id, None).await.unwrap_err();
    assert!(matches!(&failed, ApiKeyError::NotRevoked(_)), "{failed:?}");
    assert_eq!(failed.retry_after(), Some(Duration::from_secs(5)));
    let answer = house.ask(Method::GET, "/api-keys", issued.key.as_str(), "").await;
    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::Revoked)));
    assert!(!revoked());
    revocations.0.store(false, Ordering::SeqCst);
    manager.end(id, None).await.unwrap();

    assert!(revoked());
    let other = manager.create(ApiKeyRequest::for_owner("alice")).await.unwrap();
    manager.disable(&other.record.id, None).await.unwrap();
    let name = Revocable::Token(&other.record.id);
    assert_eq!(revocations.1.lookup(ISSUER, name), Some(Revoked::Entirely));
}

#[tokio::test]
async fn client_that_goes_away_leaves_no_key_half_ended() {
    let house = House::new();
    let created = house.created(&alice(), &json!({})).await;
    let id = created["id"].as_str().unwrap();

    let token = alice();
    let mut ending = Box::pin(house.end(&token, id));
    // It has begun, in a task of its own.
    std::future::poll_fn(|cx| {
        let polled = ending.as_mut().poll(cx);
        assert!(polled.is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(ending);
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }

    assert_eq!(house.list(&alice()).await[0]["state"], "ended");
    let revoked = house.revocations.lookup(ISSUER, Revocable::Token(id));
    assert_eq!(revoked, Some(Revoked::Entirely));
}

#[tokio::test]
async fn rotation_gives_a_new_key_with_the_grants_of_the_old_one() {
    let house = House::new();
    let wanted = json!({ "label": "x", "scopes": ["images:read"], "expires_in": 3600 });
    let old = house.created(&alice(), &wanted).await;

    let answer = house.rotate(&alice(), old["id"].as_str().unwrap()).await;

    assert_eq!(answer.status, StatusCode::CREATED);
    let new = json(&answer);
    assert_ne!((&new["id"], &new["key"]), (&old["id"], &old["key"]));
    assert_eq!((&new["label"], &new["scopes"]), (&old["label"], &old["scopes"]));
    assert_eq!(new["expires_at"], "2027-01-15T09:00:00Z");
    assert_eq!(new["replaces"]["id"], old["id"]);
    assert_eq!(new["replaces"]["expires_at"], "2027-01-15T09:00:00Z");
    assert_eq!(house.list(&alice()).await.len(), 2);
}

#[tokio::test]
async fn rotation_whose_answer_was_lost_can_be_repeated() {
    let house = House::new();
    for wanted in [json!({}), json!({ "expires_in": 3600 * 48 })] {
        let old = house.created(&alice(), &wanted).await;
        let id = old["id"].as_str().unwrap();

        let first = json(&house.rotate(&alice(), id).await);
        let again = json(&house.rotate(&alice(), id).await);

        // Neither new key lives only as long as the old one still does.
        assert_eq!(
            (&first["expires_at"], &again["expires_at"]),
            (&old["expires_at"], &old["expires_at"])
        );
        assert_eq!(again["replaces"]["expires_at"], "2027-01-16T08:00:00Z");
        for key in [&old, &first, &again] {
            house.end(&alice(), key["id"].as_str().unwrap()).await;
        }
    }
}

#[tokio::test]
async fn key_with_grants_that_its_owner_has_lost_is_not_rotated() {
    let house = House::new();
    let old = house.created(&alice(), &json!({ "roles": ["ci"] })).await;
    let id = old["id"].as_str().unwrap();

    refused(&house.rotate(&user("alice", &["dev"], ""), id).await, 403, "forbidden");
    assert_eq!(house.list(&alice()).await.len(), 1);
    assert_eq!(house.rotate(&alice(), id).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn api_key_makes_keys_only_where_that_is_allowed() {
    let request =
        || ApiKeyRequest::for_owner("alice").with_scopes(["images:read"]).with_roles(["ci"]);
    for is_allowed in [false, true] {
        let house = House::with(|endpoints| match is_allowed {
            true => endpoints.allowing_api_keys(),
            false => endpoints,
        });
        let issued = house.manager.create(request()).await.unwrap();
        let key = issued.key.as_str();

        let created = house.create(key, &json!({ "roles": ["ci"] })).await;
        let more = house.create(key, &json!({ "roles": ["dev"] })).await;
        let rotated = house.rotate(key, key.split('_').nth(1).unwrap()).await;
        let ended = house.end(key, &issued.record.id).await;

        refused(&more, 403, "forbidden");
        if is_allowed {
            assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
            assert_eq!(rotated.status, StatusCode::CREATED, "{}", rotated.body);
            assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.body);
        } else {
            for answer in [created, rotated, ended] {
                refused(&answer, 403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn subject_of_another_issuer_is_refused() {
    let (house, elsewhere) = (House::new(), "https://other.example.com");
    let issuers = tower_bearer::Issuers::new();
    for issuer in [ISSUER, elsewhere] {
        issuers.add(key().verifying_key(), Validation::new(issuer, AUDIENCE)).unwrap();
    }
    let verifier = Verifier::<Value>::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let keys = ApiKeyEndpoints::new(house.manager.clone(), ISSUER);
    let app = Router::new().route_service("/api-keys", keys.keys());
    let house = House { app: app.route_layer(BearerLayer::new(verifier)), ..house };

    let token = tower_bearer::test_util::TestToken::new(elsewhere, AUDIENCE).at(NOW);
    refused(&house.create(&token.sign(&key()), &json!({})).await, 403, "forbidden");

    house.created(&alice(), &json!({})).await;
}

#[tokio::test]
async fn request_that_is_not_understood_is_refused() {
    let house = House::new();
    let long = "a".repeat(129);
    let large = format!("{{\"label\":\"{}\"}}", "a".repeat(64 * 1024));

    for (body, status, error) in [
        ("{\"name\":\"x\"}", 400, "invalid_request"),
        ("{\"label\":\"x\",\"label\":\"y\"}", 400, "invalid_request"),
        ("{\"roles\":\"ci\"}", 400, "invalid_request"),
        ("{\"expires_in\":-1}", 400, "invalid_request"),
        ("{\"expires_in\":0}", 400, "invalid_request"),
        ("{\"scopes\":[\"images:read images:write\"]}", 400, "invalid_request"),
        ("{\"owner\":\"\"}", 403, "forbidden"),
        ("[]", 400, "invalid_request"),
        ("{", 400, "invalid_request"),
        ("{} {}", 400, "invalid_request"),
        (&format!("{{\"label\":\"{long}\"}}"), 400, "invalid_request"),
        (&large, 413, "invalid_request"),
    ] {
        let answer = house.ask(Method::POST, "/api-keys", &alice(), body).await;
        refused(&answer, status, error);
    }
    let form = Request::post("/api-keys").body(Body::from("label=x")).unwrap();
    refused(&send(&house.app, form.bearer(alice())).await, 415, "invalid_request");
    let id = "0123456789abcdef";
    let with_body =
        house.ask(Method::POST, &format!("/api-keys/{id}/rotate"), &alice(), "{}").await;
    refused(&with_body, 400, "invalid_request");
    for (method, path, allow) in [
        (Method::PUT, "/api-keys".to_owned(), "GET, HEAD, POST"),
        (Method::GET, format!("/api-keys/{id}"), "DELETE"),
        (Method::DELETE, format!("/api-keys/{id}/rotate"), "POST"),
    ] {
        let answer = house.ask(method, &path, &alice(), "").await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers[ALLOW], allow);
    }
    assert!(house.list(&alice()).await.is_empty());
    let empty = house.ask(Method::POST, "/api-keys", &alice(), "").await;
    assert_eq!(empty.status, StatusCode::CREATED);
}

#[tokio::test]
async fn owner_makes_no_more_keys_than_it_may_have() {
    let house = House::new();
    for _ in 0..2 {
        house.created(&alice(), &json!({})).await;
    }
    let last = house.created(&alice(), &json!({})).await;

    refused(&house.create(&alice(), &json!({})).await, 409, "too_many_keys");
    house.created(&user("bob", &[], ""), &json!({})).await;
    house.end(&alice(), last["id"].as_str().unwrap()).await;
    house.created(&alice(), &json!({})).await;
}

#[tokio::test]
async fn lifetime_is_bounded() {
    let house = House::with(|endpoints| endpoints.with_max_lifetime(Duration::from_secs(3600)));

    refused(&house.create(&alice(), &json!({ "expires_in": 3601 })).await, 400, "invalid_request");
    let longest = house.created(&alice(), &json!({ "expires_in": 3600 })).await;
    let silent = house.created(&alice(), &json!({})).await;

    assert_eq!(longest["expires_at"], "2027-01-15T09:00:00Z");
    assert_eq!(silent["expires_at"], "2027-01-15T09:00:00Z");
}

#[tokio::test]
async fn store_that_is_away_is_503() {
    let house = House::new();
    let created = house.created(&alice(), &json!({})).await;
    let id = created["id"].as_str().unwrap();
    house.store.is_away.store(true, Ordering::SeqCst);

    for answer in [
        house.create(&alice(), &json!({})).await,
        house.ask(Method::GET, "/api-keys", &alice(), "").await,
        house.end(&alice(), id).await,
        house.rotate(&alice(), id).await,
    ] {
        refused(&answer, 503, "temporarily_unavailable");
        assert_eq!(answer.headers[RETRY_AFTER], "5");
    }
    house.store.is_away.store(false, Ordering::SeqCst);
    assert_eq!(house.list(&alice()).await.len(), 1);
}

#[tokio::test]
async fn request_without_a_token_or_without_a_layer_is_refused() {
    let house = House::new();

    let answer = send(&house.app, Request::get("/api-keys").body(Body::empty()).unwrap()).await;
    answer.is_refused(401, Some(crate::support::PLAIN), Reason::MissingToken);

    let keys = ApiKeyEndpoints::new(house.manager.clone(), ISSUER);
    let open = Router::new().route_service("/api-keys", keys.keys());
    let answer = send(&open, Request::get("/api-keys").body(Body::empty()).unwrap()).await;
    answer.is_refused(500, None, Reason::LayerMissing);
}

#[tokio::test]
async fn records_of_keys_that_are_gone_are_kept_for_some_time() {
    let house = House::new();
    let clock = Arc::new(TestClock::at(NOW));
    let manager = house.manager.clone().with_clock(Arc::clone(&clock));
    let manager = manager.with_retention(Duration::from_secs(1000));
    let issued = manager.create(ApiKeyRequest::for_owner("alice")).await.unwrap();
    manager.end(&issued.record.id, None).await.unwrap();

    clock.advance(Duration::from_secs(999));
    manager.sweep().await.unwrap();
    let kept = manager.find(&issued.record.id).await.unwrap().unwrap();
    assert_eq!(kept.owner, "alice");
    clock.advance(Duration::from_secs(1));
    manager.sweep().await.unwrap();

    assert!(manager.find(&issued.record.id).await.unwrap().is_none());
}
