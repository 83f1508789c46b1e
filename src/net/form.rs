use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use form_urlencoded::{Serializer, byte_serialize};
use http::{HeaderValue, Response};

use super::address::{Address, Allowed};
use super::client::HttpClient;
use super::error::ExchangeError;
use super::exchange::Exchange;
use crate::config_error::ConfigError;

/// Posts forms to one endpoint of an authorization server, within limits.
///
/// For endpoints of OAuth 2.0, which take `application/x-www-form-urlencoded`: token introspection (RFC 7662),
/// revocation (RFC 7009), the token endpoint.
///
/// ```
/// use tower_bearer::net::{ExchangeError, FormClient};
///
/// # async fn run(token: &str, secret: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = FormClient::new("https://id.example.com/oauth2/introspect")?
///     .with_basic_auth("orders-api", secret);
/// let answer = endpoint.post(&[("token", token)]).await?;
/// if answer.status().is_success() {
///     // A JSON object, by RFC 7662 §2.2.
///     println!("{} bytes", answer.body().len());
/// }
/// # Ok(())
/// # }
/// ```
///
/// - HTTPS only, except on this machine (`127.0.0.1`, `[::1]`, `localhost`).
/// - 5 seconds to connect, 10 for the whole exchange; 256 KiB of the answer, counted while reading.
/// - A redirect is an error, because its target would receive the form.
/// - An answer with any status is returned. The calling code decides what it means.
pub struct FormClient {
    address: Address,
    exchange: Exchange,
    authorization: Option<HeaderValue>,
}

impl FormClient {
    /// Posts forms to this address.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no URL, or not HTTPS. Nothing is sent yet.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        let address = Address::parse(url, Allowed::default())?;
        let exchange = Exchange::new(vec![address.clone()], Allowed::default());
        Ok(Self { address, exchange, authorization: None })
    }

    /// Authenticates by HTTP Basic with the id and the secret of a client (`client_secret_basic`), each encoded
    /// as RFC 6749 §2.3.1 says.
    #[must_use]
    pub fn with_basic_auth(mut self, client_id: &str, client_secret: &str) -> Self {
        self.authorization = Some(basic(client_id, client_secret));
        self
    }

    /// Sends requests with this client; see [`HttpClient`]. Limits, timeouts and the check of the address stay as
    /// they are.
    #[must_use]
    pub fn with_client(mut self, client: impl HttpClient) -> Self {
        self.exchange.client = Some(Arc::new(client));
        self
    }

    /// Trusts the authorities in this PEM text besides those of the operating system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no certificate in it, or none that can be used.
    pub fn with_root_certificates(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.exchange.transport = Arc::new(self.exchange.transport.with_roots(pem.as_ref())?);
        Ok(self)
    }

    /// Sends requests through this proxy, and none that the environment names. Plain HTTP on this machine
    /// stays direct.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is not the `http` or `https` URL of a proxy.
    pub fn with_proxy(mut self, url: &str) -> Result<Self, ConfigError> {
        self.exchange.transport = Arc::new(self.exchange.transport.with_proxy(url)?);
        Ok(self)
    }

    /// Sets how long one exchange may take, from the request to the last byte of the answer. The default is 10
    /// seconds.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.exchange.timeout = timeout;
        self
    }

    /// Sets how long an answer may be, in bytes. The default is 262,144 (256 KiB).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.exchange.max_bytes = bytes;
        self
    }

    /// Posts a form of these names and values, and returns the answer, whatever its status.
    ///
    /// # Errors
    ///
    /// [`ExchangeError`] when no complete answer came in time, and when the answer is too long or a redirect.
    pub async fn post(&self, fields: &[(&str, &str)]) -> Result<Response<Bytes>, ExchangeError> {
        let form = Serializer::new(String::new()).extend_pairs(fields).finish();
        let (exchange, address) = (&self.exchange, &self.address);
        let answer = exchange.post(address, ACCEPT, self.authorization.clone(), form.into()).await;
        Ok(answer.map_err(|error| error.at(address))?)
    }
}

impl fmt::Debug for FormClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormClient")
            .field("address", &self.address)
            .field("transport", &self.exchange.transport)
            .field("timeout", &self.exchange.timeout)
            .field("max_bytes", &self.exchange.max_bytes)
            .finish_non_exhaustive()
    }
}

/// Returns the `Authorization` field of HTTP Basic, with id and secret encoded as RFC 6749 §2.3.1 says.
pub(crate) fn basic(client_id: &str, client_secret: &str) -> HeaderValue {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = [encoded(client_id), encoded(client_secret)].join(":");
    let field = ["Basic ", &STANDARD.encode(pair)].concat();
    let mut field = HeaderValue::try_from(field).expect("base64 has visible ASCII only");
    field.set_sensitive(true);
    field
}

const ACCEPT: &str = "application/json";
