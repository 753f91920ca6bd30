//! A receiver of webhooks.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// Answers each request with a status, and keeps it.
#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    status: Arc<AtomicU16>,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::at("127.0.0.1")
    }

    pub fn at(address: &str) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let receiver = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            status: Arc::new(AtomicU16::new(200)),
            bodies: Arc::default(),
        };
        let own = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(stream));
            }
        });
        receiver
    }

    /// 0: it is silent from now on.
    pub fn answers(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        stream.read_exact(&mut body).ok()?;
        let status = self.status.load(Ordering::SeqCst);
        if status == 0 {
            std::thread::sleep(std::time::Duration::from_secs(600));
        }
        if status == 200 {
            self.bodies.lock().unwrap().push(String::from_utf8(body).unwrap());
        }
        let more = if status == 302 { "Location: http://169.254.169.254/\r\n" } else { "" };
        let answer = format!("HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n");
        stream.write_all(answer.as_bytes()).ok()
    }

    pub fn bodies(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    /// The word and the migration of each CloudEvent, in the order of their coming.
    pub fn events(&self) -> Vec<String> {
        let word = |event: &Value| {
            let kind = event["type"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
            format!("{} {kind}", event["subject"].as_str().unwrap())
        };
        self.bodies().iter().map(word).collect()
    }

    pub fn ids(&self) -> Vec<String> {
        self.bodies().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }
}
