//! Asking something of a DatabaseMigration: what `pause`, `resume`, `cutover`, `rollback`, `finalize` and `retry` share.

use cofferdam_api::{DatabaseMigration, Phase};
use cofferdam_core::{Code, Refusal, Result};
use jiff::Timestamp;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;

use super::cluster::Written;
use super::next::{message, reason};
use super::words::Words;
use super::{Plugin, agree};
use crate::cli::Exit;
use crate::output::kube::status::StatusView;

/// How often it is tried where others write at the same time: the operator and the runner write the status.
const TRIES: usize = 10;

/// What is asked of a migration as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ask {
    /// What is to be changed in the object; `None`: it is so already.
    pub(crate) patch: Option<Value>,
    /// What is so afterwards: "orders is paused".
    pub(crate) so: String,
    /// What happens then.
    pub(crate) then: String,
    /// What is said before it is done, where a person must agree.
    pub(crate) question: Option<String>,
    /// The verb with its name that one types next; empty: `status NAME --watch`.
    pub(crate) next: String,
}

/// What is asked, from what was seen. Pure.
pub(crate) type Asking = fn(&DatabaseMigration, &Words, Timestamp) -> std::result::Result<Ask, Box<Refusal>>;

/// The name and what every such verb takes.
#[derive(Debug, clap::Args)]
pub(crate) struct SteerFlags {
    /// The DatabaseMigration: NAME or dbm/NAME
    #[arg(value_name = "NAME", value_parser = super::name::parse)]
    pub(crate) name: String,
    /// Then follow it until its end
    #[arg(short, long)]
    pub(crate) watch: bool,
}

/// The document of kind `Asked`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AskedView {
    namespace: String,
    migration: String,
    asked: &'static str,
    /// Something was written; false: it was so already.
    changed: bool,
    so: String,
    then: String,
    next: String,
}

impl AskedView {
    fn text(&self) -> String {
        format!("{}: {}\nnext: {}\n", self.so, self.then, self.next)
    }
}

/// Looks, asks the person where that is due, and writes, unless somebody else has written in between: then it looks
/// again.
pub(crate) async fn steer(
    plugin: &Plugin,
    flags: &SteerFlags,
    verb: &'static str,
    asking: Asking,
) -> Result<Exit> {
    let mut agreed: Option<Option<String>> = None;
    let mut tries = 0;
    let (seen, ask) = loop {
        let seen = plugin.cluster.find(Some(&flags.name), &plugin.words).await?;
        let ask = asking(&seen, &plugin.words, Timestamp::now())?;
        let plan = plan_of(&seen);
        let Some(patch) = ask.patch.clone() else { break (seen, ask) };
        match (&agreed, &ask.question) {
            (Some(before), _) if *before != plan => return Err(other_plan(&seen, plan, &plugin.words).into()),
            (None, Some(question)) => {
                agree::ask(&plugin.context, question).await?;
                agreed = Some(plan);
                // A person thinks for a while: what is there now?
                continue;
            }
            _ => {}
        }
        match plugin.cluster.write(&seen, patch).await? {
            Written::Done => break (seen, ask),
            Written::Conflict if tries < TRIES => tries += 1,
            Written::Conflict => {
                return Err(Refusal::new(
                    Code::ClusterRefused,
                    format!("{} is written by others all the time", flags.name),
                )
                .cause(format!("tried {TRIES} times"))
                .help("the same command again")
                .into());
            }
        }
    };
    let follows = plugin.words.line(&format!("status {} --watch", flags.name));
    let next = if ask.next.is_empty() { follows } else { plugin.words.line(&ask.next) };
    let changed = ask.patch.is_some();
    let view = AskedView {
        namespace: plugin.cluster.namespace.clone(),
        migration: flags.name.clone(),
        asked: verb,
        changed,
        so: ask.so,
        then: ask.then,
        next,
    };
    if !flags.watch {
        plugin.context.console.show("Asked", &view, AskedView::text);
        return Ok(Exit::DONE);
    }
    plugin.context.console.note(&format!("{}: {}", view.so, view.then));
    let before = seen.status.as_ref().filter(|_| changed);
    let (end, exit) = plugin.follow(&flags.name, before).await?;
    let view = StatusView::new(&end, &plugin.words);
    plugin.context.console.show("MigrationStatus", &view, StatusView::text);
    // What was asked for is no failure.
    let wanted = verb == "rollback" && end.status.as_ref().and_then(|s| s.phase) == Some(Phase::RolledBack);
    Ok(if wanted { Exit::DONE } else { exit })
}

/// The digest of its plan.
pub(crate) fn plan_of(migration: &DatabaseMigration) -> Option<String> {
    Some(migration.status.as_ref()?.plan_digest.as_ref()?.as_str().to_owned())
}

fn other_plan(migration: &DatabaseMigration, plan: Option<String>, words: &Words) -> Refusal {
    let name = migration.name_any();
    Refusal::new(Code::OtherPlan, format!("the plan of {name} changed while it was looked at"))
        .cause(plan.map_or_else(|| "it has none now".into(), |plan| format!("it is {plan} now")))
        .help(words.line(&format!("plan {name}")))
}

/// A refusal because of where it is.
pub(crate) fn not_now(migration: &DatabaseMigration, words: &Words, what: &str, help: &str) -> Box<Refusal> {
    let name = migration.name_any();
    let is = match (reason(migration), message(migration)) {
        (None, _) => "the operator has not looked at it as it is now".to_owned(),
        (Some(reason), "") => reason.word().to_owned(),
        (Some(reason), message) => format!("{reason}: {}", message.lines().next().unwrap_or_default()),
    };
    let help =
        if help.starts_with("kubectl ") { help.to_owned() } else { words.line(&help.replace("NAME", &name)) };
    Box::new(Refusal::new(Code::NotNow, format!("{name} {what}")).cause(is).help(help))
}
