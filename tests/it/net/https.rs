//! Tests keys over HTTPS: certificates, proxies and tokens to fetch with.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use tower_bearer::keys::HttpFetch;
use tower_bearer::test_util::TestProvider;
use tower_bearer::{Config, ConfigError, Reason, RemoteKeys, Validation, Verifier};

use crate::examples::Program;
use crate::examples::resource_server::TempFile;
use crate::net::inner_networks::{Documents, problem_of};
use crate::support::{AUDIENCE, User, WithBearer};

/// TLS in front of a server.
pub struct Front {
    pub port: u16,
    pub certificate: String,
    serving: JoinHandle<()>,
}

impl Front {
    pub async fn of(provider: &TestProvider) -> Self {
        Self::named(&["localhost"], address_of(provider)).await
    }

    /// Starts with a certificate for these names and addresses.
    pub async fn named(names: &[&str], behind: SocketAddr) -> Self {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut provider = TcpStream::connect(behind).await.unwrap();
                    _ = tokio::io::copy_bidirectional(&mut stream, &mut provider).await;
                });
            }
        });
        Self { port, certificate: cert.pem(), serving }
    }

    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn address_of(provider: &TestProvider) -> SocketAddr {
    provider.issuer().strip_prefix("http://").unwrap().parse().unwrap()
}

/// A proxy that connects to this machine, for any host.
pub struct Proxy {
    pub port: u16,
    /// The heads of all requests.
    asked: Arc<Mutex<Vec<String>>>,
    serving: JoinHandle<()>,
}

impl Proxy {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::default();
        let heads: Arc<Mutex<Vec<String>>> = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let heads = Arc::clone(&heads);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let head = String::from_utf8(head).unwrap();
                    let target = head.split_whitespace().nth(1).unwrap();
                    let port: u16 = target.rsplit(':').next().unwrap().parse().unwrap();
                    heads.lock().unwrap().push(head);
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                    _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
                });
            }
        });
        Self { port, asked, serving }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test]
async fn certificate_that_the_system_trusts_brings_keys() {
    let provider = TestProvider::start().await;
    let front = Front::of(&provider).await;
    let trusted = TempFile::new("trusted.pem", &front.certificate);
    let program = Program::start(
        "resource_server",
        &[
            ("ISSUER", provider.issuer()),
            ("AUDIENCE", AUDIENCE),
            ("JWKS_URL", &front.url("/jwks")),
            ("SSL_CERT_FILE", trusted.path()),
        ],
    );

    let answer = program.send(program.get("/protected").bearer(provider.mint(AUDIENCE))).await;

    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(provider.requests().jwks, 1);
}

#[tokio::test]
async fn certificate_of_a_stranger_brings_none() {
    let provider = TestProvider::start().await;
    let front = Front::of(&provider).await;
    let keys = Arc::new(RemoteKeys::from_url(&front.url("/jwks")).unwrap());
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(Arc::clone(&keys), validation).unwrap();

    let error = verifier.verify(&provider.mint(AUDIENCE)).await.unwrap_err();

    assert_eq!(error.reason(), Reason::KeysUnavailable);
    let told = keys.status().last_error().unwrap().message().to_owned();
    assert!(told.contains("certificate") && told.contains("`with_root_certificates`"), "{told}");
    assert_eq!(provider.requests().jwks, 0);
}

#[tokio::test]
async fn certificate_of_an_authority_that_was_named_brings_keys() {
    let provider = TestProvider::start().await;
    let (front, stranger) = (Front::of(&provider).await, Front::of(&provider).await);
    let fetch = || HttpFetch::new(&front.url("/jwks")).unwrap();
    let both = format!("{}\n# and\n{}", stranger.certificate, front.certificate);

    for pem in [&front.certificate, &both] {
        let fetch = fetch().with_root_certificates(pem).unwrap();
        assert_eq!(problem_of(&fetch).await, None);
    }
    let other = fetch().with_root_certificates(&stranger.certificate).unwrap();
    let told = problem_of(&other).await.unwrap();
    assert!(told.contains("invalid peer certificate"), "{told}");
    assert!(told.contains("`with_root_certificates`"), "{told}");
    // Certificates that are added one after the other add up.
    let again = other.with_root_certificates(&front.certificate).unwrap();
    assert_eq!(problem_of(&again).await, None);
}

#[tokio::test]
async fn text_without_an_authority_is_a_mistake_of_set_up() {
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let key = generate_simple_self_signed([]).unwrap().signing_key.serialize_pem();
    for pem in ["", "hello", &key, broken] {
        let fetch = HttpFetch::new("https://id.example.com/jwks").unwrap();
        let error = fetch.with_root_certificates(pem).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableKeys { .. }), "{pem}: {error}");
    }
}

#[tokio::test]
async fn token_in_a_file_is_shown_where_the_keys_are_and_read_again_each_time() {
    let provider = TestProvider::start().await;
    let front = Front::of(&provider).await;
    let file = TempFile::new("bearer", "\u{feff}first.token\n");
    let fetch = HttpFetch::new(&front.url("/jwks")).unwrap();
    let fetch = fetch.with_root_certificates(&front.certificate).unwrap();
    let fetch = fetch.with_bearer_file(file.path()).unwrap();

    assert_eq!(problem_of(&fetch).await, None);
    std::fs::write(file.path(), "second.token").unwrap();
    assert_eq!(problem_of(&fetch).await, None);
    std::fs::write(file.path(), "not a token").unwrap();
    let told = problem_of(&fetch).await.unwrap();

    let shown: Vec<_> =
        provider.received().iter().map(|one| one.headers()["authorization"].clone()).collect();
    assert_eq!(shown, ["Bearer first.token", "Bearer second.token"]);
    assert!(told.contains(file.path()) && !told.contains("not a token"), "{told}");
    assert!(!format!("{fetch:?}").contains("token\""), "{fetch:?}");
}

#[tokio::test]
async fn token_for_the_place_of_the_metadata_is_not_shown_to_the_issuer() {
    // As in Kubernetes, where the issuer may be a public host that only names the cluster.
    let (issuer, documents) = (TestProvider::start().await, Documents::start().await);
    documents.set(issuer.issuer(), &issuer.jwks_url());
    let file = TempFile::new("bearer-metadata", "a.token");
    let metadata = format!("http://{}/.well-known/openid-configuration", documents.address);
    let fetch = HttpFetch::discover(issuer.issuer()).unwrap();
    let fetch = fetch.with_metadata_url(&metadata).unwrap().with_bearer_file(file.path()).unwrap();

    assert_eq!(problem_of(&fetch).await, None);

    assert_eq!(documents.paths().len(), 1);
    let received = issuer.received();
    assert_eq!(received.len(), 1);
    assert!(!received[0].headers().contains_key("authorization"));
}

#[tokio::test]
async fn token_is_shown_to_the_configured_origin_and_to_no_other() {
    let (provider, elsewhere) = (TestProvider::start().await, TestProvider::start().await);
    provider.set_jwks_uri(elsewhere.jwks_url());
    let file = TempFile::new("bearer-origin", "a.token");
    let fetch = HttpFetch::discover(provider.issuer()).unwrap();
    let fetch = fetch.with_bearer_file(file.path()).unwrap();

    assert_eq!(problem_of(&fetch).await, None);

    let is_shown = |provider: &TestProvider| {
        let received = provider.received();
        assert_eq!(received.len(), 1);
        received[0].headers().contains_key("authorization")
    };
    assert!(is_shown(&provider) && !is_shown(&elsewhere));
}

#[tokio::test]
async fn answer_that_asks_for_a_token_says_how_to_give_one() {
    let provider = TestProvider::start().await;
    provider.set_jwks_fault(tower_bearer::test_util::Fault::Status(401));

    let told = problem_of(&HttpFetch::new(&provider.jwks_url()).unwrap()).await.unwrap();

    assert!(told.contains("401") && told.contains("`with_bearer_file`"), "{told}");
}

#[test]
fn token_that_is_not_there_or_would_be_readable_is_a_mistake_of_set_up() {
    let file = TempFile::new("bearer-setup", "a.token");
    let fetch = || HttpFetch::new("https://id.example.com/jwks").unwrap();
    let plain = || HttpFetch::dangerous().allow_plain_http();

    assert!(fetch().with_bearer_file(file.path()).is_ok());
    let missing = fetch().with_bearer_file("/nowhere/token").unwrap_err();
    assert!(matches!(missing, ConfigError::UnreadableFile { .. }), "{missing}");
    for empty in ["", "  \n", "two tokens", "b\u{e4}r"] {
        std::fs::write(file.path(), empty).unwrap();
        let error = fetch().with_bearer_file(file.path()).unwrap_err();
        assert!(error.to_string().contains("no bearer token"), "{error}");
    }
    let most = 64 * 1024;
    std::fs::write(file.path(), "a".repeat(most)).unwrap();
    assert!(fetch().with_bearer_file(file.path()).is_ok());
    std::fs::write(file.path(), "a".repeat(most + 1)).unwrap();
    let error = fetch().with_bearer_file(file.path()).unwrap_err().to_string();
    assert!(error.contains("longer than 65536 bytes"), "{error}");
    std::fs::write(file.path(), "a.token").unwrap();
    let inner = plain().from_url("http://keys:8080/jwks").unwrap();
    let error = inner.with_bearer_file(file.path()).unwrap_err().to_string();
    assert!(error.contains("read the bearer token"), "{error}");
    let outer = plain().discover("https://id.example.com").unwrap();
    let outer = outer.with_bearer_file(file.path()).unwrap();
    let error = outer.with_metadata_url("http://keys:8080/metadata").unwrap_err().to_string();
    assert!(error.contains("read the bearer token"), "{error}");
}

#[tokio::test]
async fn proxy_that_was_set_is_asked_for_the_hosts_and_resolves_their_names() {
    let provider = TestProvider::start().await;
    let front = Front::named(&["keys.invalid"], address_of(&provider)).await;
    let proxy = Proxy::start().await;
    let url = format!("https://keys.invalid:{}/jwks", front.port);
    let fetch = HttpFetch::new(&url).unwrap().with_root_certificates(&front.certificate).unwrap();

    let address = format!("http://user:word@localhost:{}", proxy.port);
    let fetch = fetch.with_proxy(&address).unwrap();

    assert_eq!(problem_of(&fetch).await, None);
    let asked = proxy.asked();
    assert!(asked[0].starts_with(&format!("CONNECT keys.invalid:{} ", front.port)), "{asked:?}");
    assert!(asked[0].to_lowercase().contains("proxy-authorization: basic"), "{asked:?}");
    assert!(!format!("{fetch:?}").contains("word"), "{fetch:?}");
    // Without the proxy there is no such name.
    let direct = HttpFetch::new(&url).unwrap();
    assert!(
        problem_of(&direct.with_root_certificates(&front.certificate).unwrap()).await.is_some()
    );
}

#[tokio::test]
async fn document_that_came_through_a_proxy_does_not_lead_to_it_or_to_addresses_behind_it() {
    let documents = Documents::start().await;
    // The refused hosts have certificates too, and the proxy would lead there.
    let names = ["id.invalid", "keys.invalid", "localhost", "127.0.0.1"];
    let front = Front::named(&names, documents.address).await;
    let proxy = Proxy::start().await;
    let issuer = format!("https://id.invalid:{}", front.port);
    let fetch = || {
        let fetch = HttpFetch::discover(&issuer).unwrap();
        let fetch = fetch.with_root_certificates(&front.certificate).unwrap();
        fetch.with_proxy(&format!("http://localhost:{}", proxy.port)).unwrap()
    };
    for (host, is_good) in [
        ("keys.invalid", true),
        ("id.invalid", true),
        ("localhost", false),
        ("127.0.0.1", false),
        ("10.0.0.1", false),
    ] {
        documents.set(&issuer, &format!("https://{host}:{}/jwks", front.port));

        let told = problem_of(&fetch()).await;

        assert_eq!(told.is_none(), is_good, "{host}: {told:?}");
    }
}

#[tokio::test]
async fn proxy_of_the_environment_is_used() {
    let provider = TestProvider::start().await;
    let front = Front::named(&["keys.invalid"], address_of(&provider)).await;
    let proxy = Proxy::start().await;
    let trusted = TempFile::new("proxied.pem", &front.certificate);
    let program = Program::start(
        "resource_server",
        &[
            ("ISSUER", provider.issuer()),
            ("AUDIENCE", AUDIENCE),
            ("JWKS_URL", &format!("https://keys.invalid:{}/jwks", front.port)),
            ("HTTPS_PROXY", &format!("http://localhost:{}", proxy.port)),
            ("SSL_CERT_FILE", trusted.path()),
        ],
    );

    let answer = program.send(program.get("/protected").bearer(provider.mint(AUDIENCE))).await;

    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(proxy.asked().len(), 1);
}

#[test]
fn address_of_no_proxy_is_a_mistake_of_set_up() {
    let fetch = || HttpFetch::new("https://id.example.com/jwks").unwrap();
    for (url, expected) in [
        ("proxy:3128", "http:// and a host"),
        ("", "empty"),
        ("socks5://proxy:1080", "SOCKS"),
        ("http://user:word@{proxy}", "placeholder"),
        ("ftp://user:word@proxy", "http:// and a host"),
    ] {
        let error = fetch().with_proxy(url).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("word"), "{url}: {error}");
    }
    assert!(fetch().with_proxy("http://proxy:3128").is_ok());
}

#[tokio::test]
async fn authority_proxy_and_token_stand_in_a_configuration() {
    let provider = TestProvider::start().await;
    let front = Front::named(&["keys.invalid"], address_of(&provider)).await;
    let proxy = Proxy::start().await;
    let (authority, token) =
        (TempFile::new("ca.pem", &front.certificate), TempFile::new("ca-token", "a.token"));
    let keys = json!({
        "jwks_url": format!("https://keys.invalid:{}/jwks", front.port),
        "ca_file": authority.path(),
        "proxy": format!("http://user:word@localhost:{}", proxy.port),
        "bearer_file": token.path(),
    });
    let of = |keys: &serde_json::Value| {
        let issuer = json!({ "issuer": provider.issuer(), "audiences": [AUDIENCE], "keys": keys });
        Config::from_json(&json!({ "issuers": [issuer] }).to_string()).unwrap()
    };
    let accepts = async |config: &Config| {
        let verifier = config.verifier::<User>(&config.issuers().unwrap()).unwrap();
        verifier.verify(&provider.mint(AUDIENCE)).await.is_ok()
    };
    let config = of(&keys);

    assert!(accepts(&config).await);
    assert_eq!(provider.received()[0].headers()["authorization"], "Bearer a.token");
    for needed in ["ca_file", "proxy"] {
        let mut less = keys.clone();
        less.as_object_mut().unwrap().remove(needed);
        assert!(!accepts(&of(&less)).await, "{needed}");
    }

    let printed = config.effective().unwrap().to_toml();
    for line in [
        &format!("ca_file = {:?}", authority.path()),
        &format!("bearer_file = {:?}", token.path()),
        &format!("proxy = \"(not shown)@localhost:{}\"", proxy.port),
        "max_bytes = 262144",
        "max_keys = 100",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert!(!format!("{printed}{config:?}").contains("word"), "{config:?}");
}

#[test]
fn mistakes_about_fetching_name_their_place_in_a_configuration() {
    let token = TempFile::new("places", "no token");
    for (member, value, expected) in [
        ("ca_file", json!("/nowhere.pem"), "/nowhere.pem"),
        ("ca_file", json!(token.path()), "certificates of an authority"),
        ("proxy", json!("socks5://proxy"), "SOCKS"),
        ("bearer_file", json!("/nowhere"), "/nowhere"),
        ("bearer_file", json!(token.path()), "no bearer token"),
        ("max_bytes", json!(0), "is zero"),
        ("max_keys", json!(0), "is zero"),
        ("dangerous[0]", json!(["allow_everything"]), "unknown variant"),
    ] {
        let name = member.trim_end_matches("[0]");
        let keys = json!({ "jwks_url": "https://id.example.com/jwks", name: value });
        let issuer = json!({ "issuer": "a", "audiences": ["b"], "keys": keys });
        let config = json!({ "issuers": [issuer] }).to_string();

        let result = Config::from_json(&config).and_then(|config| config.issuers().map(|_| ()));

        let error = result.unwrap_err().to_string();
        let place = format!("issuers[0].keys.{member}: ");
        assert!(error.starts_with(&place) && error.contains(expected), "{error}");
        // The option has no meaning where nothing is fetched.
        if !member.ends_with(']') {
            let keys = json!({ "jwks": { "keys": [] }, name: value });
            let issuer = json!({ "issuer": "a", "audiences": ["b"], "keys": keys });
            let config = Config::from_json(&json!({ "issuers": [issuer] }).to_string()).unwrap();
            let error = config.issuers().unwrap_err().to_string();
            assert!(error.contains("means nothing"), "{error}");
        }
    }
}
