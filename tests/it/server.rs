//! Tests issuing, endpoints, and passwords.

mod issuing;
mod endpoints;
mod password;
