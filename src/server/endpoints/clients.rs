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

/// The clients that may ask for a revocation, and how they show who they are.
///
/// [`ClientList`](crate::endpoints::ClientList) is one, in memory. Over a database:
///
/// ```
/// use tower_bearer::endpoints::{ClientSecret, Clients, ClientsUnavailable};
/// # struct Database;
/// # impl Database {
/// #     async fn hash_of_secret(&self, _: &str) -> Result<Option<String>, std::io::Error> { Ok(None) }
/// # }
/// # fn matches(_hash: &str, _secret: &str) -> bool { false }
///
/// struct RegisteredClaims(Database);
///
/// impl Clients for RegisteredClaims {
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
/// Nothing here limits how often a secret can be guessed: a limit on requests belongs in front of the
/// route, or secrets that cannot be guessed behind it.
pub trait Clients: Send + Sync + 'static {
    /// Whether it is this client that sends this secret.
    ///
    /// # Errors
    ///
    /// [`ClientsUnavailable`] when that cannot be told right now; the request is answered 503.
    fn authenticate(
        &self,
        client_id: &str,
        secret: &ClientSecret,
    ) -> impl Future<Output = Result<bool, ClientsUnavailable>> + Send;

    /// Whether this client has no secret, an application in a browser for example, so that its
    /// `client_id` alone says who it is. The default is no, for all.
    ///
    /// Such a client can revoke only what it already holds: a token that was issued to it.
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

/// The secret that a client has sent. It is in no `Debug` output, and zeroized when it is dropped.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    pub(super) fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Whether it is this secret, compared in a time that tells nothing but the length.
    pub fn is(&self, secret: &str) -> bool {
        let (sent, own) = (self.0.as_bytes(), secret.as_bytes());
        let differing =
            sent.iter().zip(own).fold(0, |all, (one, other)| black_box(all | one ^ other));
        sent.len() == own.len() && !own.is_empty() && differing == 0
    }

    /// The secret itself, to be hashed and compared with a hash.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSecret").finish_non_exhaustive()
    }
}

/// [`Clients`] whose type is forgotten.
pub(super) trait ErasedClients: Send + Sync {
    fn authenticate<'a>(&'a self, client_id: &'a str, secret: &'a ClientSecret) -> Asking<'a>;
    fn is_public<'a>(&'a self, client_id: &'a str) -> Asking<'a>;
}

type Asking<'a> = Pin<Box<dyn Future<Output = Result<bool, ClientsUnavailable>> + Send + 'a>>;

impl<C: Clients> ErasedClients for C {
    fn authenticate<'a>(&'a self, client_id: &'a str, secret: &'a ClientSecret) -> Asking<'a> {
        Box::pin(Clients::authenticate(self, client_id, secret))
    }

    fn is_public<'a>(&'a self, client_id: &'a str) -> Asking<'a> {
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
        for other in ["", "hunter", "hunter22", "Hunter2", "hunter3"] {
            assert!(!secret.is(other), "{other}");
        }
        assert!(!ClientSecret::new("").is(""));
        assert_eq!(format!("{secret:?}"), "ClientSecret { .. }");
    }
}
