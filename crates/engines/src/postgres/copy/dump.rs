//! The whole database, by the program pg_dump.

use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use crate::copy::Rows;
use crate::postgres::errors::visible;
use crate::postgres::options::{ConnectOptions, HostPort, SslMode};

const PROGRAM: &str = "pg_dump";

/// Which program that is, and what it writes.
pub(super) async fn whole(options: &ConnectOptions) -> Result<(String, Rows)> {
    let version = Command::new(PROGRAM).arg("--version").stdin(Stdio::null()).output().await;
    let version = match version {
        Ok(output) if output.status.success() => visible(&String::from_utf8_lossy(&output.stdout)),
        Ok(output) => return Err(missing(visible(&String::from_utf8_lossy(&output.stderr))).into()),
        Err(e) => return Err(missing(e.to_string()).into()),
    };
    let mut command = Command::new(PROGRAM);
    command
        .args(["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=10000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    reach(&mut command, options);
    let mut child = command.spawn().map_err(|e| missing(e.to_string()))?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Fault::Bug("pg_dump has no pipes".into()));
    };
    // Read beside, so that a full pipe does not hold it up.
    let said = tokio::spawn(said(err));
    let rows = futures::stream::unfold(Some((out, child, said)), |state| async {
        let (mut out, child, said) = state?;
        match piece(&mut out).await {
            Ok(Some(piece)) => Some((Ok(piece), Some((out, child, said)))),
            Ok(None) => ended(child, said).await.err().map(|fault| (Err(fault), None)),
            Err(e) => Some((Err(failed(e.to_string()).into()), None)),
        }
    });
    Ok((format!("{version}, custom format"), rows.boxed()))
}

/// The connection as the library behind pg_dump takes it: from its environment, where no other user sees it.
fn reach(command: &mut Command, options: &ConnectOptions) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("PG") && text != "PGSYSCONFDIR" {
            command.env_remove(&name);
        }
    }
    let joined =
        |part: &dyn Fn(&HostPort) -> String| options.hosts.iter().map(part).collect::<Vec<_>>().join(",");
    command
        .env("PGHOST", joined(&|host| host.host.clone()))
        .env("PGPORT", joined(&|host| host.port.to_string()))
        .env("PGUSER", &options.user)
        .env("PGDATABASE", &options.database)
        .env("PGAPPNAME", "cofferdam pg_dump")
        .env(
            "PGCONNECT_TIMEOUT",
            options.connect_timeout.map_or(0, |limit| limit.as_secs().max(1)).to_string(),
        );
    if options.hosts.iter().any(|host| host.hostaddr.is_some()) {
        command.env("PGHOSTADDR", joined(&|host| host.hostaddr.map(|a| a.to_string()).unwrap_or_default()));
    }
    if let Some(password) = options.password_for(0) {
        command.env("PGPASSWORD", password.expose());
    }
    let mode = options.hosts.first().map(|host| options.sslmode_for(host));
    let mode = match mode {
        None | Some(SslMode::Disable) => "disable",
        Some(SslMode::Require) => "require",
        Some(SslMode::VerifyCa) => "verify-ca",
        Some(SslMode::VerifyFull) => "verify-full",
    };
    command.env("PGSSLMODE", mode);
    for (name, file) in [
        ("PGSSLROOTCERT", &options.sslrootcert),
        ("PGSSLCERT", &options.sslcert),
        ("PGSSLKEY", &options.sslkey),
    ] {
        if let Some(file) = file {
            command.env(name, file);
        }
    }
    if matches!(mode, "verify-ca" | "verify-full") && options.sslrootcert.is_none() {
        command.env("PGSSLROOTCERT", "system");
    }
}

async fn piece(out: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Bytes>> {
    let mut piece = BytesMut::with_capacity(64 * 1024);
    let read = out.read_buf(&mut piece).await?;
    Ok((read > 0).then(|| piece.freeze()))
}

async fn said(mut err: impl AsyncRead + Unpin) -> String {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = err.read(&mut buffer).await {
        if text.len() < 4096 {
            text.extend_from_slice(&buffer[..read]);
        }
    }
    visible(&String::from_utf8_lossy(&text))
}

async fn ended(mut child: Child, said: tokio::task::JoinHandle<String>) -> Result<()> {
    let status = child.wait().await.map_err(|e| failed(e.to_string()))?;
    if status.success() {
        return Ok(());
    }
    let words = said.await.unwrap_or_default();
    Err(failed(if words.is_empty() { status.to_string() } else { words }).into())
}

fn failed(cause: String) -> Refusal {
    Refusal::new(Code::BackupNotTaken, "pg_dump did not write the whole database")
        .cause(cause)
        .help("nothing was changed; --backup destructive saves the tables that are touched, without pg_dump")
}

fn missing(cause: String) -> Refusal {
    Refusal::new(Code::BackupNotTaken, "the program pg_dump is not there")
        .cause(cause)
        .help("install the client programs of PostgreSQL, of the server's version or newer, or leave --backup whole out")
}
