//! Tests signatures, and the vectors of the RFCs.

mod encryption;
mod signatures;
mod vectors;
