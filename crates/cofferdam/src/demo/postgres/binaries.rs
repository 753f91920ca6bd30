//! Which PostgreSQL the demonstration runs.

use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_scratch::{Binaries, Options, ScratchError, Server, cache_dir, fetch, find_or_fetch};

use crate::demo::story::Story;

/// Reads `--pg`: `18.6.0` is that build and no other, `17` the newest 17.
///
/// # Errors
/// A sentence for the command line.
pub(in crate::demo) fn requirement(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split('.').collect();
    let numbers = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    match parts.len() {
        1 | 2 if numbers => Ok(format!("~{text}")),
        3 if numbers => Ok(format!("={text}")),
        _ => Err(format!("{text:?} is not a version; write 18.6.0, or 17 for its newest")),
    }
}

/// The programs, and in words where they come from. An installed PostgreSQL, unless a portable build is asked for
/// or none is installed: that is fetched, and its checksum verified, once.
pub(in crate::demo) async fn binaries(
    story: &Story<'_>,
    requirement: Option<String>,
) -> Result<(Binaries, String)> {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let searching = tokio::task::spawn_blocking(move || {
        let mut fetched = false;
        let mut progress = |line: &str| {
            fetched = true;
            // Nobody is there to be told once the command was interrupted.
            let _ = tell.send(line.to_owned());
        };
        let binaries = match &requirement {
            Some(requirement) => fetch(requirement, &mut progress),
            None => find_or_fetch(&mut progress),
        };
        binaries.map(|binaries| (binaries, fetched))
    });
    while let Some(line) = told.recv().await {
        story.line(&line);
    }
    let found = searching.await.map_err(|e| Fault::Bug(e.to_string()))?;
    let (binaries, fetched) = found.map_err(|e| no_server(&e))?;
    let folder = binaries.bin_dir.display();
    let portable = cache_dir().is_ok_and(|cache| binaries.bin_dir.starts_with(cache));
    let origin = match (fetched, portable) {
        (true, _) => format!("the portable build, checksum verified, kept in {folder}"),
        (false, true) => format!("the portable build in {folder}"),
        (false, false) => format!("found in {folder}"),
    };
    Ok((binaries, origin))
}

/// Starts one with an empty database of this name. The server, and the URL.
pub(in crate::demo) async fn start(binaries: Binaries, database: &'static str) -> Result<(Server, String)> {
    // As an application's server: what is acknowledged is on the disk.
    let options = Options { fsync: true, ..Options::default() };
    let starting = tokio::task::spawn_blocking(move || {
        let server = Server::start(&binaries, &options)?;
        let url = server.create_database(database)?;
        Ok((server, url))
    });
    starting.await.map_err(|e| Fault::Bug(e.to_string()))?.map_err(|e| no_server(&e))
}

/// There is no server to show anything on.
fn no_server(error: &ScratchError) -> Fault {
    Refusal::new(Code::NoServerFound, "there is no PostgreSQL to show anything on")
        .cause(error.to_string())
        .help("install PostgreSQL (Debian: apt install postgresql; Homebrew: brew install postgresql@17), or name its bin folder with COFFERDAM_PG_BIN")
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_becomes_a_requirement() {
        for (text, expected) in [
            ("17", Some("~17")),
            ("17.5", Some("~17.5")),
            ("18.6.0", Some("=18.6.0")),
            ("", None),
            ("17.", None),
            ("v17", None),
            ("^17", None),
            ("1.2.3.4", None),
        ] {
            assert_eq!(requirement(text).ok().as_deref(), expected, "{text}");
        }
    }
}
