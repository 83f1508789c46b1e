//! Tests loading, finding, fetching and replacing keys.

pub mod loading;
mod events;
mod files;
mod odd_keys;
mod mistaken_keys;
mod replaced_keys;
mod remote_keys;
mod boxed_keys;
pub mod short_secrets;
mod discovery;
mod freshness;
mod costly_documents;
mod odd_settings;
mod hostile_providers;
mod jsonwebtoken_types;
mod signers;
mod signing_keys;
mod rotation;
mod faults;
mod lifecycle;
