use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;

use super::{KeysStatus, Lookup, VerifyingKey};
use crate::error::KeysUnavailable;
use crate::jose::Header;

/// Where the keys for a token come from.
///
/// The verifier asks for every token, synchronously. Only if the answer is [`Lookup::Refresh`] does
/// the request wait for [`refresh`](Self::refresh), once, whose answer is final. It waits, too, if no key
/// verifies the token and the source [may be outdated](Self::may_be_outdated).
///
/// [`KeySet`](super::KeySet) and [`VerifyingKey`] are sources whose keys never change. One of your
/// own usually keeps a `KeySet` and asks for a refresh when that does not know a key:
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
/// The future is dropped with the request that waits for it, so work that other requests share
/// belongs into a task of its own.
pub trait KeySource: Send + Sync + 'static {
    /// Finds the keys that may have signed a token with this header.
    ///
    /// Must not wait: it runs on the path of every request. The header is a stranger's word; it may
    /// choose among the keys and nothing else.
    fn lookup(&self, header: &Header) -> Lookup;

    /// A number that is another one whenever [`lookup`](Self::lookup) may answer otherwise than before,
    /// for example after a refresh, or when a key was dropped.
    ///
    /// A token that was verified is remembered together with the epoch that was read before its key was
    /// looked up; while the epoch is the same, its key is not looked up again. `None`, the default, is
    /// always right: the key is then looked up for each token that is remembered, which is cheap too.
    /// A source that looks up in one `KeySet` after the other may hand on the epoch of the one it has.
    fn epoch(&self) -> Option<u64> {
        None
    }

    /// Whether there may be other keys by now than those that [`lookup`](Self::lookup) finds.
    ///
    /// Asked about a token that none of the keys has verified, or that none is for: its key may have been
    /// replaced under its name. If so, the request waits for [`refresh`](Self::refresh) before it is
    /// refused. The default is no: nothing newer can be had.
    ///
    /// Strangers can sign with made-up keys, so a source that has got its keys a moment ago should say no.
    fn may_be_outdated(&self) -> bool {
        false
    }

    /// Gets the keys for a token with this header, and says what there is now.
    ///
    /// Called if [`lookup`](Self::lookup) has asked for it, or [`may_be_outdated`](Self::may_be_outdated) has
    /// said yes. Runs while a request waits, so it must be bounded in time. What it answers decides about
    /// the token: [`Lookup::Unknown`] is answered 401, and makes a client ask for a new token;
    /// [`Lookup::Refresh`] is answered 503, since there may be a key that was not looked for.
    ///
    /// Afterwards [`lookup`](Self::lookup) should find what this has found: a request that has to wait for
    /// something else as well, the inner service for example, is judged by it once more.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] when it cannot be told whether there is such a key; answered 503 too.
    fn refresh(
        &self,
        header: &Header,
    ) -> impl Future<Output = Result<Lookup, KeysUnavailable>> + Send {
        ready(Ok(self.lookup(header)))
    }

    /// How the source is doing, if it can tell.
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

/// A [`KeySource`] without its type. A refresh, on the cold path, pays for a box; nothing else does.
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
