use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, ready};

use zeroize::Zeroizing;

use super::clients::{ClientSecret, Clients};
use crate::config_error::ConfigError;
use crate::error::ClientsUnavailable;

/// Keeps a fixed list of clients in memory.
///
/// ```
/// use tower_bearer::endpoints::ClientList;
///
/// # let secret = "a long one, from the environment";
/// let clients = ClientList::new().with_client("shop", secret)?.with_public_client("shop-in-browser")?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Default)]
pub struct ClientList(BTreeMap<String, Option<Zeroizing<String>>>);

impl ClientList {
    /// Creates an empty list, with which every request is refused.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a client with its secret.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Client`] when the id or the secret is empty, or the client is in the list
    /// already.
    pub fn with_client(
        self,
        client_id: impl Into<String>,
        secret: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        self.with(client_id.into(), Some(Zeroizing::new(secret.into())))
    }

    /// Adds a client that has no secret.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Client`] when the id is empty, or the client is in the list already.
    pub fn with_public_client(self, client_id: impl Into<String>) -> Result<Self, ConfigError> {
        self.with(client_id.into(), None)
    }

    fn with(
        mut self,
        client_id: String,
        secret: Option<Zeroizing<String>>,
    ) -> Result<Self, ConfigError> {
        let wrong = |client_id, problem| Err(ConfigError::Client { client_id, problem });
        if client_id.is_empty() {
            return wrong(client_id, "has no name; give the `client_id` that its tokens carry");
        }
        if secret.as_ref().is_some_and(|secret| secret.is_empty()) {
            return wrong(client_id, "has an empty secret; give one, or make it a public client");
        }
        if self.0.contains_key(&client_id) {
            return wrong(client_id, "is there already; give it one secret, or none");
        }
        self.0.insert(client_id, secret);
        Ok(self)
    }
}

impl Clients for ClientList {
    fn authenticate(
        &self,
        client_id: &str,
        secret: &ClientSecret,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send {
        let own = self.0.get(client_id).and_then(Option::as_ref);
        ready(Ok(own.is_some_and(|own| secret.is(own))))
    }

    fn is_public(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send {
        ready(Ok(self.0.get(client_id).is_some_and(Option::is_none)))
    }
}

impl fmt::Debug for ClientList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
