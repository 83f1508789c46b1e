//! Protects servers of the Model Context Protocol (MCP), and other JSON-RPC servers.
//!
//! An MCP server has one address for all that it does, so a guard of a route cannot tell a harmless tool from one
//! that deletes. [`Operations`] reads the operation of each request, and asks its policy.
//!
//! All parts are layers of tower. They know nothing of an SDK.

mod folded;
mod operation;
mod table;
mod body;
mod operations;
mod sessions;
mod hosts;
mod without_token;
mod server;

pub use body::OperationBody;
pub use hosts::{HostCheck, HostCheckService};
pub use operations::{OperationsFuture, OperationsService};
pub use server::{Mcp, McpService};
pub use sessions::{McpSessions, McpSessionsFuture, McpSessionsService};
pub use table::Operations;
pub use without_token::{WithoutToken, WithoutTokenService};
