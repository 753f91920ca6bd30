//! Which files differ from a commit, by git.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_core::{Code, Refusal, Result};

/// The files that differ from where the branch of `directory` left `reference`: committed, changed or new, but not those
/// that are gone. Absolute, without links.
///
/// # Errors
/// `NoGitBase` where git is not there, or knows no such reference.
pub(crate) fn since(directory: &Path, reference: &str) -> Result<BTreeSet<PathBuf>> {
    let said = |arguments: &[&str]| git(directory, reference, arguments);
    // A reference is never taken for an option.
    let commit =
        said(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{reference}^{{commit}}")])?;
    let base = said(&["merge-base", commit.trim(), "HEAD"])?;
    let top = said(&["rev-parse", "--show-toplevel"])?;
    let top = PathBuf::from(top.trim_end_matches(['\n', '\r']));
    let changed =
        git(&top, reference, &["diff", "--name-only", "-z", "--no-renames", "--diff-filter=d", base.trim()])?;
    let new = git(&top, reference, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let names = changed.split('\0').chain(new.split('\0')).filter(|name| !name.is_empty());
    Ok(names.filter_map(|name| top.join(name).canonicalize().ok()).collect())
}

fn git(directory: &Path, reference: &str, arguments: &[&str]) -> Result<String> {
    let refusal = |cause: String| {
        Refusal::new(Code::NoGitBase, format!("git does not say what changed since {reference}"))
            .cause(cause)
            .help("check the reference: git rev-parse REF; on a build server fetch the whole history")
    };
    let output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(arguments)
        .output()
        .map_err(|error| refusal(format!("git cannot be run: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().next().unwrap_or("it is not known here").trim();
        return Err(refusal(format!("git {}: {line}", arguments[0])).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(directory: &Path, arguments: &[&str]) {
        let who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "init.defaultBranch=main"];
        let done = Command::new("git").arg("-C").arg(directory).args(who).args(arguments).output().unwrap();
        assert!(done.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&done.stderr));
    }

    #[test]
    fn what_differs_from_where_the_branch_began_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
        run(&root, &["init", "--quiet"]);
        std::fs::create_dir(root.join("sub")).unwrap();
        for name in ["old.sql", "changed.sql", "gone.sql", "later.sql"] {
            write(name, "SELECT 1;");
        }
        run(&root, &["add", "."]);
        run(&root, &["commit", "--quiet", "-m", "a"]);
        run(&root, &["branch", "-M", "main"]);
        run(&root, &["checkout", "--quiet", "-b", "work"]);
        write("changed.sql", "SELECT 2;");
        write("sub/\u{e9} new.sql", "SELECT 3;");
        std::fs::remove_file(root.join("gone.sql")).unwrap();
        run(&root, &["add", "."]);
        run(&root, &["commit", "--quiet", "-m", "b"]);
        write("untracked.sql", "SELECT 4;");
        // What others did on main since is not ours.
        run(&root, &["stash", "--include-untracked", "--quiet"]);
        run(&root, &["checkout", "--quiet", "main"]);
        write("later.sql", "SELECT 5;");
        run(&root, &["commit", "--quiet", "-am", "c"]);
        run(&root, &["checkout", "--quiet", "work"]);
        run(&root, &["stash", "pop", "--quiet"]);
        let expected = ["changed.sql", "sub/\u{e9} new.sql", "untracked.sql"].map(|name| root.join(name));
        // Asked from below, the whole tree is meant.
        assert_eq!(since(&root.join("sub"), "main").unwrap(), BTreeSet::from(expected));
        for wrong in ["nowhere", "--help", ""] {
            let fault = since(&root, wrong).unwrap_err();
            assert_eq!(fault.refusal().unwrap().code, Code::NoGitBase, "{wrong}");
        }
    }
}
