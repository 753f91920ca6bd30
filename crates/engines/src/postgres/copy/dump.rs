//! The whole database, by the program pg_dump.

use tokio::process::Command;

use cofferdam_core::fault::Result;

use crate::copy::Rows;
use crate::copy::program::Program;
use crate::postgres::options::{ConnectOptions, HostPort, SslMode};

const PG_DUMP: Program = Program {
    name: "pg_dump",
    install: "the client programs of PostgreSQL, of the server's version or newer",
};

/// What writes it, and what that writes.
pub(super) async fn whole(options: &ConnectOptions) -> Result<(String, Rows)> {
    let version = PG_DUMP.version(&["--version"]).await?;
    let mut command = Command::new(PG_DUMP.name);
    command.args(["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=10000"]);
    reach(&mut command, options);
    Ok((format!("{version}, custom format"), PG_DUMP.rows(command)?))
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
