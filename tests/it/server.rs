//! Tests issuing, endpoints, passwords, sessions, and sign-in.

mod issuing;
mod issue;
mod endpoints;
mod password;
mod sessions;
mod sign_in;
