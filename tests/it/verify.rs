//! Tests the verifier and its cache.

mod explanations;
mod verification;
mod cache_hits;
mod recalled;
mod full_cache;
mod cache_bytes;
mod several_issuers;
mod nearly_right_issuers;
mod replaced_issuers;
mod cold_path;
mod waiting;
mod encrypted;
mod library_agreement;
mod differential;
mod introspection;
