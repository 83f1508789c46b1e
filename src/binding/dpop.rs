//! Accepts tokens that are bound to a key, with a proof that the sender of the request has the key
//! (DPoP, RFC 9449). Makes such proofs too.

mod fault;
mod proof;
mod key_members;
mod key;
mod public_url;
mod nonces;
mod settings;
mod check;
mod client;

#[cfg(feature = "sign-in")]
pub(crate) use check::UnusedProof;
pub use client::{DpopClientLayer, DpopClientService, DpopKey, ProofRequest};
pub use nonces::Nonces;
pub use settings::Dpop;
