//! A door to the API at which a test says what goes wrong. Behind it is the real one.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::json;

use crate::cluster::Cluster;

/// What is answered in place of the API.
#[derive(Clone)]
pub(crate) enum Fault {
    /// A status of this code, with its reason.
    Refuse(u16, &'static str),
    /// Nothing: the connection breaks.
    Break,
    /// The request is carried out, and its answer is lost.
    Lose,
    /// A watch is told that what it wants to go on from is no longer known.
    Gone,
    /// A list as it once was.
    Past(Vec<u8>),
}

/// Method and path to what goes wrong; `None`: nothing.
type Rule = Box<dyn FnMut(&str, &str) -> Option<Fault> + Send>;

#[derive(Default)]
struct State {
    rule: Option<Rule>,
    /// How often something went wrong.
    faults: usize,
    /// Those that are being answered, with their path.
    open: HashMap<usize, (String, TcpStream)>,
    next: usize,
}

/// The door; it is closed with the value.
pub(crate) struct Proxy {
    kubectl: Child,
    state: Arc<Mutex<State>>,
    pub(crate) kubeconfig: PathBuf,
}

impl Proxy {
    pub(crate) fn new(cluster: &Cluster, folder: &Path) -> Self {
        let mut kubectl = Command::new(cluster.program())
            .args(["proxy", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(kubectl.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // `Starting to serve on 127.0.0.1:41234`
        let behind: u16 = line.trim().rsplit(':').next().unwrap().parse().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = shared.clone();
                thread::spawn(move || {
                    let _ = answer(client, behind, &state);
                });
            }
        });
        let kubeconfig = folder.join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{ "name": "it", "cluster": { "server": format!("http://127.0.0.1:{port}") } }],
            "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
            "users": [{ "name": "it", "user": {} }],
        });
        std::fs::write(&kubeconfig, config.to_string()).unwrap();
        Self { kubectl, state, kubeconfig }
    }

    /// From now on this goes wrong.
    pub(crate) fn fails(&self, rule: impl FnMut(&str, &str) -> Option<Fault> + Send + 'static) {
        lock(&self.state).rule = Some(Box::new(rule));
    }

    /// From now on nothing goes wrong. Returns how often something did.
    pub(crate) fn works(&self) -> usize {
        let mut state = lock(&self.state);
        state.rule = None;
        std::mem::take(&mut state.faults)
    }

    pub(crate) fn faults(&self) -> usize {
        lock(&self.state).faults
    }

    /// Breaks the watches that are open.
    pub(crate) fn cut(&self) {
        for (path, stream) in lock(&self.state).open.values() {
            if path.contains("watch=") {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request of a connection, which then ends.
fn answer(mut client: TcpStream, behind: u16, state: &Mutex<State>) -> std::io::Result<()> {
    let mut from = BufReader::new(client.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_ascii_lowercase();
        if let Some(text) = lower.strip_prefix("content-length:") {
            length = text.trim().parse().unwrap_or(0);
        }
        if line.trim_end().is_empty() {
            break;
        }
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default().to_owned());
    let fault = {
        let mut state = lock(state);
        let fault = state.rule.as_mut().and_then(|rule| rule(method, &path));
        state.faults += usize::from(fault.is_some());
        fault
    };
    let plain = |code: u16, body: &[u8]| {
        let head = format!(
            "HTTP/1.1 {code} It\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), body].concat()
    };
    let status = |code: u16, reason: &str| {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
            "message": format!("the test says {code}"), "code": code,
        })
    };
    match fault {
        Some(Fault::Break) => return client.shutdown(Shutdown::Both),
        Some(Fault::Refuse(code, reason)) => {
            return client.write_all(&plain(code, status(code, reason).to_string().as_bytes()));
        }
        Some(Fault::Gone) => {
            let event = json!({ "type": "ERROR", "object": status(410, "Expired") });
            return client.write_all(&plain(200, format!("{event}\n").as_bytes()));
        }
        Some(Fault::Past(body)) => return client.write_all(&plain(200, &body)),
        Some(Fault::Lose) | None => {}
    }
    let mut api = TcpStream::connect(("127.0.0.1", behind))?;
    api.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    api.write_all(&body)?;
    if fault.is_some() {
        api.read_to_end(&mut Vec::new())?;
        return client.shutdown(Shutdown::Both);
    }
    let number = {
        let mut state = lock(state);
        state.next += 1;
        let number = state.next;
        state.open.insert(number, (path, client.try_clone()?));
        number
    };
    // Whoever asked may be gone before a watch has anything to tell.
    let (mut gone, ended) = (client.try_clone()?, api.try_clone()?);
    thread::spawn(move || {
        let _ = gone.read(&mut [0; 1]);
        let _ = ended.shutdown(Shutdown::Both);
    });
    let copied = std::io::copy(&mut api, &mut client);
    lock(state).open.remove(&number);
    let _ = client.shutdown(Shutdown::Both);
    copied.map(|_| ())
}
