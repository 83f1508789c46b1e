//! Records the log, for tests to look at.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{Layer, Registry};

/// The events of this crate: the level of each, and its fields as text.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<(Level, String)>>>);

impl Log {
    /// Records all tasks of a test that runs on one thread, until the guard is dropped.
    pub fn of_this_thread() -> (Self, DefaultGuard) {
        // While tracing knows one subscriber, a place that is reached for the first time in a thread without it never
        // logs again, in any thread.
        static MORE: OnceLock<[Dispatch; 2]> = OnceLock::new();
        MORE.get_or_init(|| [(); 2].map(|()| Dispatch::new(Self::default().subscriber())));
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.subscriber());
        (log, guard)
    }

    /// Returns the record of all threads that no test has a log for: those that this crate starts.
    pub fn of_other_threads() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            tracing::subscriber::set_global_default(log.subscriber()).unwrap();
            log
        })
    }

    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        Registry::default().with(self.clone())
    }

    pub fn events(&self) -> Vec<(Level, String)> {
        self.0.lock().unwrap().clone()
    }

    /// Returns the events that contain these words.
    pub fn about(&self, words: &str) -> Vec<(Level, String)> {
        self.events().into_iter().filter(|(_, text)| text.contains(words)).collect()
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl Visit for Text {
            fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
                self.0 += &format!("{}={value:?} ", field.name());
            }
        }
        if event.metadata().target() == "tower_bearer" {
            let mut text = Text(String::new());
            event.record(&mut text);
            self.0.lock().unwrap().push((*event.metadata().level(), text.0));
        }
    }
}
