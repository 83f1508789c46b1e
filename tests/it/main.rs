//! Tests through the real layer, real signatures and, where users would have them, real sockets.

#![allow(unreachable_pub, missing_docs, clippy::pedantic, clippy::unwrap_used)]

mod answers;
mod claims;
mod cold_path;
mod configuration;
mod conformance;
mod differential;
mod discovery;
mod events;
mod examples;
mod faults;
mod freshness;
mod guards;
mod handler_tests;
mod header;
mod https;
mod issuing;
mod key_events;
mod key_files;
mod keys;
mod kinds;
mod layer;
mod leap;
mod libraries;
mod lifecycle;
mod log;
mod mutants;
mod odd_keys;
mod presets;
mod properties;
mod providers;
mod remote_keys;
mod review;
mod rotation;
mod scripted;
mod second_opinion;
mod secrets;
mod servers;
mod several_issuers;
mod signatures;
mod support;
mod test_provider;
mod vectors;
mod verification;
mod web_socket;
