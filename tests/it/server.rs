//! Tests issuing, endpoints, passwords, sessions, and sign-in.

mod issuing;
mod endpoints;
mod password;
mod sessions;
mod sign_in;
