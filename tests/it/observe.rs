//! Tests the log and its events.

pub mod events;
mod loud_events;
