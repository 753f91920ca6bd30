//! Applying a directory or a dump to a database that nobody needs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use cofferdam_core::bundle::Bundle;
use cofferdam_core::{Code, Fault, Refusal, Result, Script};
use cofferdam_engines::{Session, Target};
use cofferdam_runner::{Policy, Silent, Stop, assess};
use cofferdam_schema::{Key, Kind, Schema};
use cofferdam_scratch::{Binaries, Options, ScratchError, Server, fetch, find_all, find_or_fetch};

use super::Source;
use crate::config::Settings;
use crate::context::Context;
use crate::{files, wiring};

/// Empties a database of everything that can be in a schema. Schema public comes back as a new database has it.
const CLEAR: &str = "DO $$ DECLARE s text; o name; BEGIN
    SELECT pg_catalog.pg_get_userbyid(nspowner) INTO o FROM pg_catalog.pg_namespace WHERE nspname = 'public';
    FOR s IN SELECT nspname FROM pg_catalog.pg_namespace
             WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' LOOP
        EXECUTE pg_catalog.format('DROP SCHEMA %I CASCADE', s);
    END LOOP;
    CREATE SCHEMA public;
    COMMENT ON SCHEMA public IS 'standard public schema';
    IF pg_catalog.current_setting('server_version_num')::int < 150000 THEN
        GRANT ALL ON SCHEMA public TO PUBLIC;
    ELSE
        GRANT USAGE ON SCHEMA public TO PUBLIC;
    END IF;
    BEGIN
        EXECUTE pg_catalog.format('ALTER SCHEMA public OWNER TO %I', o);
    EXCEPTION WHEN insufficient_privilege THEN NULL;
    END;
    END $$";

/// So many roles that a script names are made; then something else is wrong.
const MOST_ROLES: usize = 200;

/// A server of our own that ends with this value, or a database that was named for it.
pub(super) struct ThrowAway<'c> {
    context: &'c Context,
    dev_url: Option<String>,
    /// The major version that it should have.
    major: Option<u32>,
    server: Option<Arc<Server>>,
    made: usize,
}

impl<'c> ThrowAway<'c> {
    /// Nothing is started before it is needed.
    pub(super) fn new(context: &'c Context, dev_url: Option<String>, major: Option<u32>) -> Self {
        Self { context, dev_url, major, server: None, made: 0 }
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
            Source::Database { .. } => return source.inspect(self.context, settings).await,
        };
        match self.dev_url.clone() {
            Some(url) => self.on_named(&url, &what, &source.name()).await,
            None => self.on_own(&what, &source.name()).await,
        }
    }

    /// On a database that was named for it: nothing may be in it, and nothing is left in it.
    async fn on_named(&self, url: &str, what: &What, name: &str) -> Result<Schema> {
        let mut session = self.open(url).await?;
        // Before anything of ours is in it, and once more when nobody else can be at it with this command.
        let schemas = "SELECT nspname FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_'
                       AND nspname NOT IN ('information_schema', 'public')";
        let others = session.rows(schemas, 1).await?.rows.into_iter().flatten().flatten().next();
        refuse_what_is_there(&session.inspect().await?, others)?;
        session.claim(std::time::Duration::ZERO).await?;
        refuse_what_is_there(&session.inspect().await?, None)?;
        if let What::Statements(_) = what {
            // A dump may bring one of its own.
            session.run_unrecorded("DROP SCHEMA cofferdam CASCADE").await?;
        }
        // A signal is waited with until the database is empty again.
        let stop = self.context.halt.driving();
        let applied = match self.apply(url, what, Some(&mut *session), stop).await {
            Ok(()) => session.inspect().await,
            Err(fault) => Err(not_applied(name, fault, false)),
        };
        session.reset().await?;
        let cleared = session.run_unrecorded(CLEAR).await;
        let schema = applied?;
        cleared?;
        Ok(schema)
    }

    /// On a database of a server of our own. Roles that are named in it are made.
    async fn on_own(&mut self, what: &What, name: &str) -> Result<Schema> {
        let server = self.server().await?;
        let mut roles: BTreeSet<String> = BTreeSet::new();
        loop {
            self.made += 1;
            let url = blocking(&server, {
                let database = format!("throw_away_{}", self.made);
                move |server| server.create_database(&database)
            })
            .await?;
            match self.apply(&url, what, None, &Stop::new()).await {
                Ok(()) => return self.open(&url).await?.inspect().await,
                Err(fault) => match missing_role(&fault).filter(|role| !roles.contains(role)) {
                    Some(role) if roles.len() < MOST_ROLES => {
                        let quoted = cofferdam_core::QuotedIdent::new(&role)?;
                        let sql = format!("CREATE ROLE {quoted}");
                        blocking(&server, move |server| server.query("postgres", &sql)).await?;
                        roles.insert(role);
                    }
                    _ => return Err(not_applied(name, fault, true)),
                },
            }
        }
    }

    async fn apply(
        &self,
        url: &str,
        what: &What,
        session: Option<&mut dyn Session>,
        stop: &Stop,
    ) -> Result<()> {
        let mut own = None;
        let session = match session {
            Some(session) => session,
            None => &mut **own.insert(self.open(url).await?),
        };
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

    async fn open(&self, url: &str) -> Result<Box<dyn Session>> {
        let target = Target {
            url: Some(url.to_owned()),
            application: format!("cofferdam {}", self.context.verb),
            who: wiring::who(None),
            logins: None,
        };
        wiring::engine(Some(url))?.open(&target).await
    }

    /// Of the version that is compared with, where one can be had.
    async fn server(&mut self) -> Result<Arc<Server>> {
        if let Some(server) = &self.server {
            return Ok(Arc::clone(server));
        }
        let (major, console) = (self.major, &self.context.console);
        let started = tokio::task::spawn_blocking(move || {
            let binaries = binaries(major)?;
            let quick = [("jit", "off"), ("autovacuum", "off")];
            let settings = quick.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
            Server::start(&binaries, &Options { settings, ..Options::default() })
        });
        let server = started.await.map_err(|e| Fault::Bug(e.to_string()))?.map_err(|e| no_server(&e))?;
        let server = Arc::new(server);
        console.note(&format!(
            "note: migrations and dumps are applied to a throw-away PostgreSQL {}",
            server.version() / 10_000
        ));
        self.server = Some(Arc::clone(&server));
        Ok(server)
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

/// Nothing may be in a database that is emptied afterwards. `schema`: one that is in it.
fn refuse_what_is_there(found: &Schema, schema: Option<String>) -> Result<()> {
    let public = Key::new(Kind::Schema, "", "public");
    let something = found.objects.keys().find(|key| **key != public).map(ToString::to_string);
    let left_out = found.left_out.first().map(|one| format!("{} {}", one.what, one.name));
    match something.or(schema.map(|name| format!("schema {name}"))).or(left_out) {
        None => Ok(()),
        Some(it) => Err(Refusal::new(Code::NotThrowAway, "the database of --dev-url is not empty")
            .cause(format!("there is {it} in it, and what is in it would be dropped"))
            .help("name an empty database: createdb NAME makes one")
            .into()),
    }
}

/// An installed one of this version, else a portable build of it, else any.
fn binaries(major: Option<u32>) -> Result<Binaries, ScratchError> {
    let Some(major) = major else { return find_or_fetch(&mut |_| {}) };
    if let Some(found) = find_all().into_iter().find(|binaries| binaries.version / 10_000 == major) {
        return Ok(found);
    }
    fetch(&format!("^{major}"), &mut |_| {}).or_else(|_| find_or_fetch(&mut |_| {}))
}

async fn blocking<T: Send + 'static>(
    server: &Arc<Server>,
    work: impl FnOnce(&Server) -> cofferdam_scratch::Result<T> + Send + 'static,
) -> Result<T> {
    let server = Arc::clone(server);
    let done = tokio::task::spawn_blocking(move || work(&server)).await;
    done.map_err(|e| Fault::Bug(e.to_string()))?.map_err(|e| no_server(&e))
}

fn no_server(error: &ScratchError) -> Fault {
    Refusal::new(Code::NoServerFound, "there is no PostgreSQL to apply it to")
        .cause(error.to_string())
        .help("name an empty database with --dev-url, install PostgreSQL, or name its bin folder with COFFERDAM_PG_BIN")
        .into()
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
    let mut out = Refusal::new(Code::SourceNotApplied, format!("{name} cannot be applied to a throw-away database"))
        .cause(refusal.what.clone())
        .help(match own {
            true => "where the server lacks something (an extension), name an empty database of one that has it: --dev-url URL",
            false => "the database of --dev-url must have what the statements name: extensions, roles",
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
