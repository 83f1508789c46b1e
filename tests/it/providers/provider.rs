//! Runs a provider as a program: started, called over HTTP, and ended with the test.
//!
//! `scripts/interop` installs the programs, and says in `OIDC_PROVIDER`, `AUTHLIB_PROVIDER` and `GLEWLWYD_PROVIDER` how
//! to call them. The head of `scripts/interop.d/oidc-provider/server.mjs` describes their routes; glewlwyd has no routes
//! below `/admin/`.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tower_bearer::Algorithm;
use tower_bearer::net::FormClient;

use crate::support::{AUDIENCE, WithBearer};

pub const OIDC_PROVIDER: &Maker = &Maker {
    command: "OIDC_PROVIDER",
    algorithms: &[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
};
pub const AUTHLIB: &Maker =
    &Maker { command: "AUTHLIB_PROVIDER", algorithms: &[Algorithm::RS256, Algorithm::ES256] };
pub const GLEWLWYD: &Maker = &Maker {
    command: "GLEWLWYD_PROVIDER",
    algorithms: &[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA],
};

/// The make of a provider.
pub struct Maker {
    /// The environment variable that holds the command line.
    command: &'static str,
    /// The algorithms that it signs with; there is a client for each.
    pub algorithms: &'static [Algorithm],
}

pub struct Provider {
    child: Child,
    issuer: String,
    origin: String,
    // Kept open, for a program that still writes.
    _output: BufReader<ChildStdout>,
}

/// The tokens that the token endpoint gives for a code.
pub struct Tokens {
    pub access_token: String,
    pub id_token: String,
}

impl Provider {
    pub fn start(maker: &Maker) -> Self {
        Self::start_with(maker, &[])
    }

    /// Starts a provider with the variables that its program knows, `PORT` and `ISSUER_PATH`.
    pub fn start_with(maker: &Maker, variables: &[(&str, &str)]) -> Self {
        let command = env::var(maker.command)
            .unwrap_or_else(|_| panic!("{} is not set: run scripts/interop", maker.command));
        let mut child = Command::new("sh")
            // In place of the shell, which would die without it.
            .args(["-c", &format!("exec {command}")])
            .envs([("PORT", "0"), ("ISSUER_PATH", ""), ("RESOURCE", AUDIENCE)])
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let issuer = loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "{} ended", maker.command);
            if let Some(issuer) = line.strip_prefix("listening ") {
                break issuer.trim_end().to_owned();
            }
        };
        let authority = issuer["http://".len()..].split('/').next().unwrap();
        let origin = format!("http://{authority}");
        Self { child, issuer, origin, _output: output }
    }

    /// The issuer to the letter, as [`start_with`](Self::start_with) was told.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Scheme, host and port: the issuer without its path.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The document of OpenID Connect Discovery §4.
    pub async fn metadata(&self) -> Value {
        let base = self.issuer.trim_end_matches('/');
        json_of(&get(&format!("{base}/.well-known/openid-configuration")).await)
    }

    pub async fn jwks(&self) -> String {
        let metadata = self.metadata().await;
        let response = get(text(&metadata, "jwks_uri")).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body()
    }

    /// An access token that a client gets for itself, with all scopes.
    pub async fn client_credentials(&self, algorithm: Algorithm) -> String {
        self.client_credentials_for(algorithm, SCOPES).await
    }

    pub async fn client_credentials_for(&self, algorithm: Algorithm, scopes: &str) -> String {
        let form =
            [("grant_type", "client_credentials"), ("scope", scopes), ("resource", AUDIENCE)];
        text(&self.tokens(algorithm, &form).await, "access_token").to_owned()
    }

    /// An access token that the client of these credentials gets for itself.
    pub async fn client_credentials_of(&self, client: (&str, &str), scopes: &str) -> String {
        let form =
            [("grant_type", "client_credentials"), ("scope", scopes), ("resource", AUDIENCE)];
        text(&self.tokens_of(client, &form).await, "access_token").to_owned()
    }

    /// The answer to a client that has the password of alice (RFC 6749 §4.3).
    pub async fn password_for(&self, algorithm: Algorithm, scopes: &str) -> Value {
        let form = [
            ("grant_type", "password"),
            ("username", "alice"),
            ("password", "correct horse"),
            ("scope", scopes),
            ("resource", AUDIENCE),
        ];
        self.tokens(algorithm, &form).await
    }

    /// Revokes a token (RFC 7009) as the client of these credentials.
    pub async fn revoke(&self, (id, secret): (&str, &str), token: &str) {
        let metadata = self.metadata().await;
        let revocation = FormClient::new(text(&metadata, "revocation_endpoint")).unwrap();
        let revocation = revocation.with_basic_auth(id, secret);
        assert_eq!(revocation.post(&[("token", token)]).await.unwrap().status(), 200);
    }

    /// The tokens that a client gets for alice, who signs in with a browser.
    pub async fn authorization_code(&self, algorithm: Algorithm) -> Tokens {
        self.sign_in(&mut Browser::default(), algorithm).await
    }

    /// The same with a browser that stays signed in.
    pub async fn sign_in(&self, browser: &mut Browser, algorithm: Algorithm) -> Tokens {
        self.authorization_code_for(browser, algorithm, &[("resource", AUDIENCE)]).await
    }

    /// Alice logs out at the provider, and confirms it.
    pub async fn sign_out(&self, browser: &mut Browser, tokens: &Tokens) {
        let metadata = self.metadata().await;
        let end = text(&metadata, "end_session_endpoint");
        let page = browser.get(&format!("{end}?id_token_hint={}", tokens.id_token)).await;
        let attribute = |name: &str| {
            let (_, rest) = page.body().split_once(&format!(" {name}=\"")).unwrap();
            rest.split_once('"').unwrap().0
        };
        assert!(page.body().contains("name=\"xsrf\""), "{page:?}");
        let form = form_of(&[("xsrf", attribute("value")), ("logout", "yes")]);
        let answer = browser.post(attribute("action"), form).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{answer:?}");
    }

    /// The outcomes of the logouts that clients were told of.
    pub async fn logouts(&self) -> Vec<String> {
        let response = get(&format!("{}/admin/logouts", self.origin)).await;
        serde_json::from_str(response.body()).unwrap()
    }

    /// The tokens that a client gets without naming a resource: the access token is opaque, and for
    /// the provider itself.
    pub async fn authorization_code_without_resource(&self, algorithm: Algorithm) -> Tokens {
        self.authorization_code_for(&mut Browser::default(), algorithm, &[]).await
    }

    async fn authorization_code_for(
        &self,
        browser: &mut Browser,
        algorithm: Algorithm,
        resource: &[(&str, &str)],
    ) -> Tokens {
        let code = self.code_for(browser, algorithm, resource).await;
        let form = code_form(&code);
        let tokens = self.tokens(algorithm, &[&form[..], resource].concat()).await;
        Tokens {
            access_token: text(&tokens, "access_token").to_owned(),
            id_token: text(&tokens, "id_token").to_owned(),
        }
    }

    /// The code that a client gets for alice, with these parameters in its request too.
    pub async fn code_for(
        &self,
        browser: &mut Browser,
        algorithm: Algorithm,
        more: &[(&str, &str)],
    ) -> String {
        let metadata = self.metadata().await;
        let client = client_id(algorithm);
        let query = [
            ("response_type", "code"),
            ("client_id", &client),
            ("redirect_uri", REDIRECT_URI),
            ("scope", &format!("openid {SCOPES}")),
            ("code_challenge", CODE_CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let query = form_of(&[&query[..], more].concat());
        let start = format!("{}?{query}", text(&metadata, "authorization_endpoint"));
        let callback = browser.follow(start, REDIRECT_URI).await;
        let parameters = callback.split_once('?').unwrap().1.split('&');
        let code = parameters.filter_map(|one| one.strip_prefix("code=")).next();
        code.unwrap_or_else(|| panic!("no code: {callback}")).to_owned()
    }

    /// Makes a new signing key and keeps the old ones in the set. Returns the name of the new key.
    pub async fn rotate(&self, algorithm: Algorithm) -> String {
        self.change_keys(&format!("rotate?alg={algorithm}")).await
    }

    /// Takes a key out of the set.
    pub async fn withdraw(&self, key_id: &str) {
        self.change_keys(&format!("withdraw?kid={key_id}")).await;
    }

    /// The paths of its requests, in their order.
    pub async fn requests(&self) -> Vec<String> {
        let response = get(&format!("{}/admin/requests", self.origin)).await;
        serde_json::from_str(response.body()).unwrap()
    }

    async fn change_keys(&self, how: &str) -> String {
        let request = Request::post(format!("{}/admin/{how}", self.origin));
        let response = fetch(request.body(Full::default()).unwrap()).await;
        text(&json_of(&response), "kid").to_owned()
    }

    async fn tokens(&self, algorithm: Algorithm, form: &[(&str, &str)]) -> Value {
        self.tokens_of((&client_id(algorithm), SECRET), form).await
    }

    async fn tokens_of(&self, (id, secret): (&str, &str), form: &[(&str, &str)]) -> Value {
        let metadata = self.metadata().await;
        let credentials = STANDARD.encode(format!("{id}:{secret}"));
        let request = Request::post(text(&metadata, "token_endpoint"))
            .header(AUTHORIZATION, format!("Basic {credentials}"))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form_of(form)));
        json_of(&fetch(request.unwrap()).await)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// Keeps cookies and follows redirects, as far as a login needs them.
#[derive(Default)]
pub struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// Follows redirects up to the address that begins like this one, and returns it.
    async fn follow(&mut self, start: String, end: &str) -> String {
        let mut url = start;
        for _ in 0..8 {
            if url.starts_with(end) {
                return url;
            }
            let response = self.get(&url).await;
            let next = response.headers().get(LOCATION);
            let next = next.unwrap_or_else(|| panic!("no redirect: {response:?}"));
            next.to_str().unwrap().clone_into(&mut url);
        }
        panic!("redirected without end, at last to {url}");
    }

    async fn get(&mut self, url: &str) -> Response<String> {
        self.send(Request::get(url).body(Full::default()).unwrap()).await
    }

    async fn post(&mut self, url: &str, form: String) -> Response<String> {
        let request = Request::post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(form.into()).unwrap()).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Response<String> {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let response = fetch(request.field(COOKIE.as_str(), cookies.join("; "))).await;
        self.keep_cookies(&response);
        response
    }

    fn keep_cookies(&mut self, response: &Response<String>) {
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            match value {
                "" => self.cookies.remove(name),
                value => self.cookies.insert(name.to_owned(), value.to_owned()),
            };
        }
    }
}

/// The parameters with which a code is exchanged for tokens.
pub fn code_form(code: &str) -> [(&'static str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", CODE_VERIFIER),
    ]
}

pub async fn get(url: &str) -> Response<String> {
    fetch(Request::get(url).body(Full::default()).unwrap()).await
}

/// A signed answer (RFC 9701) of an introspection endpoint, as the endpoint wrote it.
pub async fn signed_answer(endpoint: &str, (id, secret): (&str, &str), token: &str) -> String {
    let credentials = STANDARD.encode(format!("{id}:{secret}"));
    let request = Request::post(endpoint)
        .header(AUTHORIZATION, format!("Basic {credentials}"))
        .header(ACCEPT, "application/token-introspection+jwt")
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form_of(&[("token", token)])));
    let response = fetch(request.unwrap()).await;
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    response.into_body()
}

pub async fn fetch(request: Request<Full<Bytes>>) -> Response<String> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
}

pub fn json_of(response: &Response<String>) -> Value {
    assert_eq!(response.status(), StatusCode::OK, "{response:?}");
    serde_json::from_str(response.body()).unwrap()
}

fn text<'a>(json: &'a Value, member: &str) -> &'a str {
    json[member].as_str().unwrap_or_else(|| panic!("no {member}: {json}"))
}

fn client_id(algorithm: Algorithm) -> String {
    format!("shop-{algorithm}")
}

pub fn form_of(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

fn escaped(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(escape).collect()
}

const SCOPES: &str = "things:read things:write";
const SECRET: &str = "secret of the shop";
const REDIRECT_URI: &str = "https://shop.example.com/callback";
// The pair of RFC 7636, appendix B.
const CODE_VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CODE_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
