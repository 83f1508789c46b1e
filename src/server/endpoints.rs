//! Routes that revoke, as services to be mounted: a revocation endpoint (RFC 7009) and a receiver of
//! OpenID Connect Back-Channel Logout.
//!
//! Both take a form by `POST`, verify a token in full, and write into any
//! [`RevocationStore`](crate::RevocationStore) before they answer. Whatever is wrong with a request, it
//! revokes nothing. Neither reads the query: tokens and secrets in addresses end up in logs.

mod answer;
mod clients;
mod client_list;
mod form;
mod credentials;
mod request;
mod store;
mod logout;
mod revocation;

pub use answer::RouteFuture;
pub use client_list::ClientList;
pub use clients::{ClientSecret, Clients};
pub use logout::{LogoutScope, LogoutService};
pub use revocation::RevocationService;
