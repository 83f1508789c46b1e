//! Serves the metadata of an authorization server (RFC 8414).
//!
//! Says of itself what is known here, the issuer and the place of its keys, and otherwise what the application adds:
//! which endpoints there are is the application's to know. Arrays without elements are refused and none is written,
//! because RFC 8414 §3.2 forbids them; so `response_types_supported`, which §2 requires, is missing as long as the
//! application names none, as it does that has no authorization endpoint.

use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{Document, document};
#[cfg(feature = "dpop")]
use crate::binding::dpop::Dpop;
use crate::config_error::{ConfigError, placeholder};
use crate::keys::Signer;
use crate::server::issue::TokenIssuer;
use crate::web_address;

/// Serves the metadata of an issuer (RFC 8414), with `Cache-Control` and `ETag`, to be cached for 10 minutes.
///
/// Other services then find the keys by the name of the issuer alone
/// ([`RemoteKeys::discover`](crate::RemoteKeys::discover)).
///
/// ```
/// use axum::Router;
/// use tower_bearer::endpoints::MetadataService;
///
/// let issuer = "https://id.example.com";
/// let metadata = MetadataService::new(issuer, "https://id.example.com/.well-known/jwks.json")?
///     .with_member("token_endpoint", "https://id.example.com/token")?
///     .with_member("revocation_endpoint", "https://id.example.com/revoke")?
///     .with_member("grant_types_supported", ["client_credentials"])?;
/// let app: Router = Router::new().route_service(&metadata.path(), metadata);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Other methods than `GET` and `HEAD` are answered 405.
#[derive(Clone, Debug)]
pub struct MetadataService {
    members: Map<String, Value>,
    /// The path of the issuer, without a slash at its end.
    path: String,
    document: Document,
}

impl MetadataService {
    /// Serves the metadata of this issuer, whose keys are at `jwks_uri`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when one of them is no HTTPS URL (on this machine, HTTP is one too), or the issuer
    /// has a query or fragment; [`ConfigError::Name`] when the issuer holds a placeholder or a blank.
    pub fn new(issuer: &str, jwks_uri: &str) -> Result<Self, ConfigError> {
        placeholder::check("issuer", issuer)?;
        let wrong = |problem| ConfigError::Address { address: issuer.to_owned(), problem };
        let url = web_address::check(issuer)?;
        // RFC 8414 §2: an issuer has neither.
        if url.query().is_some() {
            return Err(wrong("has a query, which no issuer has"));
        }
        if url.path().contains("/.well-known/") {
            return Err(wrong(
                "is that of the metadata and not the issuer; give what stands before /.well-known/",
            ));
        }
        web_address::check(jwks_uri)?;
        let path = url.path().strip_suffix('/').unwrap_or(url.path()).to_owned();
        let members = [("issuer", issuer), ("jwks_uri", jwks_uri)];
        let members = members.map(|(name, value)| (name.to_owned(), Value::from(value)));
        let members = Map::from_iter(members);
        Ok(Self { document: document(&members), members, path })
    }

    /// Adds a member, or replaces it: one that RFC 8414 §2 names, or another.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the name ends in `_endpoint` or `_uri`, and the value is no HTTPS URL;
    /// [`ConfigError::Metadata`] for `issuer` and `jwks_uri`, which [`new`](Self::new) takes, for a name that is
    /// empty, and for a value that is `null`, cannot be written as JSON, or is an empty list; and for a value of a
    /// name that ends in `_supported` that is neither a list nor a boolean.
    pub fn with_member(mut self, name: &str, value: impl Serialize) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Metadata { member: name.to_owned(), problem };
        if name.is_empty() {
            return Err(wrong("has no name"));
        }
        if ["issuer", "jwks_uri"].contains(&name) {
            return Err(wrong("is set already; `MetadataService::new` takes it"));
        }
        let value = serde_json::to_value(value).map_err(|_| wrong("cannot be written as JSON"))?;
        let is_address = name.ends_with("_endpoint") || name.ends_with("_uri");
        match &value {
            Value::Null => return Err(wrong("is null; leave it out")),
            // RFC 8414 §3.2: members with no elements are left out.
            Value::Array(list) if list.is_empty() => {
                return Err(wrong("is an empty list; leave it out"));
            }
            Value::String(address) if is_address => {
                web_address::check(address)?;
            }
            _ if is_address => return Err(wrong("is not a URL")),
            Value::Array(_) | Value::Bool(_) => {}
            _ if name.ends_with("_supported") => {
                return Err(wrong("is neither a list nor a boolean"));
            }
            _ => {}
        }
        self.members.insert(name.to_owned(), value);
        self.document = document(&self.members);
        Ok(self)
    }

    /// Says which algorithms the proofs of clients may be signed with, as this setting does
    /// (`dpop_signing_alg_values_supported`, RFC 9449 §5.1).
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop(mut self, dpop: &Dpop) -> Self {
        let algorithms: Vec<_> = dpop.algs().split(' ').map(Value::from).collect();
        self.members.insert("dpop_signing_alg_values_supported".to_owned(), algorithms.into());
        self.document = document(&self.members);
        self
    }

    /// Returns the path to serve the metadata at: `/.well-known/oauth-authorization-server`, and behind it the path
    /// of the issuer (RFC 8414 §3).
    pub fn path(&self) -> String {
        format!("/.well-known/oauth-authorization-server{}", self.path)
    }
}

impl<K: Signer> TokenIssuer<K> {
    /// Returns a service that answers `GET` with the metadata of this issuer, whose keys are at `jwks_uri`.
    ///
    /// # Errors
    ///
    /// Those of [`MetadataService::new`].
    pub fn metadata_service(&self, jwks_uri: &str) -> Result<MetadataService, ConfigError> {
        MetadataService::new(&self.issuer, jwks_uri)
    }
}

fn document(members: &Map<String, Value>) -> Document {
    let json = serde_json::to_string(members).expect("JSON values serialise");
    Document::new(json, "application/json")
}

document!(MetadataService, |service, method, headers| { service.document.answer(method, headers) });
