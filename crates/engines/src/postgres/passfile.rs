//! Passwords from `.pgpass`.

use std::path::{Path, PathBuf};

use super::options::{Env, Secret};

/// The password file: the one that is named, else `~/.pgpass`.
pub(super) fn path(named: Option<&str>, env: &dyn Env) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(PathBuf::from(named));
    }
    if cfg!(windows) {
        return env.var("APPDATA").map(|folder| Path::new(&folder).join("postgresql").join("pgpass.conf"));
    }
    env.home().map(|home| home.join(".pgpass"))
}

/// The lines of a password file.
pub(super) struct Passfile {
    lines: Vec<[String; 5]>,
}

impl Passfile {
    /// Reads it. A file that is not there is empty, as for libpq; one that others may read is not used, and the
    /// warning says so.
    pub(super) fn read(path: &Path, warnings: &mut Vec<String>) -> Self {
        let text = match usable(path).and_then(|()| {
            std::fs::read(path)
                .map_err(|e| format!("the password file {} cannot be read: {e}", path.display()))
        }) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(warning) => {
                if path.exists() {
                    warnings.push(warning);
                }
                String::new()
            }
        };
        Self { lines: text.lines().filter_map(fields).collect() }
    }

    /// The password of the first line that fits. `*` in the file fits everything.
    pub(super) fn password(&self, host: &str, port: u16, database: &str, user: &str) -> Option<Secret> {
        let wanted = [host, &port.to_string(), database, user];
        let fits = |line: &&[String; 5]| line.iter().zip(wanted).all(|(f, w)| f == "*" || unescaped(f) == w);
        let line = self.lines.iter().find(fits)?;
        Some(unescaped(&line[4])).filter(|p| !p.is_empty()).map(Secret::new)
    }
}

/// A plain file that nobody else may read. Elsewhere than on Unix the user's folder protects it.
fn usable(path: &Path) -> Result<(), String> {
    let shown = path.display();
    let meta =
        std::fs::metadata(path).map_err(|e| format!("the password file {shown} cannot be read: {e}"))?;
    if !meta.is_file() {
        return Err(format!("the password file {shown} is not a plain file and was not used"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = meta.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!(
                "the password file {shown} may be read by others (mode {:03o}) and was not used: chmod 600 {shown}",
                mode & 0o777
            ));
        }
    }
    Ok(())
}

/// `host:port:database:user:password`, with `\:` and `\\`. The fields keep their backslashes, so that `\*` is not
/// taken for `*`. What follows a fifth colon belongs to the password, as in libpq.
fn fields(line: &str) -> Option<[String; 5]> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields: [String; 5] = Default::default();
    let mut at = 0;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        match c {
            ':' if at < 4 => at += 1,
            '\\' => {
                fields[at].push(c);
                fields[at].extend(characters.next());
            }
            c => fields[at].push(c),
        }
    }
    (at == 4).then_some(fields)
}

fn unescaped(field: &str) -> String {
    let mut out = String::new();
    let mut characters = field.chars();
    while let Some(c) = characters.next() {
        out.extend(if c == '\\' { characters.next() } else { Some(c) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let text = "# host:port:database:user:password\n\
                    db:5432:shop:app:one\n\
                    db:*:shop:app:two\r\n\
                    *:*:*:other:with\\:colon\\\\and:more\n\
                    \\*:*:*:star:three\n\
                    too:few:fields\n\
                    *:*:*:empty:\n\
                    *:*:*:empty:late\n\
                    we\\:ird:5432:d\\\\b:u:four\n";
        let file = Passfile { lines: text.lines().filter_map(fields).collect() };
        for (host, port, database, user, expected) in [
            ("db", 5432, "shop", "app", Some("one")),
            ("db", 5433, "shop", "app", Some("two")),
            ("db", 5432, "other", "app", None),
            ("anything", 1, "x", "other", Some("with:colon\\and:more")),
            ("*", 1, "x", "star", Some("three")),
            ("db", 1, "x", "star", None),
            ("db", 1, "x", "empty", None),
            ("we:ird", 5432, "d\\b", "u", Some("four")),
        ] {
            let found = file.password(host, port, database, user);
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{host} {port} {database} {user}");
        }
    }
}
