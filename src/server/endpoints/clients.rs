//! Authenticates the clients of an endpoint.
//!
//! Two methods, for clients with and without a secret: with one that gets an `Option`, an implementation that
//! only looks the id up lets every client speak for every other.

use std::fmt;
use std::future::{Future, ready};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::error::ClientsUnavailable;

/// Authenticates the clients that may request a revocation.
///
/// [`ClientList`](crate::endpoints::ClientList) implements this in memory. Over a database:
///
/// ```
/// use tower_bearer::endpoints::{ClientSecret, Clients, ClientsUnavailable};
/// # struct Database;
/// # impl Database {
/// #     async fn hash_of_secret(&self, _: &str) -> Result<Option<String>, std::io::Error> { Ok(None) }
/// # }
/// # fn matches(_hash: &str, _secret: &str) -> bool { false }
///
/// struct RegisteredClients(Database);
///
/// impl Clients for RegisteredClients {
///     async fn authenticate(
///         &self,
///         client_id: &str,
///         secret: &ClientSecret,
///     ) -> Result<bool, ClientsUnavailable> {
///         let hash = self.0.hash_of_secret(client_id).await.map_err(ClientsUnavailable::new)?;
///         Ok(hash.is_some_and(|hash| matches(&hash, secret.expose())))
///     }
/// }
/// ```
///
/// The endpoint does not limit how often a secret can be guessed. Put a rate limit in front of the
/// route, or give clients secrets that are too long to guess.
pub trait Clients: Send + Sync + 'static {
    /// Returns whether the secret is the secret of this client.
    ///
    /// # Errors
    ///
    /// [`ClientsUnavailable`] when the answer is not available now. The request is answered 503.
    fn authenticate(
        &self,
        client_id: &str,
        secret: &ClientSecret,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send;

    /// Returns whether this client has no secret, so that its `client_id` alone identifies it.
    ///
    /// Applications in browsers are such clients. A client without a secret can revoke only tokens
    /// that were issued to it. The default is `false` for every client.
    ///
    /// # Errors
    ///
    /// As [`authenticate`](Self::authenticate).
    fn is_public(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send {
        let _ = client_id;
        ready(Ok(false))
    }
}

impl<C: Clients + ?Sized> Clients for Arc<C> {
    fn authenticate(
        &self,
        client_id: &str,
        secret: &ClientSecret,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send {
        (**self).authenticate(client_id, secret)
    }

    fn is_public(
        &self,
        client_id: &str,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send {
        (**self).is_public(client_id)
    }
}

/// The secret that a client sent. `Debug` does not show it, and it is zeroized when dropped.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    pub(super) fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Compares the secret with another. The time it takes depends on the lengths only.
    pub fn is(&self, secret: &str) -> bool {
        let (sent, own) = (self.0.as_bytes(), secret.as_bytes());
        let differing =
            sent.iter().zip(own).fold(0, |all, (one, other)| black_box(all | one ^ other));
        sent.len() == own.len() && !own.is_empty() && differing == 0
    }

    /// Returns the secret itself, for comparison with a hash.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret").finish_non_exhaustive()
    }
}

/// Erases the type of a [`Clients`].
pub(super) trait ErasedClients: Send + Sync {
    fn authenticate<'a>(
        &'a self,
        client_id: &'a str,
        secret: &'a ClientSecret,
    ) -> ClientsFuture<'a>;
    fn is_public<'a>(&'a self, client_id: &'a str) -> ClientsFuture<'a>;
}

type ClientsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<bool, ClientsUnavailable>> + Send + 'a>>;

impl<C: Clients> ErasedClients for C {
    fn authenticate<'a>(
        &'a self,
        client_id: &'a str,
        secret: &'a ClientSecret,
    ) -> ClientsFuture<'a> {
        Box::pin(Clients::authenticate(self, client_id, secret))
    }

    fn is_public<'a>(&'a self, client_id: &'a str) -> ClientsFuture<'a> {
        Box::pin(Clients::is_public(self, client_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_itself_and_no_other() {
        let secret = ClientSecret::new("hunter2");

        assert!(secret.is("hunter2"));
        for other in ["", "hunter", "hunter22", "Hunter2", "hunter3", "uhnter2"] {
            assert!(!secret.is(other), "{other}");
        }
        assert!(!ClientSecret::new("").is(""));
        assert_eq!(format!("{secret:?}"), "ClientSecret { .. }");
    }
}
