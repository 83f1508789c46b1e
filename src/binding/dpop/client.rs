//! Makes proofs: the half of DPoP that a client needs.

mod key;
mod nonces;
mod layer;

pub use key::{DpopKey, ProofRequest};
pub use layer::{DpopClientLayer, DpopClientService};
