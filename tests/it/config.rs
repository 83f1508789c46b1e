//! Tests the configuration from data.

mod configuration;
mod options;
mod contradictions;
