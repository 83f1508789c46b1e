//! Tests signatures, and the vectors of the RFCs.

mod encryption;
mod encryption_differential;
mod signatures;
mod vectors;
