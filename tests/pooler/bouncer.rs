//! A PgBouncer of one's own, which ends with the test, however that ends.

use std::fs::Permissions;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::support::{server, until};

/// `pool_mode`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mode {
    Session,
    Transaction,
    Statement,
}

/// Ends PgBouncer when its stdin closes, because the test dropped it or died.
const KEEPER: &str = "trap '' HUP INT TERM
    \"$@\" </dev/null &
    cat >/dev/null
    kill -s KILL $!
    wait $! 2>/dev/null";

pub(crate) struct Bouncer {
    port: u16,
    keeper: Child,
    open: Option<ChildStdin>,
    _folder: tempfile::TempDir,
}

impl Bouncer {
    pub(crate) fn start(test: &str, mode: Mode) -> Option<Self> {
        Self::sized(test, mode, 20)
    }

    /// With so many sessions with the server. `None`: PgBouncer is not installed, which is noted.
    pub(crate) fn sized(test: &str, mode: Mode, size: u32) -> Option<Self> {
        let Some(program) = program() else {
            cofferdam_scratch::skipped(test, "PgBouncer is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let port = cofferdam_scratch::free_port().unwrap();
        let path = folder.path().join("pgbouncer.ini");
        std::fs::write(&path, settings(port, mode, size, folder.path())).unwrap();
        std::fs::write(folder.path().join("users"), "\"postgres\" \"\"\n").unwrap();
        // It may run as another user, who must be able to read these.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", KEEPER, "keeper"]).arg(program).arg("-q").args(user(folder.path())).arg(&path);
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keeper = command.spawn().unwrap();
        let open = keeper.stdin.take();
        let bouncer = Self { port, keeper, open, _folder: folder };
        until("PgBouncer listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(bouncer)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.open = None;
        let _ = self.keeper.wait();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file())
}

/// It refuses to run as root.
fn user(own: &Path) -> Vec<String> {
    let is_root = std::fs::metadata(own).unwrap().uid() == 0;
    if is_root { vec!["-u".to_owned(), "nobody".to_owned()] } else { Vec::new() }
}

fn settings(port: u16, mode: Mode, size: u32, folder: &Path) -> String {
    let mode = format!("{mode:?}").to_lowercase();
    let (host, server_port) = (server().host(), server().port());
    format!(
        "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
         unix_socket_dir =\nauth_type = trust\nauth_file = {}/users\npool_mode = {mode}\ndefault_pool_size = {size}\nquery_wait_timeout = 2\n",
        folder.display()
    )
}
