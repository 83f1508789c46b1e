use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use crate::answer;
use crate::app::{App, get};

/// Serves HTTP/1.1 on a free port of this machine, in this thread.
pub(crate) async fn forever<B: Default + 'static, A: App<B>>(app: A) -> ! {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    answer(&format!("serving {}", listener.local_addr().expect("an address")));
    let connections = LocalSet::new();
    connections
        .run_until(async {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                stream.set_nodelay(true).expect("a socket");
                let app = app.clone();
                tokio::task::spawn_local(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let mut app = app.clone();
                        // A GET has no body to hand on.
                        let request = request.map(|_| B::default());
                        async move { Ok::<_, std::convert::Infallible>(get(&mut app, request).await) }
                    });
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
        .await
}
