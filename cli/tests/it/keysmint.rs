//! `bearer keys` and `bearer mint`, as a user runs them.

mod support;

mod check;
mod convert;
mod edits;
mod generate;
mod interop;
mod mint;
mod reasons;
mod thumbprint;
