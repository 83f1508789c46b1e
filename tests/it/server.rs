//! Tests issuing, and endpoints.

mod issuing;
mod issue;
mod endpoints;
