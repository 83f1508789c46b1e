//! Keeps documents fresh: key sets, lists and metadata that change somewhere else.
//!
//! [`Refreshed`] loads a document in the background, before the current one is too old, and once for all requests
//! that wait for it. A [`Load`] of the application brings the document: over HTTP, from a file or a database.
//! [`CachedKeys`](crate::keys::CachedKeys) are made of the same parts.

// The parts: `schedule` decides when to load, and does nothing else; `store` is the state that readers, the worker
// and operators share; `worker` is the task that loads; a `view` turns the document into the form that readers see.

mod budget;
mod load;
mod schedule;
mod settings;
mod status;
mod unavailable;
mod view;
mod store;
mod worker;
mod refresher;
mod refreshed;

pub use budget::FetchBudget;
pub use load::{Load, Loaded};
pub use refreshed::Refreshed;
pub use status::{LoadFailure, State, Status};
pub use unavailable::Unavailable;

#[cfg(feature = "introspection")]
pub(crate) use budget::Bucket;
pub(crate) use refresher::{Ended, NoLoad, Refresher};
#[cfg(feature = "config")]
pub(crate) use settings::EffectiveRefresh;
pub(crate) use settings::Settings;
pub(crate) use unavailable::Cause;
pub(crate) use view::{Event, View};
#[cfg(feature = "config")]
pub(crate) use worker::MAX_LOAD_TIME;
