//! Tests issuing, and endpoints.

mod issuing;
mod endpoints;
