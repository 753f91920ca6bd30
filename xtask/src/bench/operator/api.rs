//! The API of the cluster as a client sees it that keeps its connection: `kubectl` would need a process for each request,
//! and paces itself. `kubectl proxy` brings the credentials.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The way into the cluster; it ends with the value.
pub(super) struct Api {
    proxy: Child,
    port: u16,
}

/// How connections are made.
#[derive(Clone, Copy)]
pub(super) struct Way(u16);

/// One connection.
pub(super) struct Connection(BufReader<TcpStream>);

/// Ends a connection with the value, whoever reads from it.
pub(super) struct End(TcpStream);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// The answer of a server: its code, how long its body is, and whether the body comes in chunks.
#[derive(Debug, PartialEq, Default)]
struct Head {
    code: u16,
    length: usize,
    chunked: bool,
}

impl Api {
    /// As the administrator of the cluster.
    pub(super) fn open(kubectl: &str, kubeconfig: &str) -> Result<Self, String> {
        let mut proxy = Command::new(kubectl)
            .args(["--kubeconfig", kubeconfig, "proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot run kubectl proxy: {e}"))?;
        let mut line = String::new();
        if let Some(out) = proxy.stdout.take() {
            BufReader::new(out).read_line(&mut line).map_err(|e| format!("kubectl proxy: {e}"))?;
        }
        // `Starting to serve on 127.0.0.1:41234`
        let port = line.trim().rsplit(':').next().and_then(|port| port.parse().ok());
        match port {
            Some(port) => Ok(Self { proxy, port }),
            None => {
                let _ = proxy.kill();
                let _ = proxy.wait();
                Err(format!("kubectl proxy does not say where it listens: `{}`", line.trim()))
            }
        }
    }

    /// A connection of one's own.
    pub(super) fn connect(&self) -> Result<Connection, String> {
        self.way().connect()
    }

    /// For a thread that makes its own connections.
    pub(super) fn way(&self) -> Way {
        Way(self.port)
    }
}

impl Way {
    /// A connection of one's own.
    pub(super) fn connect(self) -> Result<Connection, String> {
        let stream = TcpStream::connect(("127.0.0.1", self.0)).map_err(|e| format!("kubectl proxy: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        Ok(Connection(BufReader::new(stream)))
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

impl Connection {
    /// What a path holds, which must be there.
    pub(super) fn get(&mut self, path: &str) -> Result<Vec<u8>, String> {
        self.ask("GET", path, "application/json", "")
    }

    /// Makes an object in a folder.
    pub(super) fn create(&mut self, path: &str, object: &Value) -> Result<(), String> {
        self.ask("POST", path, "application/json", &object.to_string()).map(|_| ())
    }

    /// Changes an object.
    pub(super) fn merge(&mut self, path: &str, patch: &Value) -> Result<(), String> {
        self.ask("PATCH", path, "application/merge-patch+json", &patch.to_string()).map(|_| ())
    }

    /// Removes an object.
    pub(super) fn delete(&mut self, path: &str) -> Result<(), String> {
        self.ask("DELETE", path, "application/json", "").map(|_| ())
    }

    /// Waits for what comes so long at most.
    pub(super) fn patient(self, most: Duration) -> Result<Self, String> {
        self.0.get_ref().set_read_timeout(Some(most)).map_err(|e| e.to_string())?;
        Ok(self)
    }

    /// Ends it when dropped, wherever it is by then.
    pub(super) fn end(&self) -> Result<End, String> {
        self.0.get_ref().try_clone().map(End).map_err(|e| e.to_string())
    }

    /// Calls for each event of a watch, with when it came, until the call says that it is enough.
    pub(super) fn watch(
        mut self,
        path: &str,
        mut each: impl FnMut(Instant, &Value) -> bool,
    ) -> Result<(), String> {
        let at = |e: std::io::Error| format!("GET {path}: {e}");
        self.send("GET", path, "application/json", "").map_err(at)?;
        let head = self.head().map_err(at)?;
        if head.code != 200 || !head.chunked {
            return Err(format!("GET {path} answers {}", head.code));
        }
        let mut lines = BufReader::new(Chunks { from: self.0, left: 0 });
        loop {
            let mut line = Vec::new();
            if lines.read_until(b'\n', &mut line).map_err(at)? == 0 {
                return Err(format!("GET {path}: the watch ended"));
            }
            let now = Instant::now();
            let event = serde_json::from_slice(&line).map_err(|e| format!("GET {path}: {e}"))?;
            if each(now, &event) {
                return Ok(());
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str, kind: &str, body: &str) -> Result<Vec<u8>, String> {
        let at = |e: std::io::Error| format!("{method} {path}: {e}");
        self.send(method, path, kind, body).map_err(at)?;
        let head = self.head().map_err(at)?;
        let mut answer = vec![0; head.length];
        if head.chunked {
            answer.clear();
            Chunks { from: &mut self.0, left: 0 }.read_to_end(&mut answer).map_err(at)?;
        } else {
            self.0.read_exact(&mut answer).map_err(at)?;
        }
        if (200..300).contains(&head.code) {
            return Ok(answer);
        }
        Err(format!("{method} {path} answers {}: {}", head.code, String::from_utf8_lossy(&answer)))
    }

    fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) -> std::io::Result<()> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        self.0.get_mut().write_all(format!("{head}{body}").as_bytes())
    }

    fn head(&mut self) -> std::io::Result<Head> {
        read_head(&mut self.0)
    }
}

fn read_head(from: &mut impl BufRead) -> std::io::Result<Head> {
    let mut head = Head::default();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(head);
        }
        if let Some(rest) = line.strip_prefix("http/1.1 ") {
            head.code = rest.split(' ').next().and_then(|code| code.parse().ok()).unwrap_or(0);
        }
        if let Some(length) = line.strip_prefix("content-length:") {
            head.length = length.trim().parse().unwrap_or(0);
        }
        head.chunked |= line.strip_prefix("transfer-encoding:").is_some_and(|how| how.trim() == "chunked");
    }
}

/// A body in chunks, each with its length before it.
struct Chunks<R> {
    from: R,
    left: usize,
}

impl<R: BufRead> Read for Chunks<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            self.from.read_line(&mut line)?;
            let length = usize::from_str_radix(line.trim(), 16);
            self.left = length.map_err(|_| std::io::Error::other("not the length of a chunk"))?;
            if self.left == 0 {
                self.from.read_line(&mut line)?;
                return Ok(0);
            }
        }
        let most = into.len().min(self.left);
        let got = self.from.read(&mut into[..most])?;
        if got == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= got;
        if self.left == 0 {
            let mut end = String::new();
            self.from.read_line(&mut end)?;
        }
        Ok(got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let mut answer: &[u8] =
            b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n2\r\n\nc\r\n0\r\n\r\nrest";
        let head = read_head(&mut answer).unwrap();
        assert_eq!(head, Head { code: 200, length: 0, chunked: true });
        let mut body = String::new();
        Chunks { from: &mut answer, left: 0 }.read_to_string(&mut body).unwrap();
        assert_eq!(body, "a\nb\nc");
        // The next answer begins behind it.
        assert_eq!(answer, b"rest");
        let mut refused: &[u8] = b"HTTP/1.1 409 Conflict\r\ncontent-length: 7\r\n\r\n";
        assert_eq!(read_head(&mut refused).unwrap(), Head { code: 409, length: 7, chunked: false });
        assert!(read_head(&mut &b"HTTP/1.1 200 OK\r\n"[..]).is_err());
    }
}
