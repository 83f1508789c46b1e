use std::error::Error;
use std::sync::Arc;

use super::status::State;
use crate::observe::trace;

/// Keeps the document that was loaded last, and makes of it the snapshot that readers see.
///
/// It changes under a lock, and each change of it is shown to readers as a whole: a snapshot never mixes an old
/// document with what was added to a new one.
pub(crate) trait View: Clone + Send + 'static {
    /// A document as it is loaded.
    type Document: Send + 'static;
    /// A document as readers see it.
    type Snapshot: Send + Sync + 'static;

    /// Replaces the document.
    ///
    /// # Errors
    ///
    /// When the document is of no use: then the one before stays, and the load has failed.
    fn replace(&mut self, document: Self::Document) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// Returns what readers see; `None` before there is a document.
    fn snapshot(&self) -> Option<Self::Snapshot>;

    /// Takes over from a view that this one replaces, because settings have changed, what holds whatever they
    /// are.
    fn carry_over(&mut self, _before: &Self) {}

    /// Tells the log.
    fn report(&self, source: &str, event: &Event<'_>);
}

/// Something that operators should hear of.
pub(crate) enum Event<'e> {
    Loaded {
        /// The load before has failed.
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
