//! The folder for what tests and benches fetch or build: each thing under its version, made once.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::machine::user_cache;

/// `$COFFERDAM_TEST_CACHE`, else `cofferdam` in the user's cache folder.
fn test_cache() -> Result<PathBuf, String> {
    let named = env::var_os("COFFERDAM_TEST_CACHE").filter(|v| !v.is_empty()).map(PathBuf::from);
    named
        .or_else(|| user_cache().map(|cache| cache.join("cofferdam")))
        .ok_or_else(|| "neither COFFERDAM_TEST_CACHE, XDG_CACHE_HOME nor HOME is set".to_owned())
}

/// The folder of a thing at a version, on the shelf of that name. Where it is not there yet, `make` fills it; others that want the same
/// thing wait meanwhile. A failed `make` leaves nothing.
pub(crate) fn once(
    shelf: &str,
    name: &str,
    version: &str,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    once_in(&test_cache()?.join(shelf), name, version, make)
}

/// See [`once`]; on a shelf that the caller names.
pub(crate) fn once_in(
    shelf: &Path,
    name: &str,
    version: &str,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let folder = shelf.join(format!("{name}-{version}"));
    if folder.is_dir() {
        return Ok(folder);
    }
    let at = |path: &Path| format!("{}: ", path.display());
    fs::create_dir_all(shelf).map_err(|e| at(shelf) + &e.to_string())?;
    let _held = lock(&shelf.join(format!("{name}-{version}.lock")))?;
    if folder.is_dir() {
        return Ok(folder);
    }
    // Beside the final place, so that the rename is one step. What is there now is of one that was killed.
    let staging = shelf.join(format!("{name}-{version}.new"));
    let _ = fs::remove_dir_all(&staging);
    fs::create_dir(&staging).map_err(|e| at(&staging) + &e.to_string())?;
    if let Err(why) = make(&staging) {
        let _ = fs::remove_dir_all(&staging);
        return Err(why);
    }
    fs::rename(&staging, &folder).map_err(|e| at(&folder) + &e.to_string())?;
    Ok(folder)
}

/// Held until it is dropped or the process ends.
pub(crate) fn lock(path: &Path) -> Result<File, String> {
    let at = |e: std::io::Error| format!("{}: {e}", path.display());
    let file = File::options().create(true).append(true).open(path).map_err(at)?;
    file.lock().map_err(at)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_thing_is_made_once_and_a_failure_leaves_nothing() {
        let shelf = env::temp_dir().join(format!("cofferdam-shelf-{}", std::process::id()));
        let _ = fs::remove_dir_all(&shelf);
        let made = Cell::new(0);
        let failing = |folder: &Path| {
            fs::write(folder.join("half"), "").map_err(|e| e.to_string())?;
            Err("broken".to_owned())
        };
        assert_eq!(once_in(&shelf, "tool", "v1", failing), Err("broken".to_owned()));
        assert!(!shelf.join("tool-v1").exists());
        for _ in 0..2 {
            let folder = once_in(&shelf, "tool", "v1", |folder| {
                made.set(made.get() + 1);
                assert!(!folder.join("half").exists());
                fs::write(folder.join("tool"), "x").map_err(|e| e.to_string())
            });
            assert!(folder.unwrap().join("tool").is_file());
        }
        assert_eq!(made.get(), 1);
        fs::remove_dir_all(&shelf).unwrap();
    }
}
