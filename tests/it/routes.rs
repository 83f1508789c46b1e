//! Tests the map of an application: what its routes do, and what the map says of them.

mod access;
mod generated;
mod map;
mod openapi;
mod paths;
mod probe;
