//! Where the database is and how it is reached: `mysql://user:password@host:port/database?ssl-mode=...`.
//!
//! As on PostgreSQL it is rather safe than connected: `ssl-mode` is `verify-identity` unless said otherwise (but for
//! loopback and sockets), `preferred` is refused, and so are options that are not known.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use cofferdam_core::{Code, Refusal};

use crate::secret::Secret;

/// The port of MySQL and MariaDB.
const PORT: u16 = 3306;
/// How long a server may take until the login is done, unless `connect-timeout` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all. The default for loopback addresses and sockets only.
    Disabled,
    /// Encrypted, without looking at who answers.
    Required,
    /// Encrypted, and the server's certificate comes from a known authority.
    VerifyCa,
    /// As before, and the certificate is for the host's name. The default.
    VerifyIdentity,
}

/// Everything that is needed to connect.
#[derive(Clone)]
pub struct ConnectOptions {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The file of the socket, in place of host and port.
    pub socket: Option<String>,
    /// The user.
    pub user: String,
    /// The password.
    pub password: Option<Secret>,
    /// The database.
    pub database: String,
    /// How the connection is protected. Sockets never speak TLS.
    pub ssl_mode: SslMode,
    /// Certificates of the authorities that are trusted; `None`: the operating system's.
    pub ssl_ca: Option<PathBuf>,
    /// Our own certificate and its key.
    pub ssl_own: Option<(PathBuf, PathBuf)>,
    /// How long it may take until the login is done.
    pub connect_timeout: Duration,
    /// What the server shows of the session.
    pub application_name: String,
    /// Makes a password for each connection, and beats all others.
    pub logins: Option<crate::Logins>,
    /// What a person should know though it is no error.
    pub warnings: Vec<String>,
}

/// Without the password.
impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("socket", &self.socket)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("ssl_mode", &self.ssl_mode)
            .finish_non_exhaustive()
    }
}

/// `db.prod:3306/shop`.
impl fmt::Display for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.socket {
            Some(socket) => write!(f, "{socket}")?,
            None if self.host.contains(':') => write!(f, "[{}]:{}", self.host, self.port)?,
            None => write!(f, "{}:{}", self.host, self.port)?,
        }
        write!(f, "/{}", self.database)
    }
}

fn bad(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::BadUrl, what).help("mysql://user:password@host:3306/database")
}

/// Reads a URL. `variable` is the environment: `MYSQL_PWD` is the password of a URL without one.
pub fn resolve(
    text: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<ConnectOptions, Box<Refusal>> {
    let Some(text) = text else {
        return Err(Box::new(
            Refusal::new(Code::NoUrl, "no database is named")
                .help("give --url mysql://user@host/database, or set DATABASE_URL"),
        ));
    };
    // The parser's own words may hold what is secret in the URL, so they are left out.
    let url = Url::parse(text).map_err(|_| {
        bad("the URL cannot be read")
            .note("special characters in user, password and database are written as %XX")
    })?;
    let host = match url.host() {
        Some(Host::Domain(name)) => decoded(name)?,
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        None => String::new(),
    };
    // Of a scheme that the parser does not know an address is a name like any other.
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let user = decoded(url.username())?;
    if user.is_empty() {
        return Err(Box::new(bad("no user is named")));
    }
    let database = decoded(url.path().trim_start_matches('/'))?;
    if database.is_empty() || database.contains('/') {
        return Err(Box::new(bad("the URL names no database")));
    }
    let given = url.password().map(decoded).transpose()?;
    let password = given.or_else(|| variable("MYSQL_PWD").filter(|p| !p.is_empty())).map(Secret::new);
    let mut options = ConnectOptions {
        host,
        port: url.port().unwrap_or(PORT),
        socket: None,
        user,
        password,
        database,
        ssl_mode: SslMode::VerifyIdentity,
        ssl_ca: None,
        ssl_own: None,
        connect_timeout: CONNECT_TIMEOUT,
        application_name: "cofferdam".into(),
        logins: None,
        warnings: Vec::new(),
    };
    read(&url, &mut options)?;
    if options.host.is_empty() && options.socket.is_none() {
        return Err(Box::new(bad("no host is named")));
    }
    Ok(options)
}

fn decoded(text: &str) -> Result<String, Box<Refusal>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits: Vec<u8> = rest.by_ref().take(2).collect();
        let value = std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
        bytes.push(
            value
                .filter(|b| *b != 0)
                .ok_or_else(|| Box::new(bad("the URL has a % that begins no character")))?,
        );
    }
    String::from_utf8(bytes).map_err(|_| Box::new(bad("the URL has a part that is not UTF-8")))
}

/// The options behind the `?`, by MySQL's names for them and by PostgreSQL's.
fn read(url: &Url, options: &mut ConnectOptions) -> Result<(), Box<Refusal>> {
    let (mut mode, mut certificate, mut key) = (None, None, None);
    for (name, value) in url.query_pairs() {
        let value = value.into_owned();
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "ssl-mode" | "sslmode" => mode = Some(ssl_mode(&value)?),
            "ssl-ca" | "sslrootcert" => options.ssl_ca = Some(value.into()),
            "ssl-cert" | "sslcert" => certificate = Some(PathBuf::from(value)),
            "ssl-key" | "sslkey" => key = Some(PathBuf::from(value)),
            "socket" => options.socket = Some(value),
            "connect-timeout" => {
                let seconds = value.parse().ok().filter(|s| *s > 0);
                options.connect_timeout = Duration::from_secs(
                    seconds.ok_or_else(|| bad("connect-timeout is a number of seconds"))?,
                );
            }
            other => {
                let known = "ssl-mode, ssl-ca, ssl-cert, ssl-key, socket, connect-timeout";
                return Err(Box::new(bad(format!("there is no option {other:?}")).help(known)));
            }
        }
    }
    options.ssl_own = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err(Box::new(bad("ssl-cert and ssl-key belong together"))),
    };
    let local = options.socket.is_some()
        || options.host.eq_ignore_ascii_case("localhost")
        || options.host.parse().is_ok_and(|a: std::net::IpAddr| a.is_loopback());
    options.ssl_mode = match mode {
        _ if options.socket.is_some() => SslMode::Disabled,
        Some(mode) => mode,
        None if local && options.ssl_ca.is_none() => SslMode::Disabled,
        None => SslMode::VerifyIdentity,
    };
    if options.ssl_mode == SslMode::Required && !local {
        options.warnings.push("ssl-mode=required: nobody looked at whose server this is".into());
    }
    Ok(())
}

fn ssl_mode(value: &str) -> Result<SslMode, Box<Refusal>> {
    Ok(match value.to_ascii_lowercase().replace('_', "-").as_str() {
        "disabled" | "disable" => SslMode::Disabled,
        "required" | "require" => SslMode::Required,
        "verify-ca" => SslMode::VerifyCa,
        "verify-identity" | "verify-full" => SslMode::VerifyIdentity,
        "preferred" | "prefer" => {
            return Err(Box::new(
                bad("ssl-mode=preferred protects from nobody")
                    .cause("whoever stands between can switch TLS off")
                    .help("ssl-mode=verify-identity, or disabled where the network is trusted"),
            ));
        }
        other => {
            return Err(Box::new(
                bad(format!("there is no ssl-mode {other:?}"))
                    .help("one of disabled, required, verify-ca, verify-identity"),
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<ConnectOptions, Box<Refusal>> {
        resolve(Some(url), |name| (name == "MYSQL_PWD").then(|| "from env".to_owned()))
    }

    #[test]
    fn parts_are_read() {
        let all =
            read("mysql://me%40x:p%2Fw@db.prod:3307/my%20shop?ssl-ca=/ca.pem&connect-timeout=3").unwrap();
        assert_eq!((all.user.as_str(), all.host.as_str(), all.port), ("me@x", "db.prod", 3307));
        assert_eq!((all.database.as_str(), all.password.unwrap().expose()), ("my shop", "p/w"));
        assert_eq!(all.ssl_mode, SslMode::VerifyIdentity);
        assert_eq!(all.ssl_ca, Some("/ca.pem".into()));
        assert_eq!(all.connect_timeout, Duration::from_secs(3));
        let few = read("mariadb://me@db/shop").unwrap();
        assert_eq!((few.port, few.password.unwrap().expose()), (3306, "from env"));
    }

    #[test]
    fn protection_follows_from_the_host_unless_it_is_named() {
        for (rest, expected) in [
            ("db/s", SslMode::VerifyIdentity),
            ("localhost/s", SslMode::Disabled),
            ("127.0.0.1/s", SslMode::Disabled),
            ("[::1]/s", SslMode::Disabled),
            ("127.0.0.1/s?ssl-ca=/x", SslMode::VerifyIdentity),
            ("db/s?ssl-mode=REQUIRED", SslMode::Required),
            ("db/s?sslmode=verify-ca", SslMode::VerifyCa),
            ("db/s?ssl-mode=VERIFY_IDENTITY", SslMode::VerifyIdentity),
            ("db/s?socket=/run/my.sock", SslMode::Disabled),
        ] {
            assert_eq!(read(&format!("mysql://me@{rest}")).unwrap().ssl_mode, expected, "{rest}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_the_password() {
        for url in [
            "mysql://secret-word@",
            "mysql://:secret-word@db/s",
            "mysql://me:secret-word@db",
            "mysql://me:secret-word@db/a/b",
            "mysql://me:secret-word%@db/s",
            "mysql://me:secret-word@db/s?ssl-mode=preferred",
            "mysql://me:secret-word@db/s?ssl-mode=on",
            "mysql://me:secret-word@db/s?ssl-cert=/x",
            "mysql://me:secret-word@db/s?allowLoadLocalInfile=true",
            "mysql://me:secret-word@db/s?connect-timeout=0",
        ] {
            let refusal = read(url).unwrap_err();
            assert_eq!(refusal.code, Code::BadUrl, "{url}");
            assert!(!format!("{refusal:?}").contains("secret-word"), "{url}");
        }
        assert_eq!(resolve(None, |_| None).unwrap_err().code, Code::NoUrl);
    }
}
