//! Tests issuing, endpoints, and sessions.

mod issuing;
mod endpoints;
mod sessions;
