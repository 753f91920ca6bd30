//! Where the tables of the crates are joined: which engine for a URL, which dialect for an engine, who acts.

use cofferdam_core::{Code, Fault, Refusal, Result, Who};
use cofferdam_dialects::Dialect;
use cofferdam_engines::{Ability, ENGINES, Engine, dialect_of};

use crate::output::mask;

/// The dialect of a script that no database is named for.
const DEFAULT_ENGINE: &str = "postgresql";

/// The engine of a URL.
///
/// # Errors
/// `BadUrl`, naming the schemes that there are.
pub(crate) fn engine(url: Option<&str>) -> Result<&'static dyn Engine> {
    cofferdam_engines::engine_of(url).ok_or_else(|| {
        let schemes: Vec<&str> = ENGINES.iter().flat_map(|e| e.schemes()).copied().collect();
        let given = url.and_then(|u| u.split_once("://")).map(|(scheme, _)| scheme).unwrap_or_default();
        let refusal = Refusal::new(Code::BadUrl, format!("no engine speaks {}://", mask::text(given)))
            .cause(format!("known schemes: {}", schemes.join(", ")));
        match cofferdam_formats::nearest(given, schemes.iter().copied()) {
            Some(near) => refusal.help(format!("did you mean {near}://?")),
            None => refusal.help("--url postgres://user@host:5432/database"),
        }
        .into()
    })
}

/// Refuses what the engine of a URL has not, before anything is asked of it.
///
/// # Errors
/// `NotForThisEngine`, and `BadUrl`.
pub(crate) fn able(url: Option<&str>, ability: Ability) -> Result<()> {
    ability.needed(engine(url)?.abilities(), dialect_of(url).unwrap_or_default())
}

/// The dialect that a URL promises, for who does not ask the server.
///
/// # Errors
/// `BadUrl`.
pub(crate) fn dialect_of_url(url: Option<&str>) -> Result<&'static Dialect> {
    engine(url)?;
    dialect(dialect_of(url))
}

/// The dialect of an engine; without one that of the first engine.
pub(crate) fn dialect(engine: Option<&str>) -> Result<&'static Dialect> {
    let id = engine.unwrap_or(DEFAULT_ENGINE);
    cofferdam_dialects::dialect(id).ok_or_else(|| Fault::Bug(format!("no dialect for {id} was compiled in")))
}

/// Who acts, for the journal: `alice@host`, `runner@host (github 4812)` in a pipeline, and `alice@host [prod]` for an
/// environment of cofferdam.yaml.
pub(crate) fn who(environment: Option<&str>) -> String {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = variable("USER").or_else(|| variable("LOGNAME")).or_else(account);
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|name| name.trim().to_owned())
        .or_else(|| variable("HOSTNAME"))
        .unwrap_or_else(|| "unknown".to_owned());
    let who = Who {
        actor: user,
        host: Some(host),
        pipeline: pipeline(&variable),
        environment: environment.map(str::to_owned),
    };
    who.to_string()
}

/// The account that the process runs as, by its number where it has no name: containers often have neither
/// `USER` nor a name.
#[cfg(unix)]
fn account() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let number = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    Some(named.unwrap_or_else(|| format!("uid {number}")))
}

/// See above.
#[cfg(not(unix))]
fn account() -> Option<String> {
    std::env::var("USERNAME").ok()
}

/// The pipeline that the process runs in, by the variables that the common services set.
fn pipeline(variable: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    const SERVICES: &[(&str, &str)] =
        &[("GITHUB_RUN_ID", "github"), ("CI_PIPELINE_ID", "gitlab"), ("BUILD_NUMBER", "jenkins")];
    for (name, service) in SERVICES {
        if let Some(number) = variable(name) {
            return Some(format!("{service} {number}"));
        }
    }
    variable("CI").map(|_| "ci".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_chooses_the_engine() {
        for (url, id) in [
            (Some("postgres://h/d"), Some("postgresql")),
            (Some("PostgreSQL://h/d"), Some("postgresql")),
            (Some("host=h"), Some("postgresql")),
            (None, Some("postgresql")),
            (Some("mysql://u@h/d"), Some("mysql")),
            (Some("MariaDB://u@h/d"), Some("mysql")),
            (Some("postgre://u:canary@h/d"), None),
        ] {
            assert_eq!(engine(url).ok().map(|e| e.id()), id, "{url:?}");
        }
        let fault = engine(Some("postgre://u:canary@h/d")).err().unwrap();
        let refusal = fault.refusal().unwrap();
        assert_eq!(refusal.help.as_deref(), Some("did you mean postgres://?"));
        assert!(!format!("{refusal:?}").contains("canary"));
    }

    #[test]
    fn every_engine_has_a_dialect() {
        for engine in ENGINES {
            assert!(dialect(Some(engine.id())).is_ok(), "{}", engine.id());
        }
        assert!(dialect(None).is_ok());
    }

    #[test]
    fn a_scheme_promises_a_dialect() {
        for (url, id) in [
            (None, "postgresql"),
            (Some("postgres://h/d"), "postgresql"),
            (Some("mysql://u@h/d"), "mysql"),
            (Some("MARIADB://u@h/d"), "mariadb"),
        ] {
            assert_eq!(dialect_of_url(url).unwrap().id, id, "{url:?}");
        }
    }

    #[test]
    fn what_an_engine_has_not_is_refused_by_name_with_a_way_out() {
        use Ability::{Alter, Copy, Dump, Inspect, Park, Rehearse};
        for ability in [Alter, Copy, Dump] {
            assert!(able(Some("mariadb://u@h/d"), ability).is_ok(), "{ability:?}");
        }
        for ability in [Park, Inspect, Rehearse] {
            assert!(able(Some("postgres://h/d"), ability).is_ok(), "{ability:?}");
            let fault = able(Some("mariadb://u@h/d"), ability).unwrap_err();
            let refusal = fault.refusal().unwrap();
            assert_eq!(refusal.code, Code::NotForThisEngine, "{ability:?}");
            assert!(refusal.what.ends_with("on MariaDB"), "{}", refusal.what);
            assert!(refusal.cause.is_some() && refusal.help.is_some(), "{ability:?}");
        }
    }

    #[test]
    fn a_pipeline_is_named() {
        let with = |set: &'static [(&str, &str)]| {
            pipeline(&move |name| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
        };
        assert_eq!(with(&[("CI", "true"), ("GITHUB_RUN_ID", "4812")]).as_deref(), Some("github 4812"));
        assert_eq!(with(&[("CI", "true")]).as_deref(), Some("ci"));
        assert_eq!(with(&[]), None);
    }
}
