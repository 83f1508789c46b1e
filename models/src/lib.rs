//! The modules of the crate that several threads use at once, with shuttle's types, and as little of their
//! surroundings as they need.
//!
//! shuttle treats every atomic as `SeqCst`. Where the crate says `Relaxed`, the value decides nothing that could not be
//! out of date: a tag or an expiry beside a slot, or a count.

#![allow(dead_code, reason = "the modules hold more than the models use")]

pub mod arc_swap;
pub mod claims;
pub mod clock;
pub mod runtime;

#[cfg(test)]
mod cache_models;
#[cfg(test)]
mod worker_models;

pub(crate) mod cache {
    include!(concat!(env!("OUT_DIR"), "/cache.rs"));
}

pub(crate) mod task {
    include!(concat!(env!("OUT_DIR"), "/task.rs"));
}
