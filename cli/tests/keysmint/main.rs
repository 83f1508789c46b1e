//! `bearer keys` and `bearer mint`, as a user runs them.

#![allow(unreachable_pub, clippy::pedantic, clippy::unwrap_used)]

mod support;

mod check;
mod convert;
mod edits;
mod generate;
mod interop;
mod mint;
mod reasons;
mod thumbprint;
