//! A file is one screen of thought; past 500 lines a second subject has moved in.

use super::source::Source;
use super::{Check, House};

pub(super) static CHECK: Check = Check {
    name: "length",
    about: "no file has more than 500 lines outside its tests",
    problems: |house: &House| problems(&house.sources, include_str!("long-files.txt")),
};

const LIMIT: usize = 500;

/// `allowed` is a list of `path: reason`, with `#` for comments.
fn problems(sources: &[Source], allowed: &str) -> Result<Vec<String>, String> {
    let mut exceptions = Vec::new();
    for line in allowed.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once(": ") {
            Some((path, reason)) if !reason.trim().is_empty() => exceptions.push(path),
            _ => return Err(format!("xtask/src/tidy/long-files.txt: `{line}` has no reason")),
        }
    }
    let mut problems = Vec::new();
    for source in sources {
        let lines = source.production().count();
        if lines > LIMIT && !exceptions.contains(&source.path.as_str()) {
            problems.push(format!("{} has {lines} lines outside its tests; split it", source.path));
        }
    }
    for path in exceptions {
        let still = sources.iter().any(|s| s.path == path && s.production().count() > LIMIT);
        if !still {
            problems.push(format!("{path} is short enough now; remove it from long-files.txt"));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_file_needs_a_reason_and_a_short_one_none() {
        let long = Source::new("a.rs", &"x();\n".repeat(501));
        let tested =
            Source::new("b.rs", &format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "    x();\n".repeat(600)));
        let sources = [long, tested];
        assert_eq!(problems(&sources, "").unwrap().len(), 1);
        assert_eq!(problems(&sources, "# why\na.rs: it is one table\n").unwrap().len(), 0);
        assert_eq!(problems(&sources, "a.rs: a table\nb.rs: long ago\n").unwrap().len(), 1);
        assert!(problems(&sources, "a.rs:\n").is_err());
    }
}
