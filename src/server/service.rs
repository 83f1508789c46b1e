//! Implements `tower_service::Service` once for all services that are always ready and answer every request.

/// Implements `Service` for a type. The answer is an expression of the type `$future`.
macro_rules! service {
    (
        $service:ty,
        |$this:ident, $request:ident| -> $future:ty $answer:block
        $(where $($bounds:tt)+)?
    ) => {
        impl<B> tower_service::Service<http::Request<B>> for $service
        $(where $($bounds)+)?
        {
            type Response = http::Response<$crate::server::body::ServiceBody>;
            type Error = std::convert::Infallible;
            type Future = $future;

            fn poll_ready(
                &mut self,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Result<(), Self::Error>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn call(&mut self, $request: http::Request<B>) -> Self::Future {
                let $this = self;
                $answer
            }
        }
    };
}

pub(in crate::server) use service;
