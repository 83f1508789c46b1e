//! Tests the layer, its guards and its answers.

mod layer;
mod authorization_field;
mod answers;
mod grpc;
mod guards;
mod extractors;
mod readiness;
mod header_token;
mod api_keys;
mod web_socket;
mod cookies;
mod dpop;
mod servers;
mod behind_nginx;
pub mod mtls;
mod ownership;
mod seams;
