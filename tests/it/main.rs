//! Tests through the real layer, real signatures and, where users would have them, real sockets.

#![allow(unreachable_pub, missing_docs, clippy::pedantic, clippy::unwrap_used)]

mod answers;
mod claims;
mod cold_path;
mod configuration;
mod conformance;
mod differential;
mod events;
mod examples;
mod guards;
mod handler_tests;
mod header;
mod issuing;
mod keys;
mod kinds;
mod layer;
mod libraries;
mod mutants;
mod odd_keys;
mod presets;
mod properties;
mod providers;
mod remote_keys;
mod review;
mod second_opinion;
mod secrets;
mod servers;
mod signatures;
mod support;
mod test_provider;
mod vectors;
mod verification;
mod web_socket;
