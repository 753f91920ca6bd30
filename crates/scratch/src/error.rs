//! What can go wrong around a throw-away server.

use std::path::PathBuf;

use crate::wire::WireError;

/// Why there is no server. Each text says what happened and why; where a person can do something, what.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScratchError {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried: "cannot create /var/cache/cofferdam".
        what: String,
        /// Its answer.
        source: std::io::Error,
    },
    /// No folder for what is kept between runs.
    #[error("no cache folder: {why}; name one with COFFERDAM_CACHE")]
    NoCache {
        /// Which of the usual ones cannot be used, and why.
        why: String,
    },
    /// As root there is no other user to run the server as.
    #[error("the server refuses to run as root, and neither user `postgres` nor `nobody` is in /etc/passwd")]
    NoUser,
    /// The portable build could not be had.
    #[error(
        "cannot fetch PostgreSQL {requirement}: {why}; install PostgreSQL, or name its bin folder with COFFERDAM_PG_BIN"
    )]
    Fetch {
        /// The version that was asked for.
        requirement: String,
        /// Why not.
        why: String,
    },
    /// A program of PostgreSQL does not run here, or says something that is not its version.
    #[error("{} does not run here: {why}", program.display())]
    DoesNotRun {
        /// Which.
        program: PathBuf,
        /// What it said.
        why: String,
    },
    /// No server of this kind is installed.
    #[error("no {kind} server is installed here, and {variable} names no program of one")]
    NotInstalled {
        /// `MySQL`, `MariaDB`.
        kind: &'static str,
        /// The environment variable that names a program.
        variable: &'static str,
    },
    /// A program of the clients is not here.
    #[error("there is no {program} of {kind} here")]
    NoProgram {
        /// `mysqldump`.
        program: String,
        /// `MySQL`, `MariaDB`.
        kind: &'static str,
    },
    /// A data directory could not be made.
    #[error("the data directory of {kind} could not be made: {output}")]
    DataDirectory {
        /// `MySQL`, `MariaDB`.
        kind: &'static str,
        /// What its program said.
        output: String,
    },
    /// initdb failed.
    #[error("initdb failed: {output}")]
    Initdb {
        /// What it said.
        output: String,
    },
    /// The server ended before it took connections, or took none for too long.
    #[error("the server {why}; the end of its log:\n{log}")]
    NotReady {
        /// What was waited for.
        why: String,
        /// The last lines of its log.
        log: String,
    },
    /// The name or value of a setting cannot be written into a configuration file.
    #[error("`{name}` cannot be a setting: {why}")]
    BadSetting {
        /// Its name.
        name: String,
        /// Why not.
        why: &'static str,
    },
    /// The shell that keeps the server is gone or answered something else than agreed.
    #[error("the server's keeper {0}")]
    Keeper(String),
    /// The server refused a connection or a statement.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl ScratchError {
    /// For `map_err` after a call of the operating system.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
