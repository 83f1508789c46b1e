//! Makes, lists, rotates and ends API keys.

mod error;
mod request;
mod manager;
mod input;
mod shown;
mod desk;
mod endpoints;

pub use endpoints::{ApiKeyEndpoints, ApiKeyService};
pub use error::ApiKeyError;
pub use manager::{ApiKeyManager, IssuedApiKey};
pub use request::ApiKeyRequest;
