//! Makes proofs: the half of DPoP that a client needs.

mod key;
mod nonces;
mod layer;

pub use key::{DpopKey, NewProof};
pub use layer::{DpopClientLayer, DpopClientService};
