use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A proxy in front of Redis that can be cut.
pub struct Proxy {
    address: SocketAddr,
    behind: u16,
    connections: Arc<Mutex<JoinSet<()>>>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    pub async fn to(behind: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut proxy = Self { address, behind, connections: Arc::default(), listening: None };
        proxy.listen(listener);
        proxy
    }

    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    fn listen(&mut self, listener: TcpListener) {
        let (connections, behind) = (Arc::clone(&self.connections), self.behind);
        self.listening = Some(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let connection = async move {
                    let Ok(mut redis) = TcpStream::connect(("127.0.0.1", behind)).await else {
                        return;
                    };
                    _ = tokio::io::copy_bidirectional(&mut stream, &mut redis).await;
                };
                connections.lock().unwrap().spawn(connection);
            }
        }));
    }

    /// Ends all connections, and accepts none until it is mended.
    pub fn cut(&mut self) {
        self.listening.take().unwrap().abort();
        self.connections.lock().unwrap().abort_all();
    }

    pub async fn mend(&mut self) {
        loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => return self.listen(listener),
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
        }
    }
}
