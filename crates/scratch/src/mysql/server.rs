//! A server of one's own.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::template::template;
use super::wire::Wire;
use super::{Kind, Programs};
use crate::identity::Identity;
use crate::keeper::{End, Keeper, MYSQL};
use crate::server::{free_port, percent, short_temporary_folder};
use crate::{Result, Row, ScratchError, WireError};

/// A start takes a second or two; on a machine that is very busy much longer.
const START_LIMIT: Duration = Duration::from_secs(90);

/// How many ports are tried: between our looking and the server's taking, somebody else may take a free one.
const PORT_TRIES: usize = 5;

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further settings, as in an option file: `("ssl_cert", "/x.pem")`. They win over those of this crate.
    pub settings: Vec<(String, String)>,
    /// The password of `root` on TCP. Without it everybody of this machine is let in; the socket is for this
    /// crate alone.
    pub password: Option<String>,
}

/// A running server with a data directory of its own. Dropping it ends it at once and removes its files; so does
/// the end of the process that owns it, however it ends.
#[derive(Debug)]
pub struct Server {
    keeper: Keeper,
    base: PathBuf,
    port: u16,
    options: Options,
    programs: Programs,
}

/// See [`Server::connect`]. What the session holds goes with it.
#[derive(Debug)]
pub struct Connection(Wire);

impl Connection {
    /// Runs statements and gives the rows of all of them.
    pub fn query(&mut self, sql: &str) -> Result<Vec<Row>> {
        Ok(self.0.query(sql)?)
    }
}

impl Server {
    /// Starts a server and waits until it takes connections.
    pub fn start(programs: &Programs, options: &Options) -> Result<Self> {
        let user = Identity::of_server()?;
        let template = template(programs, user)?;
        let parent = short_temporary_folder(user);
        let base = tempfile::Builder::new()
            .prefix("cofferdam-my-")
            .tempdir_in(&parent)
            .map_err(ScratchError::system(format!("cannot create a folder in {}", parent.display())))?;
        user.own(base.path())?;
        let program = base.path().join("program");
        write_program(programs, base.path(), &program)?;
        let mut keeper = Keeper::start(user, &program, &template, base.path(), MYSQL)?;
        // From here on the keeper removes it.
        let base = base.keep();
        keeper.copy_template()?;
        let mut server = Self { keeper, base, port: 0, options: options.clone(), programs: programs.clone() };
        for tries_left in (0..PORT_TRIES).rev() {
            server.port = free_port()?;
            server.write_settings()?;
            match server.start_again() {
                Err(ScratchError::NotReady { log, .. }) if tries_left > 0 && log.contains("port") => {
                    server.keeper.end_server(End::Immediate)?;
                    fs::remove_file(server.log()).map_err(ScratchError::system("cannot remove the log"))?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        let password = literal(server.options.password.as_deref().unwrap_or_default());
        server.query(
            None,
            &format!(
                "DROP USER IF EXISTS 'root'@'127.0.0.1';
                 CREATE USER 'root'@'127.0.0.1' IDENTIFIED BY {password};
                 GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION"
            ),
        )?;
        Ok(server)
    }

    /// The URL of a database of this server.
    pub fn url(&self, database: &str) -> String {
        let password = self.options.password.as_deref().map(|p| format!(":{}", percent(p)));
        let password = password.unwrap_or_default();
        format!("mysql://root{password}@127.0.0.1:{}/{}", self.port, percent(database))
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it runs.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The folder of everything that is its own.
    pub fn folder(&self) -> &Path {
        &self.base
    }

    /// Its socket, through which `root` comes in without a password.
    pub fn socket(&self) -> PathBuf {
        self.base.join("socket")
    }

    /// The number of its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        if self.base.join("ended").exists() {
            return None;
        }
        fs::read_to_string(self.base.join("pid")).ok()?.trim().parse().ok()
    }

    /// Its log file.
    pub fn log(&self) -> PathBuf {
        self.base.join("log")
    }

    /// Creates a database and gives its URL.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.query(None, &format!("CREATE DATABASE `{}`", name.replace('`', "``")))?;
        Ok(self.url(name))
    }

    /// Runs statements as `root`, over the socket, and gives the rows of all of them.
    pub fn query(&self, database: Option<&str>, sql: &str) -> Result<Vec<Row>> {
        Ok(Wire::connect(&self.socket(), database)?.query(sql)?)
    }

    /// A connection as `root`, over the socket, which waits so long for an answer.
    pub fn connect(&self, database: Option<&str>, longest: Duration) -> Result<Connection> {
        let wire = Wire::connect(&self.socket(), database)?;
        wire.wait_for(longest)?;
        Ok(Connection(wire))
    }

    /// Ends it as a crash would. [`Server::start_again`] then recovers.
    pub fn stop_immediate(&mut self) -> Result<()> {
        self.keeper.end_server(End::Immediate)
    }

    /// Shuts down cleanly and starts again, on the same port.
    pub fn restart(&mut self) -> Result<()> {
        self.keeper.end_server(End::Fast)?;
        self.start_again()
    }

    /// Starts it after [`Server::stop_immediate`], on the same port, and waits until it takes connections.
    pub fn start_again(&mut self) -> Result<()> {
        self.keeper.start_server()?;
        let began = Instant::now();
        loop {
            // First whether it ended: the socket of a crashed one may lie there still.
            let ended = self.base.join("ended").exists();
            let why = match (ended, self.ready()) {
                (false, Ok(())) => return Ok(()),
                (true, _) => "ended as soon as it began".to_owned(),
                (false, Err(why)) if began.elapsed() > START_LIMIT => {
                    format!("takes no connections after {} seconds: {why}", START_LIMIT.as_secs())
                }
                (false, Err(_)) => {
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            return Err(ScratchError::NotReady { why, log: self.log_tail() });
        }
    }

    fn ready(&self) -> Result<(), WireError> {
        Wire::connect(&self.socket(), None).map(drop)
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Those of the caller come last and win.
    fn write_settings(&self) -> Result<()> {
        let below = |name: &str| self.base.join(name).to_string_lossy().into_owned();
        let mut settings = vec![
            ("datadir", below("data")),
            ("socket", below("socket")),
            ("pid_file", below("server.pid")),
            ("tmpdir", self.base.to_string_lossy().into_owned()),
            // Else it is the distribution's, which must be there.
            ("secure_file_priv", self.base.to_string_lossy().into_owned()),
            ("port", self.port.to_string()),
            ("bind_address", "127.0.0.1".into()),
            ("skip_name_resolve", "ON".into()),
            ("server_id", "1".into()),
            ("log_bin", "binlog".into()),
            ("innodb_buffer_pool_size", "64M".into()),
            // A server like this survives its own crash, not the machine's, and is much faster.
            ("sync_binlog", "0".into()),
            ("innodb_flush_log_at_trx_commit", "2".into()),
            ("innodb_flush_method", "nosync".into()),
            ("innodb_doublewrite", "OFF".into()),
        ];
        match self.programs.kind {
            Kind::MySql => settings.push(("mysqlx", "OFF".into())),
            Kind::MariaDb => {
                settings.extend([("innodb_log_file_size", "16M".into()), ("binlog_format", "ROW".into())])
            }
        }
        settings.extend(self.programs.places());
        let callers = self.options.settings.iter().map(|(name, value)| (name.as_str(), value));
        let mut text = String::from("[mysqld]\n");
        for (name, value) in settings.iter().map(|(name, value)| (*name, value)).chain(callers) {
            text += &line(name, value)?;
        }
        let path = self.base.join("settings.cnf");
        fs::write(&path, text).map_err(ScratchError::system(format!("cannot write {}", path.display())))
    }
}

fn line(name: &str, value: &str) -> Result<String> {
    let bad = |why| ScratchError::BadSetting { name: name.to_owned(), why };
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(bad("its name must be letters, digits, underscores and dashes"));
    }
    if value.contains(['\n', '\r', '\0', '"']) {
        return Err(bad("its value has a line break, a double quote or NUL"));
    }
    Ok(format!("{name} = \"{}\"\n", value.replace('\\', "\\\\")))
}

/// What the keeper runs: the server with all that it needs, in place of itself, so that its number stays.
fn write_program(programs: &Programs, base: &Path, path: &Path) -> Result<()> {
    let mut text = String::from("#!/bin/sh\nexec");
    for word in programs.words()? {
        // Writing into memory cannot fail.
        let _ = write!(text, " {}", quoted(&word));
    }
    let _ = writeln!(text, " --defaults-file={}", quoted(&base.join("settings.cnf")));
    let cannot = |e| ScratchError::system(format!("cannot write {}", path.display()))(e);
    fs::write(path, text).map_err(cannot)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(cannot)
}

/// For the shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// For SQL, with backslashes as MySQL reads them by default.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_one_line() {
        assert_eq!(line("a-b_1", r"it's a \ here").unwrap(), "a-b_1 = \"it's a \\\\ here\"\n");
        for (name, value) in [("", "x"), ("a b", "x"), ("a\nb", "x"), ("a", "x\ny = z"), ("a", "\"")] {
            assert!(line(name, value).is_err(), "{name:?} {value:?}");
        }
    }
}
