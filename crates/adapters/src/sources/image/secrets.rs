//! Credentials for registries, as Docker and Kubernetes write them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cofferdam_core::{Code, Refusal};
use oci_client::secrets::RegistryAuth;
use serde::Deserialize;

/// The credentials of pull secrets, each for a registry or a part of one.
#[derive(Clone, Default)]
pub struct PullSecrets {
    entries: Vec<Credential>,
}

#[derive(Clone)]
struct Credential {
    /// The host; a `*` stands for one part between dots.
    host: String,
    /// Repositories, from the beginning; empty for all.
    path: String,
    auth: RegistryAuth,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default)]
    auths: BTreeMap<String, Login>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
struct Login {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    registrytoken: Option<String>,
    identitytoken: Option<String>,
}

impl PullSecrets {
    /// Adds what a `config.json` of Docker holds, which is also the `.dockerconfigjson` of a Secret of Kubernetes;
    /// `name` is that of the file or the Secret, for messages. Credential helpers are not run.
    ///
    /// # Errors
    /// `ImageAuth` for what is no such file. What is in it is never part of the message.
    pub fn add(&mut self, name: &str, config: &[u8]) -> Result<(), Box<Refusal>> {
        let refuse = |cause: String| {
            Box::new(
                Refusal::new(Code::ImageAuth, format!("the pull secret {name} cannot be read"))
                    .cause(cause)
                    .help("make it with kubectl create secret docker-registry, or docker login"),
            )
        };
        // Of the parser's error only the place: its text may quote what it did not expect.
        let config: Config = serde_json::from_slice(config).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            refuse(format!("it is no JSON of this kind, from line {line}, column {column}"))
        })?;
        for (key, login) in config.auths {
            let auth = login.auth().map_err(|cause| refuse(format!("its entry for {key} {cause}")))?;
            let (host, path) = split(&key);
            self.entries.push(Credential { host, path, auth });
        }
        Ok(())
    }

    /// The credentials for a repository: of those that fit, the one for the longest path, then for a host without
    /// a pattern, then the first.
    pub(super) fn find(&self, registry: &str, repository: &str) -> RegistryAuth {
        let fitting = self.entries.iter().filter(|entry| {
            let rest = repository.strip_prefix(entry.path.as_str());
            let path = entry.path.is_empty() || rest.is_some_and(|r| r.is_empty() || r.starts_with('/'));
            path && host_fits(&entry.host, registry)
        });
        let rank = |entry: &&Credential| (entry.path.len(), !entry.host.contains('*'));
        // The last of equal ones would win; the first has to.
        fitting.rev().max_by_key(rank).map_or(RegistryAuth::Anonymous, |entry| entry.auth.clone())
    }
}

/// Hosts only: the rest is secret.
impl fmt::Debug for PullSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.host)).finish()
    }
}

impl Login {
    fn auth(self) -> Result<RegistryAuth, &'static str> {
        if let Some(token) = self.registrytoken.filter(|token| !token.is_empty()) {
            return Ok(RegistryAuth::Bearer(token));
        }
        if self.identitytoken.is_some_and(|token| !token.is_empty()) {
            return Err("has an identity token, which is not supported; it needs a user and a password");
        }
        if let (Some(user), Some(password)) = (self.username, self.password) {
            return Ok(RegistryAuth::Basic(user, password));
        }
        let auth = self.auth.ok_or("has neither a user and password nor an auth")?;
        let decoded = STANDARD.decode(auth.trim()).map_err(|_| "has an auth that is not base64")?;
        let text = String::from_utf8(decoded).map_err(|_| "has an auth that is no text")?;
        // Docker pads with NUL bytes in some versions.
        let (user, password) =
            text.trim_end_matches('\0').split_once(':').ok_or("has an auth without a colon")?;
        Ok(RegistryAuth::Basic(user.to_owned(), password.to_owned()))
    }
}

/// `https://index.docker.io/v1/` names a host; `r.example/team` names a host and repositories.
fn split(key: &str) -> (String, String) {
    let bare = key.split_once("://").map_or(key, |(_, bare)| bare).trim_end_matches('/');
    let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
    // The old names of the API, which were no path of repositories.
    let path = if matches!(path, "v1" | "v2") { "" } else { path };
    (host.to_ascii_lowercase(), path.to_owned())
}

fn host_fits(pattern: &str, registry: &str) -> bool {
    let hub = |host: &str| matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    let registry = registry.to_ascii_lowercase();
    if pattern == registry || (hub(pattern) && hub(&registry)) {
        return true;
    }
    let (wanted, parts) = (pattern.split('.'), registry.split('.'));
    let same_length = wanted.clone().count() == parts.clone().count();
    pattern.contains('*') && same_length && wanted.zip(parts).all(|(wanted, part)| part_fits(wanted, part))
}

/// One `*` in a part stands for any text, but not for the colon of a port.
fn part_fits(wanted: &str, part: &str) -> bool {
    match wanted.split_once('*') {
        None => wanted == part,
        Some((before, after)) => {
            let middle = part.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            middle.is_some_and(|middle| !middle.contains(':'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(secrets: &PullSecrets, registry: &str, repository: &str) -> String {
        match secrets.find(registry, repository) {
            RegistryAuth::Anonymous => "-".to_owned(),
            RegistryAuth::Basic(user, password) => format!("{user}:{password}"),
            RegistryAuth::Bearer(token) => format!("token {token}"),
        }
    }

    #[test]
    fn the_closest_credentials_are_taken() {
        let mut secrets = PullSecrets::default();
        let config = r#"{"auths": {
            "https://index.docker.io/v1/": {"auth": "aHViOmE6Yg=="},
            "r.example:5000": {"username": "r", "password": "1"},
            "r.example:5000/team": {"username": "team", "password": "2"},
            "*.cloud.example": {"username": "any", "password": "3"},
            "eu.cloud.example": {"registrytoken": "t"}
        }, "credsStore": "desktop", "HttpHeaders": {"a": "b"}}"#;
        secrets.add("first", config.as_bytes()).unwrap();
        secrets.add("second", br#"{"auths":{"r.example:5000":{"username":"late","password":"9"}}}"#).unwrap();
        secrets.add("third", b"{}").unwrap();
        let cases = [
            ("docker.io", "library/a", "hub:a:b"),
            ("r.example:5000", "a", "r:1"),
            ("R.example:5000", "teams/a", "r:1"),
            ("r.example:5000", "team/a", "team:2"),
            ("r.example", "a", "-"),
            ("r.example:5001", "a", "-"),
            ("us.cloud.example", "a", "any:3"),
            ("eu.cloud.example", "a", "token t"),
            ("us.cloud.example:443", "a", "-"),
            ("a.us.cloud.example", "a", "-"),
            ("evil.example", "a", "-"),
        ];
        for (registry, repository, expected) in cases {
            assert_eq!(user(&secrets, registry, repository), expected, "{registry}/{repository}");
        }
        assert!(!format!("{secrets:?}").contains(":2"), "{secrets:?}");
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_named_and_not_quoted() {
        let cases = [
            ("{", "no JSON"),
            (r#"{"auths": {"r": "hunter2"}}"#, "no JSON"),
            (r#"{"auths": {"r": {"auth": "hunter2!"}}}"#, "not base64"),
            (r#"{"auths": {"r": {"auth": "aHVudGVyMg=="}}}"#, "without a colon"),
            (r#"{"auths": {"r": {"identitytoken": "hunter2"}}}"#, "identity token"),
            (r#"{"auths": {"r": {}}}"#, "neither"),
        ];
        for (config, reason) in cases {
            let refusal = PullSecrets::default().add("regcred", config.as_bytes()).unwrap_err();
            let text = format!("{refusal:?}");
            assert!(refusal.code == Code::ImageAuth && text.contains(reason), "{text}");
            assert!(text.contains("regcred") && !text.contains("hunter2"), "{text}");
        }
    }
}
