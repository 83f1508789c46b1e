//! Keeps the keys of the provider, issues its tokens, and writes its documents.

use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tower_bearer::endpoints::{JwksService, MetadataService};
use tower_bearer::explain::UnverifiedToken;
use tower_bearer::issue::{IssueError, IssuedToken, IssuerKeyState, IssuerKeys, KeyRotation};
use tower_bearer::keys::Signer as _;
use tower_bearer::{Algorithm, ConfigError, SigningKey, TokenIssuer};
use tower_service::Service;

use super::fault::Fault;
use super::form::Form;
use super::reply::{self, Refusal, Reply};
use super::user::User;
use crate::failure::Failure;
use crate::input;

/// The names, users and dates of a provider.
pub(super) struct Settings {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) lifetime: Duration,
    pub(super) users: Vec<User>,
}

/// A provider for development: every client and user gets a token without a secret.
pub(super) struct Provider {
    settings: Settings,
    tokens: TokenIssuer<IssuerKeys>,
    metadata: MetadataService,
    jwks: JwksService,
    /// Keys that have signed nothing, for a fault.
    foreign: OnceLock<String>,
    pub(super) faults: watch::Sender<Option<Fault>>,
}

/// The state of a key, for the terminal and for `POST /rotate`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct KeyState {
    pub(super) key_id: String,
    pub(super) state: IssuerKeyState,
}

impl Provider {
    pub(super) fn new(settings: Settings, keys: IssuerKeys) -> Result<Self, Failure> {
        let (tokens, metadata) = prepare(&settings, keys)
            .map_err(|error| Failure::new(format_args!("the provider cannot start: {error}")))?;
        let jwks = tokens.jwks_service();
        let foreign = OnceLock::new();
        Ok(Self { settings, tokens, metadata, jwks, foreign, faults: watch::Sender::new(None) })
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.tokens.verifying_key().algorithm()
    }

    pub(super) fn fault(&self) -> Option<Fault> {
        *self.faults.borrow()
    }

    pub(super) fn set_fault(&self, fault: Option<Fault>) {
        self.faults.send_replace(fault);
    }

    /// Answers with the metadata (OpenID Connect Discovery §3, RFC 8414 §2).
    pub(super) async fn metadata(&self, method: &Method, headers: &HeaderMap) -> Reply {
        if self.fault() != Some(Fault::WrongIssuer) {
            return serve(&self.metadata, method, headers).await;
        }
        let good = serve(&self.metadata, &Method::GET, &HeaderMap::new()).await;
        let good = good.into_body().collect().await;
        let members = good.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let mut members: Map<String, Value> = serde_json::from_slice(&members).unwrap_or_default();
        members.insert("issuer".to_owned(), json!("https://another.example"));
        reply::json(StatusCode::OK, &members)
    }

    /// Answers with the public keys (RFC 7517 §5).
    pub(super) async fn jwks(&self, method: &Method, headers: &HeaderMap) -> Reply {
        let set = match self.fault() {
            Some(Fault::EmptyKeys) => r#"{"keys":[]}"#.to_owned(),
            Some(Fault::ForeignKeys) => self.foreign_keys().to_owned(),
            _ => return serve(&self.jwks, method, headers).await,
        };
        reply::typed(StatusCode::OK, "application/jwk-set+json", set)
    }

    fn foreign_keys(&self) -> &str {
        self.foreign.get_or_init(|| {
            let key = SigningKey::generate(self.algorithm());
            key.map(|key| key.public_keys().to_json()).unwrap_or_default()
        })
    }

    /// Answers a client that asks for a token (RFC 6749 §4.4), and returns the subject of the token.
    ///
    /// The body names a user with the grant [`USER_GRANT`].
    pub(super) fn token(&self, headers: &HeaderMap, body: &[u8]) -> (Reply, Option<String>) {
        match self.issue(headers, body) {
            Ok((subject, scope, token)) => {
                let mut answer = json!({
                    "access_token": token.as_str(),
                    "token_type": "Bearer",
                    "expires_in": token.expires_in().as_secs(),
                });
                if !scope.is_empty() {
                    answer["scope"] = scope.into();
                }
                (reply::json(StatusCode::OK, &answer), Some(subject))
            }
            Err(refusal) => (*refusal, None),
        }
    }

    fn issue(
        &self,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(String, String, IssuedToken), Refusal> {
        let form = Form::read(headers, body)?;
        let (subject, client) = match form.one("grant_type")?.as_deref() {
            Some("client_credentials") => {
                let client = form.client(headers)?.ok_or_else(|| {
                    let description =
                        "name the client, by HTTP Basic or with client_id; any secret will do";
                    refuse(StatusCode::UNAUTHORIZED, "invalid_client", description)
                })?;
                (client.clone(), client)
            }
            Some(USER_GRANT) => {
                let user = form.one("user")?.unwrap_or_default();
                if self.user(&user).is_none() {
                    let names: Vec<&str> =
                        self.settings.users.iter().map(|user| user.name.as_str()).collect();
                    let description = format!("name a user with user: {}", names.join(", "));
                    return Err(refuse(StatusCode::BAD_REQUEST, "invalid_grant", &description));
                }
                (user, form.client(headers)?.unwrap_or_else(|| DEVELOPER.to_owned()))
            }
            Some(_) | None => {
                let description = format!("grant_type is client_credentials or {USER_GRANT}");
                return Err(refuse(
                    StatusCode::BAD_REQUEST,
                    "unsupported_grant_type",
                    &description,
                ));
            }
        };
        let user = self.user(&subject);
        let mut token = self.tokens.token_for(&subject).with_client_id(client);
        if let Some(user) = user.filter(|user| !user.roles.is_empty()) {
            token = token.with_roles(&user.roles);
        }
        let scopes: Vec<String> = match form.one("scope")? {
            Some(scope) => scope.split_ascii_whitespace().map(Into::into).collect(),
            None => user.map(|user| user.scopes.clone()).unwrap_or_default(),
        };
        let scope = scopes.join(" ");
        if !scopes.is_empty() {
            token = token.with_scopes(scopes);
        }
        // RFC 8707 has `resource`; `audience` is what many providers take.
        let audiences = [form.all("resource"), form.all("audience")].concat();
        if !audiences.is_empty() {
            token = token.with_audiences(audiences);
        }
        let token = token.issue().map_err(|error| Box::new(cannot_issue(&error)))?;
        Ok((subject, scope, token))
    }

    fn user(&self, name: &str) -> Option<&User> {
        self.settings.users.iter().find(|user| user.name == name)
    }

    /// Answers with a token whose header and claims are those of the body, and the usual ones where the body has none.
    pub(super) async fn mint(&self, body: &[u8]) -> Reply {
        let order: MintOrder = match reply::read(body) {
            Ok(order) => order,
            Err(refusal) => return *refusal,
        };
        match self.minted(order).await {
            Ok(token) => reply::typed(StatusCode::OK, "text/plain", token),
            Err(error) => cannot_issue(&error),
        }
    }

    async fn minted(&self, order: MintOrder) -> Result<String, IssueError> {
        // One key for both the header and the signature, although keys may be replaced meanwhile.
        let keys = self.tokens.keys();
        let Some(signer) = keys.current() else { return Err(IssueError::InvalidSignature) };
        let key = signer.verifying_key();
        let mut header = Map::new();
        header.insert("alg".to_owned(), key.algorithm().as_str().into());
        header.insert("typ".to_owned(), "at+jwt".into());
        if let Some(key_id) = key.key_id() {
            header.insert("kid".to_owned(), key_id.into());
        }
        let subject = order.claims.get("sub").and_then(Value::as_str);
        let user = subject.map_or_else(|| self.settings.users.first(), |name| self.user(name));
        let subject =
            subject.or(user.map(|user| user.name.as_str())).filter(|name| !name.is_empty());
        let mut token =
            self.tokens.token_for(subject.unwrap_or(DEVELOPER)).with_client_id(DEVELOPER);
        if let Some(user) = user {
            if !user.roles.is_empty() {
                token = token.with_roles(&user.roles);
            }
            if !user.scopes.is_empty() {
                token = token.with_scopes(&user.scopes);
            }
        }
        let usual = token.issue()?;
        let mut claims = claims_of(usual.as_str());
        replace(&mut header, order.header);
        replace(&mut claims, order.claims);
        let message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = match header.get("alg").and_then(Value::as_str) {
            // RFC 7518 §3.6: it has no signature.
            Some("none") => Vec::new(),
            _ => signer.sign(message.as_bytes()).await?,
        };
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Replaces the active key by the next one.
    pub(super) fn rotate(&self) -> Result<Vec<KeyState>, String> {
        self.tokens.keys().rotate_now().map_err(|error| match error {
            tower_bearer::issue::RotateError::Fixed => {
                "the key file holds one key, which is never replaced; name a file that does not exist yet, and keys \
                 that can be replaced are written there"
                    .to_owned()
            }
            error => error.to_string(),
        })?;
        Ok(self.keys())
    }

    /// Returns the published keys: the active one first, then the next and the retired ones.
    pub(super) fn keys(&self) -> Vec<KeyState> {
        let keys = self.tokens.keys().status().into_iter();
        keys.map(|key| KeyState {
            key_id: key.key_id().unwrap_or_default().to_owned(),
            state: key.state(),
        })
        .collect()
    }
}

/// Makes keys in memory, or takes those of a file. A file that does not exist is made.
pub(super) fn keys(
    algorithm: Option<Algorithm>,
    lifetime: Duration,
    file: Option<&Path>,
) -> Result<IssuerKeys, Failure> {
    let wanted = algorithm.unwrap_or(Algorithm::ES256);
    let rotation = KeyRotation::new().with_max_lifetime(lifetime.max(MAX_LIFETIME));
    let Some(path) = file else {
        let keys = rotation.generate(wanted);
        return keys.map_err(|error| Failure::new(format_args!("no key can be made: {error}")));
    };
    let wrong = |error: ConfigError| {
        Failure::new(format_args!("{} cannot be used: {error}", path.display())).with_hint(
            "name a file that does not exist yet, one that `bearer serve` made, or a private key in PEM or as a JWK",
        )
    };
    if !path.exists() {
        let key = SigningKey::generate(wanted).map_err(wrong)?;
        return rotation.create(path, key).map_err(wrong);
    }
    let text = input::read_text(path)?;
    let keys = if text.trim_start().starts_with("-----BEGIN") {
        IssuerKeys::new(with_any_algorithm(algorithm, &text).map_err(wrong)?)
    } else if serde_json::from_str::<OneKey>(&text).is_ok() {
        IssuerKeys::new(SigningKey::from_jwk(text.as_bytes()).map_err(wrong)?)
    } else {
        rotation.open(path).map_err(wrong)?
    };
    let found = keys.verifying_key().algorithm();
    match algorithm {
        Some(wanted) if wanted != found => Err(Failure::new(format_args!(
            "{} holds a key for {found}, and --algorithm asks for {wanted}",
            path.display()
        ))
        .with_hint("leave --algorithm out, or name another file")),
        _ if is_secret(found) => Err(Failure::new(format_args!(
            "{} holds a secret, and a secret has no public part to publish",
            path.display()
        ))
        .with_hint("use a private key: `bearer serve` makes one if the file does not exist")),
        _ => Ok(keys),
    }
}

/// Returns whether the algorithm signs with a secret, which no key set may show.
pub(super) fn is_secret(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

/// Reads a PEM, for the algorithm that is wanted, or the first that the key is good for.
fn with_any_algorithm(wanted: Option<Algorithm>, pem: &str) -> Result<SigningKey, ConfigError> {
    if let Some(algorithm) = wanted {
        return SigningKey::from_pem(algorithm, pem);
    }
    let mut key = SigningKey::from_pem(Algorithm::ES256, pem);
    for algorithm in Algorithm::ALL.into_iter().filter(|&algorithm| !is_secret(algorithm)) {
        key = key.or_else(|_| SigningKey::from_pem(algorithm, pem));
    }
    key
}

/// A single JWK, in contrast to the set that `bearer serve` writes.
#[derive(Deserialize)]
struct OneKey {
    #[expect(dead_code, reason = "a set has no such member")]
    kty: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MintOrder {
    #[serde(default)]
    header: Map<String, Value>,
    #[serde(default)]
    claims: Map<String, Value>,
}

fn prepare(
    settings: &Settings,
    keys: IssuerKeys,
) -> Result<(TokenIssuer<IssuerKeys>, MetadataService), ConfigError> {
    let issuer = &settings.issuer;
    let algorithm = keys.verifying_key().algorithm();
    let first = settings.audiences.first().cloned().unwrap_or_default();
    let tokens = TokenIssuer::new(issuer, first, keys)?
        .with_audiences(settings.audiences.iter().skip(1))?
        .with_lifetime(settings.lifetime);
    let metadata = tokens
        .metadata_service(&format!("{issuer}/jwks"))?
        .with_member("token_endpoint", format!("{issuer}/token"))?
        .with_member("grant_types_supported", ["client_credentials", USER_GRANT])?
        .with_member(
            "token_endpoint_auth_methods_supported",
            ["client_secret_basic", "client_secret_post", "none"],
        )?
        // OpenID Connect Discovery §3 requires these. There is no authorization endpoint, so no code either.
        .with_member("response_types_supported", ["none"])?
        .with_member("subject_types_supported", ["public"])?
        .with_member("id_token_signing_alg_values_supported", [algorithm.as_str()])?;
    Ok((tokens, metadata))
}

/// Calls a service of the library, which is ready at once.
async fn serve<S, B>(service: &S, method: &Method, headers: &HeaderMap) -> Reply
where
    S: Service<Request<()>, Response = Response<B>> + Clone,
    B: hyper::body::Body<Data = Bytes>,
{
    let mut request = Request::new(());
    request.method_mut().clone_from(method);
    request.headers_mut().clone_from(headers);
    match service.clone().call(request).await {
        Ok(response) => {
            let (head, body) = response.into_parts();
            let body = body.collect().await.map(http_body_util::Collected::to_bytes);
            Response::from_parts(head, Full::new(body.unwrap_or_default()))
        }
        Err(_) => reply::text(StatusCode::INTERNAL_SERVER_ERROR, "no document\n"),
    }
}

fn refuse(status: StatusCode, error: &str, description: &str) -> Refusal {
    reply::error(status, error, description).into()
}

fn cannot_issue(error: &IssueError) -> Reply {
    let code = match error {
        IssueError::InvalidScope(_) => "invalid_scope",
        IssueError::EmptyAudience => "invalid_target",
        _ => "invalid_request",
    };
    reply::error(StatusCode::BAD_REQUEST, code, error.to_string())
}

/// Returns the claims of a token that was issued a moment ago.
fn claims_of(token: &str) -> Map<String, Value> {
    let token = UnverifiedToken::parse(token);
    serde_json::from_str(token.claims().unwrap_or_default()).unwrap_or_default()
}

/// Replaces members. `null` removes one.
fn replace(members: &mut Map<String, Value>, others: Map<String, Value>) {
    for (name, value) in others {
        if value.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
}

fn encode(members: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(Value::Object(members.clone()).to_string())
}

/// The grant that names a user without a password. It is this program's own.
pub(super) const USER_GRANT: &str = "urn:bearer:dev:user";

/// The `client_id` of tokens for which no client has asked.
const DEVELOPER: &str = "bearer-serve";

/// The least time for which a retired key is published.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
