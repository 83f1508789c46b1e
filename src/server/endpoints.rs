//! Serves public keys, the metadata of an issuer (RFC 8414), a revocation endpoint (RFC 7009) and a
//! receiver of OpenID Connect Back-Channel Logout.
//!
//! The two endpoints that revoke read a form sent by `POST`, verify a token in full, and write into
//! a [`RevocationStore`](crate::revocation::RevocationStore) before they answer. A request with any
//! mistake revokes nothing. Neither endpoint reads the query, because addresses with tokens and
//! secrets end up in logs.

#[cfg(any(feature = "issue", feature = "metadata"))]
mod document;
#[cfg(feature = "issue")]
mod jwks;
#[cfg(feature = "issue")]
mod metadata;
#[cfg(feature = "metadata")]
mod resource;
#[cfg(feature = "endpoints")]
pub(in crate::server) mod answer;
#[cfg(feature = "endpoints")]
mod clients;
#[cfg(feature = "endpoints")]
mod client_list;
#[cfg(feature = "endpoints")]
pub(in crate::server) mod form;
#[cfg(feature = "endpoints")]
mod credentials;
#[cfg(feature = "endpoints")]
pub(in crate::server) mod request;
#[cfg(feature = "endpoints")]
mod logout;
#[cfg(feature = "endpoints")]
mod revocation;

#[cfg(feature = "issue")]
pub use jwks::JwksService;
#[cfg(feature = "issue")]
pub use metadata::MetadataService;
#[cfg(feature = "metadata")]
pub use resource::ResourceMetadataService;

pub use crate::server::body::ServiceBody;

#[cfg(feature = "endpoints")]
pub use answer::EndpointFuture;
#[cfg(feature = "endpoints")]
pub use client_list::ClientList;
#[cfg(feature = "endpoints")]
pub use clients::{ClientSecret, Clients};
#[cfg(feature = "endpoints")]
pub use logout::{LogoutScope, LogoutService};
#[cfg(feature = "endpoints")]
pub use revocation::RevocationService;

#[cfg(feature = "endpoints")]
pub use crate::error::ClientsUnavailable;
