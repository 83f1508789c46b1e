//! Tests the parts for MCP servers.

mod operations;
mod body;
mod sessions;
mod hosts;
mod server;
mod agreement;
mod interop;
