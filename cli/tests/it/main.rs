//! Runs the command as a user would.

#![allow(unreachable_pub, missing_docs, clippy::pedantic, clippy::unwrap_used)]

mod support;
mod inspect;
mod explain;
mod api;
mod serve;
mod keysmint;
mod api_keys;
mod shell;
