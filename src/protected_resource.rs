//! Describes a protected resource to clients that meet it for the first time (RFC 9728).
//!
//! Everything comes from the configuration, and nothing from a request: a document that is made of
//! the `Host` field sends clients to the authorization server of an attacker.

mod identifier;

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::challenge::is_scope_token;
use crate::config_error::{ConfigError, placeholder};
use crate::web_address;
use identifier::Identifier;

/// A protected resource: an API as its clients know it (RFC 9728).
///
/// The identifier is written once. The place of the metadata document and the challenges of the layer follow from it:
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_bearer::resource::Resource;
/// use tower_bearer::{BearerLayer, ConfigError, KeySet, Validation, Verifier};
///
/// # fn build(keys: KeySet) -> Result<Router, ConfigError> {
/// let orders = Resource::new("https://api.example.com/orders")?
///     .with_scopes(["orders:read", "orders:write"])?
///     .with_name("Orders")?;
/// let rules = Validation::new("https://id.example.com", orders.as_str());
///
/// let layer = BearerLayer::new(Verifier::<()>::new(keys, rules)?).with_resource(orders);
/// let metadata = layer.resource_metadata()?;
/// let app = Router::new()
///     .route("/orders", get(|| async { "…" }))
///     .route_layer(layer)
///     // Outside of the layer: a client reads it before it has a token.
///     .route_service(&metadata.path(), metadata);
/// # Ok(app)
/// # }
/// ```
///
/// A client without a token is answered 401 with `resource_metadata`, reads the document there, and learns which
/// authorization server it can get a token from.
#[derive(Clone, PartialEq)]
pub struct Resource(Arc<Description>);

#[derive(Clone, PartialEq)]
struct Description {
    identifier: Identifier,
    /// The authorization servers, if they are not the issuers of the verifier.
    authorization_servers: Option<Vec<String>>,
    /// The members that follow from no setting of the layer.
    members: Map<String, Value>,
}

/// The settings of a layer that its document tells to clients.
#[derive(Clone)]
pub(crate) struct LayerSettings {
    /// Whether tokens are read from the `Authorization` field.
    pub(crate) reads_header: bool,
    /// The algorithms of DPoP proofs, separated by spaces, if they are checked.
    pub(crate) dpop_algorithms: Option<String>,
    /// Whether tokens have to be bound to a key for DPoP.
    pub(crate) needs_dpop: bool,
    /// Whether tokens may be bound to the certificate of a client.
    pub(crate) has_certificates: bool,
}

impl LayerSettings {
    /// Those of a layer that reads bearer tokens from the `Authorization` field.
    pub(crate) fn usual() -> Self {
        let (dpop_algorithms, needs_dpop, has_certificates) = (None, false, false);
        Self { reads_header: true, dpop_algorithms, needs_dpop, has_certificates }
    }
}

impl Resource {
    /// Describes the resource that clients reach at this URL, with the path but without an operation: the base of the
    /// API, or the endpoint of an MCP server.
    ///
    /// Scheme and host are written in lower case, and the default port and the slash at the end are taken off, because
    /// clients do the same. The query stays; RFC 9728 §1.2 advises against one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no HTTPS URL (HTTP is for this machine), or has a user, a fragment, a
    /// segment `.` or `..`, or a placeholder.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let identifier = Identifier::new(url)?;
        let (authorization_servers, members) = (None, Map::new());
        Ok(Self(Arc::new(Description { identifier, authorization_servers, members })))
    }

    /// Returns the identifier: what clients send as `resource` to the authorization server (RFC 8707), and what the
    /// tokens should have as audience.
    pub fn as_str(&self) -> &str {
        self.0.identifier.as_str()
    }

    /// Returns the audiences that tokens for this resource may have: the [identifier](Self::as_str), and for a
    /// resource without a path the identifier with a slash behind the host too. Clients that write URLs as browsers
    /// do add the slash when they ask for a token.
    ///
    /// ```
    /// use tower_bearer::Validation;
    /// use tower_bearer::resource::Resource;
    ///
    /// let resource = Resource::new("https://api.example.com")?;
    /// let rules = Validation::new("https://id.example.com", resource.as_str())
    ///     .with_audiences(resource.audiences());
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn audiences(&self) -> Vec<String> {
        self.0.identifier.spellings()
    }

    /// Returns the URL of the document, which challenges name as `resource_metadata`: the well-known path stands
    /// between the host and the path of the resource (RFC 9728 §3).
    pub fn metadata_url(&self) -> String {
        self.0.identifier.metadata_url()
    }

    /// Returns the path of the document, without the query.
    pub(crate) fn metadata_path(&self) -> &str {
        self.0.identifier.metadata_path()
    }

    /// Returns the path of the document with the query.
    pub(crate) fn metadata_target(&self) -> String {
        self.0.identifier.metadata_target()
    }

    /// Returns the query of the resource, which is that of the document too.
    pub(crate) fn query(&self) -> Option<&str> {
        self.0.identifier.query()
    }

    /// Sets the scopes that clients may ask for (`scopes_supported`). Name those of usual tasks: clients that are told
    /// no scope in a challenge ask for all of them.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Metadata`] for an empty list, a name that is no scope (RFC 6749 §3.3), a name that stands twice,
    /// and `offline_access`, which asks the authorization server for a refresh token and is no scope of a resource.
    pub fn with_scopes<S: Into<String>>(
        self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let wrong = |problem| wrong(SCOPES, problem);
        for (index, name) in names.iter().enumerate() {
            if !is_scope_token(name) {
                return Err(wrong(
                    "has a name that is no scope: empty, or with a blank, quote or backslash",
                ));
            }
            if name == "offline_access" {
                return Err(wrong(
                    "has `offline_access`, by which clients ask the authorization server for a refresh token; leave it out",
                ));
            }
            if names[..index].contains(name) {
                return Err(wrong("has a scope twice"));
            }
        }
        if names.is_empty() {
            return Err(wrong("is an empty list; leave it out"));
        }
        Ok(self.set(SCOPES, names.into()))
    }

    /// Sets the name that clients show to people (`resource_name`). For other languages, add
    /// [members](Self::with_member) such as `resource_name#de`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Metadata`] when the name is empty.
    pub fn with_name(self, name: impl Into<String>) -> Result<Self, ConfigError> {
        self.with_member("resource_name", name.into())
    }

    /// Sets the page for developers (`resource_documentation`).
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no HTTPS URL.
    pub fn with_documentation(self, url: impl Into<String>) -> Result<Self, ConfigError> {
        self.with_member("resource_documentation", url.into())
    }

    /// Sets the authorization servers (`authorization_servers`), the preferred one first. By default they are the
    /// issuers of the verifier that are URLs, as they are at the moment of the request.
    ///
    /// It is needed for an issuer with [tenants](crate::Validation::with_tenants), whose name is a template, and where
    /// opaque tokens come from another server than JWTs.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when one is no HTTPS URL or has a query or fragment; [`ConfigError::Metadata`] for an
    /// empty list.
    pub fn with_authorization_servers<S: Into<String>>(
        mut self,
        issuers: impl IntoIterator<Item = S>,
    ) -> Result<Self, ConfigError> {
        let issuers: Vec<String> = issuers.into_iter().map(Into::into).collect();
        if issuers.is_empty() {
            return Err(wrong(AUTHORIZATION_SERVERS, "is an empty list; leave it out"));
        }
        for issuer in &issuers {
            // RFC 8414 §2.
            if web_address::check(issuer)?.query().is_some() {
                let address = issuer.clone();
                let problem = "has a query, which no issuer has";
                return Err(ConfigError::Address { address, problem });
            }
        }
        Arc::make_mut(&mut self.0).authorization_servers = Some(issuers);
        Ok(self)
    }

    /// Adds a member, or replaces it: one that RFC 9728 §2 names, one in another language
    /// (`resource_name#de`, `resource_policy_uri#fr`), or one of an extension.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the name is one of RFC 9728 for a page or for keys, and the value is no HTTPS
    /// URL; [`ConfigError::Metadata`] for members that follow from the settings of the layer
    /// (`resource`, `authorization_servers`, `bearer_methods_supported`, those of DPoP and mutual TLS) and for
    /// `scopes_supported`, which [`with_scopes`](Self::with_scopes) sets; for a language that is none (RFC 5646); for
    /// a value of another type than RFC 9728 says, `null`, or an empty list or text; and for `none` among algorithms.
    pub fn with_member(self, name: &str, value: impl Serialize) -> Result<Self, ConfigError> {
        let wrong = |problem| wrong(name, problem);
        let (plain, language) = match name.split_once('#') {
            Some((plain, language)) => (plain, Some(language)),
            None => (name, None),
        };
        if plain.is_empty() {
            return Err(wrong("has no name"));
        }
        if plain == SCOPES {
            return Err(wrong("is set by `Resource::with_scopes`"));
        }
        if plain == AUTHORIZATION_SERVERS {
            return Err(wrong("is set by `Resource::with_authorization_servers`"));
        }
        if OF_THE_LAYER.contains(&plain) {
            return Err(wrong("follows from the settings of the layer"));
        }
        if language.is_some_and(|language| !is_language(language) || !TEXTS.contains(&plain)) {
            return Err(wrong("has no language behind `#`, or is nothing for people to read"));
        }
        let value = serde_json::to_value(value).map_err(|_| wrong("cannot be written as JSON"))?;
        match &value {
            Value::Null => return Err(wrong("is null; leave it out")),
            Value::String(text) if text.is_empty() => return Err(wrong("is empty; leave it out")),
            // RFC 9728 §3.2: members without elements are left out.
            Value::Array(list) if list.is_empty() => {
                return Err(wrong("is an empty list; leave it out"));
            }
            Value::String(url) if URLS.contains(&plain) => {
                web_address::check(url)?;
            }
            Value::String(_) => {}
            _ if URLS.contains(&plain) || TEXTS.contains(&plain) || plain == "signed_metadata" => {
                return Err(wrong("is not a text"));
            }
            _ => {}
        }
        if LISTS.contains(&plain) {
            let texts = value.as_array().into_iter().flatten().map(Value::as_str);
            if !value.is_array() || texts.clone().any(|text| text.is_none()) {
                return Err(wrong("is not a list of texts"));
            }
            if texts.flatten().any(|text| text == "none") {
                return Err(wrong("has `none`, by which nothing is signed"));
            }
        }
        Ok(self.set(name, value))
    }

    fn set(mut self, name: &str, value: Value) -> Self {
        Arc::make_mut(&mut self.0).members.insert(name.to_owned(), value);
        self
    }

    /// Returns whether the authorization servers do not depend on the issuers of the layer.
    pub(crate) fn has_authorization_servers(&self) -> bool {
        self.0.authorization_servers.is_some()
    }

    /// Returns the document for a layer with these settings and issuers, as JSON.
    pub(crate) fn document(&self, layer: &LayerSettings, issuers: Vec<String>) -> String {
        let mut members = self.0.members.clone();
        let mut set = |name: &str, value: Value| {
            members.insert(name.to_owned(), value);
        };
        set("resource", self.as_str().into());
        let servers = self.0.authorization_servers.clone().unwrap_or_else(|| {
            issuers.into_iter().filter(|issuer| is_authorization_server(issuer)).collect()
        });
        // RFC 9728 §3.2: members without elements are left out.
        if !servers.is_empty() {
            set(AUTHORIZATION_SERVERS, servers.into());
        }
        // RFC 9728 §2: this one may be empty, and then says that no method of RFC 6750 is supported.
        let methods = if layer.reads_header { vec!["header"] } else { Vec::new() };
        set("bearer_methods_supported", methods.into());
        if let Some(algorithms) = &layer.dpop_algorithms {
            let algorithms: Vec<_> = algorithms.split(' ').collect();
            set("dpop_signing_alg_values_supported", algorithms.into());
            set("dpop_bound_access_tokens_required", layer.needs_dpop.into());
        }
        if layer.has_certificates {
            set("tls_client_certificate_bound_access_tokens", true.into());
        }
        Value::Object(members).to_string()
    }
}

/// Returns whether an issuer can be named as an authorization server: a URL that is no template.
fn is_authorization_server(issuer: &str) -> bool {
    !placeholder::is_in(issuer)
        && web_address::check(issuer).is_ok_and(|address| address.query().is_none())
}

fn wrong(member: &str, problem: &'static str) -> ConfigError {
    ConfigError::Metadata { member: member.to_owned(), problem }
}

/// Returns whether the text has the form of a language tag (RFC 5646 §2.1): parts of letters and digits.
fn is_language(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.split('-').all(is_part)
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { identifier, members, .. } = &*self.0;
        f.debug_struct("Resource")
            .field("identifier", &identifier.as_str())
            .field("members", members)
            .finish_non_exhaustive()
    }
}

const SCOPES: &str = "scopes_supported";
const AUTHORIZATION_SERVERS: &str = "authorization_servers";
const OF_THE_LAYER: [&str; 5] = [
    "resource",
    "bearer_methods_supported",
    "dpop_signing_alg_values_supported",
    "dpop_bound_access_tokens_required",
    "tls_client_certificate_bound_access_tokens",
];
const URLS: [&str; 4] =
    ["jwks_uri", "resource_documentation", "resource_policy_uri", "resource_tos_uri"];
const TEXTS: [&str; 4] =
    ["resource_name", "resource_documentation", "resource_policy_uri", "resource_tos_uri"];
const LISTS: [&str; 2] =
    ["resource_signing_alg_values_supported", "authorization_details_types_supported"];
