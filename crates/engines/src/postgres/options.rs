//! Where the database is and how it is reached, as libpq finds it out: the URL or `key=value` text, then the
//! service file, then the `PG*` variables, then the password file and defaults.
//!
//! It differs from libpq where libpq would rather connect than be safe: `sslmode` is `verify-full` unless said
//! otherwise (but for loopback and sockets), `allow` and `prefer` are refused, and so are unknown options and those
//! whose absence would weaken what was asked for.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_core::{Code, Refusal};

use super::{passfile, service};

mod certificates;
mod dsn;
mod env;
mod known;
mod mask;
mod settings;

pub use crate::secret::Secret;
pub use env::{Env, RealEnv};
pub use mask::masked;

use certificates::Certificates;
use known::KNOWN;
use settings::Settings;

/// The port of PostgreSQL.
const PORT: u16 = 5432;
/// How long one address may take to answer, unless `connect_timeout` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all. The default for loopback addresses and sockets only.
    Disable,
    /// Encrypted, without looking at who answers.
    Require,
    /// Encrypted, and the server's certificate comes from a known authority.
    VerifyCa,
    /// As before, and the certificate is for the host's name. The default.
    VerifyFull,
}

/// What a server must offer to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetSessionAttrs {
    /// Nothing.
    Any,
    /// It takes writes.
    ReadWrite,
}

/// Whether the login must be bound to the TLS connection (SCRAM-SHA-256-PLUS).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// Where server and certificate allow it.
    Prefer,
    /// Else the login is refused.
    Require,
}

/// One server that may be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name, an address, or the folder of a socket (which begins with `/`).
    pub host: String,
    /// The address to use instead of looking the name up; the name still counts for the certificate.
    pub hostaddr: Option<IpAddr>,
    /// The port; for a socket the end of its file name.
    pub port: u16,
}

impl HostPort {
    /// It is the folder of a socket.
    pub fn is_socket(&self) -> bool {
        self.host.starts_with('/')
    }

    /// Nobody is between us and it: a socket or a loopback address.
    pub fn is_local(&self) -> bool {
        if self.is_socket() {
            return true;
        }
        match self.hostaddr.or_else(|| self.host.parse().ok()) {
            Some(address) => address.is_loopback(),
            None => self.host.eq_ignore_ascii_case("localhost"),
        }
    }
}

/// For people: `db.prod:5432`, `[::1]:5432`, `/var/run/postgresql:5432`.
impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') && !self.is_socket() {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What a person sees of a connection: never the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// A name, an address, or the folder of a socket.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The user.
    pub user: String,
}

/// `db.prod:5432/shop`.
impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = HostPort { host: self.host.clone(), hostaddr: None, port: self.port };
        write!(f, "{server}/{}", self.database)
    }
}

/// Everything that is needed to connect.
#[derive(Clone)]
pub struct ConnectOptions {
    /// In the order in which they are tried; at least one.
    pub hosts: Vec<HostPort>,
    /// The user.
    pub user: String,
    /// The password that was given; those of the password file are asked for with [`Self::password_for`].
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// How the connection is protected. Sockets never speak TLS.
    pub sslmode: SslMode,
    /// Certificates of the authorities that are trusted; `None`: the operating system's.
    pub sslrootcert: Option<PathBuf>,
    /// Our own certificate.
    pub sslcert: Option<PathBuf>,
    /// Its key.
    pub sslkey: Option<PathBuf>,
    /// How long one address may take until the login is done; `None`: as long as the system waits.
    pub connect_timeout: Option<Duration>,
    /// What a server must offer to be taken.
    pub target_session_attrs: TargetSessionAttrs,
    /// See [`ChannelBinding`].
    pub channel_binding: ChannelBinding,
    /// The name of the session in `pg_stat_activity`.
    pub application_name: String,
    /// Settings for the server, `-c name=value ...`.
    pub options: Option<String>,
    /// What a person should know though it is no error: a password file that was not used, a setting without effect.
    pub warnings: Vec<String>,
    passfile_passwords: Vec<Option<Secret>>,
    /// Makes a password for each connection, and beats all others.
    pub logins: Option<crate::Logins>,
}

impl ConnectOptions {
    /// The password for one of the hosts, by its place in [`Self::hosts`].
    pub fn password_for(&self, host: usize) -> Option<&Secret> {
        self.password.as_ref().or_else(|| self.passfile_passwords.get(host)?.as_ref())
    }

    /// The protection of the connection to one of the hosts.
    pub fn sslmode_for(&self, host: &HostPort) -> SslMode {
        if host.is_socket() { SslMode::Disable } else { self.sslmode }
    }

    /// The same for one of the hosts alone, the first that is described so.
    pub fn only(mut self, described: &Described) -> Self {
        let found = self.hosts.iter().position(|h| h.host == described.host && h.port == described.port);
        if let Some(place) = found {
            self.passfile_passwords = self.passfile_passwords.get(place).cloned().into_iter().collect();
            self.hosts = vec![self.hosts.swap_remove(place)];
        }
        self
    }

    /// What a person sees of the connection to one of the hosts.
    pub fn described(&self, host: &HostPort) -> Described {
        Described {
            host: host.host.clone(),
            port: host.port,
            database: self.database.clone(),
            user: self.user.clone(),
        }
    }
}

/// Without passwords.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("hosts", &self.hosts)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("sslmode", &self.sslmode)
            .field("target_session_attrs", &self.target_session_attrs)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Finds out how the database is reached. Without a URL at least `PGHOST`, `PGHOSTADDR`, `PGDATABASE` or `PGSERVICE`
/// must be set: changing whichever server happens to listen here would be a guess.
pub fn resolve(url: Option<&str>, env: &dyn Env) -> Result<ConnectOptions, Box<Refusal>> {
    let variable = |name: &str| env.var(name).filter(|v| !v.is_empty());
    let mut settings = Settings::default();
    match url {
        Some(text) => settings.layer(dsn::parse(text)?, "the URL")?,
        None if ["PGHOST", "PGHOSTADDR", "PGDATABASE", "PGSERVICE"].iter().all(|v| variable(v).is_none()) => {
            return Err(Box::new(Refusal::new(Code::NoUrl, "no database is named").help(
                "give --url postgres://user@host/database, or set DATABASE_URL or PGHOST and PGDATABASE",
            )));
        }
        None => {}
    }
    if let Some(name) = settings.get("service").map(str::to_owned).or_else(|| variable("PGSERVICE")) {
        let file = settings.get("servicefile").map(str::to_owned).or_else(|| variable("PGSERVICEFILE"));
        let (pairs, path) = service::read(&name, file.as_deref(), env)?;
        settings.layer(pairs, &format!("service {name} in {}", path.display()))?;
    }
    for known in KNOWN {
        if let Some((name, value)) = known.variable.and_then(|v| Some((v, variable(v)?))) {
            settings.add(known.name, value, name)?;
        }
    }
    build(settings, env)
}

fn build(settings: Settings, env: &dyn Env) -> Result<ConnectOptions, Box<Refusal>> {
    let hosts = hosts(&settings, env)?;
    let Some(user) = settings.get("user").map(str::to_owned).or_else(|| env.login()) else {
        return Err(Box::new(
            Refusal::new(Code::BadUrl, "no user is named")
                .help("write it into the URL, postgres://user@host/database, or set PGUSER"),
        ));
    };
    let database = settings.get("dbname").map_or_else(|| user.clone(), str::to_owned);
    let password = settings.get("password").map(Secret::new);
    let mut warnings = Vec::new();
    let passfile_passwords = match password {
        Some(_) => Vec::new(),
        None => from_passfile(&settings, &hosts, &database, &user, env, &mut warnings),
    };
    let files = Certificates::find(&settings, env, &mut warnings);
    let sslmode = sslmode(&settings, &hosts, files.root_is_named, &mut warnings)?;
    let options = ConnectOptions {
        user,
        password,
        database,
        sslmode,
        sslrootcert: files.root,
        sslcert: files.cert,
        sslkey: files.key,
        connect_timeout: connect_timeout(&settings)?,
        target_session_attrs: settings.choice(
            "target_session_attrs",
            &[
                ("any", TargetSessionAttrs::Any),
                ("read-write", TargetSessionAttrs::ReadWrite),
                ("primary", TargetSessionAttrs::ReadWrite),
            ],
            TargetSessionAttrs::Any,
        )?,
        channel_binding: settings.choice(
            "channel_binding",
            &[
                ("disable", ChannelBinding::Disable),
                ("prefer", ChannelBinding::Prefer),
                ("require", ChannelBinding::Require),
            ],
            ChannelBinding::Prefer,
        )?,
        application_name: settings
            .get("application_name")
            .or_else(|| settings.get("fallback_application_name"))
            .unwrap_or("cofferdam")
            .to_owned(),
        options: server_options(&settings),
        warnings: settings.warnings.into_iter().chain(warnings).collect(),
        hosts,
        passfile_passwords,
        logins: None,
    };
    let speaks_tls = options.hosts.iter().any(|h| options.sslmode_for(h) != SslMode::Disable);
    if options.channel_binding == ChannelBinding::Require && !speaks_tls {
        return Err(Box::new(
            Refusal::new(Code::BadUrl, "channel_binding=require needs TLS")
                .help("add sslmode=verify-full, or leave channel_binding out"),
        ));
    }
    Ok(options)
}

/// As libpq: lists of hosts, addresses and ports belong together place by place; one port may stand for all.
fn hosts(settings: &Settings, env: &dyn Env) -> Result<Vec<HostPort>, Box<Refusal>> {
    let list = |name| settings.get(name).map(|v| v.split(',').collect::<Vec<_>>());
    let (names, addresses, ports) = (list("host"), list("hostaddr"), list("port").unwrap_or_default());
    let count = names.as_ref().or(addresses.as_ref()).map_or(1, Vec::len);
    let mismatch = |name, found: usize| {
        let refusal =
            Refusal::new(Code::BadUrl, format!("{name} names {found}, but there are {count} hosts"));
        Box::new(refusal.help("the lists of hosts, addresses and ports must be equally long"))
    };
    if let Some(addresses) = addresses.as_ref().filter(|a| a.len() != count) {
        return Err(mismatch("hostaddr", addresses.len()));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(mismatch("port", ports.len()));
    }
    (0..count)
        .map(|i| {
            let port =
                match ports.get(i).or(ports.first()).map(|p| p.trim()) {
                    None | Some("") => PORT,
                    Some(port) => port.parse().ok().filter(|p| *p > 0).ok_or_else(|| {
                        settings.wrong("port", "a number from 1 to 65535").help(dsn::ENCODE)
                    })?,
                };
            let address =
                match addresses.as_ref().map(|a| a[i].trim()).filter(|a| !a.is_empty()) {
                    None => None,
                    Some(address) => Some(address.parse::<IpAddr>().map_err(|_| {
                        settings.wrong("hostaddr", "a numeric address: 192.0.2.1, 2001:db8::1")
                    })?),
                };
            let named = names.as_ref().map(|n| n[i].trim()).filter(|n| !n.is_empty()).map(str::to_owned);
            if named.as_ref().is_some_and(|n| n.starts_with('@')) {
                return Err(settings.wrong("host", "a name, an address or the folder of a socket").into());
            }
            let host = named
                .or_else(|| address.map(|a| a.to_string()))
                .unwrap_or_else(|| default_host(&env.socket_folders(), port));
            Ok(HostPort { host, hostaddr: address, port })
        })
        .collect()
}

/// The first folder in which a socket of that port is; else the network.
fn default_host(folders: &[PathBuf], port: u16) -> String {
    folders
        .iter()
        .find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists())
        .map_or_else(|| "localhost".to_owned(), |folder| folder.to_string_lossy().into_owned())
}

fn sslmode(
    settings: &Settings,
    hosts: &[HostPort],
    root_is_named: bool,
    warnings: &mut Vec<String>,
) -> Result<SslMode, Box<Refusal>> {
    let local = hosts.iter().all(HostPort::is_local);
    let system = settings.get("sslrootcert") == Some("system");
    match settings.get("sslmode") {
        Some(mode @ ("allow" | "prefer")) => Err(Box::new(
            Refusal::new(Code::BadUrl, format!("sslmode={mode} is not supported"))
                .cause("anyone between here and the server could switch the encryption off, and nobody would notice")
                .help("use sslmode=verify-full (the default), sslmode=require to encrypt without checking who answers, or sslmode=disable on a network that you trust")
                .note(format!("it stands in {}", settings.origin("sslmode"))),
        )),
        // Anybody can have a certificate of one of the system's authorities: without the name it proves nothing.
        Some("require" | "verify-ca") if system => Ok(SslMode::VerifyFull),
        // As libpq does for old times' sake: whoever names an authority wants it asked.
        Some("require") if root_is_named => Ok(SslMode::VerifyCa),
        Some("require") => {
            if !local {
                warnings.push(
                    "sslmode=require encrypts, but does not check who answers: use sslmode=verify-full".to_owned(),
                );
            }
            Ok(SslMode::Require)
        }
        _ => settings.choice(
            "sslmode",
            &[
                ("disable", SslMode::Disable),
                ("require", SslMode::Require),
                ("verify-ca", SslMode::VerifyCa),
                ("verify-full", SslMode::VerifyFull),
            ],
            if local { SslMode::Disable } else { SslMode::VerifyFull },
        ),
    }
}

fn connect_timeout(settings: &Settings) -> Result<Option<Duration>, Box<Refusal>> {
    let Some(text) = settings.get("connect_timeout") else { return Ok(Some(CONNECT_TIMEOUT)) };
    match text.trim().parse::<i32>() {
        // As libpq: zero and less mean no limit.
        Ok(seconds) => Ok(u64::try_from(seconds).ok().filter(|s| *s > 0).map(Duration::from_secs)),
        Err(_) => Err(settings.wrong("connect_timeout", "a whole number of seconds").into()),
    }
}

/// `options`, and `search_path` as one more of them.
fn server_options(settings: &Settings) -> Option<String> {
    let path = settings.get("search_path").map(|path| {
        let escaped: String = path
            .chars()
            .flat_map(|c| (c == '\\' || c.is_whitespace()).then_some('\\').into_iter().chain([c]))
            .collect();
        format!("-c search_path={escaped}")
    });
    let all: Vec<_> = settings.get("options").map(str::to_owned).into_iter().chain(path).collect();
    (!all.is_empty()).then(|| all.join(" "))
}

/// For a socket in one of the usual folders the file may say `localhost`, as for libpq.
fn from_passfile(
    settings: &Settings,
    hosts: &[HostPort],
    database: &str,
    user: &str,
    env: &dyn Env,
    warnings: &mut Vec<String>,
) -> Vec<Option<Secret>> {
    let Some(path) = passfile::path(settings.get("passfile"), env) else { return Vec::new() };
    let file = passfile::Passfile::read(&path, warnings);
    hosts
        .iter()
        .map(|h| {
            let usual = env.socket_folders().iter().any(|folder| folder.as_path() == Path::new(&h.host));
            let host = if usual { "localhost" } else { &h.host };
            file.password(host, h.port, database, user)
        })
        .collect()
}

#[cfg(test)]
mod tests;
