//! Where an installed PostgreSQL keeps its programs.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::identity::Identity;
use crate::{Result, ScratchError};

/// The programs of one PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binaries {
    /// The folder that holds `initdb` and `postgres`.
    pub bin_dir: PathBuf,
    /// What the server calls its version: `15.18 (Debian 15.18-0+deb12u1)`.
    pub version_text: String,
    /// The same as `server_version_num`: 150018.
    pub version: u32,
}

impl Binaries {
    /// The programs in `bin_dir`; an error where they do not run.
    pub fn in_folder(bin_dir: impl Into<PathBuf>) -> Result<Self> {
        let bin_dir = bin_dir.into();
        let program = bin_dir.join("postgres");
        let no = |why: String| ScratchError::DoesNotRun { program: program.clone(), why };
        if !bin_dir.join("initdb").is_file() {
            return Err(no("there is no initdb beside it".into()));
        }
        let output = Command::new(&program).arg("--version").output().map_err(|e| no(e.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.trim();
        if !output.status.success() {
            return Err(no(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
        }
        let (version_text, version) =
            parse_version(said).ok_or_else(|| no(format!("`{said}` is no version")))?;
        Ok(Self { bin_dir, version_text, version })
    }
}

/// The first of [`find_all`].
pub fn find() -> Option<Binaries> {
    candidates().into_iter().find_map(usable)
}

/// Every installed PostgreSQL, in the order in which they are preferred.
///
/// With `COFFERDAM_PG_BIN` set only that folder is looked at: whoever names one wants no other. Else: `PATH`,
/// Debian's, Red Hat's, Alpine's, Homebrew's and Postgres.app's folders with the newest version first, and
/// what `pg_config --bindir` says. Folders that the server's user cannot reach are left out.
pub fn find_all() -> Vec<Binaries> {
    let mut seen = HashSet::new();
    candidates()
        .into_iter()
        .filter(|folder| folder.join("postgres").canonicalize().is_ok_and(|real| seen.insert(real)))
        .filter_map(usable)
        .collect()
}

fn usable(bin_dir: PathBuf) -> Option<Binaries> {
    let user = Identity::of_server().ok()?;
    let program = bin_dir.join("postgres");
    (program.is_file() && user.reaches(&program)).then(|| Binaries::in_folder(bin_dir).ok()).flatten()
}

/// Folders of which one per version exists: the parent, how the versioned folder's name begins, and the path
/// from there to the programs.
const VERSIONED: &[(&str, &str, &str)] = &[
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/Library/PostgreSQL", "", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("COFFERDAM_PG_BIN").filter(|v| !v.is_empty()) {
        return vec![PathBuf::from(named)];
    }
    let mut folders: Vec<PathBuf> = path_folders(std::env::var_os("PATH"));
    for (parent, prefix, below) in VERSIONED {
        folders.extend(newest_first(Path::new(parent), prefix, below));
    }
    folders.extend(pg_config());
    folders
}

fn path_folders(path: Option<OsString>) -> Vec<PathBuf> {
    path.map(|path| std::env::split_paths(&path).filter(|p| p.is_absolute()).collect()).unwrap_or_default()
}

/// `<parent>/<prefix><version>/<below>`, the newest version first; a name without a version comes last.
fn newest_first(parent: &Path, prefix: &str, below: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut found: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?.trim_start_matches(['@', '-']);
            let version: Vec<u32> = rest.split('.').map_while(|part| part.parse().ok()).collect();
            (rest.is_empty() || !version.is_empty()).then(|| (version, parent.join(&name).join(below)))
        })
        .collect();
    found.sort();
    found.reverse();
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !said.trim().is_empty()).then(|| PathBuf::from(said.trim()))
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`. From version 10 on the number is
/// major * 10000 + minor; a beta or development version has no minor yet.
fn parse_version(said: &str) -> Option<(String, u32)> {
    let text = said.strip_prefix("postgres (PostgreSQL) ")?;
    let mut parts = text.split(|c: char| !c.is_ascii_digit());
    let major: u32 = parts.next()?.parse().ok()?;
    let minor: u32 = match text.strip_prefix(&major.to_string())?.starts_with('.') {
        true => parts.next()?.parse().ok()?,
        false => 0,
    };
    Some((text.to_owned(), major * 10_000 + minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let cases = [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(150_018)),
            ("postgres (PostgreSQL) 18.6", Some(180_006)),
            ("postgres (PostgreSQL) 19beta2", Some(190_000)),
            ("postgres (PostgreSQL) 19devel", Some(190_000)),
            ("postgres (PostgreSQL) x", None),
            ("mysqld 9.7.4", None),
        ];
        for (said, expected) in cases {
            assert_eq!(parse_version(said).map(|(_, number)| number), expected, "{said}");
        }
    }

    #[test]
    fn the_newest_folder_comes_first_and_others_are_left_out() {
        let parent = tempfile::tempdir().unwrap();
        for name in
            ["postgresql@9.6", "postgresql@15", "postgresql@9", "postgresql", "postgresql-common", "redis"]
        {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let found = newest_first(parent.path(), "postgresql", "bin");
        let names: Vec<_> =
            found.iter().map(|f| f.strip_prefix(parent.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["postgresql@15/bin", "postgresql@9.6/bin", "postgresql@9/bin", "postgresql/bin"]);
    }

    #[test]
    fn a_folder_without_the_programs_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let error = Binaries::in_folder(folder.path()).unwrap_err().to_string();
        assert!(error.contains(folder.path().to_str().unwrap()), "{error}");
    }
}
