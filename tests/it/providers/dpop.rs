//! Tokens that a real authorization server binds to the key of a client (RFC 9449 §5), before a real server of ours.

use std::convert::Infallible;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt as _;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::Full;
use oauth_as::http::ServiceBuilder;
use oauth_as::jwt::{AccessTokenFormat, EcdsaP256Key, JwtConfig};
use oauth_as::{
    AuthorizationServer, ClientAuth, ClientId, GrantType, MemoryStorage, ScopeSet, ServerConfig,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::util::BoxCloneSyncService;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_bearer::dpop::{Dpop, DpopClientLayer, DpopKey, Nonces};
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::{Algorithm, policy};

use super::provider::{Browser, code_form, fetch, form_of};
use super::*;

const SHOP: &str = "shop-RS256";
const SECRET: &str = "secret of the shop";

/// A server of ours on a port of this machine.
struct Api {
    origin: String,
    task: JoinHandle<()>,
}

impl Api {
    /// Makes the application for the URL that clients will have.
    async fn start(app: impl FnOnce(&str) -> Router) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let app = app(&origin);
        let task = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { origin, task }
    }

    fn get(&self, path: &str, credentials: impl AsRef<str>) -> Request<Full<Bytes>> {
        let request = Request::get(format!("{}{path}", self.origin));
        request.header(AUTHORIZATION, credentials.as_ref()).body(Full::default()).unwrap()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Client = BoxCloneSyncService<
    Request<Full<Bytes>>,
    Response<String>,
    Box<dyn std::error::Error + Send + Sync>,
>;

/// An HTTP client that proves to have this key.
fn client(key: &DpopKey) -> Client {
    let http = service_fn(async |request| Ok::<_, Infallible>(fetch(request).await));
    BoxCloneSyncService::new(DpopClientLayer::new(key.clone()).layer(http))
}

/// Gets an access token by client credentials, which is bound to the key of this client.
async fn bound_token(endpoint: &str, client: &Client) -> String {
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", "things:read things:write"),
        ("resource", AUDIENCE),
    ];
    let answer = json_of(&ask(endpoint, client, &form).await);
    assert_eq!(answer["token_type"], "DPoP", "{answer}");
    answer["access_token"].as_str().unwrap().to_owned()
}

/// Asks a token endpoint, with the secret of the shop and a proof of this client.
async fn ask(endpoint: &str, client: &Client, form: &[(&str, &str)]) -> Response<String> {
    let credentials = STANDARD.encode(format!("{SHOP}:{SECRET}"));
    let request = Request::post(endpoint)
        .header(AUTHORIZATION, format!("Basic {credentials}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form_of(form)));
    client.clone().oneshot(request.unwrap()).await.unwrap()
}

fn dpop(origin: &str, has_nonces: bool) -> Dpop {
    let dpop = Dpop::new(origin).unwrap();
    if has_nonces { dpop.with_nonces(Nonces::generate().unwrap()) } else { dpop }
}

fn router(layer: BearerLayer<Value>) -> Router {
    let kind = |principal: Principal| async move { format!("{:?}", principal.kind()) };
    let bound = on_get(async || "bound").layer(require(policy::bound()));
    let write = on_get(async || "written").layer(require(scope("things:write")));
    let app = Router::new().route("/", on_get(kind)).route("/bound", bound);
    app.route("/write", write).layer(layer)
}

fn with_introspection(provider: &Provider) -> BearerLayer<Value> {
    let shop = ClientAuthentication::client_secret_basic(SHOP, SECRET);
    let introspection = Introspection::discover(provider.issuer(), shop, OpaqueTokens::by_shape());
    let keys = KeySet::from_iter([crate::support::key().verifying_key()]);
    let layer = BearerLayer::new(super::verifier(provider, keys));
    layer.with_authenticator(introspection.unwrap(), validation(provider)).unwrap()
}

#[track_caller]
fn is_refused(response: &Response<String>, error: &str) {
    assert_eq!(response.status(), 401, "{response:?}");
    let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    let [challenge] = challenges[..] else { panic!("{challenges:?}") };
    let start = format!("DPoP realm=\"api\", error=\"{error}\", ");
    assert!(challenge.to_str().unwrap().starts_with(&start), "{challenge:?}");
}

/// The client of the token is admitted, time and again. A thief of the token is not.
async fn assert_only_the_client_of_the_token_is_admitted(
    provider: &Provider,
    api: &Api,
    key: &DpopKey,
    has_nonces: bool,
) {
    let client = client(key);
    let asked = provider.requests().await.len();
    let token = bound_token(&format!("{}/token", provider.origin()), &client).await;
    let asked = provider.requests().await.split_off(asked);
    let attempts = asked.iter().filter(|path| *path == "/token").count();
    assert_eq!(attempts, 1 + usize::from(has_nonces), "{asked:?}");
    assert_token_admits_its_client_alone(api, &client, &token, "Client").await;
}

async fn assert_token_admits_its_client_alone(api: &Api, client: &Client, token: &str, kind: &str) {
    let credentials = format!("DPoP {token}");

    for (path, body) in [("/", kind), ("/bound?page=2", "bound"), ("/write", "written")] {
        let answer = client.clone().oneshot(api.get(path, &credentials)).await.unwrap();
        assert_eq!((answer.status().as_u16(), &**answer.body()), (200, body), "{answer:?}");
    }

    let thief = super::dpop::client(&DpopKey::generate(Algorithm::ES256).unwrap());
    is_refused(&thief.oneshot(api.get("/", &credentials)).await.unwrap(), "invalid_token");
    is_refused(&fetch(api.get("/", format!("Bearer {token}"))).await, "invalid_token");
    is_refused(&fetch(api.get("/", &credentials)).await, "invalid_dpop_proof");
}

#[tokio::test]
async fn token_of_an_authorization_server_in_rust_admits_its_client_alone() {
    let id = Api::start(oauth_as).await;
    let keys = RemoteKeys::discover(&id.origin).unwrap();
    let verifier = Verifier::new(keys, Validation::new(&id.origin, AUDIENCE)).unwrap();
    let api = Api::start(|origin| router(BearerLayer::new(verifier).with_dpop(dpop(origin, true))));
    let api = api.await;
    let client = client(&DpopKey::generate(Algorithm::ES256).unwrap());

    let token = bound_token(&format!("{}/token", id.origin), &client).await;

    assert_token_admits_its_client_alone(&api, &client, &token, "Client").await;
}

/// The crate `oauth-as`, with JWTs as access tokens.
fn oauth_as(origin: &str) -> Router {
    let mut config = ServerConfig::new(origin, format!("{origin}/device"));
    let tokens = JwtConfig::new(EcdsaP256Key::generate("as-1"), AUDIENCE);
    let tokens = tokens.with_jwks_uri(format!("{origin}/jwks"));
    config.access_token_format = AccessTokenFormat::Jwt(Box::new(tokens));
    config.require_dpop = true;
    let server = Arc::new(AuthorizationServer::new(config, MemoryStorage::new()));
    let scopes = ScopeSet::parse("things:read things:write").unwrap();
    let registered = server.register_client(oauth_as::Client {
        client_id: ClientId::new(SHOP),
        auth: ClientAuth::ConfidentialSecret { secret: SECRET.to_owned() },
        grant_types: vec![GrantType::ClientCredentials],
        redirect_uris: Vec::new(),
        allowed_scopes: scopes.clone(),
        default_scopes: scopes,
        name: None,
        registration: None,
    });
    // The memory never waits.
    registered.now_or_never().unwrap().unwrap();
    Router::from(ServiceBuilder::new(server).build().unwrap())
}

mod needs_oidc_provider {
    use super::*;

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn jwt_that_is_bound_to_a_key_admits_the_client_that_has_the_key_and_no_thief() {
        for has_nonces in [false, true] {
            let provider = Provider::start_with(OIDC_PROVIDER, &[("DPOP", mode(has_nonces))]);
            let keys = Arc::new(RemoteKeys::discover(provider.issuer()).unwrap());
            let api = Api::start(|origin| {
                let layer = BearerLayer::new(super::super::verifier(&provider, Arc::clone(&keys)));
                router(layer.with_dpop(dpop(origin, has_nonces)))
            });
            let api = api.await;

            for algorithm in ALGORITHMS {
                let key = DpopKey::generate(algorithm).unwrap();
                assert_only_the_client_of_the_token_is_admitted(&provider, &api, &key, has_nonces)
                    .await;
            }

            assert_eq!((keys.status().fetches(), keys.status().failures()), (1, 0));
            let unbound = provider.client_credentials(Algorithm::RS256).await;
            let client = client(&DpopKey::generate(Algorithm::ES256).unwrap());
            let answer = client.oneshot(api.get("/", format!("DPoP {unbound}"))).await.unwrap();
            is_refused(&answer, "invalid_token");
            is_refused(&fetch(api.get("/", format!("Bearer {unbound}"))).await, "invalid_token");
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn opaque_token_that_is_bound_to_a_key_admits_the_client_that_has_the_key_and_no_thief() {
        for has_nonces in [false, true] {
            let variables = [("DPOP", mode(has_nonces)), ("TOKEN_FORMAT", "opaque")];
            let provider = Provider::start_with(OIDC_PROVIDER, &variables);
            let api = Api::start(|origin| {
                router(with_introspection(&provider).with_dpop(dpop(origin, has_nonces)))
            });
            let api = api.await;

            for algorithm in ALGORITHMS {
                let key = DpopKey::generate(algorithm).unwrap();
                assert_only_the_client_of_the_token_is_admitted(&provider, &api, &key, has_nonces)
                    .await;
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn code_that_is_bound_to_a_key_gives_a_token_to_the_client_that_has_the_key_and_to_no_thief()
     {
        let provider = Provider::start_with(OIDC_PROVIDER, &[("DPOP", "on")]);
        let keys = RemoteKeys::discover(provider.issuer()).unwrap();
        let layer = BearerLayer::new(super::super::verifier(&provider, keys));
        let api = Api::start(|origin| router(layer.with_dpop(dpop(origin, false)))).await;
        let [own, stolen] = [Algorithm::ES256; 2].map(|one| DpopKey::generate(one).unwrap());
        let endpoint = format!("{}/token", provider.origin());
        let resource = ("resource", AUDIENCE);
        // RFC 9449 §10: the code is bound to the key before there is a proof
        let more = [resource, ("dpop_jkt", own.thumbprint())];
        let (one, two) = (
            provider.code_for(&mut Browser::default(), Algorithm::RS256, &more).await,
            provider.code_for(&mut Browser::default(), Algorithm::RS256, &more).await,
        );

        let form = [&code_form(&one)[..], &[resource]].concat();
        let refused = ask(&endpoint, &client(&stolen), &form).await;
        let form = [&code_form(&two)[..], &[resource]].concat();
        let answer = json_of(&ask(&endpoint, &client(&own), &form).await);

        assert_eq!(refused.status(), 400, "{refused:?}");
        assert!(refused.body().contains("invalid_grant"), "{refused:?}");
        assert_eq!(answer["token_type"], "DPoP", "{answer}");
        let token = answer["access_token"].as_str().unwrap();
        assert_token_admits_its_client_alone(&api, &client(&own), token, "User").await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn bearer_tokens_of_the_same_issuer_are_accepted_beside_bound_ones_where_both_are_allowed()
     {
        let provider = Provider::start_with(OIDC_PROVIDER, &[("DPOP", "on")]);
        let keys = RemoteKeys::discover(provider.issuer()).unwrap();
        let api = Api::start(|origin| {
            let layer = BearerLayer::new(super::super::verifier(&provider, keys));
            router(layer.with_dpop(dpop(origin, false).with_bearer_allowed()))
        });
        let api = api.await;
        let client = client(&DpopKey::generate(Algorithm::ES256).unwrap());
        let bound = bound_token(&format!("{}/token", provider.origin()), &client).await;
        let bearer = provider.client_credentials(Algorithm::RS256).await;

        for (path, status) in [("/", 200), ("/bound", 401)] {
            let answer = fetch(api.get(path, format!("Bearer {bearer}"))).await;
            assert_eq!(answer.status(), status, "{path}: {answer:?}");
            let request = api.get(path, format!("DPoP {bound}"));
            assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 200);
            assert_eq!(fetch(api.get(path, format!("Bearer {bound}"))).await.status(), 401);
        }
    }
}

fn mode(has_nonces: bool) -> &'static str {
    if has_nonces { "nonces" } else { "on" }
}

/// Those that the provider knows.
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA, Algorithm::PS256];
