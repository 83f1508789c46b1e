//! Tests providers inside private networks, and documents that lead there, over real sockets.
//!
//! `0.0.0.0` stands in for another machine: a server that is configured there is found on this one.

use std::convert::Infallible;
use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::header::LOCATION;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower_bearer::keys::{DangerousFetch, Fetch, HttpFetch, KeySource};
use tower_bearer::test_util::TestToken;
use tower_bearer::{Algorithm, Config, ConfigError, Validation, Verifier};

use crate::net::https::Front;
use crate::support::{AUDIENCE, User, key_for};

/// A server with metadata, keys, and a redirect.
pub struct Documents {
    pub address: SocketAddr,
    served: Arc<Mutex<Served>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Served {
    jwks: String,
    metadata: Value,
    location: String,
    paths: Vec<String>,
}

impl Documents {
    pub async fn start() -> Self {
        Self::with_keys(jwks()).await
    }

    pub async fn with_keys(jwks: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::new(Mutex::new(Served { jwks, ..Served::default() }));
        let app = Router::new().fallback(serve).with_state(Arc::clone(&served));
        let serving = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address, served, serving }
    }

    pub fn set(&self, issuer: &str, jwks_uri: &str) {
        let mut served = self.served.lock().unwrap();
        served.metadata = json!({ "issuer": issuer, "jwks_uri": jwks_uri });
        served.location = jwks_uri.to_owned();
        served.paths.clear();
    }

    pub fn paths(&self) -> Vec<String> {
        self.served.lock().unwrap().paths.clone()
    }
}

async fn serve(State(served): State<Arc<Mutex<Served>>>, request: Request) -> Response {
    let mut served = served.lock().unwrap();
    let path = request.uri().path().to_owned();
    served.paths.push(path.clone());
    match &*path {
        "/jwks" => served.jwks.clone().into_response(),
        "/moved" => {
            (http::StatusCode::FOUND, [(LOCATION, served.location.clone())]).into_response()
        }
        path if path.ends_with("/openid-configuration") => {
            served.metadata.to_string().into_response()
        }
        _ => http::StatusCode::NOT_FOUND.into_response(),
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn jwks() -> String {
    json!({ "keys": [key_for(Algorithm::ES256).to_jwk()] }).to_string()
}

/// Returns the problem of one fetch, if there is one.
pub async fn problem_of(fetch: &HttpFetch) -> Option<String> {
    let error = fetch.fetch().await.err()?;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    Some(text)
}

async fn accepts(keys: impl KeySource, issuer: &str) -> bool {
    let verifier = Verifier::<User>::new(keys, Validation::new(issuer, AUDIENCE)).unwrap();
    let token = TestToken::new(issuer, AUDIENCE).sign(&key_for(Algorithm::ES256));
    verifier.verify(&token).await.is_ok()
}

/// A provider with TLS under all names of this machine.
async fn provider() -> (Documents, Front) {
    let documents = Documents::start().await;
    let names = ["0.0.0.0", "127.0.0.1", "::1", "::ffff:127.0.0.1", "localhost"];
    let front = Front::named(&names, documents.address).await;
    (documents, front)
}

fn trusting(front: &Front, fetch: Result<HttpFetch, ConfigError>) -> HttpFetch {
    fetch.unwrap().with_root_certificates(&front.certificate).unwrap()
}

#[tokio::test]
async fn metadata_leads_to_the_configured_host_and_nowhere_else_in_a_private_network() {
    let (documents, front) = provider().await;
    let (other, port) = (Front::named(&["0.0.0.0"], documents.address).await, front.port);
    let issuer = format!("https://0.0.0.0:{port}");
    let usual = || trusting(&front, HttpFetch::discover(&issuer));
    for (jwks_uri, expected) in [
        (format!("https://0.0.0.0:{port}/jwks"), None),
        (format!("https://localhost:{port}/jwks"), Some("is this machine")),
        (format!("https://LocalHost:{port}/jwks"), Some("is this machine")),
        (format!("https://127.0.0.1:{port}/jwks"), Some("127.0.0.1 is this machine")),
        (format!("https://127.1:{port}/jwks"), Some("127.0.0.1 is this machine")),
        (format!("https://2130706433:{port}/jwks"), Some("127.0.0.1 is this machine")),
        (format!("https://0x7f000001:{port}/jwks"), Some("127.0.0.1 is this machine")),
        (format!("https://[::1]:{port}/jwks"), Some("::1 is this machine")),
        (format!("https://[::ffff:127.0.0.1]:{port}/jwks"), Some("is this machine")),
        ("https://10.0.0.1/jwks".to_owned(), Some("in a private network")),
        ("https://[fd00::1]/jwks".to_owned(), Some("in a private network")),
        ("https://100.64.0.1/jwks".to_owned(), Some("RFC 6598")),
        ("https://169.254.169.254/latest/meta-data".to_owned(), Some("link-local")),
        ("https://[fe80::1]/".to_owned(), Some("link-local")),
        ("https://224.0.0.1/".to_owned(), Some("multicast")),
        ("https://[ff02::1]/".to_owned(), Some("multicast")),
        ("https://[::]/".to_owned(), Some("unspecified")),
    ] {
        documents.set(&issuer, &jwks_uri);

        let told = problem_of(&usual()).await;

        match expected {
            None => assert_eq!(told, None, "{jwks_uri}"),
            Some(expected) => {
                let told = told.unwrap();
                assert!(told.contains(expected), "{jwks_uri}: {told}");
                let is_special = ["link-local", "multicast", "unspecified"].contains(&expected);
                assert_eq!(told.contains("`allow_private_networks`"), !is_special, "{told}");
                assert!(!documents.paths().contains(&"/jwks".to_owned()), "{jwks_uri}");
            }
        }
    }

    // Another port of the same host is that host.
    documents.set(&issuer, &format!("https://0.0.0.0:{}/jwks", other.port));
    let both = usual().with_root_certificates(&other.certificate).unwrap();
    assert_eq!(problem_of(&both).await, None);
}

#[tokio::test]
async fn redirects_lead_to_the_configured_host_and_nowhere_else_in_a_private_network() {
    let (documents, front) = provider().await;
    let moved = format!("https://0.0.0.0:{}/moved", front.port);
    for (host, is_good) in [("0.0.0.0", true), ("localhost", false), ("127.0.0.1", false)] {
        documents.set("", &format!("https://{host}:{}/jwks", front.port));
        let fetch = trusting(&front, HttpFetch::new(&moved)).with_redirects(1);

        let told = problem_of(&fetch).await;

        assert_eq!(told.is_none(), is_good, "{host}: {told:?}");
        assert_eq!(documents.paths().len(), if is_good { 2 } else { 1 });
    }
}

#[tokio::test]
async fn redirect_that_is_not_followed_says_where_it_leads_and_how_it_would_be() {
    let (documents, front) = provider().await;
    let url = |path: &str| format!("https://0.0.0.0:{}{path}", front.port);
    documents.set("", &url("/jwks"));

    let told = problem_of(&trusting(&front, HttpFetch::new(&url("/moved")))).await.unwrap();

    assert!(told.contains("302") && told.contains(&url("/jwks")), "{told}");
    assert!(told.contains("`with_redirects` (`redirects`)"), "{told}");
}

#[tokio::test]
async fn host_that_is_configured_may_be_anywhere() {
    let (documents, front) = provider().await;
    for host in ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        let fetch = HttpFetch::new(&format!("https://{host}:{}/jwks", front.port));
        assert_eq!(problem_of(&trusting(&front, fetch)).await, None, "{host}");
    }
    // All names of this machine are the same machine.
    let issuer = format!("https://127.0.0.1:{}", front.port);
    documents.set(&issuer, &format!("https://localhost:{}/jwks", front.port));
    assert_eq!(problem_of(&trusting(&front, HttpFetch::discover(&issuer))).await, None);
}

#[tokio::test]
async fn private_networks_can_be_allowed_and_link_local_addresses_cannot() {
    let (documents, front) = provider().await;
    let (issuer, port) = (format!("https://0.0.0.0:{}", front.port), front.port);
    for (jwks_uri, is_good) in [
        (format!("https://localhost:{port}/jwks"), true),
        (format!("https://127.0.0.1:{port}/jwks"), true),
        ("https://169.254.169.254/latest/meta-data".to_owned(), false),
    ] {
        documents.set(&issuer, &jwks_uri);
        let fetch = HttpFetch::dangerous().allow_private_networks().discover(&issuer);

        let told = problem_of(&trusting(&front, fetch)).await;

        assert_eq!(told.is_none(), is_good, "{jwks_uri}: {told:?}");
    }
}

#[tokio::test]
async fn client_of_ones_own_is_not_asked_for_private_addresses_that_a_document_names() {
    let issuer = "https://id.example.com";
    for (keys_at, is_asked) in
        [("https://keys.example.com", true), ("https://10.0.0.1", false), ("https://1.1.1.1", true)]
    {
        let metadata = json!({ "issuer": issuer, "jwks_uri": format!("{keys_at}/jwks") });
        let asked = Arc::new(AtomicUsize::new(0));
        let client = {
            let asked = Arc::clone(&asked);
            move |request: http::Request<Bytes>| {
                asked.fetch_add(1, Ordering::SeqCst);
                let is_keys = request.uri().path() == "/jwks";
                let body = if is_keys { jwks() } else { metadata.to_string() };
                let response = http::Response::new(Full::<Bytes>::from(body));
                std::future::ready(Ok::<_, Infallible>(response))
            }
        };
        let fetch = HttpFetch::discover(issuer).unwrap().with_client(client);

        assert_eq!(problem_of(&fetch).await.is_none(), is_asked, "{keys_at}");
        assert_eq!(asked.load(Ordering::SeqCst), if is_asked { 2 } else { 1 }, "{keys_at}");
    }
}

#[tokio::test]
async fn plain_http_to_another_machine_has_to_be_allowed() {
    let documents = Documents::start().await;
    let issuer = format!("http://0.0.0.0:{}", documents.address.port());
    let jwks_url = format!("{issuer}/jwks");
    documents.set(&issuer, &jwks_url);

    for refused in [HttpFetch::new(&jwks_url), HttpFetch::discover(&issuer)] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("not HTTPS") && error.contains("`allow_plain_http`"), "{error}");
    }
    let allowed = || HttpFetch::dangerous().allow_plain_http();
    for fetch in [allowed().from_url(&jwks_url), allowed().discover(&issuer)] {
        assert!(accepts(tower_bearer::RemoteKeys::new(fetch.unwrap()), &issuer).await);
    }
    // An application's own client changes nothing about that.
    let asked = Arc::new(AtomicUsize::new(0));
    let client = {
        let asked = Arc::clone(&asked);
        move |_: http::Request<Bytes>| {
            asked.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<_, Infallible>(http::Response::new(
                Full::<Bytes>::from(jwks()),
            )))
        }
    };
    let fetch = allowed().from_url("http://keycloak:8080/jwks").unwrap().with_client(client);
    assert_eq!(problem_of(&fetch).await, None);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn provider_has_one_name_inside_and_another_outside() {
    // As Keycloak in a compose file: tokens name the issuer as browsers know it.
    let documents = Documents::start().await;
    let inner = format!("http://0.0.0.0:{}", documents.address.port());
    let outer = "https://id.example.com/realms/shop";
    let metadata_url = format!("{inner}/realms/shop/.well-known/openid-configuration");
    let fetch = |allowed: DangerousFetch| {
        let fetch = allowed.discover(outer).unwrap();
        fetch.with_metadata_url(&metadata_url)
    };
    let allowed = HttpFetch::dangerous().allow_plain_http();

    documents.set(outer, &format!("{inner}/jwks"));
    assert!(accepts(tower_bearer::RemoteKeys::new(fetch(allowed).unwrap()), outer).await);
    assert_eq!(documents.paths(), ["/realms/shop/.well-known/openid-configuration", "/jwks"]);

    // The issuer is still the configured one, to the letter.
    documents.set(&format!("{outer}/"), &format!("{inner}/jwks"));
    let told = problem_of(&fetch(allowed).unwrap()).await.unwrap();
    assert!(told.contains("to the letter"), "{told}");
    assert_eq!(documents.paths().len(), 1, "{:?}", documents.paths());

    assert!(fetch(HttpFetch::dangerous()).unwrap_err().to_string().contains("not HTTPS"));
    let keys = HttpFetch::new("https://id.example.com/jwks").unwrap();
    let error = keys.with_metadata_url("https://id.example.com/a").unwrap_err().to_string();
    assert!(error.contains("means nothing"), "{error}");
}

#[tokio::test]
async fn same_origin_is_that_of_the_issuer_or_of_its_metadata() {
    let documents = Documents::start().await;
    let inner = format!("http://0.0.0.0:{}", documents.address.port());
    let outer = "https://id.example.com";
    for (keys_at, is_good) in [(inner.clone(), true), ("http://127.0.0.1:1".to_owned(), false)] {
        documents.set(outer, &format!("{keys_at}/jwks"));
        let fetch = HttpFetch::dangerous().allow_plain_http().allow_private_networks();
        let fetch = fetch.discover(outer).unwrap();
        let fetch = fetch.with_metadata_url(&format!("{inner}/.well-known/openid-configuration"));

        let told = problem_of(&fetch.unwrap().with_same_origin_only()).await;

        assert_eq!(told.is_none(), is_good, "{told:?}");
        assert!(told.is_none_or(|told| told.contains("`with_same_origin_only`")));
    }
}

#[tokio::test]
async fn inner_networks_stand_in_a_configuration() {
    let documents = Documents::start().await;
    let inner = format!("http://0.0.0.0:{}", documents.address.port());
    let outer = "https://id.example.com/realms/shop";
    let metadata_url = format!("{inner}/.well-known/openid-configuration");
    let config = |keys: Value| {
        let issuer = json!({ "issuer": outer, "audiences": [AUDIENCE], "keys": keys });
        Config::from_json(&json!({ "issuers": [issuer] }).to_string()).unwrap()
    };
    let token = TestToken::new(outer, AUDIENCE).sign(&key_for(Algorithm::ES256));
    let accepts = async |config: &Config| {
        let verifier = config.verifier::<User>(&config.issuers().unwrap()).unwrap();
        verifier.verify(&token).await.is_ok()
    };
    let plain = json!(["allow_plain_http"]);

    documents.set(outer, &format!("{inner}/jwks"));
    let by_metadata = config(json!({ "metadata_url": metadata_url, "dangerous": plain }));
    assert!(accepts(&by_metadata).await);
    let by_url = config(json!({ "jwks_url": format!("{inner}/jwks"), "dangerous": plain }));
    assert!(accepts(&by_url).await);
    for keys in [json!({ "metadata_url": metadata_url }), json!({ "jwks_url": inner })] {
        let error = config(keys).issuers().unwrap_err().to_string();
        assert!(error.contains("_url: ") && error.contains("not HTTPS"), "{error}");
    }

    documents.set(outer, &format!("http://localhost:{}/jwks", documents.address.port()));
    assert!(!accepts(&by_metadata).await);
    let private = json!(["allow_plain_http", "allow_private_networks"]);
    let allowed = config(json!({ "metadata_url": metadata_url, "dangerous": private }));
    assert!(accepts(&allowed).await);

    let printed = allowed.effective().unwrap().to_toml();
    assert!(printed.contains(&format!("metadata_url = \"{metadata_url}\"")), "{printed}");
    assert!(
        printed.contains("\"allow_plain_http\"") && printed.contains("\"allow_private_networks\"")
    );
    let again = Config::from_toml(&printed).unwrap().effective().unwrap();
    assert_eq!(again.to_toml(), printed);
}

#[tokio::test]
async fn limits_of_a_configuration_are_heeded() {
    let documents = Documents::start().await;
    let url = format!("http://127.0.0.1:{}/jwks", documents.address.port());
    let fits = async |member: &str, limit: usize| {
        let keys = json!({ "jwks_url": url, member: limit });
        let issuer = json!({ "issuer": "a", "audiences": [AUDIENCE], "keys": keys });
        let config = Config::from_json(&json!({ "issuers": [issuer] }).to_string()).unwrap();
        let shown = config.effective().unwrap().to_toml();
        assert!(shown.contains(&format!("{member} = {limit}")), "{shown}");
        let verifier = config.verifier::<User>(&config.issuers().unwrap()).unwrap();
        let token = TestToken::new("a", AUDIENCE).sign(&key_for(Algorithm::ES256));
        verifier.verify(&token).await.is_ok()
    };

    assert!(fits("max_bytes", jwks().len()).await);
    assert!(!fits("max_bytes", jwks().len() - 1).await);
    assert!(fits("max_keys", 1).await);
}
