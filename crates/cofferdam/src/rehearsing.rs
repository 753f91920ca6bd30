//! Where a rehearsal takes place: a throw-away server, or a database of its own on a server that is named.

use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_engines::{Difference, NotCarried, Session, Stage, Target, differences};
use cofferdam_runner::rehearse::{Rehearsal, rehearse};
use cofferdam_runner::{Assessment, Policy};
use cofferdam_scratch::{Binaries, Options, ScratchError, Server, fetch, find_all};
use serde::Serialize;

use crate::config::Settings;
use crate::context::Context;
use crate::wiring;

/// What the server shows of us.
const APPLICATION: &str = "cofferdam rehearse";

/// Roles are many at most; those beyond are not made.
const MOST_ROLES: usize = 10_000;

/// What was asked for.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) sample: Option<u32>,
    pub(crate) dev_url: Option<&'a str>,
    /// The major version of a throw-away server.
    pub(crate) major: u32,
}

/// On what it was rehearsed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ground {
    /// In words.
    pub(crate) on: String,
    /// Rows that were brought; `None`: no sample was asked for.
    pub(crate) sampled_rows: Option<u64>,
    /// What of the database is not in the copy, and why.
    pub(crate) not_carried: Vec<NotCarried>,
    /// What is other in the copy, though it was made.
    pub(crate) copy_differs: Vec<Difference>,
}

impl Ground {
    /// In the database itself.
    pub(crate) fn transaction() -> Self {
        Self {
            on: "the database itself, in a transaction that was taken back".into(),
            sampled_rows: None,
            not_carried: Vec::new(),
            copy_differs: Vec::new(),
        }
    }
}

/// Makes the copy, rehearses, and removes it, whatever came of it.
pub(crate) async fn on_copy(
    context: &Context,
    settings: &Settings,
    session: &mut dyn Session,
    (assessment, policy): (&Assessment, &Policy),
    asked: &Asked<'_>,
) -> Result<(Rehearsal, Ground)> {
    // The first signal ends it in good order; the throw-away server goes with us in any case.
    let stop = context.halt.driving();
    let server = match asked.dev_url {
        Some(_) => None,
        None => Some(throw_away(context, asked.major).await?),
    };
    let target =
        Target {
            url: Some(asked.dev_url.map_or_else(
                || server.as_ref().map(|s| s.url("postgres")).unwrap_or_default(),
                str::to_owned,
            )),
            application: APPLICATION.into(),
            who: policy.who.clone(),
            logins: None,
        };
    let mut stage = wiring::engine(target.url.as_deref())?.stage(&target).await?;
    let on = match &server {
        Some(server) => {
            format!("a copy of the schema on PostgreSQL {} of its own", version(server.version()))
        }
        None => "a copy of the schema in a database of its own".to_owned(),
    };
    let ground = Ground { on, sampled_rows: None, not_carried: Vec::new(), copy_differs: Vec::new() };
    let work = Work { settings, assessment, policy, asked, stop, own: server.is_some() };
    let outcome = work.on(&mut *stage, session, ground).await;
    let ended = stage.end().await;
    let found = outcome?;
    // With its server the database goes anyway.
    if server.is_none() {
        ended?;
    }
    // Ending it takes a moment of a thread that may block.
    tokio::task::spawn_blocking(move || drop(server)).await.map_err(|e| Fault::Bug(e.to_string()))?;
    Ok(found)
}

struct Work<'a> {
    settings: &'a Settings,
    assessment: &'a Assessment,
    policy: &'a Policy,
    asked: &'a Asked<'a>,
    stop: &'a cofferdam_runner::Stop,
    /// The server is nobody else's.
    own: bool,
}

impl Work<'_> {
    async fn on(
        &self,
        stage: &mut dyn Stage,
        live: &mut dyn Session,
        mut ground: Ground,
    ) -> Result<(Rehearsal, Ground)> {
        let schema = live.schema().await?;
        // Roles belong to the whole server: of one that others use none is touched.
        let roles = if self.own { roles(live).await? } else { Vec::new() };
        ground.not_carried = stage.build(&schema, &roles).await?;
        if let Some(most) = self.asked.sample {
            let tables: Vec<_> =
                self.assessment.facts.tables.values().filter_map(|t| t.resolved.clone()).collect();
            let from = self.settings.target(APPLICATION);
            ground.sampled_rows = Some(stage.sample(&from, &tables, most).await?);
        }
        ground.not_carried.extend(stage.count(&self.assessment.facts).await?);
        let mut copy = stage.open(APPLICATION).await?;
        ground.copy_differs = differences(&schema, &copy.schema().await?);
        self.refuse_other(&ground)?;
        let found = rehearse(&mut *copy, self.assessment, self.policy, self.stop).await?;
        Ok((found, ground))
    }

    /// What the pending migrations are about must be in the copy as it is in the database.
    fn refuse_other(&self, ground: &Ground) -> Result<()> {
        let named: Vec<String> = self
            .assessment
            .facts
            .tables
            .values()
            .filter_map(|table| table.resolved.as_ref())
            .map(ToString::to_string)
            .collect();
        let about = |difference: &&Difference| named.iter().any(|table| speaks_of(&difference.name, table));
        let Some(first) = ground.copy_differs.iter().find(about) else { return Ok(()) };
        let why = ground.not_carried.iter().find(|missing| missing.name == first.name);
        let refusal = Refusal::new(
            Code::CopyDiffers,
            format!("{} is not in the copy as it is in the database", first.name),
        )
        .cause(match (why, &first.after) {
            (Some(missing), _) => missing.why.clone(),
            (None, Some(after)) => format!("it is {after} there"),
            (None, None) => "it is not there".to_owned(),
        })
        .help("--dev-url postgres://user@host/database: a server that has the same extensions");
        let others = ground.not_carried.iter().filter(|missing| missing.name.starts_with("extension "));
        Err(others
            .fold(refusal, |refusal, missing| refusal.note(format!("{}: {}", missing.name, missing.why)))
            .into())
    }
}

/// `column public.orders.note` speaks of `public.orders`, and not of `public.order`.
fn speaks_of(name: &str, table: &str) -> bool {
    name.match_indices(table).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + table.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !inside(before) && !inside(after)
    })
}

async fn roles(live: &mut dyn Session) -> Result<Vec<String>> {
    let query = "SELECT rolname FROM pg_catalog.pg_roles WHERE rolname !~ '^pg_' ORDER BY 1";
    let rows = live.rows(query, MOST_ROLES).await?;
    Ok(rows.rows.into_iter().filter_map(|mut row| row.pop().flatten()).collect())
}

/// A server of the same major version: an installed one, or the portable build of it.
async fn throw_away(context: &Context, major: u32) -> Result<Server> {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let starting = tokio::task::spawn_blocking(move || -> Result<Server, ScratchError> {
        let mut progress = |line: &str| {
            let _ = tell.send(line.to_owned());
        };
        let binaries = binaries(major, &mut progress)?;
        let settings = [
            // What is measured is the statement's and nobody else's.
            ("autovacuum", "off"),
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
        Refusal::new(Code::NoServerFound, format!("there is no PostgreSQL {major} to rehearse on"))
            .cause(error.to_string())
            .help(
                "install it, name its bin folder with COFFERDAM_PG_BIN, or name a server: --dev-url \
                 postgres://user@host/database",
            )
            .into()
    })
}

fn binaries(major: u32, progress: &mut dyn FnMut(&str)) -> Result<Binaries, ScratchError> {
    match find_all().into_iter().find(|binaries| binaries.version / 10_000 == major) {
        Some(binaries) => Ok(binaries),
        None => fetch(&format!("^{major}"), &mut |line: &str| progress(line)),
    }
}

fn version(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}

#[cfg(test)]
mod tests {
    use super::speaks_of;

    #[test]
    fn a_name_speaks_of_a_table_and_not_of_one_that_is_called_alike() {
        for (name, table, expected) in [
            ("column public.orders.note", "public.orders", true),
            ("constraint orders_pkey on public.orders", "public.orders", true),
            ("column public.orders_old.note", "public.orders", false),
            ("column my_public.orders.note", "public.orders", false),
            ("index public.orders_idx", "public.orders", false),
        ] {
            assert_eq!(speaks_of(name, table), expected, "{name}");
        }
    }
}
