//! An application outside of the crate: it signs tokens, serves axum over a socket and calls itself.

mod binding;
mod calls;
mod challenges;
mod form;
mod key_source;
mod numbers;
mod opaque;
mod partners;
mod problem;
mod proxy;
mod remote;
mod scheme;
mod service;
mod signer;
mod step_up;
mod tokens;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for (name, issuer) in [("ES256", tokens::es256()), ("HS256", tokens::hs256())] {
        service::check(name, issuer).await;
    }
    numbers::check().await;
    remote::check().await;
    scheme::check().await;
    proxy::check().await;
    opaque::check().await;
    binding::check().await;
    challenges::check().await;
    step_up::check().await;
    form::check().await;
    partners::check().await;
    key_source::check().await;
    signer::check().await;
    problem::check().await;
}
