use std::fmt;

use http::HeaderValue;
use zeroize::Zeroizing;

use super::assertion::assertion;
use crate::config_error::ConfigError;
use crate::keys::{BoxSigner, SignError, Signer, check_key_id};
use crate::net::form::basic;

/// Says how this API authenticates itself to the introspection endpoint (RFC 7662 §2.1).
///
/// The methods have the names of the registry for `token_endpoint_auth_method`, so the one to use is the one that the
/// server has registered for the client.
#[derive(Clone)]
pub struct ClientAuthentication {
    client_id: Box<str>,
    method: Method,
}

#[derive(Clone)]
enum Method {
    Basic(HeaderValue),
    Post(Zeroizing<String>),
    PrivateKeyJwt(BoxSigner),
    TlsClient,
    /// The secret is empty.
    NoSecret,
}

/// The parts of a request that authenticate the client.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) authorization: Option<HeaderValue>,
    pub(super) fields: Vec<(&'static str, Zeroizing<String>)>,
}

impl ClientAuthentication {
    /// Authenticates by HTTP Basic, with id and secret encoded as RFC 6749 §2.3.1 says.
    ///
    /// Some servers do not decode them (Authlib, glewlwyd). If one of these refuses an id or secret with other characters than
    /// letters, digits and `-._*`, use [`client_secret_post`](Self::client_secret_post).
    pub fn client_secret_basic(client_id: &str, client_secret: &str) -> Self {
        let method = match client_secret {
            "" => Method::NoSecret,
            secret => Method::Basic(basic(client_id, secret)),
        };
        Self { client_id: client_id.into(), method }
    }

    /// Authenticates by `client_id` and `client_secret` in the form.
    pub fn client_secret_post(client_id: &str, client_secret: &str) -> Self {
        let method = match client_secret {
            "" => Method::NoSecret,
            secret => Method::Post(Zeroizing::new(secret.to_owned())),
        };
        Self { client_id: client_id.into(), method }
    }

    /// Authenticates by an assertion (RFC 7523) that this key signs for each request. Its `jti` is random, and it is good
    /// for a minute.
    ///
    /// Any [`Signer`] signs: a [`SigningKey`](crate::SigningKey), one in a key management service, or keys that are
    /// replaced. A secret for HMAC makes the method `client_secret_jwt`.
    ///
    /// The audience of the assertion is the issuer if the endpoint is
    /// [discovered](super::Introspection::discover), else the address of the endpoint;
    /// [`with_assertion_audience`](super::Introspection::with_assertion_audience) sets another.
    pub fn private_key_jwt(client_id: &str, signer: impl Signer) -> Self {
        Self { client_id: client_id.into(), method: Method::PrivateKeyJwt(BoxSigner::new(signer)) }
    }

    /// Sends `client_id` in the form and no secret, because the certificate of the connection authenticates the client
    /// (RFC 8705 §2.1).
    ///
    /// Give the [`Introspection`](super::Introspection) a
    /// [client of your own](super::Introspection::with_client) that has the certificate.
    pub fn tls_client(client_id: &str) -> Self {
        Self { client_id: client_id.into(), method: Method::TlsClient }
    }

    /// Finds mistakes at set-up.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |problem| {
            Err(ConfigError::Client { client_id: self.client_id.clone().into_string(), problem })
        };
        if self.client_id.is_empty() {
            return wrong(
                "has an empty id; give the id that the authorization server has registered",
            );
        }
        match &self.method {
            Method::NoSecret => wrong(
                "has an empty secret; give the one of the authorization server, or use \
                 `ClientAuthentication::tls_client` if a certificate authenticates the client",
            ),
            Method::PrivateKeyJwt(signer) => check_key_id(signer.verifying_key().key_id()),
            Method::Basic(_) | Method::Post(_) | Method::TlsClient => Ok(()),
        }
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Makes the credentials of one request.
    pub(super) async fn credentials(&self, audience: &str) -> Result<Credentials, SignError> {
        let id = || ("client_id", Zeroizing::new(self.client_id.clone().into_string()));
        Ok(match &self.method {
            Method::Basic(field) => {
                Credentials { authorization: Some(field.clone()), fields: Vec::new() }
            }
            Method::Post(secret) => {
                let fields = vec![id(), ("client_secret", secret.clone())];
                Credentials { fields, ..Credentials::default() }
            }
            Method::PrivateKeyJwt(signer) => {
                let assertion = assertion(&self.client_id, audience, signer).await?;
                let kind = Zeroizing::new(ASSERTION_TYPE.to_owned());
                let fields = vec![("client_assertion_type", kind), ("client_assertion", assertion)];
                Credentials { fields, ..Credentials::default() }
            }
            Method::TlsClient => Credentials { fields: vec![id()], ..Credentials::default() },
            Method::NoSecret => Credentials::default(),
        })
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = match &self.method {
            Method::Basic(_) => "client_secret_basic",
            Method::Post(_) => "client_secret_post",
            Method::PrivateKeyJwt(_) => "private_key_jwt",
            Method::TlsClient => "tls_client_auth",
            Method::NoSecret => "none",
        };
        f.debug_struct("ClientAuthentication")
            .field("client_id", &self.client_id)
            .field("method", &method)
            .finish_non_exhaustive()
    }
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
