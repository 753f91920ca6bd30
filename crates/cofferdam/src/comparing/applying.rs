//! Applying a directory or a dump to a database that nobody needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cofferdam_core::bundle::Bundle;
use cofferdam_core::{Code, Fault, Refusal, Result, Script};
use cofferdam_engines::{Session, Stage};
use cofferdam_runner::{Policy, Silent, Stop, assess};
use cofferdam_schema::Schema;

use super::Source;
use crate::config::Settings;
use crate::context::Context;
use crate::throwaway::{Place, Version};
use crate::{files, wiring};

/// So many roles that a script names are made; then something else is wrong.
const MOST_ROLES: usize = 200;

/// Applies sources, each to a database of its own.
pub(super) struct Applying<'c> {
    context: &'c Context,
    dev_url: Option<String>,
    version: Version,
    place: Option<Place>,
}

impl<'c> Applying<'c> {
    /// Nothing is started before it is needed.
    pub(super) fn new(context: &'c Context, dev_url: Option<String>, version: Version) -> Self {
        Self { context, dev_url, version, place: None }
    }

    /// The schema of a source once it was applied.
    pub(super) async fn schema_of(&mut self, source: &Source, settings: &Settings) -> Result<Schema> {
        let what = match source {
            Source::Directory(path) => {
                let settings = Settings { dir: path.clone(), ..settings.clone() };
                What::Migrations(Box::new(self.context.bundle(&settings)?))
            }
            Source::Migrations { bundle, .. } => What::Migrations(bundle.clone()),
            Source::Dump(path) => What::Statements(dump(path)?),
            Source::Database { .. } | Source::Recorded { .. } => {
                return source.read(self.context, settings).await;
            }
        };
        self.applied(&what, &source.name()).await
    }

    /// A server of our own ends.
    pub(super) async fn leave(self) -> Result<()> {
        match self.place {
            Some(place) => place.leave().await,
            None => Ok(()),
        }
    }

    /// On a server that is nobody else's the roles that are named in it are made.
    async fn applied(&mut self, what: &What, name: &str) -> Result<Schema> {
        let place = match &self.place {
            Some(place) => place,
            None => {
                let place = Place::new(self.context, self.dev_url.clone(), self.version).await?;
                if let Some(version) = place.own() {
                    self.context.console.note(&format!(
                        "note: migrations and dumps are applied to a throw-away PostgreSQL {}",
                        version / 10_000
                    ));
                }
                self.place.insert(place)
            }
        };
        let own = place.own().is_some();
        // A server of our own goes with us; of another one a signal waits until the database is dropped.
        let alone = Stop::new();
        let stop = if own { &alone } else { self.context.halt.driving() };
        let mut roles: BTreeSet<String> = BTreeSet::new();
        loop {
            let mut stage = place.stage().await?;
            let mut outcome = on(&*stage, place.application(), what, stop).await;
            let missing = outcome.as_ref().err().and_then(missing_role).filter(|role| !roles.contains(role));
            let again = missing.filter(|_| own && roles.len() < MOST_ROLES);
            if let Some(role) = &again {
                outcome = stage.roles(std::slice::from_ref(role)).await.and(outcome);
            }
            let outcome = place.end(stage, outcome).await;
            match (outcome, again) {
                (Err(Fault::Refused(_)), Some(role)) => drop(roles.insert(role)),
                (outcome, _) => return outcome.map_err(|fault| not_applied(name, fault, own)),
            }
        }
    }
}

/// Applies it to an empty database. What that has then is read by a session that no script has set up.
async fn on(stage: &dyn Stage, application: &str, what: &What, stop: &Stop) -> Result<Schema> {
    apply(&mut *stage.open(application).await?, what, stop).await?;
    stage.open(application).await?.inspect().await
}

async fn apply(session: &mut dyn Session, what: &What, stop: &Stop) -> Result<()> {
    match what {
        What::Migrations(bundle) => {
            let policy = Policy {
                strategy: "direct".to_owned(),
                as_written: true,
                who: wiring::who(None),
                ..Policy::default()
            };
            let assessment = assess(session, bundle, &policy).await?;
            cofferdam_runner::apply(session, &assessment, &policy, Arc::new(Silent), stop).await.map(drop)
        }
        What::Statements(script) => run(session, script, stop).await,
    }
}

/// A dump, statement by statement, as psql does it. Rows are left out.
async fn run(session: &mut dyn Session, script: &Script, stop: &Stop) -> Result<()> {
    let dialect = wiring::dialect(None)?;
    for piece in (dialect.split)(script)? {
        if stop.asked() {
            return Err(stop.refusal().into());
        }
        let text = piece.text.to_string();
        let there = text.eq_ignore_ascii_case("create schema public");
        if piece.copy_rows.is_some() || there {
            continue;
        }
        match session.run_unrecorded(&text).await {
            // Written by a newer pg_dump.
            Err(fault)
                if text.starts_with("SET ") && says(&fault, "unrecognized configuration parameter") => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

/// What is applied.
enum What {
    Migrations(Box<Bundle>),
    Statements(Script),
}

/// A dump without the lines that only psql understands.
fn dump(path: &Path) -> Result<Script> {
    let script = files::script(path)?;
    let text = script.text.to_string();
    let fence = |line: &&str| !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ");
    let text: String = text.split_inclusive('\n').filter(fence).collect();
    Ok(Script { text: text.into(), ..script })
}

/// The role that a statement names and the server does not know.
fn missing_role(fault: &Fault) -> Option<String> {
    let refusal = fault.refusal()?;
    let texts = [Some(refusal.what.as_str()), refusal.cause.as_deref()];
    let texts = texts.into_iter().flatten().chain(refusal.notes.iter().map(String::as_str));
    texts
        .filter_map(|text| {
            let (_, rest) = text.split_once("role \"")?;
            let (name, rest) = rest.split_once('"')?;
            rest.starts_with(" does not exist").then(|| name.to_owned())
        })
        .next()
}

fn says(fault: &Fault, words: &str) -> bool {
    fault.refusal().is_some_and(|refusal| refusal.what.contains(words))
}

fn not_applied(name: &str, fault: Fault, own: bool) -> Fault {
    let Fault::Refused(refusal) = fault else { return fault };
    // The user's own mistakes in the files, and a wish to stop, are said as they are.
    if !matches!(
        refusal.code,
        Code::StatementFailed | Code::RolledBack | Code::RollbackFailed | Code::PermissionMissing
    ) {
        return Fault::Refused(refusal);
    }
    let mut out =
        Refusal::new(Code::SourceNotApplied, format!("{name} cannot be applied to a throw-away database"))
            .cause(refusal.what.clone())
            .help(match own {
                true => {
                    "where the server lacks something (an extension), name one that has it: --dev-url URL"
                }
                false => "the server of --dev-url must have what the statements name: extensions, roles",
            });
    out.place = refusal.place;
    out.notes = refusal.cause.into_iter().chain(refusal.notes).collect();
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_role_is_found_in_what_the_server_says() {
        let fault = |what: &str| Fault::from(Refusal::new(Code::StatementFailed, what));
        assert_eq!(missing_role(&fault("GRANT: role \"a b\" does not exist")).as_deref(), Some("a b"));
        assert_eq!(missing_role(&fault("relation \"a\" does not exist")), None);
        assert_eq!(missing_role(&fault("role \"a\" is a member of role \"b\"")), None);
    }

    #[test]
    fn lines_of_psql_alone_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dump.sql");
        std::fs::write(&path, "\\restrict abc\nSELECT 1;\n\\unrestrict abc\n").unwrap();
        assert_eq!(dump(&path).unwrap().text.to_string(), "SELECT 1;\n");
    }
}
