//! Tests certificates that real proxies forward, to a real server, from curl.
//!
//! The server trusts 127.0.0.1, where the proxy is. A client that goes past the proxy comes from 127.0.0.2.

use std::fs;
use std::net::{SocketAddr, TcpListener as StdListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::ConnectInfo;
use http::HeaderName;
use tokio::net::TcpListener;
use tower_bearer::binding::TrustedHops;
use tower_bearer::mtls::{CertificateField, ClientCertificateLayer};

use super::identities::{Authority, Identity};
use super::{app, bound_to, checked};
use crate::support::nginx::Nginx;

/// Certificates, clients of an authority, and a server behind a proxy.
struct Setting {
    server: Identity,
    authority: Authority,
    own: Identity,
    other: Identity,
    backend: SocketAddr,
    folder: PathBuf,
}

impl Setting {
    async fn new(name: &str, field: CertificateField) -> Self {
        let authority = Authority::new();
        let (own, other) = (authority.client("own"), authority.client("other"));
        let server = Identity::self_signed();
        let folder = std::env::temp_dir();
        let folder = folder.join(format!("tower-bearer-mtls-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (file, text) in [
            ("cert.pem", &server.certificate),
            ("key.pem", &server.key),
            ("both.pem", &format!("{}{}", server.certificate, server.key)),
            ("clients.pem", &authority.certificate),
        ] {
            fs::write(folder.join(file), text).unwrap();
        }
        let hops = TrustedHops::new(["127.0.0.1"], |extensions| {
            extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip())
        });
        let layer = ClientCertificateLayer::from_hop(field, hops.unwrap());
        let backend = serve(app(checked()).layer(layer)).await;
        Self { server, authority, own, other, backend, folder }
    }

    /// Sends the token of `own` with curl. Returns the status, or 0 without an answer.
    async fn curl(&self, url: &str, client: Option<&Identity>, more: &[&str]) -> u16 {
        let token = format!("Authorization: Bearer {}", bound_to(&self.own.client_certificate()));
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]);
        command.arg("--cacert").arg(self.folder.join("cert.pem")).args(["--header", &token]);
        if let Some(client) = client {
            let (certificate, key) =
                (self.folder.join("client.pem"), self.folder.join("client.key"));
            fs::write(&certificate, &client.certificate).unwrap();
            fs::write(&key, &client.key).unwrap();
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
        let output = command.args(more).arg(url).output().await.expect("curl is there");
        String::from_utf8(output.stdout).unwrap().parse().unwrap()
    }

    /// Checks what a terminator forwards, and that a client can forge nothing. `forged` is the field for `own`.
    async fn check(&self, terminator: SocketAddr, forged: &str) {
        let url = format!("https://localhost:{}/", terminator.port());
        let direct = format!("http://{}/", self.backend);
        let forged = ["--header", forged];
        for http in ["--http1.1", "--http2"] {
            let with = |more: &[&'static str]| [&[http], more].concat();

            assert_eq!(self.curl(&url, Some(&self.own), &with(&[])).await, 200);
            assert_eq!(self.curl(&url, Some(&self.other), &with(&[])).await, 401);
            assert_eq!(self.curl(&url, None, &with(&[])).await, 401);
            // A client behind the proxy sends the field itself.
            for client in [Some(&self.other), None] {
                assert_eq!(self.curl(&url, client, &[&[http], &forged[..]].concat()).await, 401);
            }
            let own = self.curl(&url, Some(&self.own), &[&[http], &forged[..]].concat()).await;
            assert_eq!(own, 200);
        }
        // RFC 9440 §4: a client that goes past the proxy brings no certificate
        let past = ["--interface", "127.0.0.2"];
        let by_itself = self.curl(&direct, None, &[&past[..], &forged].concat()).await;
        let as_the_hop = self.curl(&direct, None, &forged).await;
        assert_eq!((by_itself, as_the_hop), (401, 200));
    }
}

impl Drop for Setting {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Serves until the test ends.
async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// A proxy that ends with the test.
struct Proxy {
    child: Child,
    address: SocketAddr,
}

impl Proxy {
    /// Starts a program in a folder, with the text of its configuration for an address to listen on.
    fn start(
        folder: &Path,
        program: &str,
        arguments: &[&str],
        configuration: impl FnOnce(SocketAddr) -> String,
    ) -> Self {
        let address = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fs::write(folder.join("proxy.yaml"), configuration(address)).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; run scripts/interop"));
        let mut proxy = Self { child, address };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            let has_ended = proxy.child.try_wait().unwrap().is_some();
            let is_late = began.elapsed() > Duration::from_secs(30);
            let log = || fs::read_to_string(folder.join("log")).unwrap();
            assert!(!has_ended && !is_late, "{program} does not come up: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
        proxy.await_tls();
        proxy
    }

    /// Waits until the terminator answers over TLS. Its port may be open earlier. A terminator that requires a certificate
    /// refuses this request, and the wait ends after a second.
    fn await_tls(&self) {
        let url = format!("https://{}/", self.address);
        for _ in 0..50 {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--insecure", "--output", "/dev/null", "--max-time", "5", &url]);
            if curl.status().is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The field `X-SSL-Client-Cert` as nginx writes it.
fn escaped(identity: &Identity) -> String {
    let pem: String = form_urlencoded::byte_serialize(identity.certificate.as_bytes()).collect();
    pem.replace('+', "%20")
}

fn hash(identity: &Identity) -> String {
    use std::fmt::Write as _;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &identity.der);
    hash.as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn client_cert(identity: &Identity) -> String {
    use base64::Engine as _;
    format!("Client-Cert: :{}:", base64::engine::general_purpose::STANDARD.encode(&identity.der))
}

mod needs_nginx {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs nginx and curl: scripts/interop"]
    async fn nginx_forwards_the_certificate_as_escaped_pem() {
        let field = HeaderName::from_static("x-ssl-client-cert");
        let setting = Setting::new("nginx", CertificateField::escaped_pem(field).unwrap()).await;
        let files = [
            ("cert.pem", &*setting.server.certificate),
            ("key.pem", &setting.server.key),
            ("clients.pem", &setting.authority.certificate),
        ];
        let nginx = Nginx::start(&files, |address| {
            format!(
                "server {{
                     listen {address} ssl http2;
                     ssl_certificate cert.pem;
                     ssl_certificate_key key.pem;
                     ssl_client_certificate clients.pem;
                     ssl_verify_client optional;
                     location / {{
                         proxy_pass http://{};
                         proxy_set_header X-SSL-Client-Cert $ssl_client_escaped_cert;
                     }}
                 }}",
                setting.backend
            )
        });

        let forged = format!("X-SSL-Client-Cert: {}", escaped(&setting.own));
        setting.check(nginx.addr(), &forged).await;
    }
}

mod needs_haproxy {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs haproxy and curl: scripts/interop"]
    async fn haproxy_forwards_the_certificate_as_rfc_9440_says() {
        let setting = Setting::new("haproxy", CertificateField::client_cert()).await;
        let arguments = ["-db", "-f", "proxy.yaml"];
        let haproxy = Proxy::start(&setting.folder, "/usr/sbin/haproxy", &arguments, |address| {
            format!(
                "defaults
                     mode http
                     timeout connect 5s
                     timeout client 30s
                     timeout server 30s
                 frontend tls
                     bind {address} ssl crt both.pem alpn h2,http/1.1 ca-file clients.pem verify optional
                     http-request del-header Client-Cert
                     http-request del-header Client-Cert-Chain
                     http-request set-header Client-Cert :%[ssl_c_der,base64]: if {{ ssl_c_used }}
                     default_backend app
                 backend app
                     server app {}\n",
                setting.backend
            )
        });

        setting.check(haproxy.address, &client_cert(&setting.own)).await;
    }
}

mod needs_envoy {
    use super::*;

    fn start(setting: &Setting, forward: &str, details: &str, context: &str) -> Proxy {
        let program = std::env::var("ENVOY").expect("ENVOY is not set: run scripts/interop");
        let arguments = [
            "-c",
            "proxy.yaml",
            "--log-level",
            "error",
            "--concurrency",
            "1",
            "--disable-hot-restart",
        ];
        Proxy::start(&setting.folder, &program, &arguments, |address| {
            let api = "type.googleapis.com/envoy.extensions";
            format!(
                "static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          '@type': {api}.transport_sockets.tls.v3.DownstreamTlsContext
          common_tls_context:
            alpn_protocols: [h2, http/1.1]
            tls_certificates: [{{certificate_chain: {{filename: cert.pem}}, private_key: {{filename: key.pem}}}}]
            validation_context: {{{context}}}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          '@type': {api}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: tls
          forward_client_cert_details: {forward}
          set_current_client_cert_details: {{{details}}}
          route_config:
            virtual_hosts: [{{name: app, domains: ['*'], routes: [{{match: {{prefix: /}}, route: {{cluster: app}}}}]}}]
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{'@type': {api}.filters.http.router.v3.Router}}
  clusters:
  - name: app
    load_assignment:
      cluster_name: app
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {backend}}}}}}}}}]}}]
",
                port = address.port(),
                backend = setting.backend.port(),
            )
        })
    }

    const AUTHORITY: &str = "trusted_ca: {filename: clients.pem}";

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs envoy and curl: scripts/interop"]
    async fn envoy_forwards_hash_and_certificate() {
        for (number, (forward, details)) in [
            ("SANITIZE_SET", ""),
            ("SANITIZE_SET", "cert: true, chain: true, subject: true, uri: true, dns: true"),
            ("APPEND_FORWARD", "subject: true"),
        ]
        .into_iter()
        .enumerate()
        {
            let setting = Setting::new(&format!("envoy-{number}"), CertificateField::xfcc()).await;
            let envoy = start(&setting, forward, details, AUTHORITY);

            let forged = format!("X-Forwarded-Client-Cert: Hash={}", hash(&setting.own));
            setting.check(envoy.address, &forged).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs envoy and curl: scripts/interop"]
    async fn client_cannot_write_an_element_into_a_name_of_its_certificate() {
        let setting = Setting::new("envoy-names", CertificateField::xfcc()).await;
        let any = "trust_chain_verification: ACCEPT_UNTRUSTED";
        let context = format!("{AUTHORITY}, {any}");
        let own = hash(&setting.own);
        let second = format!(",Hash={own}");
        let forged = "X-Forwarded-Client-Cert: Subject=\"";
        for forward in ["SANITIZE_SET", "APPEND_FORWARD"] {
            let details = "subject: true, uri: true, dns: true";
            let envoy = start(&setting, forward, details, &context);
            let url = format!("https://localhost:{}/", envoy.address.port());

            assert_eq!(setting.curl(&url, Some(&setting.own), &[]).await, 200);
            for names in [
                &[&*format!("spiffe://a{second}")][..],
                &[&format!("a;Hash={own}")],
                &[&format!("a\"{second}")],
                &["\"", &format!("\"{second}")],
                &[&format!("\";Hash={own}")],
                &[&format!("\"{second}")],
            ] {
                for thief in [
                    setting.authority.client_with_uris("thief", names),
                    setting.authority.client(&names.concat()),
                ] {
                    for more in [&[][..], &["--header", forged]] {
                        let status = setting.curl(&url, Some(&thief), more).await;
                        assert_eq!(status, 401, "{forward}: {names:?}");
                    }
                }
            }
        }
    }
}
