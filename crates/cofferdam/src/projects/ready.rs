//! One database of a project, looked at: where it is, and what would bring it where it should be.

use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::plan::Intent;
use cofferdam_core::{Bundle, Code, Fault, Plan, Refusal, Result, Script};
use cofferdam_engines::{Run, Runs, Session};
use cofferdam_formats::standing;
use cofferdam_project::deploy::{self, At, Begun, Seat, Shipment, begun, prefix, shipment};
use cofferdam_project::{Release, Route, Stage};
use cofferdam_runner::backup::{When, wanted};
use cofferdam_runner::rider::{Ground, Ride, Rider, Riders, VERSION, in_force};
use cofferdam_runner::{
    Assessment, Policy, SharedReporter, apply, assess, in_window, is_alter, with_windows,
};
use uuid::Uuid;

use super::metadata::{self, Metadata};
use super::reach::{One, Reached};
use crate::context::Context;
use crate::output::progress::Progress;

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// A version in a database without the project.
    Install(Release),
    /// A later version; the one that is believed to be there.
    Upgrade(Release, Option<Release>),
    /// A version in a database without the project, or a later one.
    Either(Release, Option<Release>),
}

impl Wish {
    /// For a sentence.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Wish::Install(_) => "install",
            Wish::Upgrade(..) | Wish::Either(..) => "upgrade",
        }
    }

    /// The version that is wanted.
    pub(crate) fn to(&self) -> &Release {
        match self {
            Wish::Install(to) | Wish::Upgrade(to, _) | Wish::Either(to, _) => to,
        }
    }
}

/// What a database says of a project.
pub(crate) struct Looked {
    pub(crate) metadata: Metadata,
    /// With online changes that are in their revert window.
    pub(crate) history: Vec<Applied>,
    pub(crate) unfinished: Vec<Run>,
    pub(crate) begun: Vec<Begun>,
    /// What the history alone has in force of the project.
    in_force: Vec<String>,
}

impl Looked {
    /// Where it is.
    pub(crate) fn at(&self, reached: &Reached) -> Result<At> {
        let said = self.metadata.version.as_deref();
        At::of(&reached.project, reached.kind, &self.begun, said).map_err(Fault::Refused)
    }

    /// What must still be so under the run lock. `note` goes to the journal then.
    pub(crate) fn ground(&self, project: &str, note: String) -> Result<Ground> {
        Ok(Ground {
            prefix: prefix(project),
            in_force: self.in_force.clone(),
            query: self.metadata.query()?,
            answer: self.metadata.version.clone(),
            note,
        })
    }
}

/// Looks. Reads only.
pub(crate) async fn look(session: &mut dyn Session, project: &str) -> Result<Looked> {
    let metadata = metadata::read(session, project).await?;
    let unfinished = session.runs(Runs::Unfinished).await?;
    let history = session.history().await?;
    let in_force = in_force(&history, &prefix(project));
    let history = with_windows(history, &unfinished);
    let begun = begun(project, &history);
    Ok(Looked { metadata, history, unfinished, begun, in_force })
}

/// A database that is ready to be changed.
pub(crate) struct Ready {
    pub(crate) session: Box<dyn Session>,
    pub(crate) assessment: Assessment,
    pub(crate) policy: Policy,
    pub(crate) from: Option<Release>,
    /// Each version on the way, the last one last.
    pub(crate) way: Vec<Release>,
}

/// Looks at a database, and plans. Nothing is written. `policy`: of the flags.
pub(crate) async fn ready(
    mut session: Box<dyn Session>,
    (reached, wish): (&Reached, &Wish),
    policy: &Policy,
) -> Result<Ready> {
    let project = &reached.project.name;
    let looked = look(&mut *session, project).await?;
    let at = looked.at(reached)?;
    let to = &reached.project.as_written(wish.to());
    let asked = !matches!(wish, Wish::Upgrade(..))
        && at.version.is_some()
        && asked_last(&mut *session, project, to).await?;
    let wish = &match wish {
        Wish::Either(to, _) if at.version.is_none() || asked => Wish::Install(to.clone()),
        Wish::Either(to, from) => Wish::Upgrade(to.clone(), from.clone()),
        other => other.clone(),
    };
    let (of, kind) = (&reached.project, reached.kind);
    let route = match wish {
        Wish::Install(_) => deploy::install(of, kind, &at, to, asked),
        Wish::Upgrade(_, from) | Wish::Either(_, from) => deploy::upgrade(of, kind, &at, to, from.as_ref()),
    };
    let route = route.map_err(Fault::Refused)?;
    let Shipment { bundle, seats } = shipment(project, &route.legs).map_err(Fault::Refused)?;
    let mut policy = policy.clone();
    policy.riders = riders(&looked.metadata, &seats, &route)?;
    policy.ground = Some(looked.ground(project, note(project, wish.word(), to, at.version.as_ref()))?);
    if matches!(wish, Wish::Upgrade(..))
        && reached.policies.backup_before_upgrade
        && policy.backups.when == When::Never
    {
        policy.backups.when = When::Destructive;
    }
    let mut assessment = assess(&mut *session, &bundle, &policy).await?;
    for problem in &mut assessment.standing.problems {
        // What is repaired in a directory of migrations has no directory here.
        problem.help = Some("put the file back as it was, and make the change in a later version".to_owned());
    }
    let way = route.legs.iter().map(|leg| leg.to.clone()).collect();
    Ok(Ready { session, assessment, policy, from: at.version, way })
}

impl Ready {
    /// Refuses, before anything is done, an upgrade that destroys something of which no backup could be taken.
    ///
    /// # Errors
    /// `BackupPolicy`, `BackupBlind`.
    pub(crate) fn refuse_unsaved(&self) -> Result<()> {
        let backups = &self.policy.backups;
        for pending in &self.assessment.pending {
            let plan: &Plan = &pending.plan;
            let is_wanted = match wanted(plan, backups, self.session.dialect()) {
                Err(Fault::Refused(blind)) if blind.code == Code::BackupBlind && backups.to.is_none() => true,
                other => other?,
            };
            if is_wanted && backups.to.is_none() {
                return Err(Refusal::new(
                    Code::BackupPolicy,
                    format!("{} destroys something, and there is no place for a backup", plan.key),
                )
                .cause("backup_before_upgrade of project-config.yaml asks for one first; nothing was changed")
                .help("--backup-to URL, or backup: {to: URL} in the environment of cofferdam.yaml")
                .into());
            }
        }
        Ok(())
    }
}

/// The row of the journal that says what was asked for.
pub(crate) fn note(project: &str, word: &str, to: &Release, from: Option<&Release>) -> String {
    let from = from.map_or_else(|| "nothing".to_owned(), Release::to_string);
    format!("project {project}: {word} {to} from {from}")
}

/// The last thing that was asked for of a project was the installation of this version: what is there of it is a part
/// of that.
async fn asked_last(session: &mut dyn Session, project: &str, to: &Release) -> Result<bool> {
    let (ours, this) = (format!("project {project}: "), format!("project {project}: install {to} "));
    let entries = session.journal(Some(Uuid::nil())).await?;
    let last = entries.iter().rev().find_map(|entry| match &entry.what {
        What::Noted { text } if text.starts_with(&ours) => Some(text),
        _ => None,
    });
    Ok(last.is_some_and(|text| text.starts_with(&this)))
}

/// What rides along with each migration: the table, the checks of stages, the version.
pub(super) fn riders(metadata: &Metadata, seats: &[Seat], route: &Route) -> Result<Riders> {
    let makes_it = route
        .legs
        .iter()
        .flat_map(|leg| &leg.stages)
        .flat_map(|run| &run.tasks)
        .any(|task| metadata.is_made_by(task.script.script.text.as_ref()));
    let mut riders = Riders::new();
    for seat in seats {
        let mut rider = Rider::default();
        if seat.begins && !metadata.there && !makes_it {
            rider.before.push(Ride::Sql {
                id: "metadata".into(),
                title: "create the table project_metadata".into(),
                sql: metadata.create()?,
                back: None,
            });
        }
        rider.before.extend(checks("before", &seat.before));
        if let Some((from, to)) = &seat.reaches {
            rider.after.push(version(metadata, to, from.as_ref())?);
        }
        rider.after.extend(checks("after", &seat.after));
        riders.insert(seat.key.clone(), rider);
    }
    Ok(riders)
}

/// Writes the version; `before`: what it was.
pub(crate) fn version(metadata: &Metadata, to: &Release, before: Option<&Release>) -> Result<Ride> {
    let before = before.map(Release::to_string);
    Ok(Ride::Sql {
        id: VERSION.into(),
        title: format!("write version {to} into project_metadata"),
        sql: metadata.write(Some(&to.to_string()))?,
        back: Some(metadata.write(before.as_deref())?),
    })
}

fn checks<'a>(when: &'a str, of: &'a [(Stage, Script)]) -> impl Iterator<Item = Ride> + 'a {
    of.iter().enumerate().map(move |(number, (stage, script))| Ride::Check {
        id: format!("{stage}.{when}.{}", number + 1),
        title: format!("check stage {stage}"),
        script: script.clone(),
    })
}

/// A rollback that was cut off changes what there is to be done: it is finished before anything is worked out. The same
/// for what was cut off before a rollback.
pub(crate) async fn finish_what_was_cut_off(
    context: &Context,
    session: &mut dyn Session,
    policy: &Policy,
    which: fn(&Run) -> bool,
) -> Result<()> {
    let unfinished = session.runs(Runs::Unfinished).await?;
    let ours = |run: &&Run| !is_alter(run) && !in_window(run) && which(run);
    let Some(run) = unfinished.iter().find(ours) else { return Ok(()) };
    context.console.note(&format!("going on with {}, which was cut off", run.plan.key));
    let nothing = Bundle { format: standing::LIST, migrations: Vec::new(), skipped: Vec::new() };
    let assessment = assess(session, &nothing, policy).await?;
    let progress = Progress::new(&context.console);
    let reporter: SharedReporter = progress.reporter();
    let outcome = apply(session, &assessment, policy, reporter, context.halt.driving()).await;
    progress.end();
    outcome.map(drop)
}

/// It takes something back.
pub(crate) fn takes_back(run: &Run) -> bool {
    run.plan.intent == Intent::Undo
}

/// The database of a session in a few words: its name in the configuration, and on the server.
pub(crate) async fn named(context: &Context, session: &mut dyn Session, one: &One) -> Result<String> {
    let name = session.facts(&[]).await?.server.database;
    if name != one.database {
        context.console.note(&format!(
            "note: {} is {} in project-config.yaml, and the URL leads to {name}",
            one.name, one.database
        ));
    }
    Ok(name)
}
