//! The whole database, by the program mysqldump or mariadb-dump.

use futures::{StreamExt, TryStreamExt, stream};
use tokio::process::Command;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};

use super::super::link::Link;
use super::super::options::{ConnectOptions, SslMode};
use super::super::{Flavour, connect};
use super::shape;
use crate::copy::Rows;
use crate::copy::program::Program;

const MYSQLDUMP: Program =
    Program { name: "mysqldump", install: "the client programs of MySQL, of the server's version or newer" };
const MARIADB_DUMP: Program = Program {
    name: "mariadb-dump",
    install: "the client programs of MariaDB, of the server's version or newer",
};

/// Rows of one moment, without a lock on tables; and what belongs to the database beside its tables. Routines and
/// events take rights of their own, and without them the program ends with an error: less than all is no whole.
const WHAT: &[&str] = &[
    "--single-transaction",
    "--quick",
    "--routines",
    "--triggers",
    "--events",
    "--hex-blob",
    "--default-character-set=utf8mb4",
    "--max-allowed-packet=1G",
    // Would take PROCESS, and is nothing of one database.
    "--no-tablespaces",
];

/// What writes it, and what that writes.
pub(super) async fn whole(
    link: &mut Link,
    options: &ConnectOptions,
    database: &str,
) -> Result<(String, Rows)> {
    shape::refuse_any_without_snapshot(link, database).await?;
    let program = match link.flavour {
        Flavour::MySql => MYSQLDUMP,
        Flavour::MariaDb => MARIADB_DUMP,
    };
    let version = program.version(&["--no-defaults", "--version"]).await?;
    if link.flavour == Flavour::MySql && version.contains("MariaDB") {
        // It does not know what only MySQL has, and leaves it out without a word.
        return Err(program.missing(format!("what has its name is {version}")).into());
    }
    let mut command = Command::new(program.name);
    // No option file says what is dumped, or from where. `--no-defaults` must be the first.
    command.arg("--no-defaults").args(WHAT);
    if link.flavour == Flavour::MySql {
        // Else what is restored beside what is there would be refused.
        command.arg("--set-gtid-purged=OFF");
    }
    reach(&mut command, link.flavour, options)?;
    command.arg("--").arg(database);
    let password = connect::password(options).await?;
    // Its environment, where no other user sees it.
    command.env_remove("MYSQL_PWD").env("MYSQL_TEST_LOGIN_FILE", "/nowhere");
    if let Some(password) = password {
        command.env("MYSQL_PWD", password.expose());
    }
    // Not before somebody reads: the server ends a session whose answer nobody takes for a minute.
    let rows = stream::once(async move { program.rows(command) }).try_flatten();
    Ok((format!("{version}, SQL"), rows.boxed()))
}

/// Where the server is, and how the connection is protected: as ours is.
fn reach(command: &mut Command, flavour: Flavour, options: &ConnectOptions) -> Result<()> {
    command.arg(format!("--user={}", options.user));
    match &options.socket {
        Some(socket) => {
            command.args(["--protocol=SOCKET", "--host=localhost"]).arg(format!("--socket={socket}"))
        }
        None => command
            .arg("--protocol=TCP")
            .arg(format!("--host={}", options.host))
            .arg(format!("--port={}", options.port)),
    };
    let mode = options.ssl_mode;
    match flavour {
        Flavour::MySql => {
            command.arg(match mode {
                SslMode::Disabled => "--ssl-mode=DISABLED",
                SslMode::Required => "--ssl-mode=REQUIRED",
                SslMode::VerifyCa => "--ssl-mode=VERIFY_CA",
                SslMode::VerifyIdentity => "--ssl-mode=VERIFY_IDENTITY",
            });
            if mode == SslMode::Disabled {
                // Without TLS the password is sent under the server's key, as ours.
                command.arg("--get-server-public-key");
            }
        }
        Flavour::MariaDb => {
            command.args(match mode {
                SslMode::Disabled => ["--skip-ssl", "--skip-ssl-verify-server-cert"],
                SslMode::Required => ["--ssl", "--skip-ssl-verify-server-cert"],
                SslMode::VerifyCa | SslMode::VerifyIdentity => ["--ssl", "--ssl-verify-server-cert"],
            });
        }
    }
    if mode == SslMode::Disabled {
        return Ok(());
    }
    if let Some(ca) = &options.ssl_ca {
        command.arg("--ssl-ca").arg(ca);
    } else if mode != SslMode::Required {
        let what =
            "the program that writes the whole database knows no authority of the server's certificate";
        return Err(Refusal::new(Code::TlsFailed, what)
            .cause("it does not read those of the operating system")
            .help("name the file: ssl-ca=FILE in the URL")
            .into());
    }
    if let Some((certificate, key)) = &options.ssl_own {
        command.arg("--ssl-cert").arg(certificate).arg("--ssl-key").arg(key);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(flavour: Flavour, url: &str) -> String {
        let options = super::super::super::options::resolve(Some(url), |_| None).unwrap();
        let mut command = Command::new("x");
        match reach(&mut command, flavour, &options) {
            Ok(()) => {
                let words: Vec<_> = command.as_std().get_args().map(|a| a.to_string_lossy()).collect();
                words.join(" ")
            }
            Err(fault) => fault.refusal().map(|r| r.code.id().to_owned()).unwrap_or_default(),
        }
    }

    #[test]
    fn the_program_goes_where_we_are_and_trusts_whom_we_trust() {
        use Flavour::{MariaDb, MySql};
        for (flavour, url, expected) in [
            (
                MySql,
                "mysql://me:secret@127.0.0.1:3307/shop",
                "--user=me --protocol=TCP --host=127.0.0.1 --port=3307 --ssl-mode=DISABLED --get-server-public-key",
            ),
            (
                MySql,
                "mysql://me@db/shop?ssl-ca=/ca.pem&ssl-cert=/c.pem&ssl-key=/k.pem",
                "--user=me --protocol=TCP --host=db --port=3306 --ssl-mode=VERIFY_IDENTITY --ssl-ca /ca.pem \
                 --ssl-cert /c.pem --ssl-key /k.pem",
            ),
            (
                MySql,
                "mysql://me@db/shop?ssl-mode=required",
                "--user=me --protocol=TCP --host=db --port=3306 --ssl-mode=REQUIRED",
            ),
            (MySql, "mysql://me@db/shop", Code::TlsFailed.id()),
            (
                MariaDb,
                "mariadb://me@localhost/shop?socket=/run/my.sock",
                "--user=me --protocol=SOCKET --host=localhost --socket=/run/my.sock --skip-ssl \
                 --skip-ssl-verify-server-cert",
            ),
            (
                MariaDb,
                "mariadb://me@db/shop?ssl-mode=verify-ca&ssl-ca=/ca.pem",
                "--user=me --protocol=TCP --host=db --port=3306 --ssl --ssl-verify-server-cert --ssl-ca /ca.pem",
            ),
            (MariaDb, "mariadb://me@db/shop?ssl-mode=verify-ca", Code::TlsFailed.id()),
        ] {
            assert_eq!(told(flavour, url), expected, "{url}");
        }
    }
}
