use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Loads a document from any place. [`Refreshed`](super::Refreshed) decides when.
///
/// Any function without parameters that returns a future of `Result<Loaded<T>, E>` is a `Load`. A type of your
/// own can also [describe](Self::describe) itself:
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::refresh::{Load, Loaded, Refreshed};
///
/// struct Plans;
///
/// # async fn read_plans() -> std::io::Result<Vec<String>> { Ok(Vec::new()) }
/// impl Load for Plans {
///     type Document = Vec<String>;
///     type Error = std::io::Error;
///
///     async fn load(&self) -> Result<Loaded<Vec<String>>, std::io::Error> {
///         Ok(Loaded::from(read_plans().await?).with_fresh_for(Duration::from_secs(300)))
///     }
///
///     fn describe(&self) -> String {
///         "the table of plans".to_owned()
///     }
/// }
///
/// let plans = Refreshed::new(Plans);
/// ```
pub trait Load: Send + Sync + 'static {
    /// The document.
    type Document: Send + Sync + 'static;
    /// The error of a load that brings nothing. It is logged with its sources, so it must hold no secret.
    type Error: Into<Box<dyn Error + Send + Sync>>;

    /// Loads the document as it is now.
    ///
    /// Runs in a task of its own, one at a time. It is dropped after 30 seconds; a panic counts as a failure.
    ///
    /// # Errors
    ///
    /// Any error means that there is no good document; the last good one stays in use.
    fn load(&self) -> impl Future<Output = Result<Loaded<Self::Document>, Self::Error>> + Send;

    /// Returns where the document comes from, for logs and the [`Status`](super::Status). The default is the
    /// name of the type.
    fn describe(&self) -> String {
        std::any::type_name::<Self>().to_owned()
    }
}

/// A document that a [`Load`] has brought.
#[derive(Clone, Debug)]
pub struct Loaded<T> {
    pub(super) document: T,
    pub(super) fresh_for: Option<Duration>,
}

impl<T> Loaded<T> {
    /// Sets how long this document is fresh, counted from the start of its load. [`Refreshed`](super::Refreshed) and
    /// [`CachedKeys`](crate::keys::CachedKeys) have bounds for that, and a default.
    #[must_use]
    pub fn with_fresh_for(mut self, fresh_for: Duration) -> Self {
        self.fresh_for = Some(fresh_for);
        self
    }
}

impl<T> From<T> for Loaded<T> {
    fn from(document: T) -> Self {
        Self { document, fresh_for: None }
    }
}

impl<F, Fut, T, E> Load for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Loaded<T>, E>> + Send,
    T: Send + Sync + 'static,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    type Document = T;
    type Error = E;

    fn load(&self) -> impl Future<Output = Result<Loaded<T>, E>> + Send {
        self()
    }
}

impl<T: Load> Load for Arc<T> {
    type Document = T::Document;
    type Error = T::Error;

    fn load(&self) -> impl Future<Output = Result<Loaded<T::Document>, T::Error>> + Send {
        (**self).load()
    }

    fn describe(&self) -> String {
        (**self).describe()
    }
}
