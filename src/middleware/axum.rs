//! Extracts principals and claims in axum, with axum-core alone.
//!
//! All extractors read what a [`BearerLayer`](crate::BearerLayer) has left in the request. Without
//! a layer they answer 500, never "no claims": a forgotten layer must not look like an anonymous
//! request.

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
