use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use super::{KeysStatus, Lookup, VerifyingKey};
use crate::error::KeysUnavailable;
use crate::jose::Header;

/// Finds the keys for a token.
///
/// The verifier calls [`lookup`](Self::lookup) for every token, synchronously. If the answer is [`Lookup::Refresh`],
/// the request waits once for [`refresh`](Self::refresh), whose answer is final. It also waits if no key verifies the
/// token and the source [may be outdated](Self::may_be_outdated).
///
/// [`KeySet`](super::KeySet) and [`VerifyingKey`] are sources whose keys never change. A source of your
/// own usually keeps a `KeySet`, and asks for a refresh when the set does not know a key:
///
/// ```
/// use std::sync::{PoisonError, RwLock};
/// use tower_bearer::jose::Header;
/// use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
/// use tower_bearer::KeySet;
///
/// struct FromDatabase {
///     keys: RwLock<KeySet>,
/// }
///
/// # async fn load_jwks() -> Result<String, std::io::Error> { Ok(String::new()) }
/// impl KeySource for FromDatabase {
///     fn lookup(&self, header: &Header) -> Lookup {
///         match self.keys.read().unwrap_or_else(PoisonError::into_inner).lookup(header) {
///             Lookup::Unknown => Lookup::Refresh,
///             answer => answer,
///         }
///     }
///
///     async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
///         let jwks = load_jwks().await.map_err(KeysUnavailable::new)?;
///         let keys = KeySet::from_jwks(jwks).map_err(KeysUnavailable::new)?;
///         let answer = keys.lookup(header);
///         *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
///         Ok(answer)
///     }
/// }
/// ```
///
/// A client can name keys that do not exist, so any client can cause a refresh: limit their number.
/// The future is dropped with the request that waits for it, so run work that other requests share
/// in a task of its own.
pub trait KeySource: Send + Sync + 'static {
    /// Finds the keys that may have signed a token with this header.
    ///
    /// It must not wait, because it runs for every request. The header is not verified yet: use it to choose among
    /// the keys, and for nothing else.
    fn lookup(&self, header: &Header) -> Lookup;

    /// Returns a number that changes whenever [`lookup`](Self::lookup) could give a different answer, for
    /// example after a refresh, or when a key was blocked.
    ///
    /// The verifier reads the epoch before it looks up the key of a token, and caches both. While the epoch is
    /// the same, a cache hit does not look the key up again. `None`, the default, is always correct: the key is
    /// then looked up for each cache hit, which is cheap too. A source that holds one `KeySet` at a time may
    /// return the epoch of that set.
    fn epoch(&self) -> Option<u64> {
        None
    }

    /// Returns whether there may be other keys by now than those that [`lookup`](Self::lookup) finds.
    ///
    /// The verifier asks this about a token that no key verifies, because its key may have been replaced under the
    /// same name. If the answer is `true`, the request waits for [`refresh`](Self::refresh) before it is
    /// refused. The default is `false`: the source has nothing newer.
    ///
    /// Strangers can sign with made-up keys, so a source that loaded its keys a moment ago should return `false`.
    fn may_be_outdated(&self) -> bool {
        false
    }

    /// Loads the keys for a token with this header, and returns the result of a new look-up.
    ///
    /// It is called if [`lookup`](Self::lookup) answers [`Lookup::Refresh`], or
    /// [`may_be_outdated`](Self::may_be_outdated) `true`. A request waits for it, so it must be bounded in time. Its
    /// answer decides about the token: [`Lookup::Unknown`] is answered 401, and makes a client ask for a new token;
    /// [`Lookup::Refresh`] is answered 503, since there may be a key that was not looked for.
    ///
    /// Afterwards [`lookup`](Self::lookup) should give the same answer: a request that also waits for something
    /// else, for example the inner service, is checked by it once more.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] when the source does not know whether there is such a key. It is answered 503 too.
    fn refresh(
        &self,
        header: &Header,
    ) -> impl Future<Output = Result<Lookup, KeysUnavailable>> + Send {
        ready(Ok(self.lookup(header)))
    }

    /// Returns the status of the keys, if the source has one.
    ///
    /// Sources of this crate make a status. Another source can hand on that of a source inside of it.
    fn keys_status(&self) -> Option<KeysStatus> {
        None
    }

    /// Returns the source without its type, for a source that is chosen at run time.
    fn boxed(self) -> BoxKeySource
    where
        Self: Sized,
    {
        BoxKeySource(Box::new(self))
    }
}

impl<K: KeySource + ?Sized> KeySource for Arc<K> {
    fn lookup(&self, header: &Header) -> Lookup {
        (**self).lookup(header)
    }

    fn epoch(&self) -> Option<u64> {
        (**self).epoch()
    }

    fn may_be_outdated(&self) -> bool {
        (**self).may_be_outdated()
    }

    fn refresh(
        &self,
        header: &Header,
    ) -> impl Future<Output = Result<Lookup, KeysUnavailable>> + Send {
        (**self).refresh(header)
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        (**self).keys_status()
    }
}

impl KeySource for VerifyingKey {
    fn lookup(&self, header: &Header) -> Lookup {
        match (self.key_id(), header.key_id()) {
            (Some(own), Some(wanted)) if own != wanted => Lookup::Unknown,
            _ if self.is_for(header.algorithm()) => Lookup::Found(self.clone().into()),
            _ => Lookup::WrongAlgorithm,
        }
    }

    fn epoch(&self) -> Option<u64> {
        Some(self.made())
    }
}

/// A [`KeySource`] whose type is chosen at run time.
///
/// Made by [`KeySource::boxed`]. Look-ups stay synchronous; a [refresh](KeySource::refresh) costs one
/// allocation.
///
/// ```
/// use tower_bearer::keys::{BoxKeySource, KeySource as _};
/// use tower_bearer::{ConfigError, KeySet, RemoteKeys};
///
/// fn keys(pem: Option<&str>) -> Result<BoxKeySource, ConfigError> {
///     match pem {
///         Some(pem) => Ok(KeySet::from_pem(pem)?.boxed()),
///         None => Ok(RemoteKeys::discover("https://id.example.com")?.boxed()),
///     }
/// }
/// # assert!(keys(None).is_ok());
/// ```
///
/// To keep a handle on the source, for its status for example, box an [`Arc`] of it.
pub struct BoxKeySource(Box<dyn Erased>);

impl KeySource for BoxKeySource {
    fn lookup(&self, header: &Header) -> Lookup {
        self.0.lookup(header)
    }

    fn epoch(&self) -> Option<u64> {
        self.0.epoch()
    }

    fn may_be_outdated(&self) -> bool {
        self.0.may_be_outdated()
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.0.refresh(header).await
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        self.0.keys_status()
    }

    fn boxed(self) -> BoxKeySource {
        self
    }
}

impl fmt::Debug for BoxKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = self.0.keys_status().map(|status| status.source().to_owned());
        f.debug_struct("BoxKeySource").field("source", &source).finish_non_exhaustive()
    }
}

/// A [`KeySource`] without its type. Only a refresh, on the cold path, costs a boxed future.
trait Erased: Send + Sync {
    fn lookup(&self, header: &Header) -> Lookup;
    fn epoch(&self) -> Option<u64>;
    fn may_be_outdated(&self) -> bool;
    fn refresh<'a>(&'a self, header: &'a Header) -> Refreshing<'a>;
    fn keys_status(&self) -> Option<KeysStatus>;
}

type Refreshing<'a> = Pin<Box<dyn Future<Output = Result<Lookup, KeysUnavailable>> + Send + 'a>>;

impl<K: KeySource> Erased for K {
    fn lookup(&self, header: &Header) -> Lookup {
        KeySource::lookup(self, header)
    }

    fn epoch(&self) -> Option<u64> {
        KeySource::epoch(self)
    }

    fn may_be_outdated(&self) -> bool {
        KeySource::may_be_outdated(self)
    }

    fn refresh<'a>(&'a self, header: &'a Header) -> Refreshing<'a> {
        Box::pin(KeySource::refresh(self, header))
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        KeySource::keys_status(self)
    }
}
