//! Tests issuing, endpoints, passwords, sessions, API keys, and sign-in.

mod issuing;
mod issue;
mod endpoints;
mod password;
mod sessions;
mod api_keys;
mod sign_in;
