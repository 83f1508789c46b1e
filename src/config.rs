//! Reads the complete configuration from data: JSON, TOML, or another format of serde.

mod path;
mod read;
mod text;
mod keys;
mod issuer;

use std::path::Path;
#[cfg(feature = "jwe")]
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::issuer::IssuerConfig;
use self::keys::{BudgetConfig, ConfiguredKeys, ShortSecret};
use self::path::ConfigPath;
use crate::config_error::ConfigError;
use crate::jose::DEFAULT_MAX_TOKEN_BYTES;
#[cfg(feature = "jwe")]
use crate::keys::DecryptionKeys;
use crate::keys::FetchBudget;
use crate::middleware::BearerLayer;
use crate::middleware::source::WebSocketProtocol;
use crate::observe::trace;
use crate::verify::cache::Bounds;
use crate::verify::issuers::Issuers;
use crate::verify::verifier::Verifier;

/// Configures issuers, keys, rules and token sources from JSON, TOML or another format of serde.
///
/// ```
/// use tower_bearer::{BearerLayer, Config};
///
/// # #[derive(serde::Deserialize)] struct User {}
/// let config = Config::from_toml(r#"
///     realm = "orders"
///     sources = ["authorization", "websocket"]
///
///     [[issuers]]
///     issuer = "https://login.example.com/realms/staff"
///     audiences = ["orders-api"]
///     preset = "keycloak"
///     keys = { discover = true, stale_for = "1h" }
///
///     [[issuers]]
///     issuer = "https://id.example.com"
///     audiences = ["https://api.example.com"]
///     token_type = "at+jwt"
///     algorithms = ["ES256", "EdDSA"]
///     leeway = "30s"
///     roles_at = ["/resources/orders/roles"]
///     keys = { jwks_url = "https://id.example.com/jwks" }
/// "#)?;
/// let issuers = config.issuers()?;
/// let layer: BearerLayer<User> = config.layer(&issuers)?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Every mistake is a [`ConfigError`] that names its place, as `issuers[0].keys.jwks_url`. An
/// unknown name is a mistake too. [`effective`](Self::effective) prints the configuration with its
/// defaults.
///
/// # Members
///
/// | | |
/// |---|---|
/// | `realm` | [`BearerLayer::with_realm`] |
/// | `sources` | `"authorization"`, which cannot be left out, and `"websocket"` ([`WebSocketProtocol`]) |
/// | `optional` | [`BearerLayer::with_optional_token`] |
/// | `max_token_bytes` | [`Verifier::with_max_token_bytes`] |
/// | `decryption_keys_file` | a file with a private JWK or a set of them, each with `alg` (`Verifier::with_decryption_keys`, feature `jwe`); read once |
/// | `require_encryption` | `Verifier::with_required_encryption` (feature `jwe`) |
/// | `cache` | `{ entries, bytes }`, both or one ([`Verifier::with_cache`]); without `entries` there is no cache |
/// | `shared_budget` | `{ fetches, one_more_every }` of all issuers together ([`FetchBudget`]) |
/// | `issuers` | a list of the following |
///
/// | of an issuer | |
/// |---|---|
/// | `issuer`, `audiences`, `keys` | required; `allowed_parties` can stand in place of `audiences` |
/// | `tenants` | a list of the tenants, of an issuer with `{tenantid}` in it ([`Validation::with_tenants`](crate::Validation::with_tenants)) |
/// | `preset` | [`Preset`](crate::validation::Preset): `keycloak`, `auth0`, `entra`, `okta`, `cognito`, `spiffe`, `fapi2` |
/// | `token_type` | `at+jwt`: [`Validation::with_at_jwt_only`](crate::Validation::with_at_jwt_only) |
/// | `algorithms` | a list; RSA keys without `alg` are used for each RSA algorithm in it |
/// | `leeway`, `revocation_leeway`, `max_age` | durations |
/// | `required_claims`, `roles_at`, `scopes_at`, `separated_at` | lists of claims or JSON Pointers |
/// | `role_keys_at` | one claim or JSON Pointer: [`Validation::with_role_keys_at`](crate::Validation::with_role_keys_at) |
/// | `kept_claims` | a list of claims or JSON Pointers: [`Validation::with_kept_claims`](crate::Validation::with_kept_claims) |
/// | `role_hierarchy`, `scope_hierarchy` | a table of names and lists of names that they imply, or text: `"admin > editor > viewer"` ([`Hierarchy`](crate::claims::Hierarchy)) |
/// | `client_id_as_audience` | for tokens without `aud` |
/// | `allowed_parties` | a list: [`Validation::with_allowed_parties`](crate::Validation::with_allowed_parties), or without `audiences` [`Validation::for_parties`](crate::Validation::for_parties) |
/// | `trust` | a list of tables of claims and their values: [`Validation::with_trust_policies`](crate::Validation::with_trust_policies) |
/// | `dangerous` | a list of `accept_any_audience`, `accept_any_kind`, `accept_bound_tokens`, `accept_missing_issuer`, `accept_missing_expiry`, `accept_unrevocable_tokens` ([`Dangerous`](crate::Dangerous)), `accept_short_secret` ([`VerifyingKey::dangerously_from_short_secret`](crate::keys::VerifyingKey::dangerously_from_short_secret)) |
///
/// | of `keys` | |
/// |---|---|
/// | one of | `discover = true`, `metadata_url` (the issuer's metadata, if it is not below the issuer, or is that of several tenants), `jwks_url`, `file` (JWK set or PEM), `jwks` (a JWK set), `secret` (base64url), `secret_file` |
/// | of metadata | `metadata_issuer`, if metadata and tokens name different issuers (ADFS) |
/// | over HTTP | `timeout`, `redirects`, `same_origin_only`, `max_bytes`, `max_keys`, `ca_file` (authorities in PEM), `proxy`, `bearer_file` ([`HttpFetch`](crate::keys::HttpFetch)); `fresh_at_least`, `fresh_at_most`, `fresh_by_default`, `stale_for`, `retry_at_least`, `retry_at_most` ([`CachedKeys`](crate::keys::CachedKeys)) |
/// | | `dangerous`, a list of `allow_plain_http`, `allow_private_networks` ([`DangerousFetch`](crate::keys::DangerousFetch)) |
/// | of a file | `every` |
/// | of both | `wait`, `most_waiting`, `budget = { fetches, one_more_every }` |
///
/// A duration is a number of seconds or text: `"90s"`, `"10m"`, `"1h 30m"`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    #[serde(default = "authorization_alone")]
    sources: Vec<Source>,
    #[serde(default)]
    optional: bool,
    #[serde(default = "usual_max_token_bytes")]
    max_token_bytes: usize,
    /// A file with private JWKs that decrypt tokens.
    #[cfg(feature = "jwe")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    decryption_keys_file: Option<PathBuf>,
    #[cfg(feature = "jwe")]
    #[serde(default)]
    require_encryption: bool,
    #[serde(default)]
    cache: CacheConfig,
    #[serde(default)]
    shared_budget: BudgetConfig,
    issuers: Vec<IssuerConfig>,
}

/// The size of the cache of verified tokens.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
struct CacheConfig {
    entries: usize,
    bytes: usize,
}

impl Default for CacheConfig {
    fn default() -> Self {
        let Bounds { entries, bytes } = Bounds::default();
        Self { entries, bytes }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    Authorization,
    WebSocket,
}

impl Config {
    /// Reads TOML.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Configuration`] with the place of the mistake. [`issuers`](Self::issuers) and
    /// [`layer`](Self::layer) find the mistakes that show only in use.
    pub fn from_toml(text: &str) -> Result<Self, ConfigError> {
        read::toml(text)
    }

    /// Reads JSON.
    ///
    /// # Errors
    ///
    /// Those of [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str) -> Result<Self, ConfigError> {
        read::json(text)
    }

    /// Reads a file with a name that ends with `.json` or `.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`], and those of [`from_toml`](Self::from_toml).
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        let unreadable =
            |problem: String| ConfigError::UnreadableFile { path: path.to_owned(), problem };
        let text = read::file(path)?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::from_json(&text),
            Some("toml") => Self::from_toml(&text),
            _ => Err(unreadable("its name ends with neither .json nor .toml".to_owned())),
        }
    }

    /// Returns the issuers with their keys and rules. Reads files, and fetches nothing yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError::At`] and [`ConfigError::Configuration`] with the place of the mistake.
    pub fn issuers(&self) -> Result<Issuers, ConfigError> {
        let list = ConfigPath::default().member("issuers");
        if self.issuers.is_empty() {
            return Err(list.wrong("no issuer is given, so no token could pass"));
        }
        let (issuers, shared) = (Issuers::new(), self.shared_budget());
        for (index, config) in self.issuers.iter().enumerate() {
            let place = list.entry(index);
            let validation = config.validation(&place)?;
            let ConfiguredKeys { source, short_secret, .. } = config.keys(&place, &shared)?;
            if let Some(ShortSecret { algorithm, problem }) = short_secret {
                trace::short_secret(algorithm.as_str(), &problem, &config.issuer);
            }
            let added = issuers.add(source, validation);
            let member = match &added {
                Err(ConfigError::RepeatedMissingIssuer { .. }) => "dangerous",
                _ => "issuer",
            };
            place.member(member).check(added)?;
        }
        Ok(issuers)
    }

    /// Returns a verifier for these issuers, for tokens that do not come with HTTP requests. Reads the file of decryption
    /// keys, if there is one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::At`] and [`ConfigError::Configuration`] with the place of the mistake.
    pub fn verifier<C>(&self, issuers: &Issuers) -> Result<Verifier<C>, ConfigError> {
        let CacheConfig { entries, bytes } = self.cache;
        let verifier = Verifier::multi_issuer(issuers).with_max_token_bytes(self.max_token_bytes);
        #[cfg(feature = "jwe")]
        let verifier = self.decrypting(verifier)?;
        Ok(verifier.with_cache(entries, bytes))
    }

    #[cfg(feature = "jwe")]
    fn decrypting<C>(&self, mut verifier: Verifier<C>) -> Result<Verifier<C>, ConfigError> {
        let place = ConfigPath::default();
        match &self.decryption_keys_file {
            Some(path) => {
                let keys = read::file(path).and_then(|text| DecryptionKeys::from_jwks(&*text));
                let keys = place.member("decryption_keys_file").check(keys)?;
                verifier = verifier.with_decryption_keys(keys);
            }
            None if self.require_encryption => {
                let problem = "no token could pass without `decryption_keys_file`";
                return Err(place.member("require_encryption").wrong(problem));
            }
            None => {}
        }
        if self.require_encryption {
            verifier = verifier.with_required_encryption();
        }
        Ok(verifier)
    }

    /// Returns the layer for an API. Set policies and the look of refusals on it in code.
    ///
    /// # Errors
    ///
    /// [`ConfigError::At`] and [`ConfigError::Configuration`] with the place of the mistake.
    pub fn layer<C>(&self, issuers: &Issuers) -> Result<BearerLayer<C>, ConfigError>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        self.layer_with(self.verifier(issuers)?)
    }

    /// Returns the layer around a verifier with settings that a configuration cannot express: the
    /// verifier of [`verifier`](Self::verifier) with revocations, for example.
    ///
    /// # Errors
    ///
    /// Those of [`layer`](Self::layer).
    pub fn layer_with<C>(&self, verifier: Verifier<C>) -> Result<BearerLayer<C>, ConfigError>
    where
        C: DeserializeOwned + Send + Sync + 'static,
    {
        let place = ConfigPath::default();
        let mut layer = BearerLayer::new(verifier);
        if let Some(realm) = &self.realm {
            layer = place.member("realm").check(layer.with_realm(realm))?;
        }
        if !self.sources.contains(&Source::Authorization) {
            return Err(place.member("sources").wrong("`authorization` cannot be left out"));
        }
        if self.sources.contains(&Source::WebSocket) {
            layer = layer.with_source(WebSocketProtocol);
        }
        if self.optional {
            layer = layer.with_optional_token();
        }
        Ok(layer)
    }

    /// Returns the same configuration with all defaults and presets written out, to be printed.
    ///
    /// Secrets are not shown. Algorithms that are not named stay absent: then the keys decide.
    ///
    /// # Errors
    ///
    /// Those of [`issuers`](Self::issuers).
    pub fn effective(&self) -> Result<Self, ConfigError> {
        let (list, shared) = (ConfigPath::default().member("issuers"), self.shared_budget());
        let issuers = self.issuers.iter().enumerate();
        Ok(Self {
            realm: Some(self.realm.clone().unwrap_or_else(|| "api".to_owned())),
            issuers: issuers
                .map(|(index, config)| config.effective(&list.entry(index), &shared))
                .collect::<Result<_, _>>()?,
            ..self.clone()
        })
    }

    /// Returns the configuration as TOML.
    ///
    /// # Panics
    ///
    /// Never: every configuration that can be read can be written.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a configuration can be written as TOML")
    }

    fn shared_budget(&self) -> FetchBudget {
        let BudgetConfig { fetches, one_more_every } = self.shared_budget;
        FetchBudget::new(fetches, one_more_every.0)
    }
}

fn authorization_alone() -> Vec<Source> {
    vec![Source::Authorization]
}

fn usual_max_token_bytes() -> usize {
    DEFAULT_MAX_TOKEN_BYTES
}
