//! Where throw-away databases are made: on a PostgreSQL that is started for it and ends with this process, also where it
//! is killed, or on a server that is named.

use std::sync::Arc;

use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_engines::{Stage, Target};
use cofferdam_scratch::{Binaries, Options, ScratchError, Server, fetch, find_all, find_or_fetch};

use crate::config::Settings;
use crate::context::Context;
use crate::wiring;

/// `--dev-url`.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct DevUrl {
    /// Make throw-away databases on this server, each under a name of its own, and drop them afterwards [default: a
    /// PostgreSQL that is started for it]
    #[arg(long, value_name = "URL")]
    dev_url: Option<String>,
}

impl DevUrl {
    /// That of the flag, else that of the environment.
    ///
    /// # Errors
    /// Those of a reference.
    pub(crate) fn or_of(&self, settings: &Settings) -> Result<Option<String>> {
        match &self.dev_url {
            Some(url) => Settings::resolved(url).map(Some),
            None => Ok(settings.dev_url.clone()),
        }
    }
}

/// The major version of a server that is started.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Version {
    /// Any will do.
    Any,
    /// Another will do where this one cannot be had.
    Rather(u32),
    /// No other will do.
    Only(u32),
}

/// A server on which throw-away databases are made.
#[derive(Debug)]
pub(crate) struct Place {
    /// It is nobody else's.
    server: Option<Arc<Server>>,
    target: Target,
}

impl Place {
    /// The server of the URL; without one a server is started.
    ///
    /// # Errors
    /// `NoServerFound`.
    pub(crate) async fn new(context: &Context, dev_url: Option<String>, version: Version) -> Result<Self> {
        let server = match dev_url {
            Some(_) => None,
            None => Some(Arc::new(start(context, version).await?)),
        };
        let target = Target {
            url: dev_url.or_else(|| server.as_ref().map(|server| server.url("postgres"))),
            application: format!("cofferdam {}", context.verb),
            who: wiring::who(None),
            logins: None,
        };
        Ok(Self { server, target })
    }

    /// The version of a server that is nobody else's, as `server_version_num` has it.
    pub(crate) fn own(&self) -> Option<u32> {
        self.server.as_ref().map(|server| server.version())
    }

    /// What the server shows as the name of our sessions.
    pub(crate) fn application(&self) -> &str {
        &self.target.application
    }

    /// An empty database. Whoever has it ends it with [`Place::end`].
    pub(crate) async fn stage(&self) -> Result<Box<dyn Stage>> {
        wiring::engine(self.target.url.as_deref())?.stage(&self.target).await
    }

    /// Drops a database, whatever became of what was done in it. With a server of our own it goes anyway.
    pub(crate) async fn end<T>(&self, mut stage: Box<dyn Stage>, outcome: Result<T>) -> Result<T> {
        let ended = if self.server.is_none() { stage.end().await } else { Ok(()) };
        let outcome = outcome?;
        ended.map(|()| outcome)
    }

    /// Ends a server of our own, which takes a moment of a thread that may block.
    pub(crate) async fn leave(self) -> Result<()> {
        tokio::task::spawn_blocking(move || drop(self)).await.map_err(|e| Fault::Bug(e.to_string()))
    }
}

async fn start(context: &Context, version: Version) -> Result<Server> {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let starting = tokio::task::spawn_blocking(move || -> Result<Server, ScratchError> {
        let mut progress = |line: &str| {
            let _ = tell.send(line.to_owned());
        };
        let binaries = binaries(version, &mut progress)?;
        let settings = [
            // What is measured is the statement's and nobody else's.
            ("autovacuum", "off"),
            ("jit", "off"),
            ("max_locks_per_transaction", "4096"),
            ("wal_level", "logical"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Server::start(&binaries, &Options { settings, ..Options::default() })
    });
    while let Some(line) = told.recv().await {
        context.console.note(&line);
    }
    starting.await.map_err(|e| Fault::Bug(e.to_string()))?.map_err(|error| {
        let which = match version {
            Version::Only(major) => format!(" {major}"),
            Version::Any | Version::Rather(_) => String::new(),
        };
        Refusal::new(Code::NoServerFound, format!("there is no PostgreSQL{which} for a throw-away database"))
            .cause(error.to_string())
            .help(
                "install it, name its bin folder with COFFERDAM_PG_BIN, or name a server: --dev-url \
                 postgres://user@host/database",
            )
            .into()
    })
}

/// An installed one of the version, else the portable build of it, else, where another will do, any.
fn binaries(version: Version, progress: &mut dyn FnMut(&str)) -> Result<Binaries, ScratchError> {
    let (Version::Rather(major) | Version::Only(major)) = version else { return find_or_fetch(progress) };
    if let Some(found) = find_all().into_iter().find(|binaries| binaries.version / 10_000 == major) {
        return Ok(found);
    }
    let fetched = fetch(&format!("^{major}"), &mut |line: &str| progress(line));
    match version {
        Version::Only(_) => fetched,
        Version::Any | Version::Rather(_) => fetched.or_else(|_| find_or_fetch(progress)),
    }
}
