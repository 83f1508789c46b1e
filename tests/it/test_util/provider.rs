//! Tests the OpenID provider for users' tests, over its socket.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::time::timeout;
use tower_bearer::test_util::{Fault, MetadataPlace, ProviderOptions, TestProvider};
use tower_bearer::{Algorithm, KeySet, Validation, Verifier};

use crate::support::{AUDIENCE, WithBearer};

const METADATA: &str = "/.well-known/openid-configuration";

type Connections = Client<HttpConnector, Empty<Bytes>>;

fn connections() -> Connections {
    Client::builder(TokioExecutor::new()).build_http()
}

fn at(url: impl AsRef<str>) -> Request<Empty<Bytes>> {
    Request::get(url.as_ref()).body(Empty::new()).unwrap()
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK);
        serde_json::from_str(&self.body).unwrap()
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn key_ids(&self) -> Vec<String> {
        let json = self.json();
        let keys = json["keys"].as_array().unwrap();
        keys.iter().filter_map(|key| key["kid"].as_str().map(str::to_owned)).collect()
    }
}

type Failure = Box<dyn std::error::Error>;

async fn try_over(client: &Connections, request: Request<Empty<Bytes>>) -> Result<Answer, Failure> {
    let (parts, body) = client.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    let body = String::from_utf8(body.to_vec())?;
    Ok(Answer { status: parts.status, headers: parts.headers, body })
}

async fn try_get(url: impl AsRef<str>) -> Result<Answer, Failure> {
    try_over(&connections(), at(url)).await
}

async fn get(url: impl AsRef<str>) -> Answer {
    try_get(url).await.unwrap()
}

async fn metadata_of(provider: &TestProvider) -> Answer {
    get(format!("{}{METADATA}", provider.issuer())).await
}

async fn verifies(jwks: &str, provider: &TestProvider, token: &str) -> bool {
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<Value>::new(KeySet::from_jwks(jwks).unwrap(), validation).unwrap();
    verifier.verify(token).await.is_ok()
}

/// Returns whether connections are refused, rather than broken in some other way.
async fn is_refused(url: &str) -> bool {
    let failure = try_get(url).await.err();
    let mut cause = failure.as_deref().map(|error| error as &dyn std::error::Error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn metadata_leads_from_the_issuer_to_the_keys_of_its_tokens() {
    let provider = TestProvider::start().await;

    let metadata = metadata_of(&provider).await;
    let jwks = get(metadata.json()["jwks_uri"].as_str().unwrap()).await;

    assert_eq!(metadata.json()["issuer"], provider.issuer());
    assert_eq!(
        metadata.json()["id_token_signing_alg_values_supported"],
        serde_json::json!(["ES256", "none"])
    );
    assert_eq!(metadata.field("content-type"), Some("application/json"));
    assert_eq!(jwks.field("content-type"), Some("application/jwk-set+json"));
    assert_eq!(jwks.key_ids(), ["key-1"]);
    assert_eq!(jwks.body, provider.jwks());
    assert!(verifies(&jwks.body, &provider, &provider.mint(AUDIENCE)).await);
}

#[tokio::test]
async fn metadata_is_found_where_it_is_served_and_nowhere_else() {
    use MetadataPlace::{OAuthInserted, OpenIdAppended, OpenIdInserted};
    let all = [
        (OpenIdAppended, "/realms/shop/.well-known/openid-configuration"),
        (OpenIdInserted, "/.well-known/openid-configuration/realms/shop"),
        (OAuthInserted, "/.well-known/oauth-authorization-server/realms/shop"),
    ];
    for (served, _) in all {
        let options =
            ProviderOptions::new().with_issuer_path("/realms/shop").with_metadata_at([served]);
        let provider = TestProvider::start_with(options).await;
        let origin = provider.issuer().strip_suffix("/realms/shop").unwrap();

        for (place, path) in all {
            let answer = get(format!("{origin}{path}")).await;

            let expected = if place == served { 200 } else { 404 };
            assert_eq!(answer.status, expected, "{path} of {served:?}");
        }
        assert_eq!(provider.requests().metadata, 1);
        assert_eq!(provider.requests().not_found, 2);
        assert!(provider.jwks_url().ends_with("/realms/shop/jwks"));
    }
}

#[tokio::test]
async fn first_key_is_for_the_algorithm_that_was_asked_for() {
    let options = ProviderOptions::new().with_algorithm(Algorithm::EdDSA);
    let provider = TestProvider::start_with(options).await;

    let jwks = get(provider.jwks_url()).await;

    assert_eq!(jwks.json()["keys"][0]["alg"], "EdDSA");
    assert!(verifies(&jwks.body, &provider, &provider.mint(AUDIENCE)).await);
}

#[tokio::test]
#[should_panic(expected = "HS256 is for secrets")]
async fn provider_publishes_no_secret() {
    let options = ProviderOptions::new().with_algorithm(Algorithm::HS256);

    TestProvider::start_with(options).await;
}

#[tokio::test]
async fn rotation_signs_with_a_new_key_and_keeps_the_old_one_published() {
    let provider = TestProvider::start().await;
    let before = get(provider.jwks_url()).await;
    let old = provider.mint(AUDIENCE);

    let key = provider.rotate();

    let (after, new) = (get(provider.jwks_url()).await, provider.mint(AUDIENCE));
    assert_eq!(key.key_id(), Some("key-2"));
    assert_eq!(after.key_ids(), ["key-1", "key-2"]);
    assert!(verifies(&after.body, &provider, &old).await);
    assert!(verifies(&after.body, &provider, &new).await);
    assert!(!verifies(&before.body, &provider, &new).await);
}

#[tokio::test]
async fn rotation_can_change_the_algorithm() {
    let provider = TestProvider::start().await;

    provider.rotate_to(Algorithm::Ed25519);

    let jwks = get(provider.jwks_url()).await;
    assert_eq!(jwks.json()["keys"][1]["alg"], "Ed25519");
    assert!(verifies(&jwks.body, &provider, &provider.mint(AUDIENCE)).await);
    assert_eq!(
        metadata_of(&provider).await.json()["id_token_signing_alg_values_supported"],
        serde_json::json!(["ES256", "Ed25519", "none"])
    );
}

#[tokio::test]
async fn key_can_be_published_before_it_signs() {
    let provider = TestProvider::start().await;

    let next = provider.publish_next();

    assert_eq!(get(provider.jwks_url()).await.key_ids(), ["key-1", "key-2"]);
    assert_eq!(provider.key().key_id(), Some("key-1"));
    assert_eq!(provider.rotate().key_id(), next.key_id());
    assert_eq!(get(provider.jwks_url()).await.key_ids(), ["key-1", "key-2"]);
}

#[tokio::test]
async fn withdrawn_key_is_published_no_more() {
    let provider = TestProvider::start().await;
    provider.rotate();

    provider.withdraw("key-1");

    assert_eq!(get(provider.jwks_url()).await.key_ids(), ["key-2"]);
}

#[tokio::test]
async fn withdrawn_key_signs_as_long_as_it_is_the_current_one() {
    let provider = TestProvider::start().await;
    let before = provider.jwks();

    provider.withdraw("key-1");

    assert!(verifies(&before, &provider, &provider.mint(AUDIENCE)).await);
    assert_eq!(provider.rotate().key_id(), Some("key-2"));
}

#[tokio::test]
#[should_panic(expected = "no key \"key-7\" is published")]
async fn withdrawing_a_key_that_is_not_there_is_a_mistake_of_the_test() {
    TestProvider::start().await.withdraw("key-7");
}

#[tokio::test]
async fn provider_that_is_down_refuses_connections_and_comes_back_on_its_port() {
    let provider = TestProvider::start().await;
    for _ in 0..20 {
        provider.set_fault(Fault::Down);
        assert!(is_refused(&provider.jwks_url()).await);

        provider.heal();
        assert_eq!(get(provider.jwks_url()).await.status, StatusCode::OK);
    }
    assert_eq!(provider.requests().jwks, 20);
}

#[tokio::test]
async fn provider_that_is_down_has_closed_the_connections_that_were_open() {
    let provider = TestProvider::start().await;
    let client = connections();
    try_over(&client, at(provider.jwks_url())).await.unwrap();

    provider.set_jwks_fault(Fault::Down);

    assert!(try_over(&client, at(provider.jwks_url())).await.is_err());
    assert!(try_get(format!("{}{METADATA}", provider.issuer())).await.is_err());
    provider.heal();
    assert!(try_over(&client, at(provider.jwks_url())).await.is_ok());
}

#[tokio::test]
async fn open_connections_survive_faults_that_need_no_end_of_them() {
    let provider = TestProvider::start().await;
    let client = connections();
    for (fault, status) in [(Fault::Status(500), 500), (Fault::Html, 200)] {
        provider.set_fault(fault);
        assert_eq!(try_over(&client, at(provider.jwks_url())).await.unwrap().status, status);
        provider.heal();
        assert_eq!(try_over(&client, at(provider.jwks_url())).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn hanging_request_is_counted_and_ends_when_the_provider_heals() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Hang);
    let mut request = tokio::spawn({
        let url = provider.jwks_url();
        async move { try_get(url).await.is_err() }
    });

    let unanswered = timeout(Duration::from_millis(100), &mut request).await;
    let arrived = provider.requests().jwks;
    provider.heal();

    assert!(unanswered.is_err());
    assert_eq!(arrived, 1);
    assert!(timeout(Duration::from_secs(10), request).await.unwrap().unwrap());
    assert_eq!(get(provider.jwks_url()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn slow_headers_come_after_their_time() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::SlowHeaders(Duration::from_millis(100)));

    let began = Instant::now();
    let response = connections().request(at(provider.jwks_url())).await.unwrap();

    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn slow_body_comes_in_pieces_after_its_headers() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::SlowBody(Duration::from_millis(400)));

    let began = Instant::now();
    let response = connections().request(at(provider.jwks_url())).await.unwrap();
    let headers_after = began.elapsed();
    let mut body = response.into_body();
    let (mut pieces, mut text) = (0, Vec::new());
    while let Some(frame) = body.frame().await {
        text.extend_from_slice(&frame.unwrap().into_data().unwrap());
        pieces += 1;
    }

    assert!(headers_after < began.elapsed() / 2, "{headers_after:?}");
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert!(pieces > 2, "{pieces}");
    assert_eq!(text, provider.jwks().as_bytes());
}

#[tokio::test]
async fn slow_answers_are_cut_off_when_the_provider_heals() {
    for fault in
        [Fault::SlowHeaders(Duration::from_secs(600)), Fault::SlowBody(Duration::from_secs(600))]
    {
        let provider = TestProvider::start().await;
        provider.set_fault(fault);
        let request = tokio::spawn({
            let url = provider.jwks_url();
            async move { try_get(url).await.is_err() }
        });
        while provider.requests().jwks == 0 {
            tokio::task::yield_now().await;
        }

        provider.heal();

        assert!(timeout(Duration::from_secs(10), request).await.unwrap().unwrap(), "{fault:?}");
    }
}

#[tokio::test]
async fn status_is_the_one_that_was_set() {
    let provider = TestProvider::start().await;
    for status in [204, 404, 429, 500] {
        provider.set_fault(Fault::Status(status));

        assert_eq!(get(provider.jwks_url()).await.status, status);
        assert_eq!(metadata_of(&provider).await.status, status);
    }
}

#[tokio::test]
#[should_panic(expected = "103 is no status of a response")]
async fn status_that_ends_no_request_is_a_mistake_of_the_test() {
    TestProvider::start().await.set_jwks_fault(Fault::Status(103));
}

#[tokio::test]
async fn html_is_a_page_with_status_200() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Html);

    let answer = get(provider.jwks_url()).await;

    assert_eq!((answer.status, answer.field("content-type")), (StatusCode::OK, Some("text/html")));
    assert!(answer.body.starts_with("<!doctype html>"));
}

#[tokio::test]
async fn empty_set_has_no_key_and_leaves_the_metadata_alone() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::EmptySet);

    assert_eq!(get(provider.jwks_url()).await.body, r#"{"keys":[]}"#);
    assert_eq!(metadata_of(&provider).await.json()["issuer"], provider.issuer());
}

#[tokio::test]
async fn huge_document_is_good_and_does_not_tell_its_length() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Huge);

    let answer = get(provider.jwks_url()).await;

    assert!(answer.body.len() > 8 * 1024 * 1024);
    assert_eq!(answer.field("content-length"), None);
    assert_eq!(answer.key_ids(), ["key-1"]);
}

#[tokio::test]
async fn truncated_document_breaks_off_in_the_middle() {
    let provider = TestProvider::start().await;
    let whole = provider.jwks();
    provider.set_fault(Fault::Truncated);

    let response = connections().request(at(provider.jwks_url())).await.unwrap();
    let length = response.headers()["content-length"].to_str().unwrap().to_owned();
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let rest = body.collect().await;

    assert_eq!(length, whole.len().to_string());
    assert_eq!(first, whole.as_bytes()[..whole.len() / 2]);
    assert!(rest.is_err());
}

#[tokio::test]
async fn redirect_leads_to_the_good_document_and_is_counted_apart() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::Redirect);

    let answer = get(provider.jwks_url()).await;
    let moved = get(answer.field("location").unwrap()).await;

    assert_eq!(answer.status, StatusCode::FOUND);
    assert_eq!(answer.field("location").unwrap(), format!("{}/elsewhere/jwks", provider.issuer()));
    assert_eq!(moved.body, provider.jwks());
    let requests = provider.requests();
    assert_eq!((requests.jwks, requests.redirected), (1, 1));
}

#[tokio::test]
async fn wrong_issuer_is_named_by_the_metadata_alone() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::WrongIssuer);

    assert_eq!(metadata_of(&provider).await.json()["issuer"], "https://somebody.else.example");
    assert_eq!(get(provider.jwks_url()).await.body, provider.jwks());
}

#[tokio::test]
async fn odd_keys_stand_around_the_good_one() {
    let provider = TestProvider::start().await;
    provider.set_fault(Fault::OddKeys);

    let answer = get(provider.jwks_url()).await;

    assert_eq!(answer.json()["keys"].as_array().unwrap().len(), 8);
    assert!(answer.key_ids().contains(&"key-1".to_owned()));
    let set = KeySet::from_jwks(&answer.body).unwrap();
    let skipped: Vec<_> = set.skipped().iter().map(|key| key.key_id.as_deref()).collect();
    // A set from a file may hold secrets.
    assert_eq!(
        skipped,
        [
            None,
            Some("odd-ml-dsa"),
            Some("odd-private"),
            Some("odd-short"),
            Some("odd-incomplete"),
            Some("odd-point")
        ]
    );
    assert!(verifies(&answer.body, &provider, &provider.mint(AUDIENCE)).await);
}

#[tokio::test]
async fn faults_of_one_document_leave_the_other_alone() {
    let provider = TestProvider::start().await;

    provider.set_jwks_fault(Fault::Status(500));
    assert_eq!(get(provider.jwks_url()).await.status, 500);
    assert_eq!(metadata_of(&provider).await.status, 200);

    provider.set_metadata_fault(Fault::Status(404));
    assert_eq!(get(provider.jwks_url()).await.status, 500);
    assert_eq!(metadata_of(&provider).await.status, 404);

    provider.heal();
    assert_eq!(get(provider.jwks_url()).await.status, 200);
    assert_eq!(metadata_of(&provider).await.status, 200);
}

#[tokio::test]
async fn known_entity_tag_is_answered_with_304_until_the_keys_change() {
    let provider = TestProvider::start().await;
    let first = get(provider.jwks_url()).await;
    let etag = first.field("etag").unwrap();
    let again = || at(provider.jwks_url()).field("if-none-match", etag);

    let known = try_over(&connections(), again()).await.unwrap();
    let listed = at(provider.jwks_url()).field("if-none-match", format!("\"x\", W/{etag}"));
    let listed = try_over(&connections(), listed).await.unwrap();
    provider.rotate();
    let changed = try_over(&connections(), again()).await.unwrap();

    assert!(etag.starts_with('"'));
    assert_eq!((known.status, &*known.body), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(known.field("etag"), Some(etag));
    assert_eq!(listed.status, StatusCode::NOT_MODIFIED);
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.field("etag"), Some(etag));
    let requests = provider.requests();
    assert_eq!((requests.jwks, requests.not_modified), (4, 2));
}

#[tokio::test]
async fn known_date_is_answered_with_304_until_the_keys_change() {
    let provider = TestProvider::start().await;
    provider.hide_header("etag");
    let first = get(provider.jwks_url()).await;
    let date = first.field("last-modified").unwrap();
    let again = || at(provider.jwks_url()).field("if-modified-since", date);

    let known = try_over(&connections(), again()).await.unwrap();
    provider.rotate();
    let changed = try_over(&connections(), again()).await.unwrap();

    assert_eq!(first.field("etag"), None);
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.field("last-modified"), Some(date));
}

#[tokio::test]
async fn header_fields_are_those_that_were_set() {
    let provider = TestProvider::start().await;
    assert_eq!(get(provider.jwks_url()).await.field("cache-control"), None);

    provider.set_cache_control(Some("public, max-age=60"));
    provider.set_header("age", "10");
    provider.set_header("content-type", "text/json");

    let answer = get(provider.jwks_url()).await;
    assert_eq!(answer.field("cache-control"), Some("public, max-age=60"));
    assert_eq!(answer.field("age"), Some("10"));
    assert_eq!(answer.field("content-type"), Some("text/json"));
    provider.set_cache_control(None);
    provider.set_fault(Fault::Status(429));
    let answer = get(provider.jwks_url()).await;
    assert_eq!(answer.field("cache-control"), None);
    assert_eq!(answer.field("age"), Some("10"));
}

#[tokio::test]
async fn jwks_uri_is_the_one_that_was_set() {
    let provider = TestProvider::start().await;

    provider.set_jwks_uri("http://keys.example.com/jwks");

    assert_eq!(metadata_of(&provider).await.json()["jwks_uri"], "http://keys.example.com/jwks");
    assert_eq!(get(provider.jwks_url()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_are_kept_with_their_headers() {
    let provider = TestProvider::start().await;
    let request = at(provider.jwks_url()).field("accept", "application/json");

    try_over(&connections(), request).await.unwrap();

    let [received] = &provider.received()[..] else { panic!() };
    assert_eq!(received.uri(), "/jwks");
    assert_eq!(received.headers()["accept"], "application/json");
}

#[tokio::test]
async fn nothing_is_left_of_a_provider_that_was_dropped() {
    let provider = TestProvider::start().await;
    let url = provider.jwks_url();
    let client = connections();
    try_over(&client, at(&url)).await.unwrap();
    provider.set_fault(Fault::Hang);
    let hanging = tokio::spawn({
        let (client, request) = (client.clone(), at(&url));
        async move { try_over(&client, request).await.is_err() }
    });
    while provider.requests().jwks < 2 {
        tokio::task::yield_now().await;
    }

    drop(provider);

    assert!(timeout(Duration::from_secs(10), hanging).await.unwrap().unwrap());
    assert!(try_over(&client, at(&url)).await.is_err());
    assert!(is_refused(&url).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn provider_is_used_by_several_threads_while_it_changes() {
    let provider = std::sync::Arc::new(TestProvider::start().await);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let url = provider.jwks_url();
            tokio::spawn(async move {
                for _ in 0..50 {
                    // Answered, refused or broken off, but not without an end.
                    _ = timeout(Duration::from_secs(20), try_get(&url)).await.unwrap();
                }
            })
        })
        .collect();

    for _ in 0..50 {
        for fault in [Fault::Down, Fault::Hang, Fault::Truncated, Fault::OddKeys] {
            provider.set_fault(fault);
            tokio::task::yield_now().await;
        }
        provider.rotate();
        provider.heal();
    }

    for client in clients {
        client.await.unwrap();
    }
    assert_eq!(get(provider.jwks_url()).await.key_ids().len(), 51);
}

mod introspection {
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get as on_get;
    use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
    use tower_bearer::test_util::{Fault, ProviderOptions, TestProvider};
    use tower_bearer::{BearerLayer, Principal, Reason, RemoteKeys, Validation, Verifier};

    use crate::support::{AUDIENCE, WithBearer, get, invalid_token, send};

    const CLIENT: &str = "orders & co";
    const SECRET: &str = "s%cret:+";

    async fn start() -> TestProvider {
        let options = ProviderOptions::new().with_issuer_path("/realms/shop");
        TestProvider::start_with(options.with_introspection(CLIENT, SECRET)).await
    }

    fn introspection(provider: &TestProvider, client: ClientAuthentication) -> Introspection {
        Introspection::discover(provider.issuer(), client, OpaqueTokens::by_shape()).unwrap()
    }

    fn app(provider: &TestProvider, introspection: Introspection) -> Router {
        let rules = || Validation::new(provider.issuer(), AUDIENCE);
        let keys = RemoteKeys::discover(provider.issuer()).unwrap();
        let layer = BearerLayer::new(Verifier::<serde_json::Value>::new(keys, rules()).unwrap());
        let layer = layer.with_authenticator(introspection, rules()).unwrap();
        let name = async |principal: Principal| principal.subject().unwrap().to_owned();
        Router::new().route("/", on_get(name)).layer(layer)
    }

    fn usual(provider: &TestProvider) -> Introspection {
        introspection(provider, ClientAuthentication::client_secret_basic(CLIENT, SECRET))
            .with_timeout(Duration::from_millis(500))
            .with_freshness(Duration::ZERO)
            .with_inactive_for(Duration::ZERO)
    }

    #[tokio::test]
    async fn opaque_token_is_active_until_it_is_revoked_and_a_jwt_is_verified_as_before() {
        let provider = start().await;
        let plain = app(&provider, usual(&provider));
        let keys = RemoteKeys::discover(provider.issuer()).unwrap();
        let signed = usual(&provider).with_signed_answers(provider.issuer(), keys).unwrap();
        let signed = app(&provider, signed);

        for app in [&plain, &signed] {
            let token = provider.mint_opaque(AUDIENCE);
            let bob = provider.issue_opaque(&provider.token(AUDIENCE).claim("sub", "bob"));
            send(app, get("/").bearer(&token)).await.is_ok("alice");
            send(app, get("/").bearer(&bob)).await.is_ok("bob");
            send(app, get("/").bearer(provider.mint(AUDIENCE))).await.is_ok("alice");
            provider.revoke_opaque(&token);
            let refused = send(app, get("/").bearer(&token)).await;
            let challenge = invalid_token("The token is not active any more");
            refused.is_refused(401, Some(&challenge), Reason::Inactive);
        }
        assert_eq!(provider.requests().introspection, 6);
    }

    #[tokio::test]
    async fn client_is_refused_unless_id_and_secret_are_right() {
        let provider = start().await;
        let token = provider.mint_opaque(AUDIENCE);
        let (basic, post) =
            (ClientAuthentication::client_secret_basic, ClientAuthentication::client_secret_post);

        for client in [basic(CLIENT, SECRET), post(CLIENT, SECRET)] {
            let app = app(&provider, introspection(&provider, client));
            send(&app, get("/").bearer(&token)).await.is_ok("alice");
        }
        for client in [basic(CLIENT, "x"), post("x", SECRET), ClientAuthentication::tls_client("x")]
        {
            let app = app(&provider, introspection(&provider, client));
            let answer = send(&app, get("/").bearer(&token)).await;
            answer.is_refused(503, None, Reason::AuthenticatorFailed);
        }
    }

    #[tokio::test]
    async fn each_fault_of_the_endpoint_is_a_503_until_it_is_healed() {
        let provider = start().await;
        let (app, token) = (app(&provider, usual(&provider)), provider.mint_opaque(AUDIENCE));
        let long = Duration::from_secs(60);

        for fault in [
            Fault::Status(401),
            Fault::Status(500),
            Fault::Html,
            Fault::Redirect,
            Fault::Huge,
            Fault::Truncated,
            Fault::Hang,
            Fault::SlowHeaders(long),
            Fault::SlowBody(long),
            Fault::Down,
        ] {
            provider.set_introspection_fault(fault);
            let answer = send(&app, get("/").bearer(&token)).await;
            assert_eq!(answer.status, 503, "{fault:?}");
            answer.is_refused(503, None, Reason::AuthenticatorFailed);
            provider.heal();
            send(&app, get("/").bearer(&token)).await.is_ok("alice");
        }
        provider.set_introspection_fault(Fault::SlowBody(Duration::from_millis(50)));
        send(&app, get("/").bearer(&token)).await.is_ok("alice");
    }

    #[tokio::test]
    async fn provider_without_introspection_names_no_endpoint() {
        let provider = TestProvider::start().await;
        let client = ClientAuthentication::client_secret_basic(CLIENT, SECRET);
        let app = app(&provider, introspection(&provider, client));

        let answer = send(&app, get("/").bearer(provider.mint_opaque(AUDIENCE))).await;

        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(provider.requests().introspection, 0);
    }
}
