//! Where a file lies, by its path below the project.

use cofferdam_core::Code;
use cofferdam_formats::nearest;

use crate::config::DatabaseType;
use crate::finding::Finding;
use crate::release::Release;
use crate::script::Role;
use crate::stage::{INSTALL, INSTALL_MONGODB, Stage, UPGRADE};

/// The directory of versions.
const VERSIONS: &str = "versions";
const NEW_INSTALL: &str = "new-install";
const UPGRADES: &str = "upgrade";
const FROM: &str = "from-";

/// The directories of rollbacks and validations; the second spelling is that of migrate-mongo's users.
const ROLES: [(&str, Role); 4] = [
    ("rollback", Role::Rollback),
    ("rollbacks", Role::Rollback),
    ("validation", Role::Validation),
    ("validations", Role::Validation),
];

/// Where a file lies.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) release: Release,
    /// `None`: it is of an installation.
    pub(super) from: Option<Release>,
    /// The directory of the version's installation or upgrade, and of the type where it has one.
    step: Vec<String>,
    /// The path below the directory of the version.
    pub(super) below_version: String,
    pub(super) within: Within,
}

/// What a place is for.
#[derive(Debug)]
pub(super) enum Within {
    /// The directory of a stage, or of rollbacks or validations.
    Stage { kind: Option<DatabaseType>, stage: Option<Stage>, role: Option<Role> },
    /// A file for people.
    Text,
}

impl Place {
    /// The path of the installation or upgrade below the version.
    pub(super) fn step_dir(&self) -> String {
        self.step.join("/")
    }
}

/// Why a file is in no place.
#[derive(Debug)]
pub(super) struct Astray {
    code: Code,
    cause: String,
    help: Option<String>,
    /// It is no script, so nothing is lost when it does not run.
    harmless: bool,
}

impl Astray {
    /// As a finding; nothing for a file for people.
    pub(super) fn finding(self, typed: &str) -> Option<Finding> {
        if is_text(typed) {
            return None;
        }
        let what = match self.code {
            Code::BadProjectVersion => format!("{typed} is of no version"),
            _ => format!("{typed} lies where nothing is looked for"),
        };
        let finding = Finding::error(typed, self.code, what).cause(self.cause);
        let finding = match self.help {
            Some(help) => finding.help(help),
            None => finding,
        };
        Some(if self.harmless { finding.lessened() } else { finding })
    }
}

/// Files for people, which may lie anywhere.
fn is_text(path: &str) -> bool {
    [".md", ".txt", ".adoc"].iter().any(|ending| path.ends_with(ending))
}

/// Reads a path below the project's directory.
pub(super) fn of(path: &str) -> Result<Place, Astray> {
    let script = [".sql", ".js"].iter().any(|ending| path.to_ascii_lowercase().ends_with(ending));
    let astray =
        |code: Code, cause: String, help: Option<String>| Astray { code, cause, help, harmless: !script };
    let stray = |cause: &str| astray(Code::StrayFile, cause.to_owned(), None);
    let unknown = |dir: &str, known: &[&str]| {
        let near = nearest(dir, known.iter().copied());
        let help = near.map(|near| format!("did you mean {near}/?"));
        astray(Code::StrayFile, format!("{dir} is none of {}", known.join(", ")), help)
    };
    let parts: Vec<&str> = path.split('/').collect();
    let [VERSIONS, version, rest @ ..] = parts.as_slice() else {
        return Err(match parts.as_slice() {
            [dir, _, ..] => unknown(dir, &[VERSIONS, "docker"]),
            _ => stray("a project has project-config.yaml, versions/ and docker/"),
        });
    };
    let [_, ..] = rest else { return Err(stray("a directory of a version is expected here")) };
    let release = Release::parse(version)
        .map_err(|why| astray(Code::BadProjectVersion, format!("the directory {version}: {why}"), None))?;
    let below_version = rest.join("/");
    let place = |from: Option<Release>, step: &[&str], within: Within| Place {
        release: release.clone(),
        from,
        step: step.iter().map(|part| (*part).to_owned()).collect(),
        below_version: below_version.clone(),
        within,
    };
    let (from, step, inside) = match rest {
        [NEW_INSTALL, inside @ ..] => (None, vec![NEW_INSTALL], inside),
        [UPGRADES, dir, inside @ ..] if !inside.is_empty() => {
            let old = dir.strip_prefix(FROM).ok_or_else(|| {
                astray(
                    Code::StrayFile,
                    format!("{dir} is none of {FROM}VERSION"),
                    Some(format!("{FROM}v1.0.0/")),
                )
            })?;
            let from = Release::parse(old).map_err(|why| {
                astray(Code::BadProjectVersion, format!("the directory {dir}: {why}"), None)
            })?;
            (Some(from), vec![UPGRADES, dir], inside)
        }
        [_] if is_text(path) => return Ok(place(None, &[], Within::Text)),
        [dir, ..] if *dir != UPGRADES => return Err(unknown(dir, &[NEW_INSTALL, UPGRADES])),
        _ => return Err(stray("a file of an upgrade lies in upgrade/from-OLD/STAGE/")),
    };
    let install = from.is_none();
    let kind = inside.first().and_then(|dir| DatabaseType::of(dir)).filter(|_| inside.len() > 1);
    let (step, inside) = match (kind, inside) {
        (Some(kind), [_, inside @ ..]) => ([step, vec![kind.id()]].concat(), inside),
        _ => (step, inside),
    };
    if inside.len() == 1 && is_text(path) {
        return Ok(place(from, &step, Within::Text));
    }
    let types: Vec<&str> = DatabaseType::ALL.iter().map(|kind| kind.id()).collect();
    let [dir, _] = inside else {
        return Err(match inside {
            [dir, ..] if install && kind.is_none() => unknown(dir, &types),
            _ => stray("a script lies directly in the directory of its stage"),
        });
    };
    if install && kind.is_none() {
        return Err(unknown(dir, &types));
    }
    let stages = match (install, kind) {
        (true, Some(DatabaseType::Mongodb)) => INSTALL_MONGODB,
        (true, _) => INSTALL,
        (false, _) => UPGRADE,
    };
    let stage = Stage::of(dir, stages);
    let role = ROLES.iter().find(|(name, _)| name == dir).map(|(_, role)| *role);
    if stage.is_none() && role.is_none() {
        let known: Vec<&str> =
            stages.iter().map(|(stage, _)| stage.dir()).chain(["rollback", "validation"]).collect();
        return Err(unknown(dir, &known));
    }
    if is_text(path) || !script {
        return match is_text(path) || path.ends_with(".conf") {
            true => Ok(place(from, &step, Within::Text)),
            false => Err(stray("scripts end in .sql or .js")),
        };
    }
    Ok(place(from, &step, Within::Stage { kind, stage, role }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_a_file_is_for() {
        let place = of("versions/v1.1.0/upgrade/from-v1.0.0/schema-changes/V1.1.0.001__x.sql").unwrap();
        assert_eq!(
            (place.release.to_string(), place.from.as_ref().unwrap().to_string()),
            ("v1.1.0".into(), "v1.0.0".into())
        );
        assert_eq!(place.step_dir(), "upgrade/from-v1.0.0");
        let Within::Stage { kind: None, stage: Some(Stage::SchemaChanges), role: None } = place.within else {
            panic!("{place:?}");
        };
        let place = of("versions/v1.1.0/upgrade/from-v1.0.0/mysql/rollback/U1.1.0.001__x.sql").unwrap();
        assert_eq!(place.step_dir(), "upgrade/from-v1.0.0/mysql");
        let place = of("versions/v1.0.0/new-install/mongodb/rollbacks/1-rollback-x.js").unwrap();
        let Within::Stage { kind: Some(DatabaseType::Mongodb), stage: None, role: Some(Role::Rollback) } =
            place.within
        else {
            panic!("{place:?}");
        };
        assert!(matches!(of("versions/v1.0.0/upgrade/from-v0.9.0/README.md").unwrap().within, Within::Text));
        assert!(matches!(of("versions/v1.0.0/README.md").unwrap().within, Within::Text));
    }

    #[test]
    fn a_script_that_would_never_run_is_an_error_and_says_where_it_belongs() {
        use cofferdam_core::Severity::{Error, Warning};
        for (path, severity, says) in [
            (
                "versions/v1.1.0/upgrade/from-v1.0.0/schema-change/V1.1.0.001__x.sql",
                Error,
                "did you mean schema-changes/?",
            ),
            ("versions/v1.1.0/upgrade/v1.0.0/schema-changes/V1.1.0.001__x.sql", Error, "from-v1.0.0/"),
            ("versions/v1.1.0/upgrade/from-old/schema-changes/V1.1.0.001__x.sql", Error, "three numbers"),
            ("versions/latest/new-install/postgresql/schema/x.sql", Error, "three numbers"),
            ("versions/v1.0.0/new-install/postgres/schema/x.sql", Error, "did you mean postgresql/?"),
            ("versions/v1.0.0/new-install/schema/x.sql", Error, "none of postgresql"),
            ("versions/v1.0.0/new-install/postgresql/x.sql", Error, "directly in"),
            ("versions/v1.0.0/new-install/postgresql/schema/more/x.sql", Error, "directly in"),
            ("versions/v1.0.0/new-instal/postgresql/schema/x.sql", Error, "did you mean new-install/?"),
            ("versions/v1.0.0/x.sql", Error, "none of new-install, upgrade"),
            ("versions/v1.0.0/upgrade/x.sql", Error, "upgrade/from-OLD/STAGE/"),
            ("version/v1.0.0/x.sql", Error, "did you mean versions/?"),
            ("versions/x.sql", Error, "a directory of a version"),
            ("V1__x.sql", Error, "a project has"),
            ("Makefile", Warning, "a project has"),
            ("versions/v1.0.0/new-install/postgresql/schema/x.csv", Warning, ".sql or .js"),
        ] {
            let finding = of(path).unwrap_err().finding(path).unwrap();
            assert_eq!(finding.severity, severity, "{path}");
            let text = format!("{} {:?} {:?}", finding.refusal, finding.refusal.cause, finding.refusal.help);
            assert!(text.contains(says), "{path}: {text}");
        }
        assert!(of("README.md").unwrap_err().finding("README.md").is_none());
    }
}
