//! Extractors for axum, on axum-core alone.
//!
//! All of them read what a [`BearerLayer`](crate::BearerLayer) has left in the request. Where none
//! has been they answer 500, never "no claims": a forgotten layer must not look like a visitor.

mod claims;
mod require;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};

use crate::middleware::reject::Rejection;

pub use claims::Claims;
pub use require::Require;

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Self::into_response::<Body>(self)
    }
}
