//! Flyway's file names.
//!
//! The ending `.sql` is matched in small and capital letters, the prefix in capitals only. The first `__`
//! divides version and description, in which `_` stands for a space and nothing is trimmed. A V file needs no
//! `__`: `V4.sql` has an empty description.

use cofferdam_core::bundle::Version;

use super::callback::{self, Callback};
use crate::format::strip_suffix;

/// The ending of a settings file, behind the whole name of its script.
pub(super) const SETTINGS: &str = ".conf";

/// Endings of files that Flyway executes: it gives scripts to a shell and loads classes.
const EXECUTED: [&str; 9] = ["sh", "bash", "bat", "cmd", "ps1", "py", "java", "class", "jar"];

/// What a name says.
#[derive(Debug)]
pub(super) enum Named {
    /// `V1__name.sql`, `U1__name.sql`, `C1__name.sql`, `B1__name.sql`.
    Versioned { prefix: Prefix, version: Version, description: String },
    /// `R__name.sql`.
    Repeatable(String),
    /// `afterMigrate.sql`.
    Callback(&'static Callback),
    /// `V1__name.sql.conf`.
    Settings,
    /// The name of a migration without `.sql`, which Flyway would execute; the reason.
    Executed(String),
    /// Nearly the name of a migration; what is wrong with it.
    Missed(String),
    /// A SQL file with another name, or a migration's name with another ending; the reason why it is left out.
    Other(String),
    /// Not SQL and not named like a migration.
    Unrelated,
}

/// The first letter of a name with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefix {
    /// V
    Migration,
    /// U
    Undo,
    /// C, which Flyway does not know.
    Check,
    /// B
    Baseline,
}

impl Prefix {
    fn of(letter: char) -> Option<Self> {
        match letter {
            'V' => Some(Prefix::Migration),
            'U' => Some(Prefix::Undo),
            'C' => Some(Prefix::Check),
            'B' => Some(Prefix::Baseline),
            _ => None,
        }
    }
}

/// Reads a file's name (the last part of its path).
pub(super) fn parse(name: &str) -> Named {
    let Some(stem) = strip_suffix(name, ".sql") else { return without_sql(name) };
    if let Some(callback) = callback::of(stem) {
        return Named::Callback(callback);
    }
    migration(stem).unwrap_or_else(|| missed(stem))
}

/// The migration that a name without `.sql` is that of.
fn migration(stem: &str) -> Option<Named> {
    let letter = stem.chars().next()?;
    let rest = &stem[letter.len_utf8()..];
    let (version, description) = match rest.split_once("__") {
        Some((version, description)) => (version, description.replace('_', " ")),
        // Without `__` it is the name of many things, so only what Flyway runs is taken for one.
        None if matches!(letter, 'V' | 'U' | 'B') => (rest, String::new()),
        None => return None,
    };
    if letter == 'R' {
        return version.is_empty().then_some(Named::Repeatable(description));
    }
    Some(Named::Versioned { prefix: Prefix::of(letter)?, version: Version::parse(version)?, description })
}

/// What is wrong with the name of a SQL file, with the name that was probably meant.
fn missed(stem: &str) -> Named {
    let Some(letter) = stem.chars().next() else { return other() };
    let rest = &stem[letter.len_utf8()..];
    let capital = letter.to_ascii_uppercase();
    if letter != capital && migration(&format!("{capital}{rest}")).is_some() {
        return Named::Missed(format!("the {capital} must be a capital; write {capital}{rest}.sql"));
    }
    if letter == 'R' {
        return missed_repeatable(rest);
    }
    let version = rest.split_once("__").map_or(rest, |(version, _)| version);
    let like_a_version = version.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    if Prefix::of(letter).is_none() {
        return match like_a_version && rest.contains("__") {
            true => Named::Missed(format!(
                "{letter} is not one of the prefixes V, U, B, C and R; write V{rest}.sql"
            )),
            false => other(),
        };
    }
    if let Some(meant) = one_underscore(letter, rest) {
        return Named::Missed(format!("one underscore; write {meant}.sql"));
    }
    if version.is_empty() {
        return Named::Missed(format!(
            "there is no version between {letter} and __; write {letter}1{rest}.sql"
        ));
    }
    if Version::parse(version).is_some() {
        return Named::Missed(format!("there is no description; write {letter}{version}__name.sql"));
    }
    match like_a_version {
        true => Named::Missed(format!("{version} is not a version, which is whole numbers joined by dots")),
        false => other(),
    }
}

fn missed_repeatable(rest: &str) -> Named {
    if let Some((version, description)) = rest.split_once("__")
        && version.starts_with(|c: char| c.is_ascii_digit())
    {
        return Named::Missed(format!("a repeatable migration has no version; write R__{description}.sql"));
    }
    match rest.strip_prefix('_').filter(|description| !description.is_empty()) {
        Some(description) => Named::Missed(format!("one underscore; write R__{description}.sql")),
        None => other(),
    }
}

/// `V1_name` with the underscore that it lacks: behind the version, before the first part that is no number.
fn one_underscore(letter: char, rest: &str) -> Option<String> {
    let divided =
        rest.match_indices('_').find(|(i, _)| !rest[i + 1..].starts_with(|c: char| c.is_ascii_digit()));
    let (at, _) = divided?;
    let (version, description) = (&rest[..at], &rest[at + 1..]);
    if description.is_empty() || description.starts_with('_') {
        return None;
    }
    Version::parse(version).map(|_| format!("{letter}{version}__{description}"))
}

fn other() -> Named {
    Named::Other("it is not named as V1__name.sql, U1__name.sql, C1__name.sql or R__name.sql".to_owned())
}

/// A name that does not end in `.sql`.
fn without_sql(name: &str) -> Named {
    if name.strip_suffix(SETTINGS).is_some_and(|script| strip_suffix(script, ".sql").is_some()) {
        return Named::Settings;
    }
    // Only with `__`, or every `V8.js` would be one.
    let Some((version, description)) = name.split_once("__") else { return Named::Unrelated };
    let (description, ending) = match description.rsplit_once('.') {
        Some((description, ending)) => (description, Some(ending.to_ascii_lowercase())),
        None => (description, None),
    };
    if migration(&format!("{version}__{description}")).is_none() {
        return Named::Unrelated;
    }
    match ending {
        None => Named::Executed("it has no ending, and Flyway would give it to a shell".to_owned()),
        Some(ending) if EXECUTED.contains(&ending.as_str()) => {
            Named::Executed(format!("it ends in .{ending}, and Flyway would execute it"))
        }
        Some(ending) => Named::Other(format!("it ends in .{ending} and not in .sql")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name in short: `V1.4.1 "m"`, or the beginning of the reason.
    fn short(name: &str) -> String {
        match parse(name) {
            Named::Versioned { prefix, version, description } => {
                format!("{prefix:?} {version} {description:?}")
            }
            Named::Repeatable(description) => format!("Repeatable {description:?}"),
            Named::Callback(callback) => format!("Callback {}", callback.event),
            Named::Settings => "Settings".to_owned(),
            Named::Executed(reason) => format!("Executed {reason}"),
            Named::Missed(reason) => reason,
            Named::Other(reason) => format!("Other {reason}"),
            Named::Unrelated => "Unrelated".to_owned(),
        }
    }

    #[test]
    fn names_are_read_as_flyway_reads_them() {
        for (name, expected) in [
            ("V1__a.sql", r#"Migration 1 "a""#),
            ("V1_4_1__m.sql", r#"Migration 1.4.1 "m""#),
            ("V-13__neg.sql", r#"Migration -13 "neg""#),
            ("V2__ok.SQL", r#"Migration 2 "ok""#),
            ("V4.sql", r#"Migration 4 """#),
            ("V5__.sql", r#"Migration 5 """#),
            ("V003__a_b.sql", r#"Migration 003 "a b""#),
            ("V4____x.sql", r#"Migration 4 "  x""#),
            ("V11__a.b.sql", r#"Migration 11 "a.b""#),
            ("V12__a__b.sql", r#"Migration 12 "a  b""#),
            ("U2__undo.sql", r#"Undo 2 "undo""#),
            ("U2.sql", r#"Undo 2 """#),
            ("C2__check.sql", r#"Check 2 "check""#),
            ("B2__base.sql", r#"Baseline 2 "base""#),
            ("R__a_view.sql", r#"Repeatable "a view""#),
            ("afterMigrate.sql", "Callback afterMigrate"),
            ("beforeEachMigrate__note.sql", "Callback beforeEachMigrate"),
            ("V1__a.sql.conf", "Settings"),
            ("V1__a.SQL.conf", "Settings"),
        ] {
            assert_eq!(short(name), expected, "{name}");
        }
    }

    #[test]
    fn names_that_miss_are_corrected() {
        for (name, expected) in [
            ("V1_x.sql", "one underscore; write V1__x.sql"),
            ("V1_2_x_y.sql", "one underscore; write V1_2__x_y.sql"),
            ("U1_x.sql", "one underscore; write U1__x.sql"),
            ("C1_x.sql", "one underscore; write C1__x.sql"),
            ("V1_single_underscore.sql", "one underscore; write V1__single_underscore.sql"),
            ("R_single.sql", "one underscore; write R__single.sql"),
            ("R1__rep.sql", "a repeatable migration has no version; write R__rep.sql"),
            ("C1.sql", "there is no description; write C1__name.sql"),
            ("v3__lower.sql", "the V must be a capital; write V3__lower.sql"),
            ("r__view.sql", "the R must be a capital; write R__view.sql"),
            ("V__x.sql", "there is no version between V and __; write V1__x.sql"),
            ("V6a__letters.sql", "6a is not a version, which is whole numbers joined by dots"),
            ("V.9__x.sql", ".9 is not a version, which is whole numbers joined by dots"),
            ("V7.__dot.sql", "7. is not a version, which is whole numbers joined by dots"),
            ("V8..1__dd.sql", "8..1 is not a version, which is whole numbers joined by dots"),
            ("X1__foo.sql", "X is not one of the prefixes V, U, B, C and R; write V1__foo.sql"),
        ] {
            assert!(matches!(parse(name), Named::Missed(_)), "{name}");
            assert_eq!(short(name), expected, "{name}");
        }
    }

    #[test]
    fn what_flyway_would_execute_is_told_from_what_it_leaves_alone() {
        for (name, expected) in [
            ("V10__nosuffix", "Executed it has no ending"),
            ("V1.1__nosuffix", "Executed it has no ending"),
            ("V10__a.sh", "Executed it ends in .sh"),
            ("R__a.PS1", "Executed it ends in .ps1"),
            ("V10__Seed.java", "Executed it ends in .java"),
            ("V1__a.sql.bak", "Other it ends in .bak"),
            ("V1__a.sql~", "Other it ends in .sql~"),
            ("R__notes.md", "Other it ends in .md"),
            ("View.sql", "Other it is not named"),
            ("Rollback.sql", "Other it is not named"),
            (".sql", "Other it is not named"),
            ("é.sql", "Other it is not named"),
            ("README.md", "Unrelated"),
            ("V8.js", "Unrelated"),
            ("__init__.py", "Unrelated"),
            ("flyway.conf", "Unrelated"),
        ] {
            assert!(short(name).starts_with(expected), "{name}: {}", short(name));
        }
    }
}
