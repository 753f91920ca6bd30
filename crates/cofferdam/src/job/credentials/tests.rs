use cofferdam_engines::postgres::options::{Env, resolve};

use super::*;

/// No variable and no file of this machine counts.
struct Nothing;

impl Env for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn home(&self) -> Option<PathBuf> {
        None
    }

    fn login(&self) -> Option<String> {
        None
    }

    fn socket_folders(&self) -> Vec<PathBuf> {
        Vec::new()
    }
}

fn database(json: serde_json::Value) -> Database {
    serde_json::from_value(json).unwrap()
}

/// The keys of a Secret with their bytes.
type Keys<'a> = &'a [(&'a str, &'a [u8])];

fn folder(keys: Keys<'_>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (key, value) in keys {
        std::fs::write(folder.path().join(key), value).unwrap();
    }
    folder
}

/// What libpq's way of reading makes of it: user, password, host, port, database and sslmode.
fn understood(database: &Database, keys: Keys<'_>) -> Result<String, String> {
    let folder = folder(keys);
    let found = match read(database, folder.path(), folder.path()) {
        Ok(found) => found,
        Err(Lacking::Key(what)) => return Err(what),
        Err(Lacking::Refused(refusal)) => return Err(refusal.what.clone()),
    };
    let options = resolve(Some(&found.url), &Nothing).map_err(|refusal| format!("{refusal:?}"))?;
    let password = options.password.as_ref().map(|p| p.expose().to_owned()).unwrap_or_default();
    let host = &options.hosts[0];
    Ok(format!("{}|{password}|{host}|{}|{:?}", options.user, options.database, options.sslmode))
}

#[test]
fn the_spec_beats_the_secret() {
    let plain = serde_json::json!({ "type": "postgresql", "connectionSecret": "db" });
    let told = serde_json::json!({
        "type": "postgresql", "connectionSecret": "db", "host": "db.prod", "port": 6000, "database": "shop",
        "tls": { "mode": "require" },
    });
    let one = serde_json::json!({
        "type": "postgresql", "connection": { "urlSecretRef": { "name": "db", "key": "uri" } },
    });
    let user: (&str, &[u8]) = ("username", b"u\n");
    let password: (&str, &[u8]) = ("password", b"p w\r\n");
    let all: Keys<'_> = &[user, password, ("host", b"h.example "), ("port", b"5433\n"), ("database", b"d b")];
    let url: Keys<'_> = &[("url", b"postgres://a:b%20c@h.example:7000/x?sslmode=disable\n")];
    let pairs: Keys<'_> = &[("url", b"host=h.example user=a password='b c' dbname=x")];
    // Spec, keys, and what is understood or how the refusal begins.
    type Case<'a> = (&'a serde_json::Value, Keys<'a>, Result<&'a str, &'a str>);
    let cases: &[Case<'_>] = &[
        (&plain, all, Ok("u|p w|h.example:5433|d b|VerifyFull")),
        (&told, all, Ok("u|p w|db.prod:6000|shop|Require")),
        (&told, &[user, password], Ok("u|p w|db.prod:6000|shop|Require")),
        (&plain, url, Ok("a|b c|h.example:7000|x|Disable")),
        (&told, url, Ok("a|b c|db.prod:6000|shop|Require")),
        (&one, url, Ok("a|b c|h.example:7000|x|Disable")),
        (&plain, pairs, Ok("a|b c|h.example:5432|x|VerifyFull")),
        (&told, pairs, Ok("a|b c|db.prod:6000|shop|Require")),
        (&one, all, Err("Secret db has no key uri")),
        (&plain, &[], Err("Secret db has no key username")),
        (&plain, &[user], Err("Secret db has no key password")),
        (&plain, &[user, password], Err("Secret db has no key host")),
        (&plain, &all[..4], Err("Secret db has no key database")),
        (&plain, &[("username", b" \n")], Err("Secret db has no key username")),
        (
            &plain,
            &[user, password, ("host", b"h"), ("port", b"x"), ("database", b"d")],
            Err("key port of Secret db is not"),
        ),
        (
            &serde_json::json!({ "type": "postgresql", "connectionSecret": "db", "host": "fd00::7", "database": "d" }),
            &[user, password],
            Ok("u|p w|[fd00::7]:5432|d|VerifyFull"),
        ),
        // With a certificate of its own no password is needed.
        (&told, &[user, ("tls.crt", b"x"), ("tls.key", b"x")], Ok("u||db.prod:6000|shop|Require")),
        (&told, &[user, password, ("ca.crt", b"x")], Ok("u|p w|db.prod:6000|shop|VerifyCa")),
        (
            &serde_json::json!({ "type": "mongodb", "connectionSecret": "db" }),
            all,
            Err("spec.database.type: mongodb"),
        ),
        (
            &plain,
            &[("url", b"mysql://a:b@h/x")],
            Err("key url of Secret db is no URL that begins with postgres://"),
        ),
        (
            &serde_json::json!({ "type": "postgresql", "aws": {
                "region": "us-east-1", "host": "h", "dbName": "d", "username": "u@x",
            } }),
            &[],
            Ok("u@x||h:5432|d|VerifyFull"),
        ),
        (
            &serde_json::json!({ "type": "postgresql", "aws": {
                "region": "us-east-1", "host": "h", "dbName": "d", "username": "u", "port": 6000,
                "caConfigMapRef": { "name": "rds", "key": "global-bundle.pem" },
            } }),
            &[("ca.crt", b"x")],
            Ok("u||h:6000|d|VerifyFull"),
        ),
        (
            &serde_json::json!({ "type": "postgresql", "tls": { "mode": "disable" }, "aws": {
                "region": "us-east-1", "host": "h", "dbName": "d", "username": "u",
            } }),
            &[],
            Err("spec.database.tls.mode: disable"),
        ),
    ];
    for (spec, keys, expected) in cases {
        let found = understood(&database((*spec).clone()), keys);
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(*expected), "{spec}"),
            Err(begins) => assert!(found.as_ref().unwrap_err().starts_with(begins), "{spec}: {found:?}"),
        }
    }
}

#[test]
fn every_special_character_arrives() {
    let spec = database(serde_json::json!({
        "type": "postgresql", "connectionSecret": "db", "host": "db.prod", "database": "d", "tls": { "mode": "disable" },
    }));
    let specials: String = (0x20..=0x7eu8).filter(|b| !b.is_ascii_alphanumeric()).map(char::from).collect();
    let mut texts: Vec<String> = specials.chars().map(|c| format!("a{c}b")).collect();
    texts.extend([specials.clone(), "\u{1}\ttab\u{7f}".to_owned(), "päß€😀".to_owned(), "%41%2F".to_owned()]);
    for text in &texts {
        let keys: Keys<'_> = &[("username", b"u"), ("password", text.as_bytes())];
        assert_eq!(understood(&spec, keys).unwrap(), format!("u|{text}|db.prod:5432|d|Disable"));
        // As a user and as a database too.
        let name = text.trim();
        let odd = database(serde_json::json!({
            "type": "postgresql", "connectionSecret": "db", "host": "db.prod", "tls": { "mode": "disable" },
        }));
        let keys: Keys<'_> =
            &[("username", name.as_bytes()), ("password", b"p"), ("database", name.as_bytes())];
        assert_eq!(understood(&odd, keys).unwrap(), format!("{name}|p|db.prod:5432|{name}|Disable"));
    }
}

#[test]
fn files_of_tls_are_named_by_their_paths() {
    let spec = database(serde_json::json!({
        "type": "postgresql", "connectionSecret": "db", "host": "db.prod", "database": "d",
    }));
    let folder = folder(&[
        ("username", b"u"),
        ("password", b"p"),
        ("ca.crt", b"x"),
        ("tls.crt", b"x"),
        ("tls.key", b"x"),
    ]);
    let found = read(&spec, folder.path(), folder.path()).unwrap();
    assert_eq!(found.address.as_deref(), Some("db.prod:5432"));
    let options = resolve(Some(&found.url), &Nothing).unwrap();
    let path = |name: &str| Some(folder.path().join(name));
    assert_eq!(
        (options.sslrootcert, options.sslcert, options.sslkey),
        (path("ca.crt"), path("tls.crt"), path("tls.key"))
    );
    assert!(!format!("{found:?}").contains("u:p"), "{found:?}");
}

/// What MySQL's way of reading makes of it.
fn understood_by_mysql(spec: &serde_json::Value, keys: Keys<'_>) -> Result<String, String> {
    let folder = folder(keys);
    let found = match read(&database(spec.clone()), folder.path(), folder.path()) {
        Ok(found) => found,
        Err(Lacking::Key(what)) => return Err(what),
        Err(Lacking::Refused(refusal)) => return Err(refusal.what.clone()),
    };
    let scheme = found.url.split_once("://").unwrap().0.to_owned();
    let options = cofferdam_engines::mysql::options::resolve(Some(&found.url), |_| None);
    let options = options.map_err(|refusal| format!("{refusal:?}"))?;
    let password = options.password.as_ref().map(|p| p.expose().to_owned()).unwrap_or_default();
    assert!(options.socket.is_none());
    Ok(format!(
        "{scheme}|{}|{password}|{options}|{:?}|{}",
        options.user,
        options.ssl_mode,
        options.ssl_ca.is_some()
    ))
}

#[test]
fn mysql_and_mariadb_are_reached_as_postgresql_is() {
    let plain = serde_json::json!({ "type": "mariadb", "connectionSecret": "db" });
    let told = serde_json::json!({
        "type": "mysql", "connectionSecret": "db", "host": "db.prod", "port": 6000, "database": "sh op",
        "tls": { "mode": "require" },
    });
    let six = serde_json::json!({ "type": "mysql", "connectionSecret": "db", "host": "fd00::7" });
    let aws = serde_json::json!({
        "type": "mysql", "aws": { "region": "us-east-1", "host": "h", "dbName": "d", "username": "u" },
    });
    let odd: &[u8] = b"p@ss:w/o?r#d%20 \"'\\&=+";
    let user: (&str, &[u8]) = ("username", b"u\n");
    let all: Keys<'_> = &[user, ("password", odd), ("host", b"h.example"), ("database", b"d b")];
    let url: Keys<'_> =
        &[("url", b"mysql://a:b%20c@h.example:7000/x?sslmode=disable&socket=/s"), ("ca.crt", b"x")];
    let here: Keys<'_> = &[("url", b"mariadb://a:b%20c@h.example/x?ssl-mode=required\n")];
    let cases: &[(&serde_json::Value, Keys<'_>, Result<&str, &str>)] = &[
        (&plain, all, Ok("mariadb|u|p@ss:w/o?r#d%20 \"'\\&=+|h.example:3306/d b|VerifyIdentity|false")),
        (&told, all, Ok("mysql|u|p@ss:w/o?r#d%20 \"'\\&=+|db.prod:6000/sh op|Required|false")),
        (&told, url, Ok("mysql|a|b c|db.prod:6000/sh op|Required|true")),
        (&plain, here, Ok("mariadb|a|b c|h.example:3306/x|Required|false")),
        (&six, here, Ok("mariadb|a|b c|[fd00::7]:3306/x|Required|false")),
        (
            &plain,
            &[("url", b"postgres://a:b@h/x")],
            Err("key url of Secret db is no URL that begins with mysql:// or"),
        ),
        (&plain, &[("url", b"host=h user=a")], Err("key url of Secret db is no URL")),
        (&plain, &[("url", b"mysql://a:b@h:port/x")], Err("the URL in key url of Secret db cannot be read")),
        (&plain, &[user], Err("Secret db has no key password")),
        (&aws, &[], Err("spec.database.aws: logins by IAM are for postgresql")),
    ];
    for (spec, keys, expected) in cases {
        let found = understood_by_mysql(spec, keys);
        match expected {
            Ok(expected) => assert_eq!(found.as_deref(), Ok(*expected), "{spec}"),
            Err(begins) => assert!(found.as_ref().unwrap_err().starts_with(begins), "{spec}: {found:?}"),
        }
    }
}
