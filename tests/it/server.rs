//! Tests issuing, endpoints, sessions, and sign-in.

mod issuing;
mod endpoints;
mod sessions;
mod sign_in;
