//! Tests the helpers for users' tests.

mod provider;
mod handler_tests;
