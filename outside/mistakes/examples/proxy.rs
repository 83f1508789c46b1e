//! A proxy, whose bodies only a connection makes.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use tower::{Service, ServiceBuilder};
use tower_bearer::{BearerLayer, Verifier};

async fn forward(_: Request<Incoming>) -> Result<Response<Incoming>, Infallible> {
    unimplemented!()
}

fn serve<S: Service<Request<Incoming>>>(_: S) {}

fn proxy(verifier: Verifier<serde_json::Value>) {
    serve(ServiceBuilder::new().layer(BearerLayer::new(verifier)).service_fn(forward));
}

fn main() {
    let _ = proxy;
}
