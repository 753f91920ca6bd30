//! How one sees that a component is ready.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::Duration;

use super::place::{self, HOST, NODE};
use crate::machine::output;

/// A question to a component.
pub(super) enum Probe {
    /// A GET of this path at this port says 200.
    Http(u16, &'static str),
    /// This port takes connections.
    Port(u16),
    /// This socket in the state folder takes connections.
    Socket(&'static str),
    /// The apiserver says that it is ready.
    Apiserver,
    /// The node is ready, as the apiserver tells.
    Node,
}

impl Probe {
    /// Asks once: ready, or why not.
    pub(super) fn ask(&self) -> Result<(), String> {
        match self {
            Self::Http(port, path) => get(*port, path),
            Self::Port(port) => connect(*port).map(|_| ()),
            Self::Socket(name) => {
                UnixStream::connect(place::state(name)).map(|_| ()).map_err(|e| format!("{name}: {e}"))
            }
            Self::Apiserver => kubectl(&["get", "--raw", "/readyz"]).map(|_| ()),
            Self::Node => match node()?.as_str() {
                "True" => Ok(()),
                other => Err(format!("node {NODE} is not Ready (`{other}`)")),
            },
        }
    }
}

fn node() -> Result<String, String> {
    let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
    kubectl(&["get", "node", NODE, "--output", path])
}

/// What kubectl prints, as the cluster's administrator.
pub(super) fn kubectl(arguments: &[&str]) -> Result<String, String> {
    output(
        Command::new(place::program("kubectl"))
            .arg("--kubeconfig")
            .arg(place::kubeconfig())
            .arg("--request-timeout=10s")
            .args(arguments)
            .env("KUBECACHEDIR", place::path("kubectl")),
    )
}

fn get(port: u16, path: &str) -> Result<(), String> {
    let at = |e: std::io::Error| format!("http://{HOST}:{port}{path}: {e}");
    let mut stream = connect(port)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(at)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {HOST}\r\n\r\n").map_err(at)?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).map_err(at)?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        Ok(())
    } else {
        Err(format!("http://{HOST}:{port}{path} answers `{status}`"))
    }
}

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

fn connect(port: u16) -> Result<TcpStream, String> {
    let address: SocketAddr = format!("{HOST}:{port}").parse().map_err(|e| format!("{HOST}:{port}: {e}"))?;
    TcpStream::connect_timeout(&address, PATIENCE).map_err(|e| format!("{address}: {e}"))
}
