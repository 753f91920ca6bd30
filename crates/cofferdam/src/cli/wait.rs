//! `wait`: until the server answers, until the database is where an application needs it, or until an object of
//! Kubernetes says so. It is what an init container of a Pod runs.

use std::time::Duration;

use cofferdam_api::{ConditionType, DatabaseMigration, conditions};
use cofferdam_core::bundle::{Bundle, Version};
use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::{Code, Fault, Refusal, Result};
use cofferdam_engines::{Runs, Session};
use cofferdam_formats::Options;
use cofferdam_operator::mirror::{Onlooker, Unseen};
use cofferdam_runner::{standing, with_windows};

use super::{Command, Exit, flags};
use crate::args::duration;
use crate::context::Context;
use crate::files;
use crate::output::words::count;

/// How long to wait for a server where nobody says.
const LIMIT: Duration = Duration::from_secs(60);
/// And for a change: a container that ends is started again, so this is how often that is seen.
const LONG: Duration = Duration::from_secs(600);
/// Between two looks: many Pods may look at the same time.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
struct Flags {
    /// Until this version is applied and in force
    #[arg(long, value_name = "VERSION", conflicts_with = "migration")]
    to: Option<String>,
    /// Until nothing of the directory is pending
    #[arg(long, conflicts_with_all = ["migration", "to"])]
    applied: bool,
    /// Until this DatabaseMigration is Ready; needs the right to get it, and no database
    #[arg(long, value_name = "NAME")]
    migration: Option<String>,
    /// Its namespace [default: that of the Pod, or of the kubeconfig]
    #[arg(long, value_name = "NAMESPACE", requires = "migration")]
    namespace: Option<String>,
    /// The condition that must be true, in place of Ready
    #[arg(long = "for", value_name = "CONDITION", requires = "migration", value_parser = condition)]
    condition: Option<ConditionType>,
}

pub(crate) static COMMAND: Command = Command {
    name: "wait",
    aliases: &[],
    about: "Wait until the database can be reached, or has a version",
    more: "For the init container of a Pod: the Pod begins to serve once the database is what it needs, and until then \
           the old ones go on serving. Without a flag it waits for a server that is starting or not there yet, for 60 s; \
           with --to, --applied or --migration for ten minutes; --timeout says otherwise. A wrong password, a missing \
           database or a missing right is not waited for. What it waits for is said on stderr when it changes.",
    examples: &[
        ("cofferdam wait --env prod --timeout 2m", "exit with 0 once it answers, with 124 after two minutes"),
        (
            "cofferdam wait --to 42",
            "in an init container, with DATABASE_URL or PGHOST and so on from the Secret",
        ),
        ("cofferdam wait --to users-2025/schema-changes", "a script of a DatabaseMigration: OBJECT/SCRIPT"),
        ("cofferdam wait --applied --dir migrations", "until nothing of this directory is pending"),
        (
            "cofferdam wait --migration orders --timeout 1h",
            "until the object is Ready, with a service account",
        ),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { wait(&context, &flags(&matches)?).await }),
};

fn condition(text: &str) -> std::result::Result<ConditionType, String> {
    ConditionType::ALL.iter().copied().find(|known| known.word() == text).ok_or_else(|| {
        let words: Vec<&str> = ConditionType::ALL.iter().map(|known| known.word()).collect();
        format!("one of: {}", words.join(", "))
    })
}

/// What a wait that is not over was last told, so that its end says it, too.
#[derive(Default)]
struct Told(String);

impl Told {
    fn tell(&mut self, context: &Context, what: String) {
        if self.0 != what {
            context.console.note(&format!("waiting: {what}"));
            self.0 = what;
        }
    }
}

async fn wait(context: &Context, flags: &Flags) -> Result<Exit> {
    let mut told = Told::default();
    let changes = flags.migration.is_some() || flags.to.is_some() || flags.applied;
    let limit = context.common.timeout.unwrap_or(if changes { LONG } else { LIMIT });
    let work = async {
        match &flags.migration {
            Some(name) => object(context, flags, name, &mut told).await,
            None => database(context, flags, &mut told).await,
        }
    };
    match tokio::time::timeout(limit, work).await {
        Ok(outcome) => outcome.map(|()| Exit::DONE),
        Err(_) => {
            let what = match (changes, told.0.is_empty()) {
                (false, _) | (_, true) => "the server did not answer in time".to_owned(),
                (true, false) => format!("what is waited for did not come in time: {}", told.0),
            };
            Err(Refusal::new(Code::TimedOut, what)
                .cause(format!("waited for {}", duration::shown(limit.as_millis() as u64)))
                .help("cofferdam doctor says what is wrong; --timeout waits longer")
                .into())
        }
    }
}

async fn database(context: &Context, flags: &Flags, told: &mut Told) -> Result<()> {
    let settings = context.settings()?;
    if flags.to.is_none() && !flags.applied {
        return context.open_patiently(&settings).await.map(|_| ());
    }
    let bundle = if flags.applied { Some(context.bundle(&settings)?) } else { None };
    let mut session: Option<Box<dyn Session>> = None;
    loop {
        let mut open = match session.take() {
            Some(open) => open,
            None => {
                let mut open = context.open_patiently(&settings).await?;
                let found = if bundle.is_none() { files::bundle(&settings).ok() } else { None };
                match open.keep(settings.keeping(bundle.as_ref().or(found.as_ref()))).await {
                    Ok(_) => open,
                    Err(fault) if comes_back(&fault) => {
                        told.tell(context, fault.to_string());
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    Err(fault) => return Err(with_rights(fault)),
                }
            }
        };
        match missing(&mut *open, flags.to.as_deref(), bundle.as_ref()).await {
            Ok(None) => return Ok(()),
            Ok(Some(what)) => {
                told.tell(context, what);
                session = Some(open);
            }
            // With a new session.
            Err(fault) if comes_back(&fault) => told.tell(context, fault.to_string()),
            Err(fault) => return Err(with_rights(fault)),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// An application's role seldom has a right in our schema, and these are all that it needs.
fn with_rights(fault: Fault) -> Fault {
    match fault {
        Fault::Refused(refusal) if refusal.code == Code::PermissionMissing => {
            let grants = "GRANT USAGE ON SCHEMA cofferdam TO role; GRANT SELECT ON ALL TABLES IN SCHEMA cofferdam TO role";
            Fault::Refused(Box::new(refusal.help(grants)))
        }
        other => other,
    }
}

fn comes_back(fault: &Fault) -> bool {
    match fault {
        Fault::Again { .. } => true,
        Fault::Refused(refusal) => matches!(refusal.code, Code::ConnectFailed | Code::ConnectionLost),
        Fault::Unknown(_) | Fault::Bug(_) => false,
    }
}

/// What is not there yet; `None`: everything is.
async fn missing(
    session: &mut dyn Session,
    to: Option<&str>,
    bundle: Option<&Bundle>,
) -> Result<Option<String>> {
    let unfinished = session.runs(Runs::Unfinished).await?;
    let history = with_windows(session.history().await?, &unfinished);
    if let Some(bundle) = bundle {
        let standing = standing(&*session, bundle, &history, &Options::default(), &unfinished);
        if let Some(problem) = standing.problems.first() {
            return Ok(Some(format!("the directory does not fit the database: {}", problem.what)));
        }
        let pending = standing.pending.len();
        return Ok((pending > 0).then(|| format!("{} pending", count(pending, "migration"))));
    }
    let Some(wanted) = to.filter(|wanted| !is_there(&history, wanted)) else { return Ok(None) };
    let at = match super::plan::newest(&history) {
        Some(newest) => format!("the database is at {newest}"),
        None => "the database has no version".to_owned(),
    };
    let working = if unfinished.is_empty() { "" } else { ", and a run is not over" };
    Ok(Some(format!("version {wanted} is not applied; {at}{working}")))
}

/// The version is in force, or the database was declared to be at it or later. That a later one was applied says nothing:
/// versions may come out of order.
fn is_there(history: &[Applied], wanted: &str) -> bool {
    let order = Version::sample(history.iter().filter_map(|row| row.version.as_deref()).chain([wanted]));
    let parsed = order.like(wanted);
    history.iter().filter(|row| row.in_force()).any(|row| {
        let Some(version) = row.version.as_deref() else { return false };
        match (order.like(version), &parsed) {
            (Some(version), Some(wanted)) if version.is_listed() || wanted.is_listed() => {
                version.text == wanted.text
            }
            (Some(version), Some(wanted)) if row.kind == AppliedKind::Baseline => version >= *wanted,
            (Some(version), Some(wanted)) => version == *wanted,
            _ => version == wanted,
        }
    })
}

async fn object(context: &Context, flags: &Flags, name: &str, told: &mut Told) -> Result<()> {
    context.heed_signals();
    let wanted = flags.condition.unwrap_or(ConditionType::Ready);
    let refused = |why: String| {
        Refusal::new(Code::Usage, format!("DatabaseMigration {name} cannot be read")).cause(why)
    };
    let onlooker = Onlooker::open(flags.namespace.as_deref()).await.map_err(|why| {
        refused(why).help("in a Pod it needs automountServiceAccountToken; elsewhere KUBECONFIG")
    })?;
    loop {
        match onlooker.read(name).await {
            Ok(Some(object)) => match standing_of(&object, wanted) {
                None => return Ok(()),
                Some(what) => told.tell(context, what),
            },
            Ok(None) => told.tell(context, format!("there is no DatabaseMigration {name}")),
            Err(Unseen::Forbidden(why)) => {
                return Err(refused(why)
                    .help("let the Pod's service account get databasemigrations of group cofferdam.dev")
                    .into());
            }
            Err(Unseen::Failed(why)) => told.tell(context, why),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why an object does not fulfil the condition; `None`: it does.
fn standing_of(object: &DatabaseMigration, wanted: ConditionType) -> Option<String> {
    let generation = object.metadata.generation.unwrap_or(0);
    let status = object.status.clone().unwrap_or_default();
    if conditions::holds(&status.conditions, wanted, generation) {
        return None;
    }
    let ready = conditions::find(&status.conditions, ConditionType::Ready);
    let Some(ready) = ready.filter(|ready| ready.observed_generation == Some(generation)) else {
        return Some("the operator has not seen the object as it is".to_owned());
    };
    let progress = status.progress.and_then(|progress| progress.summary).map(|text| format!("{text} "));
    let (progress, why) = (progress.unwrap_or_default(), &ready.message);
    Some(format!("{} is not true: {progress}{}: {why}", wanted.word(), ready.reason))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(version: &str, kind: AppliedKind, undone: bool) -> Applied {
        Applied {
            rank: 1,
            key: version.into(),
            version: Some(version.into()),
            description: String::new(),
            kind,
            checksum: None,
            at: String::new(),
            by: String::new(),
            ms: 0,
            run: None,
            bundle: Default::default(),
            undone_at: undone.then(String::new),
        }
    }

    #[test]
    fn a_version_is_there_where_it_is_in_force() {
        use AppliedKind::{Baseline, Versioned};
        for (rows, wanted, there) in [
            (&[("1", Versioned, false), ("2", Versioned, false)][..], "2", true),
            (&[("002", Versioned, false)], "2", true),
            (&[("2.0", Versioned, false)], "2", true),
            (&[("2", Versioned, true)], "2", false),
            (&[("2", Versioned, true), ("2", Versioned, false)], "2", true),
            // A later one says nothing of one that is out of order.
            (&[("3", Versioned, false)], "2", false),
            (&[("3", Baseline, false)], "2", true),
            (&[("1", Baseline, false)], "2", false),
            (&[("users/one", Versioned, false)], "users/one", true),
            (&[("users/one", Versioned, false)], "users/two", false),
            (&[("9", Baseline, false)], "users/one", false),
            (&[], "1", false),
        ] {
            let history: Vec<Applied> = rows.iter().map(|(v, kind, undone)| row(v, *kind, *undone)).collect();
            assert_eq!(is_there(&history, wanted), there, "{rows:?} {wanted}");
        }
    }

    #[test]
    fn a_condition_counts_for_the_spec_as_it_is() {
        let object = |status: &str, observed: i64| -> DatabaseMigration {
            serde_json::from_value(json!({
                "metadata": { "name": "a", "generation": 2 },
                "spec": {
                    "database": { "type": "postgresql", "connectionSecret": "db" },
                    "migration": { "image": "a:1" },
                },
                "status": { "progress": { "summary": "62% 4m" }, "conditions": [{
                    "type": "Ready", "status": status, "reason": "MigrationInProgress", "message": "copying",
                    "lastTransitionTime": "2026-11-21T09:00:00Z", "observedGeneration": observed,
                }] },
            }))
            .unwrap()
        };
        assert_eq!(standing_of(&object("True", 2), ConditionType::Ready), None);
        let said = |status, observed| standing_of(&object(status, observed), ConditionType::Ready).unwrap();
        assert_eq!(said("True", 1), "the operator has not seen the object as it is");
        assert_eq!(said("False", 2), "Ready is not true: 62% 4m MigrationInProgress: copying");
        assert!(standing_of(&object("True", 2), ConditionType::Verified).is_some());
    }
}
