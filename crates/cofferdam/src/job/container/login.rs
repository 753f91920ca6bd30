//! What the Secret has for a container: names of keys, and what their values are fit for. Nothing of a value.

use std::path::Path;

use cofferdam_api::database::Database;
use cofferdam_core::{Code, Refusal};
use cofferdam_operator::outcome::Login;

/// The keys that mean something.
const KEYS: &[&str] =
    &["url", "username", "password", "host", "port", "database", "ca.crt", "tls.crt", "tls.key"];

/// Looks at the Secret that is mounted in this folder.
///
/// # Errors
/// What a container would misread: a line end behind a value, and a URL beside fields that are to beat it.
pub(super) fn look(database: &Database, folder: &Path) -> Result<Login, Box<Refusal>> {
    let value = |key: &str| std::fs::read(folder.join(key)).ok().filter(|bytes| !bytes.is_empty());
    let mut login = Login {
        keys: KEYS.iter().filter(|key| value(key).is_some()).map(|key| (*key).to_owned()).collect(),
        ..Login::default()
    };
    let has = |key: &str| login.keys.iter().any(|known| known == key);
    let mut used: Vec<&str> = Vec::new();
    if has("url") {
        let fields = [
            ("host", database.host.is_some()),
            ("port", database.port.is_some()),
            ("database", database.database.is_some()),
        ];
        if let Some((field, _)) = fields.into_iter().find(|(_, given)| *given) {
            return Err(Box::new(
                Refusal::new(
                    Code::Usage,
                    format!("spec.database.{field}: a container gets the URL of the Secret as it stands, and this field would not count"),
                )
                .help("leave it out, or give username and password in place of url"),
            ));
        }
        let key = database.connection.as_ref().map(|connection| connection.url_secret_ref.key.0.clone());
        login.url = Some(key.unwrap_or_else(|| "url".into()));
        used.push("url");
    } else {
        used.extend(["username", "password"]);
        used.extend(["host", "port", "database"].into_iter().filter(|field| match *field {
            "host" => database.host.is_none(),
            "port" => database.port.is_none(),
            _ => database.database.is_none(),
        }));
    }
    for key in used {
        if value(key).is_some_and(|bytes| bytes.ends_with(b"\n")) {
            return Err(Box::new(
                Refusal::new(Code::Usage, format!("key {key} of the Secret ends with a line end"))
                    .cause("the container gets the value as it stands, with the line end in it")
                    .help("write it without one: kubectl create secret generic ... --from-literal, or printf %s"),
            ));
        }
    }
    let given = |field: Option<String>, key: &str| field.map(String::into_bytes).or_else(|| value(key));
    login.plain_login =
        value("username").is_some_and(|b| plain(&b)) && value("password").is_none_or(|b| plain(&b));
    login.plain_database =
        given(database.database.as_ref().map(|name| name.0.clone()), "database").is_some_and(|b| plain(&b));
    login.brackets = given(database.host.as_ref().map(|host| host.0.clone()), "host")
        .is_some_and(|host| host.contains(&b':') && !host.starts_with(b"["));
    Ok(login)
}

/// No character has a meaning in a URL.
fn plain(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn looked(database: Value, keys: &[(&str, &str)]) -> Result<Login, Box<Refusal>> {
        let folder = tempfile::tempdir().unwrap();
        for (key, value) in keys {
            std::fs::write(folder.path().join(key), value).unwrap();
        }
        look(&serde_json::from_value(database).unwrap(), folder.path())
    }

    fn parts() -> Value {
        json!({ "type": "postgresql", "connectionSecret": "db", "host": "h", "database": "shop" })
    }

    #[test]
    fn what_may_stand_in_a_url_is_told() {
        for (password, plain) in [("Abc-1._~", true), ("p@ss", false), ("a b", false), ("ä", false)] {
            let login = looked(parts(), &[("username", "migrator"), ("password", password)]).unwrap();
            assert_eq!((login.plain_login, login.plain_database), (plain, true), "{password}");
            assert_eq!(login.keys, ["username", "password"]);
        }
        let mut odd = parts();
        (odd["host"], odd["database"]) = (json!("::1"), json!("my shop"));
        let login = looked(odd, &[("username", "a"), ("password", "b")]).unwrap();
        assert_eq!((login.plain_database, login.brackets), (false, true));
    }

    #[test]
    fn a_url_stands_alone() {
        let url = [("url", "postgres://u:p@h/shop")];
        let whole = json!({ "type": "postgresql", "connectionSecret": "db" });
        assert_eq!(looked(whole, &url).unwrap().url.as_deref(), Some("url"));
        let named =
            json!({ "type": "postgresql", "connection": { "urlSecretRef": { "name": "db", "key": "dsn" } } });
        assert_eq!(looked(named, &url).unwrap().url.as_deref(), Some("dsn"));
        let refusal = looked(parts(), &url).unwrap_err();
        assert!(refusal.what.starts_with("spec.database.host"), "{}", refusal.what);
    }

    #[test]
    fn a_line_end_is_found() {
        for keys in
            [[("username", "u"), ("password", "canary\n")], [("username", "u\n"), ("password", "canary")]]
        {
            let refusal = looked(parts(), &keys).unwrap_err();
            assert!(refusal.what.contains("line end") && !format!("{refusal:?}").contains("canary"));
        }
        let url = json!({ "type": "postgresql", "connectionSecret": "db" });
        assert!(looked(url, &[("url", "postgres://h/d\n")]).is_err());
    }
}
