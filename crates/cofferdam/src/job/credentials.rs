//! The connection: what `spec.database` says, and the Secret that the kubelet mounted into the Pod.

use std::path::{Path, PathBuf};

use cofferdam_api::database::{Aws, Database, DatabaseType, TlsMode};
use cofferdam_core::{Code, Refusal};
use cofferdam_engines::ENGINES;

/// A connection, as an engine takes it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// A URL, or a list of `key=value`, with the password.
    pub(crate) url: String,
    /// Host and port, where they are known apart from the URL.
    pub(crate) address: Option<String>,
}

/// Without the URL: the password is in it.
impl std::fmt::Debug for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Found").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Why there is none.
#[derive(Debug)]
pub(crate) enum Lacking {
    /// The Secret lacks a key, or has an empty one. It may come: the kubelet brings what is changed into the mount.
    Key(String),
    /// The spec asks for what cannot be done.
    Refused(Box<Refusal>),
}

/// Reads the connection. `folder` is where the Secret is mounted.
///
/// # Errors
/// See [`Lacking`]. No message has anything of a value in it.
pub(crate) fn read(database: &Database, folder: &Path, authorities: &Path) -> Result<Found, Lacking> {
    let Some(kind) = Kind::of(database.r#type) else {
        let what = format!("spec.database.type: {} cannot be changed by this version", database.r#type);
        return Err(refused(&what, "it carries out postgresql, mysql and mariadb"));
    };
    if let Some(aws) = &database.aws {
        if !kind.is_postgres() {
            return Err(refused(
                "spec.database.aws: logins by IAM are for postgresql",
                "use connectionSecret or connection",
            ));
        }
        return of_aws(database, aws, authorities);
    }
    let secret = Secret { name: name_of(database), folder };
    if database.connection.is_some() {
        let key = database.connection.as_ref().map_or("url", |c| c.url_secret_ref.key.0.as_str());
        let url = secret.text("url").ok_or_else(|| secret.lacks(key, "the whole connection as one URL"))?;
        return whole(kind, database, &secret, key, &url);
    }
    match secret.text("url") {
        Some(url) => whole(kind, database, &secret, "url", &url),
        None => parts(kind, database, &secret),
    }
}

/// What the type of a server decides. The options of TLS have the same names everywhere.
#[derive(Debug, Clone, Copy)]
struct Kind {
    /// How a URL begins that is made here.
    scheme: &'static str,
    /// How one may begin that is read: as one of the engine that changes such servers. Of MySQL and MariaDB, which have
    /// one engine, what really answers decides which of the two it is.
    schemes: &'static [&'static str],
    port: u16,
}

impl Kind {
    /// `None`: no engine changes it.
    fn of(r#type: DatabaseType) -> Option<Self> {
        let scheme = match r#type {
            DatabaseType::Postgresql => "postgres",
            DatabaseType::Mysql => "mysql",
            DatabaseType::Mariadb => "mariadb",
            DatabaseType::Mongodb => return None,
        };
        let engine = ENGINES.iter().find(|engine| engine.schemes().contains(&scheme))?;
        Some(Self { scheme, schemes: engine.schemes(), port: r#type.port() })
    }

    fn is_postgres(self) -> bool {
        self.scheme == "postgres"
    }
}

fn refused(what: &str, help: &str) -> Lacking {
    Lacking::Refused(Box::new(Refusal::new(Code::Usage, what).help(help)))
}

fn name_of(database: &Database) -> &str {
    match (&database.connection, &database.connection_secret) {
        (Some(connection), _) => &connection.url_secret_ref.name.0,
        (None, Some(name)) => &name.0,
        (None, None) => "",
    }
}

/// A Secret, a file for each key.
struct Secret<'a> {
    name: &'a str,
    folder: &'a Path,
}

impl Secret<'_> {
    /// The bytes of a key without the line end that tools put behind it; `None` where it is not there.
    fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let mut bytes = std::fs::read(self.folder.join(key)).ok()?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Some(bytes)
    }

    /// A key that means a name or a number; `None` where it is not there or empty.
    fn text(&self, key: &str) -> Option<String> {
        let text = String::from_utf8(self.bytes(key)?).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The path of a key that is there.
    fn file(&self, key: &str) -> Option<PathBuf> {
        Some(self.folder.join(key)).filter(|path| path.is_file())
    }

    fn lacks(&self, key: &str, what: &str) -> Lacking {
        Lacking::Key(format!("Secret {} has no key {key}: {what}", self.name))
    }
}

/// From a URL with all in it. What the spec says comes behind it: of an option that stands twice the later one counts.
fn whole(
    kind: Kind,
    database: &Database,
    secret: &Secret<'_>,
    key: &str,
    url: &str,
) -> Result<Found, Lacking> {
    let scheme = url.trim().split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    // Without one it is a list of key=value, which PostgreSQL alone has.
    let fits = match scheme.as_deref().filter(|scheme| !scheme.contains(['=', ' '])) {
        Some(scheme) => kind.schemes.contains(&scheme),
        None => kind.is_postgres(),
    };
    if !fits {
        let begins = kind.schemes.join(":// or ");
        return Err(Lacking::Key(format!(
            "key {key} of Secret {} is no URL that begins with {begins}://, as spec.database.type {} has it",
            secret.name, database.r#type
        )));
    }
    let mut options = Vec::new();
    let mut url = url.trim().to_owned();
    if !kind.is_postgres() {
        url = placed(database, &url).ok_or_else(|| {
            Lacking::Key(format!("the URL in key {key} of Secret {} cannot be read", secret.name))
        })?;
    } else if let Some(host) = &database.host {
        // An address beside the name would still be the one of the URL.
        options.extend([("host", host.0.clone().into_bytes()), ("hostaddr", Vec::new())]);
    }
    if kind.is_postgres() {
        options.extend(database.port.map(|port| ("port", port.to_string().into_bytes())));
        options.extend(database.database.as_ref().map(|name| ("dbname", name.0.clone().into_bytes())));
    }
    // What is checked by default is checked where the URL says nothing else, too.
    let mode = Some(database.tls.mode).filter(|mode| *mode != TlsMode::default());
    options.extend(mode.map(|mode| ("sslmode", mode.word().as_bytes().to_vec())));
    if mode != Some(TlsMode::Disable) {
        options.extend(files(secret));
    }
    Ok(Found { url: with_options(&url, &options), address: None })
}

/// A URL with host, port and database as the spec says them: MySQL and MariaDB know no options for these. `None`: it
/// cannot be read.
fn placed(database: &Database, url: &str) -> Option<String> {
    let mut url = url::Url::parse(url).ok()?;
    if let Some(host) = &database.host {
        let shown = if host.0.contains(':') { format!("[{}]", host.0) } else { host.0.clone() };
        url.set_host(Some(&shown)).ok()?;
        // A socket beside the host would still be the one of the URL.
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != "socket")
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        url.set_query(None);
        if !kept.is_empty() {
            url.query_pairs_mut().extend_pairs(kept);
        }
    }
    if let Some(port) = database.port {
        url.set_port(Some(port)).ok()?;
    }
    if let Some(name) = &database.database {
        url.set_path(&format!("/{}", encoded(name.0.as_bytes())));
    }
    Some(url.into())
}

/// All but the password: a token is made for each connection.
fn of_aws(database: &Database, aws: &Aws, authorities: &Path) -> Result<Found, Lacking> {
    if database.tls.mode == TlsMode::Disable {
        return Err(refused(
            "spec.database.tls.mode: disable sends the token of spec.database.aws in the clear",
            "leave it out, and name the authorities of RDS in aws.caConfigMapRef",
        ));
    }
    let port = aws.port.unwrap_or(database.r#type.port());
    let (user, host, name) = (aws.username.as_bytes(), aws.host.as_str(), aws.db_name.as_str());
    let url = format!(
        "postgres://{}@{}:{port}/{}",
        encoded(user),
        encoded(host.as_bytes()),
        encoded(name.as_bytes())
    );
    let mut options = vec![("sslmode", database.tls.mode.word().as_bytes().to_vec())];
    if aws.ca_config_map_ref.is_some() {
        let file = authorities.join("ca.crt");
        if !file.is_file() {
            return Err(Lacking::Key(
                "spec.database.aws.caConfigMapRef: the ConfigMap has no such key".into(),
            ));
        }
        options.push(("sslrootcert", file.display().to_string().into_bytes()));
    }
    Ok(Found { url: with_options(&url, &options), address: Some(format!("{host}:{port}")) })
}

/// From keys of their own.
fn parts(kind: Kind, database: &Database, secret: &Secret<'_>) -> Result<Found, Lacking> {
    let user = secret.text("username").ok_or_else(|| secret.lacks("username", "the role to log in as"))?;
    let by_certificate = secret.file("tls.crt").is_some() && secret.file("tls.key").is_some();
    let password = match secret.bytes("password") {
        Some(password) => Some(password),
        None if by_certificate => None,
        None => return Err(secret.lacks("password", "that of the role")),
    };
    let host = match &database.host {
        Some(host) => host.0.clone(),
        None => secret.text("host").ok_or_else(|| {
            secret.lacks("host", "the server's address, which spec.database.host may give, too")
        })?,
    };
    let port = match (database.port, secret.text("port")) {
        (Some(port), _) => port,
        (None, None) => kind.port,
        (None, Some(text)) => text.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            Lacking::Key(format!("key port of Secret {} is not a number from 1 to 65535", secret.name))
        })?,
    };
    let name = match &database.database {
        Some(name) => name.0.clone(),
        None => secret.text("database").ok_or_else(|| {
            secret.lacks("database", "the database's name, which spec.database.database may give, too")
        })?,
    };
    let mut url = format!("{}://{}", kind.scheme, encoded(user.as_bytes()));
    if let Some(password) = password {
        url = format!("{url}:{}", encoded(&password));
    }
    let shown = if host.contains(':') { format!("[{host}]") } else { host };
    let place = if shown.starts_with('[') { shown.clone() } else { encoded(shown.as_bytes()) };
    url = format!("{url}@{place}:{port}/{}", encoded(name.as_bytes()));
    let mut options = vec![("sslmode", database.tls.mode.word().as_bytes().to_vec())];
    if database.tls.mode != TlsMode::Disable {
        options.extend(files(secret));
    }
    Ok(Found { url: with_options(&url, &options), address: Some(format!("{shown}:{port}")) })
}

/// The files of TLS that the Secret has.
fn files(secret: &Secret<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let file = |option, key| {
        let path = secret.file(key)?;
        Some((option, path.display().to_string().into_bytes()))
    };
    let mut files: Vec<_> = file("sslrootcert", "ca.crt").into_iter().collect();
    if let (Some(cert), Some(key)) = (file("sslcert", "tls.crt"), file("sslkey", "tls.key")) {
        files.extend([cert, key]);
    }
    files
}

/// A URL or a list of `key=value` with more options behind it.
fn with_options(url: &str, options: &[(&'static str, Vec<u8>)]) -> String {
    let mut text = url.to_owned();
    let Some((_, rest)) = url.split_once("://").filter(|(scheme, _)| !scheme.contains(['=', ' '])) else {
        for (name, value) in options {
            let value = String::from_utf8_lossy(value).replace('\\', "\\\\").replace('\'', "\\'");
            text += &format!(" {name}='{value}'");
        }
        return text;
    };
    // A ? in a password that is not encoded begins no options: it stands before the @ that stands before the path.
    let server = rest.find('/').unwrap_or(rest.len());
    let place = rest[..server].find('@').map_or(rest, |at| &rest[at + 1..]);
    let mut sign = if place.contains('?') { '&' } else { '?' };
    for (name, value) in options {
        text += &format!("{sign}{name}={}", encoded(value));
        sign = '&';
    }
    text
}

/// Percent-encoded, all but letters, digits, `-`, `.` and `_`.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => text.push(char::from(*byte)),
            _ => text += &format!("%{byte:02X}"),
        }
    }
    text
}

#[cfg(test)]
mod tests;
