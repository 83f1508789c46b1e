//! A service as tonic generates it, but by hand: nothing here needs a compiler of protocol buffers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;
use tower_bearer::Principal;
use tower_bearer::policy::role;

type Answer<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// The code of the application: it asks for the user and for the permission.
async fn handle(request: Request<String>) -> Result<Response<String>, Status> {
    let principal = Principal::from_extensions(request.extensions())?;
    if request.get_ref() == "close" {
        principal.check(role("cashier"))?;
    }
    let name = principal.subject().unwrap_or("a machine");
    Ok(Response::new(format!("{name}: {}", request.get_ref())))
}

#[derive(Clone)]
pub struct Orders;

impl NamedService for Orders {
    const NAME: &'static str = "shop.Orders";
}

impl Service<http::Request<Body>> for Orders {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer<http::Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async {
            let mut grpc = Grpc::new(ProstCodec::<String, String>::default());
            Ok(grpc.unary(Handle, request).await)
        })
    }
}

struct Handle;

impl UnaryService<String> for Handle {
    type Response = String;
    type Future = Answer<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(handle(request))
    }
}
