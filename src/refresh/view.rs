use std::error::Error;
use std::sync::Arc;

use super::status::State;
use crate::observe::trace;

/// Keeps the document that was loaded last, and builds the snapshot that readers see.
///
/// It changes under a lock, and readers see each change as a whole: a snapshot never mixes parts of an old document
/// and a new one.
pub(crate) trait View: Clone + Send + 'static {
    /// A document as it is loaded.
    type Document: Send + 'static;
    /// A document as readers see it.
    type Snapshot: Send + Sync + 'static;

    /// Replaces the document.
    ///
    /// # Errors
    ///
    /// An error means that the document cannot be used: the old one stays, and the load counts as failed.
    fn replace(&mut self, document: Self::Document) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Returns the snapshot for readers. `None` before there is a document.
    fn snapshot(&self) -> Option<Self::Snapshot>;

    /// Takes the parts that do not depend on settings from an older view, which this one replaces because settings
    /// have changed.
    fn carry_over(&mut self, _before: &Self) {}

    /// Writes an event to the log.
    fn report(&self, source: &str, event: &Event<'_>);
}

/// An event that operators should see.
pub(crate) enum Event<'e> {
    Loaded {
        /// Whether the load before had failed.
        is_back: bool,
    },
    NotLoaded {
        problem: &'e str,
        /// The state of the document that was loaded before.
        state: State,
        is_usable: bool,
    },
    /// Requests want more loads than the budget has.
    Spent { suppressed: u64 },
}

/// Shows the document as it was loaded.
pub(super) struct Latest<T>(pub(super) Option<Arc<T>>);

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> View for Latest<T> {
    type Document = T;
    type Snapshot = Arc<T>;

    fn replace(&mut self, document: T) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0 = Some(Arc::new(document));
        Ok(())
    }

    fn snapshot(&self) -> Option<Arc<T>> {
        self.0.clone()
    }

    fn report(&self, source: &str, event: &Event<'_>) {
        match *event {
            Event::Loaded { is_back } => trace::document_loaded(source, is_back),
            Event::NotLoaded { problem, state, is_usable } => {
                trace::document_not_loaded(source, problem, state.as_str(), is_usable);
            }
            Event::Spent { suppressed } => trace::loads_spent(source, suppressed),
        }
    }
}
