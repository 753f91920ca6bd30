//! Where the programs of MySQL and MariaDB are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::identity::Identity;
use crate::{Result, ScratchError, cache};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// MySQL.
    MySql,
    /// MariaDB.
    MariaDb,
}

impl Kind {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::MySql => "MySQL",
            Kind::MariaDb => "MariaDB",
        }
    }

    /// The environment variable that names the server's program.
    pub fn variable(self) -> &'static str {
        match self {
            Kind::MySql => "COFFERDAM_MYSQLD",
            Kind::MariaDb => "COFFERDAM_MARIADBD",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Kind::MySql => "mysqld",
            Kind::MariaDb => "mariadbd",
        }
    }
}

/// The programs of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// Which of the two.
    pub kind: Kind,
    /// `mysqld` or `mariadbd`.
    pub program: PathBuf,
    /// The folder that stands for `/`, where the server was unpacked and not installed: it runs with the loader and
    /// the libraries in there, since those of the machine may be older.
    pub root: Option<PathBuf>,
    /// `10.11.19-MariaDB-0+deb12u1`, `9.7.4-2`.
    pub version_text: String,
    /// 101119, 90704.
    pub version: u32,
}

/// The folder of servers that were unpacked from packages of another distribution, each in a folder of its own. It
/// may not exist.
pub fn unpacked() -> Result<PathBuf> {
    Ok(cache::cache_dir()?.join("servers"))
}

/// The server that the environment variable names, else one that is installed, else, of MySQL, the unpacked one.
/// Of several the newest.
pub fn find(kind: Kind) -> Result<Programs> {
    let none = || ScratchError::NotInstalled { kind: kind.name(), variable: kind.variable() };
    if let Some(named) = std::env::var_os(kind.variable()).filter(|v| !v.is_empty()) {
        return Programs::of(kind, PathBuf::from(named), None);
    }
    let user = Identity::of_server()?;
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin"].map(PathBuf::from);
    for folder in std::env::split_paths(&path).filter(|folder| folder.is_absolute()).chain(beside) {
        let program = folder.join(kind.program());
        // MariaDB calls itself mysqld, too, in some places: what it says counts.
        if program.is_file() && user.reaches(&program) {
            match Programs::of(kind, program, None) {
                Ok(found) => return Ok(found),
                Err(_) => continue,
            }
        }
    }
    if kind == Kind::MariaDb {
        return Err(none());
    }
    let entries = fs::read_dir(unpacked()?).map_err(|_| none())?;
    let roots = entries.flatten().map(|entry| entry.path());
    // One that is being unpacked at this moment has a suffix.
    let found = roots.filter(|root| root.extension().is_none()).filter_map(|root| {
        let program = root.join("usr/sbin/mysqld");
        (program.is_file() && user.reaches(&program)).then(|| Programs::of(kind, program, Some(root)).ok())?
    });
    found.max_by_key(|found| found.version).ok_or_else(none)
}

impl Programs {
    fn of(kind: Kind, program: PathBuf, root: Option<PathBuf>) -> Result<Self> {
        let mut found = Self { kind, program, root, version_text: String::new(), version: 0 };
        let no = |why: String| ScratchError::DoesNotRun { program: found.program.clone(), why };
        let words = found.words()?;
        let output = Command::new(&words[0]).args(&words[1..]).args(["--no-defaults", "--version"]).output();
        let output = output.map_err(|e| no(e.to_string()))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let (text, version) =
            version_of(&said).ok_or_else(|| no(format!("`{}` is no version", said.trim())))?;
        if (kind == Kind::MariaDb) != text.contains("MariaDB") {
            return Err(no(format!("it is not {} but {text}", kind.name())));
        }
        (found.version_text, found.version) = (text, version);
        Ok(found)
    }

    /// How the server is called: the program, or its own loader with it.
    pub(crate) fn words(&self) -> Result<Vec<PathBuf>> {
        called(self.program.clone(), self.root.as_deref())
    }

    /// Settings that say where its files are, where they are not where they were built for.
    pub(crate) fn places(&self) -> Vec<(&'static str, String)> {
        let Some(root) = &self.root else { return Vec::new() };
        let below = |folder: &str| root.join(folder).to_string_lossy().into_owned();
        vec![
            ("basedir", below("usr")),
            ("lc_messages_dir", below("usr/share/mysql")),
            ("character_sets_dir", below("usr/share/mysql/charsets")),
            ("plugin_dir", below("usr/lib/mysql/plugin")),
        ]
    }
}

/// How a program of the clients is called, in words: `mysqldump`, `mariadb-dump`. It is an installed one, or, of MySQL,
/// one that was unpacked.
pub fn client(kind: Kind, name: &str) -> Result<Vec<PathBuf>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed =
        std::env::split_paths(&path).map(|folder| folder.join(name)).filter(|file| file.is_file());
    // MariaDB has programs under the names of MySQL, too.
    let fits = |words: &Vec<PathBuf>| {
        let said = Command::new(&words[0]).args(&words[1..]).args(["--no-defaults", "--version"]).output();
        let of = |said: &std::process::Output| String::from_utf8_lossy(&said.stdout).contains("MariaDB");
        said.is_ok_and(|said| said.status.success() && of(&said) == (kind == Kind::MariaDb))
    };
    let roots = fs::read_dir(unpacked()?).into_iter().flatten().flatten().map(|entry| entry.path());
    let brought = roots.filter(|root| root.extension().is_none() && kind == Kind::MySql).filter_map(|root| {
        let program = root.join("usr/bin").join(name);
        program.is_file().then(|| called(program, Some(&root)).ok())?
    });
    installed
        .map(|file| vec![file])
        .chain(brought)
        .find(fits)
        .ok_or_else(|| ScratchError::NoProgram { program: name.to_owned(), kind: kind.name() })
}

/// The program, or its own loader with it.
fn called(program: PathBuf, root: Option<&Path>) -> Result<Vec<PathBuf>> {
    let Some(root) = root else { return Ok(vec![program]) };
    let Some((loader, libraries)) = loader(root) else {
        let why = format!("there is no loader of programs in {}", root.display());
        return Err(ScratchError::DoesNotRun { program, why });
    };
    Ok(vec![loader, "--library-path".into(), libraries, program])
}

/// The loader of programs below `root`, and the folder of libraries in which it is.
fn loader(root: &Path) -> Option<(PathBuf, PathBuf)> {
    let folders = fs::read_dir(root.join("usr/lib")).ok()?;
    folders.flatten().map(|entry| entry.path()).find_map(|folder| {
        let files = fs::read_dir(&folder).ok()?;
        let found =
            files.flatten().find(|file| file.file_name().to_string_lossy().starts_with("ld-linux"))?;
        Some((found.path(), folder))
    })
}

/// From `mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))`.
fn version_of(said: &str) -> Option<(String, u32)> {
    let text = said.split_once(" Ver ")?.1.split_whitespace().next()?;
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let mut parts = numbers.split('.').map(str::parse::<u32>);
    let mut next = || parts.next()?.ok().filter(|part| *part < 100);
    let version = next()? * 10_000 + next()? * 100 + next()?;
    Some((text.to_owned(), version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (said, expected) in [
            ("/x/mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))", Some(("9.7.4-2", 90_704))),
            (
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)",
                Some(("10.11.19-MariaDB-0+deb12u1", 101_119)),
            ),
            ("mysqld  Ver 8.0.36 for macos14", Some(("8.0.36", 80_036))),
            ("postgres (PostgreSQL) 15.18", None),
            ("mysqld  Ver x", None),
        ] {
            let expected = expected.map(|(text, number)| (text.to_owned(), number));
            assert_eq!(version_of(said), expected, "{said}");
        }
    }
}
