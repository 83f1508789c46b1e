use std::collections::HashMap;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Serves JSON documents by path, for peers that fetch their keys, and returns the address:
/// `http://127.0.0.1:40123`. `documents` is given that address.
pub async fn serve_documents(documents: impl FnOnce(&str) -> HashMap<String, String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let documents = documents(&base);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(stream, &documents).await;
        }
    });
    base
}

async fn answer(mut stream: TcpStream, documents: &HashMap<String, String>) {
    let mut head = vec![0; 4096];
    let read = stream.read(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..read]);
    let path = head.split(' ').nth(1).unwrap_or("");
    let (status, body) = match documents.get(path) {
        Some(document) => ("200 OK", document.as_str()),
        None => ("404 Not Found", ""),
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len(),
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}
