//! Tests the endpoints with clients and providers that were written elsewhere.

use std::env;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_bearer::endpoints::{ClientList, LogoutScope, LogoutService, RevocationService};
use tower_bearer::revocation::{
    MemoryRevocations, Revocable, Revocation, RevocationStore, Revocations,
};
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Reason, RemoteKeys, Validation, Verifier};

use super::Store;
use crate::providers::provider::{Browser, OIDC_PROVIDER, Provider, Tokens};
use crate::support::{AUDIENCE, ISSUER, NOW, WithBearer, get, invalid_token, key, send, token};

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (listener, addr)
}

fn serve(listener: TcpListener, app: Router) {
    tokio::spawn(async move { axum::serve(listener, app).await });
}

mod needs_revocation_client {
    use super::*;

    #[tokio::test]
    #[ignore = "needs oauth4webapi: scripts/interop"]
    async fn oauth4webapi_revokes_and_understands_refusals() {
        assert_client_revokes("OAUTH4WEBAPI_REVOKE", "100% of the shop's: +&", "basic").await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn authlib_revokes_and_understands_refusals() {
        // It does not encode the credentials of HTTP Basic, as RFC 6749 §2.3.1 would have it.
        assert_client_revokes("AUTHLIB_REVOKE", "ours-alone_1~2.3", "invalid_client").await;
    }

    /// Asks a program to send these requests, and returns its answers.
    async fn ask(command: &'static str, requests: Vec<Value>) -> Vec<String> {
        let ask = move || {
            let line = env::var(command)
                .unwrap_or_else(|_| panic!("{command} is not set: run scripts/interop"));
            let mut child = Command::new("sh")
                .args(["-c", &line])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
            child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success());
            String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    async fn assert_client_revokes(command: &'static str, secret: &str, unknown: &str) {
        // RFC 7009 §2: a client library of another project revokes its tokens
        let store = Store::default();
        let clients = ClientList::new().with_client("shop", secret).unwrap();
        let clients = clients.with_public_client("browser").unwrap();
        let service =
            RevocationService::new(key().verifying_key(), ISSUER, clients, store.clone()).unwrap();
        let (listener, addr) = listen().await;
        let app = Router::new().route_service("/revoke", service.with_clock(TestClock::at(NOW)));
        serve(listener, app);
        let of = |client: &str, id: &str| {
            token().claim("client_id", client).claim("jti", id).sign(&key())
        };
        let request = |method: &str, client: &str, secret: &str, token: String| {
            json!({
                "endpoint": format!("http://{addr}/revoke"),
                "method": method,
                "client_id": client,
                "client_secret": secret,
                "token": token,
                "hint": "access_token",
            })
        };
        let (basic, post) = ("client_secret_basic", "client_secret_post");

        let answers = ask(
            command,
            vec![
                request(basic, "shop", secret, of("shop", "t1")),
                request(post, "shop", secret, of("shop", "t2")),
                request("none", "browser", "", of("browser", "t3")),
                request(basic, "shop", secret, "opaque".to_owned()),
                request(basic, "shop", "wrong", of("shop", "t4")),
                request(post, "shop", "wrong", of("shop", "t5")),
                request(basic, "shop", secret, of("other", "t6")),
                request(basic, "shop", secret, token().header("typ", "x").sign(&key())),
            ],
        )
        .await;

        let refused = &*format!("no: 401 {unknown}");
        assert_eq!(
            answers,
            [
                "ok",
                "ok",
                "ok",
                "ok",
                refused,
                refused,
                "no: 400 invalid_grant",
                "no: 400 unsupported_token_type"
            ]
        );
        let written = store.written();
        let written: Vec<_> = written.iter().map(|one| one.name().as_str()).collect();
        assert_eq!(written, ["t1", "t2", "t3"]);
    }
}

mod needs_oidc_provider {
    use super::*;

    /// A provider that reports logouts, and the keys of the API and the receiver.
    struct World {
        provider: Provider,
        keys: Arc<RemoteKeys>,
        listener: TcpListener,
    }

    impl World {
        async fn new() -> Self {
            let (listener, addr) = listen().await;
            let uri = format!("http://{addr}/logout");
            let provider = Provider::start_with(OIDC_PROVIDER, &[("LOGOUT_URI", &uri)]);
            let keys = Arc::new(RemoteKeys::discover(provider.issuer()).unwrap());
            Self { provider, keys, listener }
        }

        /// Listens for logouts of this client.
        fn receive(self, client: &str, ends: LogoutScope, store: impl RevocationStore) -> Provider {
            let rules = Validation::new(self.provider.issuer(), client);
            let service = LogoutService::new(self.keys, rules, ends, store).unwrap();
            serve(self.listener, Router::new().route_service("/logout", service));
            self.provider
        }

        fn api(&self, view: impl Revocations) -> Router {
            let rules = Validation::new(self.provider.issuer(), AUDIENCE);
            let verifier = Verifier::<Value>::new(Arc::clone(&self.keys), rules).unwrap();
            let layer = BearerLayer::new(verifier.with_revocations(view));
            Router::new().route("/", on_get(|| async { "in" })).layer(layer)
        }
    }

    fn claim(token: &str, name: &str) -> Value {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<Value>(&payload).unwrap()[name].take()
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn alice_logs_out_at_the_provider_and_her_access_token_is_refused() {
        // OIDC Back-Channel Logout §2.5: a provider of another project posts its logout token
        for algorithm in OIDC_PROVIDER.algorithms {
            let world = World::new().await;
            let view = MemoryRevocations::new();
            let api = world.api(view.clone());
            let client = format!("shop-{algorithm}");
            let provider = world.receive(&client, LogoutScope::Subject, view);
            let mut browser = Browser::default();
            let Tokens { access_token, .. } = provider.sign_in(&mut browser, *algorithm).await;
            let tokens = provider.sign_in(&mut browser, *algorithm).await;
            let machine = provider.client_credentials(*algorithm).await;
            // The reason why it is by the subject.
            assert_eq!(claim(&access_token, "sid"), Value::Null);
            for token in [&access_token, &tokens.access_token, &machine] {
                send(&api, get("/").bearer(token)).await.is_ok("in");
            }

            provider.sign_out(&mut browser, &tokens).await;

            assert_eq!(provider.logouts().await, [format!("told {client}")]);
            for token in [&access_token, &tokens.access_token] {
                let answer = send(&api, get("/").bearer(token)).await;
                let challenge = invalid_token("The token was revoked");
                answer.is_refused(401, Some(&challenge), Reason::Revoked);
            }
            send(&api, get("/").bearer(&machine)).await.is_ok("in");
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn session_that_ends_is_that_of_the_id_token() {
        let world = World::new().await;
        let store = Store::default();
        let algorithm = OIDC_PROVIDER.algorithms[0];
        let client = format!("shop-{algorithm}");
        let provider = world.receive(&client, LogoutScope::Session, store.clone());
        let mut browser = Browser::default();
        let tokens = provider.sign_in(&mut browser, algorithm).await;

        provider.sign_out(&mut browser, &tokens).await;

        let sid = claim(&tokens.id_token, "sid");
        let sid = sid.as_str().unwrap();
        assert_eq!(store.written(), [Revocation::session(provider.issuer(), sid)]);
        assert_eq!(store.written()[0].name(), Revocable::Session(sid));
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn provider_hears_that_a_logout_was_refused() {
        let world = World::new().await;
        let store = Store::default();
        let provider = world.receive("another-client", LogoutScope::Session, store.clone());
        let mut browser = Browser::default();
        let tokens = provider.sign_in(&mut browser, OIDC_PROVIDER.algorithms[0]).await;

        provider.sign_out(&mut browser, &tokens).await;

        let logouts = provider.logouts().await;
        assert!(logouts[0].ends_with("got: 400 Bad Request"), "{logouts:?}");
        assert_eq!(store.written(), []);
    }
}
