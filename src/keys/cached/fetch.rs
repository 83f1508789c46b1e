use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use crate::error::KeysUnavailable;
use crate::keys::KeySet;
use crate::refresh::{Load, Loaded};

/// Loads keys from any place. [`CachedKeys`](super::CachedKeys) decides when.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::keys::{CachedKeys, Fetch, Fetched, KeysUnavailable};
/// use tower_bearer::KeySet;
///
/// struct FromDatabase;
///
/// # async fn load_jwks() -> Result<String, std::io::Error> { Ok(String::new()) }
/// impl Fetch for FromDatabase {
///     async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
///         let jwks = load_jwks().await.map_err(KeysUnavailable::new)?;
///         let keys = KeySet::from_jwks(jwks).map_err(KeysUnavailable::new)?;
///         Ok(Fetched::from(keys).with_fresh_for(Duration::from_secs(300)))
///     }
///
///     fn describe(&self) -> String {
///         "the table of keys".to_owned()
///     }
/// }
///
/// let keys = CachedKeys::new(FromDatabase);
/// ```
pub trait Fetch: Send + Sync + 'static {
    /// Loads all current keys. A key that is missing in the result is not used any more. An empty result
    /// counts as a failure.
    ///
    /// Runs in a task of its own, one at a time. It is dropped after 30 seconds; a panic counts as a
    /// failure.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] when there is no good answer; the keys of the last good one stay in use.
    fn fetch(&self) -> impl Future<Output = Result<Fetched, KeysUnavailable>> + Send;

    /// Returns where the keys come from, for logs and [`KeysStatus`](crate::keys::KeysStatus). The default is
    /// the name of the type.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }
}

/// The keys that a [`Fetch`] has brought, and for how long they are fresh if that is known.
pub type Fetched = Loaded<KeySet>;

impl<F: Fetch> Fetch for Arc<F> {
    fn fetch(&self) -> impl Future<Output = Result<Fetched, KeysUnavailable>> + Send {
        (**self).fetch()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}

/// Loads keys by a [`Fetch`].
pub(super) struct KeyLoad<F>(pub(super) F);

impl<F: Fetch> Load for KeyLoad<F> {
    type Document = KeySet;
    type Error = Box<dyn Error + Send + Sync>;

    async fn load(&self) -> Result<Fetched, Self::Error> {
        self.0.fetch().await.map_err(KeysUnavailable::into_source)
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}
