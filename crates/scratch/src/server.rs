//! A server of one's own.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::identity::Identity;
use crate::keeper::{End, Keeper, POSTGRES};
use crate::template::template;
use crate::wire::{Row, Wire, WireError};
use crate::{Binaries, Result, ScratchError, config};

/// The name of the superuser.
pub(crate) const SUPERUSER: &str = "postgres";

/// A start takes a quarter of a second; on a machine that is very busy a few seconds.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How many ports are tried: between our looking and the server's taking, somebody else may take a free one.
const PORT_TRIES: usize = 5;

/// How a server is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Writes reach the disk before they are acknowledged. Off, a server survives its own crash, not the
    /// machine's, and is much faster.
    pub fsync: bool,
    /// Further settings, as in postgresql.conf: `("wal_level", "logical")`.
    pub settings: Vec<(String, String)>,
    /// Listens on a free port of 127.0.0.1, besides its socket.
    pub tcp: bool,
    /// Asks for this password (SCRAM) on TCP. Without it, and always on the socket, everyone is trusted.
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
    version: u32,
}

impl Server {
    /// Starts a server and waits until it takes connections.
    pub fn start(binaries: &Binaries, options: &Options) -> Result<Self> {
        Self::start_on(binaries, options, &mut free_port)
    }

    fn start_on(
        binaries: &Binaries,
        options: &Options,
        next_port: &mut dyn FnMut() -> Result<u16>,
    ) -> Result<Self> {
        let user = Identity::of_server()?;
        let template = template(binaries, user)?;
        let parent = short_temporary_folder(user);
        let base = tempfile::Builder::new()
            .prefix("cofferdam-pg-")
            .tempdir_in(&parent)
            .map_err(ScratchError::system(format!("cannot create a folder in {}", parent.display())))?;
        user.own(base.path())?;
        let program = binaries.bin_dir.join("postgres");
        let mut keeper = Keeper::start(user, &program, &template, base.path(), POSTGRES)?;
        // From here on the keeper removes it.
        let base = base.keep();
        keeper.copy_template()?;
        config::write_access(&base, options)?;
        let mut server =
            Self { keeper, base, port: 5432, options: options.clone(), version: binaries.version };
        for tries_left in (0..PORT_TRIES).rev() {
            // Without TCP the port is only a part of the socket's name, in a folder where no other is.
            server.port = if options.tcp { next_port()? } else { 5432 };
            config::write_settings(&server.base, server.port, options)?;
            match server.start_again() {
                Err(ScratchError::NotReady { log, .. }) if tries_left > 0 && port_taken(&log) => {
                    server.keeper.end_server(End::Immediate)?;
                    fs::remove_file(server.log()).map_err(ScratchError::system("cannot remove the log"))?;
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        if let Some(password) = &options.password {
            let literal = password.replace('\'', "''");
            server.query("postgres", &format!("ALTER ROLE {SUPERUSER} PASSWORD '{literal}'"))?;
        }
        Ok(server)
    }

    /// The URL of a database of this server, for libpq and every driver that takes its URLs.
    pub fn url(&self, database: &str) -> String {
        let database = percent(database);
        if !self.options.tcp {
            let folder = percent(&self.base.to_string_lossy());
            return format!("postgres:///{database}?host={folder}&port={}&user={SUPERUSER}", self.port);
        }
        let password =
            self.options.password.as_deref().map(|p| format!(":{}", percent(p))).unwrap_or_default();
        format!("postgres://{SUPERUSER}{password}@{}:{}/{database}", self.host(), self.port)
    }

    /// The address on which it listens; with [`Options::tcp`] only.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// Its port, also the end of its socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its socket.
    pub fn socket_dir(&self) -> &Path {
        &self.base
    }

    /// The role that may do everything.
    pub fn superuser(&self) -> &'static str {
        SUPERUSER
    }

    /// The same as `server_version_num`: 150018.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The number of the server's first process, while it runs.
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
        self.query("postgres", &format!("CREATE DATABASE \"{}\"", name.replace('"', "\"\"")))?;
        Ok(self.url(name))
    }

    /// Runs statements in a database as the superuser, over the socket, and gives the rows of all of them.
    pub fn query(&self, database: &str, sql: &str) -> Result<Vec<Row>> {
        Ok(self.connect(database)?.query(sql)?)
    }

    /// Breaks sessions off, shuts down cleanly and starts again, on the same port.
    pub fn restart(&mut self) -> Result<()> {
        self.keeper.end_server(End::Fast)?;
        self.start_again()
    }

    /// Ends it as a crash would. [`Server::start_again`] then recovers.
    pub fn stop_immediate(&mut self) -> Result<()> {
        self.keeper.end_server(End::Immediate)
    }

    /// Starts it after [`Server::stop_immediate`], on the same port, and waits until it takes connections.
    pub fn start_again(&mut self) -> Result<()> {
        self.keeper.start_server()?;
        self.wait_until_ready()
    }

    fn connect(&self, database: &str) -> Result<Wire, WireError> {
        let socket = self.base.join(format!(".s.PGSQL.{}", self.port));
        Wire::connect(&socket, SUPERUSER, database)
    }

    fn wait_until_ready(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            // First whether it ended: the socket of a crashed one may lie there still.
            let ended = self.base.join("ended").exists();
            let why = match (ended, self.ready()) {
                (false, true) => return Ok(()),
                (true, _) => "ended as soon as it began".to_owned(),
                (false, false) if began.elapsed() > START_LIMIT => {
                    format!("takes no connections after {} seconds", START_LIMIT.as_secs())
                }
                (false, false) => {
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                }
            };
            return Err(ScratchError::NotReady { why, log: self.log_tail() });
        }
    }

    /// The status line of postmaster.pid, the eighth, says `ready`, and a connection is accepted.
    fn ready(&self) -> bool {
        fs::read_to_string(self.base.join("data/postmaster.pid")).is_ok_and(|text| {
            text.lines().nth(7).is_some_and(|status| matches!(status.trim(), "ready" | "standby"))
        }) && self.connect("postgres").is_ok()
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

/// A port of 127.0.0.1 on which nobody listens at this moment, and which no outgoing connection is given: these have
/// theirs from 32768 on, where a port that was free a moment ago is somebody's before a server has it. (30000 to 32767
/// are those of a cluster's NodePorts.)
///
/// # Errors
/// All that were tried are taken.
pub fn free_port() -> Result<u16> {
    const FROM: u32 = 20_000;
    const PORTS: u32 = 10_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let mut refused = std::io::Error::from(std::io::ErrorKind::AddrInUse);
    for _ in 0..100 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        // Far from where another process begins that asks at the same time.
        let begin = std::process::id().wrapping_mul(7919).wrapping_add(now / 1000);
        let port = FROM + begin.wrapping_add(step) % PORTS;
        let port = u16::try_from(port).unwrap_or_default();
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(_) => return Ok(port),
            Err(error) => refused = error,
        }
    }
    Err(ScratchError::system("cannot find a free port on 127.0.0.1")(refused))
}

fn port_taken(log: &str) -> bool {
    log.contains("could not bind") || log.contains("could not create any TCP/IP sockets")
}

/// Where the server's folder goes: the folder for temporary files, but for one whose name is so long that the
/// name of a socket in it would not fit (104 bytes on the narrowest systems) or that the user cannot enter.
pub(crate) fn short_temporary_folder(user: Identity) -> PathBuf {
    let usual = std::env::temp_dir();
    if usual.as_os_str().len() <= 60 && user.reaches(&usual) { usual } else { PathBuf::from("/tmp") }
}

/// Everything but letters, digits and `-._~` as `%XX`.
pub(crate) fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_no_raw_special_characters() {
        assert_eq!(percent("a b@/c-1"), "a%20b%40%2Fc-1");
        assert_eq!(percent("ä"), "%C3%A4");
    }

    #[test]
    fn a_port_that_somebody_took_is_passed_over() {
        let binaries = match crate::find_or_fetch(&mut |_| {}) {
            Ok(binaries) => binaries,
            Err(why) => {
                return crate::skipped("a_port_that_somebody_took_is_passed_over", &why.to_string());
            }
        };
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let taken_port = taken.local_addr().unwrap().port();
        let mut asked = 0;
        let server = Server::start_on(&binaries, &Options { tcp: true, ..Options::default() }, &mut || {
            asked += 1;
            if asked == 1 { Ok(taken_port) } else { free_port() }
        })
        .unwrap();
        assert_eq!(asked, 2);
        assert_ne!(server.port(), taken_port);
    }
}
