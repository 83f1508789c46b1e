use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Response, StatusCode};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_bearer::dpop::{DpopClientLayer, Nonces};
use tower_bearer::keys::KeyProblem;
use tower_bearer::{ConfigError, SigningKey};

use super::*;
use crate::support::good;

fn client_key() -> DpopKey {
    DpopKey::new(client()).unwrap()
}

fn call(token: &str) -> Request<String> {
    let request = Request::get(format!("{ORIGIN}/orders?page=2#top"));
    request.header("authorization", format!("DPoP {token}")).body(String::new()).unwrap()
}

/// An application as an HTTP client sees it, which notes the requests.
#[derive(Clone)]
struct Server {
    app: Router,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn new(app: Router) -> Self {
        Self { app, seen: Arc::default() }
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    async fn answer(self, request: Request<String>) -> Result<Response<Body>, Infallible> {
        let proofs: Vec<_> = request.headers().get_all("dpop").iter().collect();
        assert_eq!(proofs.len(), 1);
        assert!(proofs[0].is_sensitive());
        self.seen.lock().unwrap().push(proofs[0].to_str().unwrap().to_owned());
        self.app.oneshot(request.map(Body::from)).await
    }
}

fn claims(proof: &str) -> Value {
    let payload = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn client_is_admitted_with_a_proof_for_each_request() {
    let server = Server::new(app(layer().with_dpop(Dpop::new(ORIGIN).unwrap())));
    let inner = server.clone();
    let client = DpopClientLayer::new(client_key())
        .layer(service_fn(move |request| inner.clone().answer(request)));

    for _ in 0..3 {
        let response = client.clone().oneshot(call(&bound())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }

    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let claims: Vec<_> = seen.iter().map(|proof| claims(proof)).collect();
    assert!(
        claims.iter().all(|one| one["htu"] == format!("{ORIGIN}/orders") && one["htm"] == "GET")
    );
    assert_ne!(claims[0]["jti"], claims[1]["jti"]);
    let other = client.clone().oneshot(call(&good())).await.unwrap();
    assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn client_follows_the_servers_nonce_once_and_keeps_it() {
    let nonces = Nonces::generate().unwrap();
    let dpop = Dpop::new(ORIGIN).unwrap().with_nonces(nonces);
    let server = Server::new(app(layer().with_dpop(dpop)));
    let inner = server.clone();
    let client = DpopClientLayer::new(client_key())
        .layer(service_fn(move |request| inner.clone().answer(request)));

    for (number, sent) in [(1, 2), (2, 1), (3, 1)] {
        let response = client.clone().oneshot(call(&bound())).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{number}");
        assert_eq!(server.seen().len(), sent, "{number}");
    }
}

#[tokio::test]
async fn client_does_not_ask_for_ever_and_keeps_the_nonces_of_servers_apart() {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let client =
        DpopClientLayer::new(client_key()).layer(service_fn(move |request: Request<String>| {
            let proof = claims(request.headers()["dpop"].to_str().unwrap());
            let host = request.uri().host().unwrap().to_owned();
            let number = {
                let mut seen = seen.lock().unwrap();
                seen.push((host.clone(), proof["nonce"].as_str().map(str::to_owned)));
                seen.len()
            };
            async move {
                let answer = Response::builder()
                    .status(401)
                    .header("dpop-nonce", format!("{host}-{number}"));
                let answer = answer
                    .header("www-authenticate", "DPoP error=\"use_dpop_nonce\", algs=\"ES256\"");
                Ok::<_, Infallible>(answer.body(()).unwrap())
            }
        }));

    for host in ["a", "b", "a"] {
        let request = Request::get(format!("https://{host}/")).body(String::new()).unwrap();
        assert_eq!(client.clone().oneshot(request).await.unwrap().status(), 401);
    }

    let seen: Vec<_> = sent.lock().unwrap().clone();
    let nonces: Vec<_> =
        seen.iter().map(|(host, nonce)| (host.as_str(), nonce.as_deref())).collect();
    assert_eq!(
        nonces,
        [
            ("a", None),
            ("a", Some("a-1")),
            ("b", None),
            ("b", Some("b-3")),
            ("a", Some("a-2")),
            ("a", Some("a-5")),
        ]
    );
}

#[tokio::test]
async fn client_sends_once_more_to_a_token_endpoint_that_gives_a_nonce_and_not_to_others() {
    for (nonce, token, sent) in [(Some("n1"), None, 2), (None, None, 1), (Some("n1"), Some("t"), 1)]
    {
        let count = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&count);
        let client = DpopClientLayer::new(client_key()).layer(service_fn(
            move |request: Request<String>| {
                let proof = claims(request.headers()["dpop"].to_str().unwrap());
                assert_eq!(proof.get("ath").is_some(), token.is_some());
                assert_eq!(proof["htu"], "https://id.example.com/token");
                assert_eq!(request.body(), "grant_type=client_credentials");
                *counter.lock().unwrap() += 1;
                async move {
                    let mut answer = Response::builder().status(400);
                    if let Some(nonce) = nonce {
                        answer = answer.header("dpop-nonce", nonce);
                    }
                    Ok::<_, Infallible>(answer.body(()).unwrap())
                }
            },
        ));
        let mut request = Request::post("https://me:secret@id.example.com/token");
        if let Some(token) = token {
            request = request.header("authorization", format!("DPoP {token}"));
        }
        let request = request.body("grant_type=client_credentials".to_owned()).unwrap();

        let response = client.oneshot(request).await.unwrap();

        assert_eq!((response.status().as_u16(), *count.lock().unwrap()), (400, sent));
    }
}

#[test]
fn secret_makes_no_proofs_and_a_key_shows_nothing() {
    let secret = SigningKey::from_secret(Algorithm::HS256, [1; 32]).unwrap();
    let problem = KeyProblem::AlgorithmNotAllowed { algorithm: "HS256".to_owned() };
    assert_eq!(DpopKey::new(secret).unwrap_err(), ConfigError::Key(problem));
    let key = client_key();
    assert_eq!(key.thumbprint(), thumbprint(&client()));
    let token = "secret-token";
    let proof = key.proof(&Method::GET, ORIGIN).with_token(token);
    let shown = format!("{key:?} {proof:?} {:?}", DpopClientLayer::new(key.clone()));
    assert!(!shown.contains(token) && !shown.contains(key.thumbprint()), "{shown}");
}

#[tokio::test]
async fn client_needs_an_absolute_uri() {
    let client = DpopClientLayer::new(client_key())
        .layer(service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(()))));
    for (uri, accepted) in [("/orders", false), ("https://api.example.com/orders", true)] {
        let request = Request::get(uri).body(String::new()).unwrap();
        assert_eq!(client.clone().oneshot(request).await.is_ok(), accepted, "{uri}");
    }
}
