//! Explains one task per page, with code that compiles.
//!
//! | page | task |
//! |---|---|
//! | [`routes`] | Put the layer in the right place, guard routes, choose the look of refusals. |
//! | [`route_map`] | Declare the policy of every route, print and test the map of an application, document it. |
//! | [`authorization`] | Decide what a token may do: grants, sign-ins, ownership, delegation. |
//! | [`providers`] | Verify the tokens of an identity provider. |
//! | [`several_issuers`] | Accept tokens of more than one issuer. |
//! | [`configuration`] | Read all settings from a file. |
//! | [`revocation`] | Refuse tokens before they expire: on one node, on many, by a database. |
//! | [`issuing`] | Issue tokens: keys, key sets, logout. |
//! | [`signing_in`] | Sign users in, keep them signed in, sign them out. |
//! | [`api_keys`] | Let programs in by API keys, and let owners make and end them. |
//! | [`dpop`] | Accept tokens that are bound to a key, with proofs (DPoP). |
//! | [`clients`] | Tell clients where to get a token, and for what (resource metadata). |
//! | [`cookies`] | Keep tokens in cookies of a browser. |
//! | [`mtls`] | Accept tokens that are bound to the certificate of a client: behind a proxy, or with TLS of one's own. |
//! | [`mcp`] | Protect an MCP server: metadata, scopes of tools, sessions, hosts. |
//! | [`streams`] | Serve WebSockets, event streams and gRPC. |
//! | [`without_layer`] | Verify tokens that do not come with an HTTP request. |
//! | [`extending`] | Add a scheme, a place for tokens, API keys, proofs, policies, key sources. |
//! | [`moving`] | Move an application over from other code. |
//! | [`testing`] | Test an application. |
//! | [`operating`] | Run it: log, probes, metrics, incidents. |
//!
//! The module has no items and is compiled for the documentation only.

#[doc = include_str!("guide/routes.md")]
pub mod routes {}

#[doc = include_str!("guide/route_map.md")]
pub mod route_map {}
#[doc = include_str!("guide/authorization.md")]
pub mod authorization {}

#[doc = include_str!("guide/providers.md")]
pub mod providers {}

#[doc = include_str!("guide/several_issuers.md")]
pub mod several_issuers {}

#[doc = include_str!("guide/configuration.md")]
pub mod configuration {}

#[doc = include_str!("guide/revocation.md")]
pub mod revocation {}

#[doc = include_str!("guide/issuing.md")]
pub mod issuing {}

#[doc = include_str!("guide/signing_in.md")]
pub mod signing_in {}

#[doc = include_str!("guide/api_keys.md")]
pub mod api_keys {}

#[doc = include_str!("guide/dpop.md")]
pub mod dpop {}

#[doc = include_str!("guide/clients.md")]
pub mod clients {}

#[doc = include_str!("guide/cookies.md")]
pub mod cookies {}

#[doc = include_str!("guide/mtls.md")]
pub mod mtls {}

#[doc = include_str!("guide/mcp.md")]
pub mod mcp {}

#[doc = include_str!("guide/streams.md")]
pub mod streams {}

#[doc = include_str!("guide/without_layer.md")]
pub mod without_layer {}

#[doc = include_str!("guide/extending.md")]
pub mod extending {}

#[doc = include_str!("guide/moving.md")]
pub mod moving {}

#[doc = include_str!("guide/testing.md")]
pub mod testing {}

#[doc = include_str!("guide/operating.md")]
pub mod operating {}
