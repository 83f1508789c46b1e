//! The layer, its service and its future; and guards as layers.

mod future;
mod gate;
mod layer;
mod readiness;
mod require;
mod service;

pub use future::ResponseFuture;
pub use layer::BearerLayer;
pub use require::{RequireFuture, RequireLayer, RequireService, require};
pub use service::Bearer;
