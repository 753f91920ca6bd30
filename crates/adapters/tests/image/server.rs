//! Servers that behave as no registry should.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::built::{Built, digest};

/// What a server gives for a path: the whole answer with its head, after which it closes. Nothing: it is silent.
pub(crate) type Answers = HashMap<String, Vec<u8>>;

/// A server on loopback; it ends with the runtime of the test.
pub(crate) struct Server {
    pub(crate) host: String,
    /// The head of each request.
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// `answers` is told the server's own address.
    pub(crate) async fn start(answers: impl FnOnce(&str) -> Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let answers = Arc::new(answers(&host));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answers, seen) = (Arc::clone(&answers), Arc::clone(&seen));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    let path = head.split(' ').nth(1).unwrap_or_default();
                    let path = path.split('?').next().unwrap_or_default().to_owned();
                    seen.lock().unwrap().push(head);
                    let missing = status("404 Not Found", "", b"nothing here");
                    let answer = answers.get(&path).unwrap_or(&missing);
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    let _ = stream.write_all(answer).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { host, requests }
    }

    /// The heads of the requests for paths that hold this.
    pub(crate) fn requests_for(&self, part: &str) -> Vec<String> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|head| head.lines().next().unwrap().contains(part)).cloned().collect()
    }
}

/// An answer; `headers` are lines, each with its end.
pub(crate) fn status(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    status("200 OK", "", body)
}

/// What a registry answers for an image `app:v1`.
pub(crate) fn serving(built: &Built) -> Answers {
    let mut answers = Answers::from([
        ("/v2/".to_owned(), ok(b"{}")),
        ("/v2/app/manifests/v1".to_owned(), ok(&built.bytes)),
        (format!("/v2/app/manifests/{}", built.digest()), ok(&built.bytes)),
    ]);
    for blob in &built.blobs {
        answers.insert(blob_path(blob), ok(blob));
    }
    answers
}

pub(crate) fn blob_path(blob: &[u8]) -> String {
    format!("/v2/app/blobs/{}", digest(blob))
}
