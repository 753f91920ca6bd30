//! The machine that a task runs on.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The root of the repository: the folder above this crate's.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_path_buf()
}

/// The cargo that runs us, as if it were called by hand: what `cargo run` says of the package that it runs goes, because
/// build scripts ask for it (ring's does), and whoever depends on them would be built anew at each change between
/// `cargo xtask test` and `cargo clippy`.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    let of_our_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_our_package)) {
        command.env_remove(name);
    }
    command
}

/// Runs a command with its output going where ours goes; its exit code, or why it did not run.
pub(crate) fn stream(command: &mut Command) -> Result<u8, String> {
    let status =
        command.status().map_err(|e| format!("cannot run {}: {e}", command.get_program().display()))?;
    // No code: a signal ended it.
    Ok(status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}

/// The standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().display().to_string();
    let output = command.output().map_err(|e| format!("cannot run {program}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{program} failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program is on the search path or, as servers of Debian are, beside it.
pub(crate) fn has_program(name: &str) -> bool {
    env::split_paths(&wide_path()).any(|folder| folder.join(name).is_file())
}

/// The search path, with the folders of programs for root that a user's lacks.
pub(crate) fn wide_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let beside = ["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from);
    // What has a colon cannot be in a search path, and these have none.
    env::join_paths(env::split_paths(&path).chain(beside)).unwrap_or(path)
}

/// Whether we are root.
pub(crate) fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|uid| uid.trim() == "0")
}

/// `CI=true`, as every build server sets it.
pub(crate) fn on_build_server() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// The user's cache folder.
pub(crate) fn user_cache() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
}
