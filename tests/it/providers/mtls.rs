//! Tokens that a real authorization server binds to the certificate of a client (RFC 8705), before a real server of ours.

use std::net::TcpListener;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::Full;
use tower_bearer::claims::ConfirmationMethod;
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::mtls::{CertificateBinding, ClientAuthorities, TlsListener, TlsSettings};
use tower_bearer::policy::bound_by;

use super::provider::form_of;
use super::*;
use crate::middleware::mtls::connections::TlsClient;
use crate::middleware::mtls::identities::Identity;
use crate::middleware::mtls::servers::serve_app;

const CLIENT: &str = "shop-mtls";

/// A provider with TLS, and clients with certificates of their own making. The provider knows one of them.
struct Setting {
    provider: Provider,
    server: Identity,
    own: Identity,
    other: Identity,
}

impl Setting {
    fn start(more: &[(&str, &str)]) -> Self {
        let [server, own, other] = [(); 3].map(|()| Identity::self_signed());
        let tls = format!("{}{}", server.certificate, server.key);
        let variables = [("MTLS_SERVER", &*tls), ("MTLS_CLIENT", &*own.certificate)];
        let variables = [&variables[..], more].concat();
        Self { provider: Provider::start_with(OIDC_PROVIDER, &variables), server, own, other }
    }

    fn client(&self, identity: Option<&Identity>) -> TlsClient {
        TlsClient::new(&self.server, identity)
    }

    /// Asks for a token where the metadata says that clients with certificates ask (RFC 8705 §5).
    async fn ask(&self, identity: Option<&Identity>) -> Response<String> {
        let metadata = self.provider.metadata().await;
        assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true, "{metadata}");
        let endpoint = metadata["mtls_endpoint_aliases"]["token_endpoint"].as_str().unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", CLIENT),
            ("scope", "things:read things:write"),
            ("resource", AUDIENCE),
        ];
        let request = Request::post(endpoint)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form_of(&form)));
        self.client(identity).send(request.unwrap()).await
    }

    /// A token for the client, who authenticates by its certificate (RFC 8705 §2.2).
    async fn token(&self) -> String {
        let answer = json_of(&self.ask(Some(&self.own)).await);
        assert_eq!(answer["token_type"], "Bearer", "{answer}");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Serves over TLS, to clients with any certificate or none. Returns the address.
    fn serve(&self, layer: BearerLayer<Value>) -> String {
        let bound = on_get(async || "bound");
        let bound = bound.layer(require(bound_by(ConfirmationMethod::Certificate)));
        let kind = |principal: Principal| async move { format!("{:?}", principal.kind()) };
        let app = Router::new().route("/", on_get(kind)).route("/bound", bound);
        let settings = TlsSettings::new(&self.server.certificate, &self.server.key).unwrap();
        let any = ClientAuthorities::any_certificate();
        let settings = settings.with_client_certificates(&any).unwrap();
        let listener = TlsListener::new(TcpListener::bind("127.0.0.1:0").unwrap(), &settings);
        let listener = listener.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        serve_app(listener, app.layer(layer.with_binding(CertificateBinding::new())));
        origin
    }

    async fn assert_token_admits_its_client_alone(&self, origin: &str, token: &str) {
        let request = |path: &str| -> Request<Full<Bytes>> {
            let request = Request::get(format!("{origin}{path}"));
            let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
            request.body(Full::default()).unwrap()
        };

        for (path, body) in [("/", "Client"), ("/bound", "bound")] {
            let accepted = self.client(Some(&self.own)).send(request(path)).await;
            assert_eq!((accepted.status().as_u16(), &**accepted.body()), (200, body));
            for identity in [Some(&self.other), None] {
                let refused = self.client(identity).send(request(path)).await;
                assert_eq!(refused.status(), 401, "{refused:?}");
                let challenge = refused.headers()[WWW_AUTHENTICATE].to_str().unwrap();
                assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
            }
        }
    }
}

mod needs_oidc_provider {
    use super::*;

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn jwt_that_is_bound_to_a_certificate_admits_the_client_that_has_it_and_no_thief() {
        let setting = Setting::start(&[]);
        let keys = RemoteKeys::discover(setting.provider.issuer()).unwrap();
        let origin = setting.serve(BearerLayer::new(verifier(&setting.provider, keys)));

        let token = setting.token().await;

        setting.assert_token_admits_its_client_alone(&origin, &token).await;
        for identity in [Some(&setting.other), None] {
            assert_eq!(setting.ask(identity).await.status(), 401);
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn opaque_token_that_is_bound_to_a_certificate_admits_the_client_that_has_it_and_no_thief()
     {
        let setting = Setting::start(&[("TOKEN_FORMAT", "opaque")]);
        let provider = &setting.provider;
        let shop = ClientAuthentication::client_secret_basic("shop-RS256", "secret of the shop");
        let tokens = OpaqueTokens::by_shape();
        let introspection = Introspection::discover(provider.issuer(), shop, tokens).unwrap();
        let keys = KeySet::from_iter([crate::support::key().verifying_key()]);
        let layer = BearerLayer::new(verifier(provider, keys));
        let layer = layer.with_authenticator(introspection, validation(provider)).unwrap();
        let origin = setting.serve(layer);

        let token = setting.token().await;

        setting.assert_token_admits_its_client_alone(&origin, &token).await;
    }
}
