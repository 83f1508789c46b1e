//! Puts an API behind a provider's tokens, configured by environment variables.
//!
//! ```text
//! ISSUER=https://id.example.com AUDIENCE=https://api.example.com JWKS_FILE=keys.json \
//!     cargo run --example resource_server
//! ```
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3000` by default
//! - `ISSUER`, `AUDIENCE`: the `iss` and `aud` that tokens carry, to the letter
//! - one of `JWT_SECRET_KEY` (base64url), `PUBLIC_KEY_FILE` (PEM, also a certificate), `JWKS_FILE`
//!   (both are read again when they change), `JWKS_URL`, `DISCOVER=1` (by the issuer's metadata)
//! - `ALGORITHMS`: the algorithms to accept, separated by commas; by default those that the keys
//!   are for, and HS256 for a secret
//! - `TOKEN_TYPE`: `at+jwt` to accept access tokens as RFC 9068 defines them and no others
//! - `PRESET`: the provider (`keycloak`, `auth0`, `entra`, `okta`, `cognito`, `spiffe`, `fapi2`), which decides where
//!   roles and scopes are and how ID tokens are told apart
//! - `JWE_KEY_FILE`: a JWK set with the private keys that decrypt tokens (JWE), each with `alg`; `REQUIRE_JWE=1` to
//!   refuse tokens that are not encrypted
//! - `LEEWAY`: by how many seconds clocks may differ, 60 by default
//! - `REVOKED_JTI_FILE`: a file with the `jti` of a revoked token on each line (`#` begins a
//!   comment), which is looked at every 5 seconds; tokens without `jti` are then refused. A line
//!   that is taken out counts until the program starts again
//! - `REDIS_URL`: the Redis through which the nodes of this API share revocations,
//!   `redis://127.0.0.1:6379` for example; on another machine it needs TLS (`rediss://`) or
//!   `REDIS_WITHOUT_TLS=true`; with `REDIS_NAMESPACE` (`tower-bearer` by default) and
//!   `LONGEST_LIFETIME`, the longest lifetime of a token in seconds (86400 by default)
//! - `INTROSPECTION_URL`: the endpoint of the authorization server that is asked about opaque tokens (RFC 7662), with
//!   `INTROSPECTION_CLIENT`, id and secret of this API there (`id:secret`, HTTP Basic), and `OPAQUE`, the tokens that it is
//!   asked about: `shape` (the default) for those that do not look like a JWT, `prefix` for those that begin with
//!   `OPAQUE_PREFIX` (`opaque_` by default), `fallback` for all that none of the keys here has signed
//! - `CONFIG`: a file in TOML or JSON with keys, rules and decryption keys of one issuer or many, in place of the
//!   variables above but `ADDR` and those about Redis (`TOKEN_HEADER` goes with both); see `tower_bearer::Config`
//! - `API_KEYS_FILE`: a file with API keys in TOML or JSON, which is read again when it changes (`bearer api-keys
//!   generate` makes entries); a key comes as a bearer token, or in the field `X-Api-Key`; goes with `CONFIG` too
//! - `TOKEN_HEADER`: the field in which a proxy sends the token, without a scheme, in place of the `Authorization` field
//! - `DPOP`: `required` for tokens that are bound to a key, with a proof for each request (RFC 9449), `allowed` for bearer
//!   tokens too; with `PUBLIC_URL`, the scheme, host and port of this API as clients know them, and the prefix of the path
//!   that a proxy takes off; `DPOP_NONCE_KEY` (base64url, 32 bytes at least, the same on all nodes), with which proofs
//!   need a nonce; `DPOP_REPLAY`, where used proofs are remembered: `memory` (the default) or `redis`, at `REDIS_URL`; goes
//!   with `CONFIG` too
//! - `TLS_CERT_FILE`, `TLS_KEY_FILE`: certificate (with its chain) and private key in PEM, to serve HTTPS; with
//!   `TLS_CLIENT_CA_FILE`, the authorities of the certificates of clients
//! - `CLIENT_CERT_FROM`: accepts tokens that are bound to the certificate of a client (`x5t#S256`). The certificate comes
//!   from the connection (`tls`; any certificate without `TLS_CLIENT_CA_FILE`), or from a field of the proxies in
//!   `TRUSTED_HOPS` (addresses and networks, separated by commas): `Client-Cert` (`rfc9440`), Envoy's
//!   `X-Forwarded-Client-Cert` (`xfcc`), or escaped PEM (`nginx`) in `CLIENT_CERT_FIELD` (`X-SSL-Client-Cert` by default)
//! - `RESOURCE`: the URL of this API as clients know it. Its metadata are then served (RFC 9728), and challenges lead
//!   there; `SCOPES`, the scopes that the metadata list, separated by commas or blanks; goes with `CONFIG` too
//! - `RUST_LOG`: the log filter; `tower_bearer=debug` shows why each request was refused
//!
//! `/healthz` reports the state of keys and shared revocations: 200 while tokens of at least one
//! issuer can be verified and no revocation may be missing, else 503. It may name internal
//! addresses, so keep it inside.

use std::error::Error;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::State;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::http::{HeaderName, StatusCode};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower::util::option_layer;
use tower_bearer::api_key::{ApiKeys, FileApiKeys};
use tower_bearer::binding::TrustedHops;
use tower_bearer::challenge::AuthScheme;
use tower_bearer::dpop::{Dpop, Nonces, RedisReplays};
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::keys::{
    BoxKeySource, CachedKeys, DecryptionKeys, HttpFetch, KeyFile, KeySource as _, VerifyingKey,
};
use tower_bearer::mtls::{
    CertificateBinding, CertificateField, ClientAuthorities, ClientCertificate,
    ClientCertificateLayer, TlsConnection, TlsListener, TlsSettings,
};
use tower_bearer::policy::{role, scope};
use tower_bearer::resource::{Resource, ResourceMetadataService};
use tower_bearer::revocation::{
    MemoryRevocations, RedisRevocations, RedisStatus, Revocation, RevocationKind,
};
use tower_bearer::source::HeaderToken;
use tower_bearer::validation::Preset;
use tower_bearer::{
    Algorithm, BearerLayer, Claims, Config, ConfigError, Issuers, KeySet, Validation, Verifier,
    render, require,
};
use zeroize::Zeroizing;

/// The claims of any provider.
type AnyClaims = Map<String, Value>;

#[tokio::main]
async fn main() -> Result<(), Sentence> {
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();

    let shared = shared_revocations()?;
    let (issuers, layer, rules) = match set("CONFIG") {
        Some(file) => {
            let (issuers, layer) = configured(&file, shared.clone())?;
            (issuers, layer, None)
        }
        None => from_variables(shared.clone())?,
    };
    let layer = match set("TOKEN_HEADER") {
        Some(name) => {
            let name = HeaderName::try_from(name).map_err(|error| wrong("TOKEN_HEADER", error))?;
            layer.with_source_instead(HeaderToken::new(name))
        }
        None => layer,
    };
    let layer = with_dpop(layer)?;
    // Before introspection, which would send a key to the authorization server.
    let layer = with_api_keys(layer)?;
    let layer = match rules {
        Some(rules) => with_introspection(layer, rules)?,
        None => layer,
    };
    let (layer, certificates) = with_client_certificates(layer)?;
    let (layer, metadata) = with_resource(layer)?;
    let mut app = app(issuers, layer, shared);
    if let Some(metadata) = metadata {
        app = app.route_service(&metadata.path(), metadata.clone());
        metadata.is_served_by(app.clone()).await;
    }
    let app = app.layer(option_layer(certificates));
    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&addr)
        .await
        .map_err(|error| wrong("ADDR", format_args!("{addr}: {error}")))?;
    let app = app.into_make_service_with_connect_info::<Peer>();
    if let Some(settings) = tls_settings()? {
        let listener = TlsListener::new(listener.into_std()?, &settings)?;
        println!("Listening on https://{}", listener.local_addr()?);
        axum::serve(Tls(listener), app).with_graceful_shutdown(stopped()).await?;
    } else {
        println!("Listening on http://{}", listener.local_addr()?);
        axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    }
    Ok(())
}

fn app(
    issuers: Issuers,
    layer: BearerLayer<AnyClaims>,
    shared: Option<RedisRevocations>,
) -> Router {
    let layer = layer.with_rejection(render::Json);

    let guarded = Router::new()
        .route("/protected", get(claims))
        .route("/admin", get(claims).layer(require(role("admin"))))
        .route_layer(layer.clone());
    // The policy of the layer, so that a client without a token learns the scope as well.
    let scoped = Router::new()
        .route("/scoped", get(claims))
        .route_layer(layer.clone().with_policy(scope("things:write")));
    let optional =
        Router::new().route("/maybe", get(maybe)).route_layer(layer.with_optional_token());
    let health = Router::new().route("/healthz", get(health)).with_state((issuers, shared));
    health.merge(guarded).merge(scoped).merge(optional)
}

/// Accepts API keys too, if there is a file of them.
fn with_api_keys(layer: BearerLayer<AnyClaims>) -> Result<BearerLayer<AnyClaims>, Sentence> {
    let Some(file) = set("API_KEYS_FILE") else { return Ok(layer) };
    let keys = FileApiKeys::open(file).map_err(|error| wrong("API_KEYS_FILE", error))?;
    let scheme = AuthScheme::new("ApiKey")?;
    let keys = ApiKeys::with_any_prefix(keys)?.with_scheme(scheme);
    // Their `iss` and `aud`. A configuration may have many issuers, and the keys are of none of them.
    let issuer = set("ISSUER").unwrap_or_else(|| "urn:api-keys".to_owned());
    let audience = set("AUDIENCE").unwrap_or_else(|| issuer.clone());
    let layer = layer.with_authenticator(keys, Validation::new(issuer, audience))?;
    let field = HeaderName::from_static("x-api-key");
    Ok(layer.with_source(HeaderToken::new(field).with_scheme(scheme)))
}

fn shared_replays() -> Result<RedisReplays, Sentence> {
    let connect =
        if without_tls()? { RedisReplays::dangerously_without_tls } else { RedisReplays::new };
    let replays = connect(&needed("REDIS_URL")?).map_err(|error| wrong("REDIS_URL", error))?;
    match set("REDIS_NAMESPACE") {
        None => Ok(replays),
        Some(namespace) => {
            replays.with_namespace(&namespace).map_err(|error| wrong("REDIS_NAMESPACE", error))
        }
    }
}

fn without_tls() -> Result<bool, Sentence> {
    match set("REDIS_WITHOUT_TLS").as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(wrong("REDIS_WITHOUT_TLS", "neither `true` nor `false`")),
    }
}

/// Tells clients where to get a token and for what, if this API has a name.
fn with_resource(
    layer: BearerLayer<AnyClaims>,
) -> Result<(BearerLayer<AnyClaims>, Option<ResourceMetadataService>), Sentence> {
    let Some(url) = set("RESOURCE") else {
        return match set("SCOPES") {
            Some(_) => Err("SCOPES is set and RESOURCE is not".into()),
            None => Ok((layer, None)),
        };
    };
    let resource = Resource::new(&url).map_err(|error| wrong("RESOURCE", error))?;
    let resource = match set("SCOPES") {
        Some(scopes) => {
            let scopes = scopes.split([',', ' ']).filter(|scope| !scope.is_empty());
            resource.with_scopes(scopes).map_err(|error| wrong("SCOPES", error))?
        }
        None => resource,
    };
    let layer = layer.with_resource(resource);
    let metadata = layer.resource_metadata()?;
    Ok((layer, Some(metadata)))
}

const DPOP: [&str; 3] = ["PUBLIC_URL", "DPOP_NONCE_KEY", "DPOP_REPLAY"];

/// Accepts tokens that are bound to a key, if so configured.
fn with_dpop(layer: BearerLayer<AnyClaims>) -> Result<BearerLayer<AnyClaims>, Sentence> {
    let Some(mode) = set("DPOP") else {
        return match DPOP.into_iter().find(|name| set(name).is_some()) {
            Some(other) => Err(format!("{other} is set and DPOP is not").into()),
            None => Ok(layer),
        };
    };
    let dpop = Dpop::new(needed("PUBLIC_URL")?).map_err(|error| wrong("PUBLIC_URL", error))?;
    let dpop = match mode.as_str() {
        "required" if set("API_KEYS_FILE").is_some() => {
            return Err(wrong("API_KEYS_FILE", "no API key is bound to a key; set DPOP=allowed"));
        }
        "required" => dpop,
        "allowed" => dpop.with_bearer_allowed(),
        other => return Err(wrong("DPOP", format!("{other:?} is neither required nor allowed"))),
    };
    let dpop = match set("DPOP_NONCE_KEY") {
        Some(key) => {
            let key = Zeroizing::new(key);
            let secret = URL_SAFE_NO_PAD.decode(key.trim_end_matches('=')).map(Zeroizing::new);
            let secret = secret.map_err(|_| wrong("DPOP_NONCE_KEY", "not base64url"))?;
            let nonces = Nonces::from_secret(&*secret);
            dpop.with_nonces(nonces.map_err(|error| wrong("DPOP_NONCE_KEY", error))?)
        }
        None => dpop,
    };
    let dpop = match set("DPOP_REPLAY").as_deref() {
        None | Some("memory") => dpop,
        Some("redis") => dpop.with_replay_store(shared_replays()?),
        Some(other) => {
            return Err(wrong("DPOP_REPLAY", format!("{other:?} is neither memory nor redis")));
        }
    };
    Ok(layer.with_dpop(dpop))
}

async fn health(
    State((issuers, shared)): State<(Issuers, Option<RedisRevocations>)>,
) -> (StatusCode, Json<Value>) {
    let keys = issuers.status();
    let revocations = shared.map(|shared| shared.status());
    // A provider that is away must not take the tokens of the others out of service.
    let is_ready = keys.iter().any(|(_, status)| status.is_ready())
        && revocations.as_ref().is_none_or(RedisStatus::is_ready);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let keys: Map<String, Value> =
        keys.into_iter().map(|(issuer, status)| (issuer, json!(status))).collect();
    let mut health = json!({ "ready": is_ready, "keys": keys });
    if let Some(revocations) = revocations {
        health["revocations"] = json!(revocations);
    }
    (status, Json(health))
}

async fn claims(Claims(claims): Claims<AnyClaims>) -> Json<AnyClaims> {
    Json(AnyClaims::clone(&claims))
}

async fn maybe(claims: Option<Claims<AnyClaims>>) -> Json<Value> {
    Json(match claims {
        Some(claims) => json!({ "authenticated": true, "claims": *claims.0 }),
        None => json!({ "authenticated": false }),
    })
}

fn configured(
    file: &str,
    shared: Option<RedisRevocations>,
) -> Result<(Issuers, BearerLayer<AnyClaims>), Sentence> {
    let wrong_in = |error: ConfigError| wrong("CONFIG", format_args!("{file}: {error}"));
    let variables = [
        "ISSUER",
        "AUDIENCE",
        "ALGORITHMS",
        "TOKEN_TYPE",
        "PRESET",
        "JWE_KEY_FILE",
        "REQUIRE_JWE",
        "LEEWAY",
        "REVOKED_JTI_FILE",
    ];
    let variables = variables.into_iter().chain(KEYS).chain(INTROSPECTION);
    if let Some(other) = variables.into_iter().find(|name| set(name).is_some()) {
        return Err(format!("CONFIG and {other} are both set; leave one out").into());
    }
    let config = Config::from_file(file).map_err(wrong_in)?;
    let issuers = config.issuers().map_err(wrong_in)?;
    let verifier = match shared {
        Some(shared) => config.verifier(&issuers).map_err(wrong_in)?.with_revocations(shared),
        None => config.verifier(&issuers).map_err(wrong_in)?,
    };
    let layer = config.layer_with(verifier).map_err(wrong_in)?;
    tracing::info!("in force:\n{}", config.effective().map_err(wrong_in)?.to_toml());
    Ok((issuers, layer))
}

fn shared_revocations() -> Result<Option<RedisRevocations>, Sentence> {
    let Some(address) = set("REDIS_URL") else { return Ok(None) };
    let longest = set("LONGEST_LIFETIME").unwrap_or_else(|| "86400".to_owned());
    let longest =
        longest.parse().map_err(|_| wrong("LONGEST_LIFETIME", "not a number of seconds"))?;
    let connect = if without_tls()? {
        RedisRevocations::dangerously_without_tls
    } else {
        RedisRevocations::new
    };
    let shared = connect(&address, Duration::from_secs(longest))
        .map_err(|error| wrong("REDIS_URL", error))?;
    match set("REDIS_NAMESPACE") {
        None => Ok(Some(shared)),
        Some(namespace) => {
            let shared = shared.with_namespace(&namespace);
            shared.map(Some).map_err(|error| wrong("REDIS_NAMESPACE", error))
        }
    }
}

/// Returns the rules too, for tokens that are introspected.
fn from_variables(
    shared: Option<RedisRevocations>,
) -> Result<(Issuers, BearerLayer<AnyClaims>, Option<Validation>), Sentence> {
    let algorithms = algorithms()?;
    let issuer = needed("ISSUER")?;
    let mut validation = Validation::new(&issuer, needed("AUDIENCE")?);
    if let Some(algorithms) = &algorithms {
        validation = validation.with_algorithms(algorithms.iter().copied());
    }
    match set("TOKEN_TYPE").as_deref() {
        None => {}
        Some("at+jwt") => validation = validation.with_at_jwt_only(),
        Some(other) => {
            let problem = format!("{other:?} is not at+jwt; leave it out to accept JWT as well");
            return Err(wrong("TOKEN_TYPE", problem));
        }
    }
    if let Some(preset) = set("PRESET") {
        let preset: Preset = preset.parse().map_err(|error| wrong("PRESET", error))?;
        validation = validation.with_preset(preset);
    }
    if let Some(leeway) = set("LEEWAY") {
        let seconds = leeway.parse().map_err(|_| wrong("LEEWAY", "not a number of seconds"))?;
        validation = validation.with_leeway(Duration::from_secs(seconds));
    }
    let issuers = Issuers::new();
    issuers.add(keys(&issuer, algorithms)?, validation.clone()).map_err(|error| {
        let variable = match error {
            ConfigError::EmptyIssuer => "ISSUER",
            ConfigError::EmptyAudience => "AUDIENCE",
            ConfigError::LeewayTooLarge { .. } => "LEEWAY",
            ConfigError::NoAlgorithms => "ALGORITHMS",
            _ => return error.into(),
        };
        wrong(variable, error)
    })?;
    let verifier = decrypting(Verifier::multi_issuer(&issuers))?;
    let verifier = match (shared, listed_revocations(issuer)?) {
        (Some(shared), Some(listed)) => verifier.with_revocations((shared, listed)),
        (Some(shared), None) => verifier.with_revocations(shared),
        (None, Some(listed)) => verifier.with_revocations(listed),
        (None, None) => verifier,
    };
    Ok((issuers, BearerLayer::new(verifier), Some(validation)))
}

const INTROSPECTION: [&str; 4] =
    ["INTROSPECTION_URL", "INTROSPECTION_CLIENT", "OPAQUE", "OPAQUE_PREFIX"];

fn with_introspection(
    layer: BearerLayer<AnyClaims>,
    validation: Validation,
) -> Result<BearerLayer<AnyClaims>, Sentence> {
    let Some(url) = set("INTROSPECTION_URL") else {
        return match INTROSPECTION.into_iter().find(|name| set(name).is_some()) {
            Some(other) => Err(format!("{other} is set and INTROSPECTION_URL is not").into()),
            None => Ok(layer),
        };
    };
    let client = needed("INTROSPECTION_CLIENT")?;
    let (id, secret) = client
        .split_once(':')
        .ok_or_else(|| wrong("INTROSPECTION_CLIENT", "not an id and a secret with `:` between"))?;
    let client = ClientAuthentication::client_secret_basic(id, secret);
    let opaque = set("OPAQUE").unwrap_or_else(|| "shape".to_owned());
    let prefix = set("OPAQUE_PREFIX");
    if prefix.is_some() && opaque != "prefix" {
        return Err(wrong("OPAQUE_PREFIX", "set, and OPAQUE is not prefix"));
    }
    let tokens = match opaque.as_str() {
        "shape" => OpaqueTokens::by_shape(),
        "prefix" => OpaqueTokens::by_prefix(prefix.unwrap_or_else(|| "opaque_".to_owned()))
            .map_err(|error| wrong("OPAQUE_PREFIX", error))?,
        "fallback" => OpaqueTokens::all(),
        other => {
            return Err(wrong("OPAQUE", format!("{other:?} is not shape, prefix or fallback")));
        }
    };
    let introspection = Introspection::new(&url, client, tokens).map_err(|error| {
        let variable = match error {
            ConfigError::Client { .. } => "INTROSPECTION_CLIENT",
            _ => "INTROSPECTION_URL",
        };
        wrong(variable, error)
    })?;
    match opaque.as_str() {
        "fallback" => Ok(layer.with_fallback_authenticator(introspection, validation)?),
        _ => Ok(layer.with_authenticator(introspection, validation)?),
    }
}

/// Decrypts tokens, if there are keys for it.
fn decrypting(verifier: Verifier<AnyClaims>) -> Result<Verifier<AnyClaims>, Sentence> {
    let is_required = match set("REQUIRE_JWE").as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(_) => return Err(wrong("REQUIRE_JWE", "neither `1` nor `0`")),
    };
    let Some(file) = set("JWE_KEY_FILE") else {
        if is_required {
            return Err(wrong("REQUIRE_JWE", "no token could pass without JWE_KEY_FILE"));
        }
        return Ok(verifier);
    };
    let wrong_in =
        |problem: &dyn fmt::Display| wrong("JWE_KEY_FILE", format_args!("{file}: {problem}"));
    let text = Zeroizing::new(std::fs::read(&file).map_err(|error| wrong_in(&error))?);
    let keys = DecryptionKeys::from_jwks(&*text).map_err(|error| wrong_in(&error))?;
    let verifier = verifier.with_decryption_keys(keys);
    Ok(if is_required { verifier.with_required_encryption() } else { verifier })
}

const SOURCES: [&str; 4] = ["tls", "rfc9440", "xfcc", "nginx"];

/// Accepts tokens that are bound to the certificate of a client, if it is said where the certificate comes from.
fn with_client_certificates(
    layer: BearerLayer<AnyClaims>,
) -> Result<(BearerLayer<AnyClaims>, Option<ClientCertificateLayer>), Sentence> {
    let of_connection = ClientCertificateLayer::from_connection(|extensions| {
        extensions.get::<ConnectInfo<Peer>>()?.0.certificate.clone()
    });
    let from = set("CLIENT_CERT_FROM");
    for (variable, readers) in
        [("TRUSTED_HOPS", &["rfc9440", "xfcc", "nginx"][..]), ("CLIENT_CERT_FIELD", &["nginx"])]
    {
        let is_known = from.as_deref().is_none_or(|from| SOURCES.contains(&from));
        let is_read = from.as_deref().is_some_and(|from| readers.contains(&from));
        if set(variable).is_some() && is_known && !is_read {
            let readers = readers.join(" or ");
            return Err(wrong(variable, format_args!("only with CLIENT_CERT_FROM={readers}")));
        }
    }
    let field = match from.as_deref() {
        None => return Ok((layer, None)),
        Some("tls") => {
            needed("TLS_CERT_FILE")?;
            return Ok((layer.with_binding(CertificateBinding::new()), Some(of_connection)));
        }
        Some("rfc9440") => CertificateField::client_cert(),
        Some("xfcc") => CertificateField::xfcc(),
        Some("nginx") => {
            let name = set("CLIENT_CERT_FIELD").unwrap_or_else(|| "x-ssl-client-cert".to_owned());
            let name =
                HeaderName::try_from(name).map_err(|error| wrong("CLIENT_CERT_FIELD", error))?;
            CertificateField::escaped_pem(name)
                .map_err(|error| wrong("CLIENT_CERT_FIELD", error))?
        }
        Some(other) => {
            let problem = format!("{other:?} is not tls, rfc9440, xfcc or nginx");
            return Err(wrong("CLIENT_CERT_FROM", problem));
        }
    };
    let certificates = of_connection.with_hop(field, trusted_hops()?);
    Ok((layer.with_binding(CertificateBinding::new()), Some(certificates)))
}

fn trusted_hops() -> Result<TrustedHops, Sentence> {
    let hops = needed("TRUSTED_HOPS")?;
    let hops = TrustedHops::new(hops.split(','), |extensions| {
        extensions.get::<ConnectInfo<Peer>>().map(|peer| peer.0.address.ip())
    });
    hops.map_err(|error| wrong("TRUSTED_HOPS", error))
}

/// Returns the settings for HTTPS, if there is a certificate for it.
fn tls_settings() -> Result<Option<TlsSettings>, Sentence> {
    let read = |variable: &str| {
        let file = needed(variable)?;
        std::fs::read(&file).map_err(|error| wrong(variable, format_args!("{file}: {error}")))
    };
    if set("TLS_CERT_FILE").is_none() {
        return match ["TLS_KEY_FILE", "TLS_CLIENT_CA_FILE"]
            .into_iter()
            .find(|name| set(name).is_some())
        {
            Some(other) => Err(format!("{other} is set and TLS_CERT_FILE is not").into()),
            None => Ok(None),
        };
    }
    let (certificate, key) = (read("TLS_CERT_FILE")?, Zeroizing::new(read("TLS_KEY_FILE")?));
    let settings = TlsSettings::new(certificate, &*key).map_err(|error| match error {
        ConfigError::Tls { member: "private key", .. } => wrong("TLS_KEY_FILE", error),
        _ => wrong("TLS_CERT_FILE", error),
    })?;
    let authorities = match set("TLS_CLIENT_CA_FILE") {
        Some(_) => ClientAuthorities::from_pem(read("TLS_CLIENT_CA_FILE")?)
            .map_err(|error| wrong("TLS_CLIENT_CA_FILE", error))?,
        None if set("CLIENT_CERT_FROM").as_deref() == Some("tls") => {
            ClientAuthorities::any_certificate()
        }
        None => return Ok(Some(settings)),
    };
    Ok(Some(settings.with_client_certificates(&authorities)?))
}

/// The facts about a connection, in the extensions of its requests.
#[derive(Clone)]
struct Peer {
    address: SocketAddr,
    certificate: Option<ClientCertificate>,
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        Self { address: *stream.remote_addr(), certificate: None }
    }
}

impl Connected<IncomingStream<'_, Tls>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Tls>) -> Self {
        let certificate = stream.io().client_certificate().cloned();
        Self { address: *stream.remote_addr(), certificate }
    }
}

/// The TLS of this crate as a listener of axum.
struct Tls(TlsListener);

impl Listener for Tls {
    type Io = TlsConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TlsConnection, SocketAddr) {
        let connection = self.0.accept().await;
        let address = connection.peer_addr();
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

fn listed_revocations(issuer: String) -> Result<Option<MemoryRevocations>, Sentence> {
    let Some(file) = set("REVOKED_JTI_FILE") else { return Ok(None) };
    let view = MemoryRevocations::new().with_kinds([RevocationKind::Token])?;
    revoke_listed(file, issuer, view.clone()).map_err(|error| wrong("REVOKED_JTI_FILE", error))?;
    Ok(Some(view))
}

/// Revokes the tokens in the file, now and again when it changes.
fn revoke_listed(file: String, issuer: String, view: MemoryRevocations) -> Result<(), String> {
    let read = |file: &str, text: io::Result<String>| {
        let listed = text.map_err(|error| error.to_string()).and_then(|text| listed(&text));
        listed.map_err(|problem| format!("{file}: {problem}"))
    };
    // The file does not say when they expire, so they are kept.
    let expires_at = UNIX_EPOCH + Duration::from_secs(u32::MAX.into());
    let revoke = move |id: &String| view.revoke(Revocation::token(&issuer, id, expires_at));
    let mut last = read(&file, std::fs::read_to_string(&file));
    last.as_ref().map(|ids| ids.iter().for_each(&revoke)).map_err(String::clone)?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let now = read(&file, tokio::fs::read_to_string(&file).await);
            match &now {
                _ if now == last => {}
                // A line that was taken out stays revoked: the file may be half written.
                Ok(ids) => ids.iter().for_each(&revoke),
                Err(problem) => {
                    tracing::warn!("REVOKED_JTI_FILE: {problem}; what was listed stays revoked");
                }
            }
            last = now;
        }
    });
    Ok(())
}

fn listed(text: &str) -> Result<Vec<String>, String> {
    let mut ids = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split_once('#').map_or(line, |(line, _)| line).trim();
        if line.contains(char::is_whitespace) {
            return Err(format!("line {number}: one `jti` on each line, without blanks"));
        }
        if !line.is_empty() {
            ids.push(line.to_owned());
        }
    }
    Ok(ids)
}

const KEYS: [&str; 5] = ["JWT_SECRET_KEY", "PUBLIC_KEY_FILE", "JWKS_FILE", "JWKS_URL", "DISCOVER"];

fn keys(issuer: &str, algorithms: Option<Vec<Algorithm>>) -> Result<BoxKeySource, Sentence> {
    let mut given = KEYS.into_iter().filter_map(|name| Some((name, set(name)?)));
    let (variable, value) = match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(format!("set one of {}", KEYS.join(", ")).into()),
        (Some((one, _)), Some((other, _))) => {
            return Err(format!("{one} and {other} are both set; leave one out").into());
        }
    };
    let fetch = match variable {
        "JWT_SECRET_KEY" => {
            let algorithms = algorithms.unwrap_or_else(|| vec![Algorithm::HS256]);
            let key = |algorithm| VerifyingKey::from_base64url_secret(algorithm, &value);
            let keys = algorithms.into_iter().map(key).collect::<Result<KeySet, _>>();
            return keys.map(KeySet::boxed).map_err(|error| wrong(variable, error));
        }
        "PUBLIC_KEY_FILE" | "JWKS_FILE" => {
            let file = match algorithms {
                Some(algorithms) => KeyFile::new(value).with_algorithms(algorithms),
                None => KeyFile::new(value),
            };
            let keys = file.open().map_err(|error| wrong(variable, error))?;
            return Ok(keys.boxed());
        }
        "JWKS_URL" => HttpFetch::new(&value),
        _ if value != "1" => return Err(wrong("DISCOVER", "is 1 or not set")),
        _ => HttpFetch::discover(issuer),
    };
    let fetch = fetch.map_err(|error| wrong(variable, error))?;
    let fetch = match algorithms {
        Some(algorithms) => fetch.with_algorithms(algorithms),
        None => fetch,
    };
    Ok(CachedKeys::new(fetch).boxed())
}

fn algorithms() -> Result<Option<Vec<Algorithm>>, Sentence> {
    let Some(names) = set("ALGORITHMS") else { return Ok(None) };
    let algorithms = names.split(',').map(|name| {
        let name = name.trim();
        name.parse().map_err(|error| wrong("ALGORITHMS", format_args!("{name:?}: {error}")))
    });
    algorithms.collect::<Result<_, _>>().map(Some)
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn needed(variable: &str) -> Result<String, Sentence> {
    set(variable).ok_or_else(|| wrong(variable, "not set"))
}

fn wrong(variable: &str, problem: impl fmt::Display) -> Sentence {
    format!("{variable}: {problem}").into()
}

async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// An error that `main` shows as a plain sentence.
struct Sentence(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Sentence {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
