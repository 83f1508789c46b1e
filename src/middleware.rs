//! The layer, its service and its future; and guards as layers.

mod readiness;
mod guard_future;
pub(crate) mod reject;
#[cfg(feature = "axum")]
pub(crate) mod axum;
mod require;
pub(crate) mod source;
#[cfg(feature = "cookies")]
pub(crate) mod cookies;
mod extras;
mod admission;
mod future;
mod service;
mod layer;
#[cfg(feature = "tonic")]
mod tonic;

pub use crate::verify::authenticator::{Authenticated, Authenticator};
pub use future::ResponseFuture;
pub use guard_future::GuardFuture;
pub use layer::BearerLayer;
#[cfg(feature = "mcp")]
pub(crate) use readiness::release;
pub use require::{RequireLayer, RequireService, require};
pub use service::Bearer;
