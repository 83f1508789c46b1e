//! Tests signatures, and the vectors of the RFCs.

mod signatures;
mod vectors;
