//! Calls a server as clients of others do: they get a token that is bound to their key, and a nonce of each server.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tower_bearer::dpop::Nonces;
use tower_bearer::{TokenIssuer, Verifier};
use tower_http::cors::{Any, CorsLayer};

use super::*;
use crate::support::{AUDIENCE, ISSUER, validation};

/// An authorization server, an API and a page, of three origins.
struct Servers {
    id: String,
    api: String,
    page: String,
    log: Log,
}

/// Requests with their status and the reason of a refusal.
type Log = Arc<Mutex<Vec<String>>>;

impl Servers {
    async fn start(cors: fn() -> CorsLayer) -> Self {
        let log = Log::default();
        let issuer_key = SigningKey::generate(Algorithm::ES256).unwrap();
        let (id_listener, id) = listen().await;
        let (api_listener, api) = listen().await;
        let (page_listener, page) = listen().await;

        let tokens = Arc::new(TokenIssuer::new(ISSUER, AUDIENCE, issuer_key.clone()).unwrap());
        let endpoint = Router::new().route("/token", post(token));
        let endpoint = endpoint.with_state((with_nonces(&id), tokens));
        let verifier = Verifier::<User>::new(issuer_key.verifying_key(), validation()).unwrap();
        let layer = BearerLayer::new(verifier).with_dpop(with_nonces(&api));
        let orders = async |principal: Principal| principal.subject().unwrap().to_owned();
        let guarded = Router::new().route("/orders", get(orders)).layer(layer);
        for (listener, app) in [(id_listener, endpoint), (api_listener, guarded)] {
            let app = app.layer(from_fn_with_state(Arc::clone(&log), noted)).layer(cors());
            tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        }
        let empty = Router::new().route("/", get(async || axum::response::Html("<!doctype html>")));
        tokio::spawn(async { axum::serve(page_listener, empty).await.unwrap() });
        Self { id, api, page, log }
    }

    /// Runs a client, which gets the URLs at the end of its command line.
    async fn call(&self, command: &str) {
        let line = format!("{command} '{}' '{}' '{}'", self.id, self.api, self.page);
        let output = tokio::task::spawn_blocking(move || {
            Command::new("bash").args(["-c", &line]).output().unwrap()
        });
        let output = output.await.unwrap();
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        assert!(
            output.status.success(),
            "{command}: {log:#?}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(log, EXPECTED, "{command}");
    }
}

/// The requests of each client, in this order.
const EXPECTED: [&str; 8] = [
    "POST /token 400 nonce_needed",
    "POST /token 200",
    "GET /orders 401 nonce_needed",
    "GET /orders 200",
    "GET /orders 200",
    "GET /orders 401 replayed_proof",
    // A thief with a key of its own, whose proof is not read further, and then with the token alone.
    "GET /orders 401 wrong_binding",
    "GET /orders 401 bound_token",
];

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    (listener, origin)
}

fn with_nonces(origin: &str) -> Dpop {
    Dpop::new(origin).unwrap().with_nonces(Nonces::generate().unwrap())
}

/// Gives everyone a token, bound to the key of the proof (RFC 9449 §5).
async fn token(
    State((dpop, tokens)): State<(Dpop, Arc<TokenIssuer>)>,
    request: Request<Body>,
) -> Response {
    let (parts, _) = request.into_parts();
    let (status, body, mut response) = match dpop.thumbprint_of(&parts).await {
        Ok(thumbprint) => {
            let thumbprint = thumbprint.expect("the request has a proof");
            let token = tokens.token_for("shop").with_key_thumbprint(thumbprint).issue().unwrap();
            let body =
                json!({ "access_token": token.as_str(), "token_type": "DPoP", "expires_in": 300 });
            (200, body, Response::new(Body::empty()))
        }
        Err(error) => {
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(error.reason());
            response.headers_mut().extend(error.response_fields().clone());
            (400, json!({ "error": error.reason().code().unwrap().as_str() }), response)
        }
    };
    *response.body_mut() = Body::from(body.to_string());
    *response.status_mut() = status.try_into().unwrap();
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn noted(State(log): State<Log>, request: Request<Body>, next: Next) -> Response {
    let head = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    let reason = response.extensions().get::<Reason>();
    let reason = reason.map(|reason| format!(" {}", reason.as_str())).unwrap_or_default();
    log.lock().unwrap().push(format!("{head} {}{reason}", response.status().as_u16()));
    response
}

fn cors() -> CorsLayer {
    let fields = [AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("dpop")];
    CorsLayer::new().allow_origin(Any).allow_methods(Any).allow_headers(fields)
}

fn exposing_cors() -> CorsLayer {
    let fields = [HeaderName::from_static("dpop-nonce"), WWW_AUTHENTICATE];
    cors().expose_headers(fields)
}

fn command(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/interop"))
}

mod needs_dpop_client {
    use super::*;

    #[tokio::test]
    #[ignore = "needs oauth4webapi, openid-client and dpop: scripts/interop"]
    async fn javascript_clients_follow_nonces_and_their_used_proofs_are_refused() {
        let servers = Servers::start(cors).await;
        for library in ["oauth4webapi", "openid-client", "dpop"] {
            for algorithm in ["ES256", "Ed25519", "PS256", "RS256"] {
                servers.call(&format!("{} {library} {algorithm}", command("DPOP_CLIENT"))).await;
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs joserfc: scripts/interop"]
    async fn python_client_follows_nonces_and_its_used_proof_is_refused() {
        let servers = Servers::start(cors).await;
        for algorithm in ["ES256", "ES384", "EdDSA", "PS256"] {
            servers.call(&format!("{} {algorithm}", command("JOSERFC_DPOP_CLIENT"))).await;
        }
    }
}

mod needs_curl {
    use super::*;

    #[tokio::test]
    #[ignore = "needs curl and openssl: scripts/interop"]
    async fn proofs_that_openssl_signs_admit_curl_once() {
        let servers = Servers::start(cors).await;
        servers.call("scripts/interop.d/dpop/curl.sh").await;
    }
}

mod needs_chromium {
    use super::*;

    #[tokio::test]
    #[ignore = "needs chromium: scripts/interop"]
    async fn page_of_another_origin_with_a_key_it_cannot_read_is_admitted_and_sees_nonces() {
        for cors in [cors, exposing_cors] {
            let servers = Servers::start(cors).await;
            servers.call(&command("DPOP_PAGE_CHECK")).await;
        }
    }
}
