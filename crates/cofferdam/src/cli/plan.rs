//! `plan`: what `apply` would do.

use std::path::PathBuf;

use cofferdam_core::{Code, Result};
use cofferdam_engines::Session;
use cofferdam_runner::approval::{self, Matter};
use cofferdam_runner::{Assessment, in_window, is_alter};

use super::{Command, Exit, flags};
use crate::args::limits::LimitFlags;
use crate::args::policy::{PolicyFlags, check_target};
use crate::config::Settings;
use crate::context::Context;
use crate::files;
use crate::output::envelope::Envelope;
use crate::output::plan::{DatabaseView, MigrationPlanView, PlanView, WordView};

#[derive(Debug, clap::Args)]
struct Flags {
    #[command(flatten)]
    policy: PolicyFlags,
    /// Print the statements as a script
    #[arg(long)]
    sql: bool,
    /// Write the plan as JSON into a file, too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 3 when something is pending
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "plan",
    aliases: &[],
    about: "Show what apply would do: each step, its lock, whom it blocks, and the way back",
    more: "Reads only. Exits with 4 when apply would refuse because of lint.",
    examples: &[
        ("cofferdam plan --url postgres://localhost/shop", "everything that is pending"),
        ("cofferdam plan --env prod --to 1.6.0 --sql", "the statements up to a version"),
        ("cofferdam plan --env prod --exit-code -o json", "for a pipeline: 3 when something is pending"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { plan(&context, &flags(&matches)?).await }),
};

async fn plan(context: &Context, flags: &Flags) -> Result<Exit> {
    let settings = context.settings()?;
    settings.need_database()?;
    let policy = flags.policy.policy(&flags.limits, &settings)?;
    let bundle = context.bundle(&settings)?;
    let mut session = context.open_keeping(&settings, Some(&bundle)).await?;
    let assessment = cofferdam_runner::assess(&mut *session, &bundle, &policy).await?;
    check_target(&policy, &assessment)?;
    let view = view(&mut *session, &settings, &assessment).await?;
    if let Some(path) = &flags.out {
        files::write(path, &Envelope::new("Plan", &view).json())?;
    }
    context.console.show("Plan", &view, |v| if flags.sql { v.sql() } else { v.text() });
    cofferdam_runner::refuse_blocking(&assessment, &policy)?;
    Ok(if flags.exit_code && !assessment.pending.is_empty() { Code::Pending.into() } else { Exit::DONE })
}

/// The view of an assessment; `apply --dry-run` shows the same.
pub(crate) async fn view(
    session: &mut dyn Session,
    settings: &Settings,
    assessment: &Assessment,
) -> Result<PlanView> {
    let database = database(session, settings, assessment).await?;
    let matter = Matter::pending(assessment);
    let approvals = words(session, &matter).await?;
    let pending = &assessment.pending;
    let from = newest(&assessment.history);
    let to = pending.iter().rev().find_map(|p| p.migration.version.as_ref()).map(|v| v.text.clone());
    Ok(PlanView {
        database,
        to: to.or_else(|| from.clone()),
        from,
        migrations: pending
            .iter()
            .map(|p| MigrationPlanView::new(&p.plan, Some(&p.migration)).because(p.why.clone()))
            .collect(),
        findings: pending.iter().flat_map(|p| p.findings.iter().cloned()).collect(),
        unfinished: assessment
            .unfinished
            .iter()
            .filter(|run| !is_alter(run) && !in_window(run))
            .map(|run| run.plan.key.clone())
            .collect(),
        digest: matter.digest(),
        approvals,
    })
}

/// What was said of what is pending: about these plans, or about others of the same migrations.
async fn words(session: &mut dyn Session, matter: &Matter) -> Result<Vec<WordView>> {
    let mut words = approval::words(session).await?;
    words.retain(|word| {
        word.approval.plans.iter().any(|plan| matter.plans.iter().any(|pending| pending.key == plan.key))
    });
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let now = approval::clock(session).await?;
    Ok(words.into_iter().map(|word| WordView::new(word, matter, now)).collect())
}

/// The database of an assessment, which asks for facts only where something is pending.
pub(crate) async fn database(
    session: &mut dyn Session,
    settings: &Settings,
    assessment: &Assessment,
) -> Result<DatabaseView> {
    let url = settings.url.as_deref();
    if assessment.facts.server.database.is_empty() {
        return Ok(DatabaseView::new(&session.facts(&[]).await?, url));
    }
    Ok(DatabaseView::new(&assessment.facts, url))
}

/// The name of an assessment's database. With nothing pending no facts were asked for, and to ask for them would
/// double the time of the command: where the URL says the name, that is enough.
pub(crate) async fn database_name(
    session: &mut dyn Session,
    settings: &Settings,
    assessment: &Assessment,
) -> Result<String> {
    let known = &assessment.facts.server.database;
    if !known.is_empty() {
        return Ok(known.clone());
    }
    match settings.url.as_deref().and_then(named) {
        Some(name) => Ok(name),
        None => Ok(session.facts(&[]).await?.server.database),
    }
}

/// The database that a URL names beyond doubt: by its path, in letters that mean themselves, without a parameter
/// that names another.
fn named(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    url.host_str().filter(|host| !host.is_empty())?;
    let name = url.path().strip_prefix('/').filter(|name| !name.is_empty())?;
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let another = url.query_pairs().any(|(key, _)| matches!(&*key, "dbname" | "service"));
    (plain && !another).then(|| name.to_owned())
}

/// The newest version in force.
pub(crate) fn newest(history: &[cofferdam_core::history::Applied]) -> Option<String> {
    use cofferdam_core::bundle::Version;
    let in_force = history.iter().filter(|a| a.in_force());
    let order = Version::sample(history.iter().filter_map(|a| a.version.as_deref()));
    in_force.filter_map(|a| a.version.as_deref().and_then(|text| order.like(text))).max().map(|v| v.text)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn only_a_plain_path_names_a_database() {
        let cases = [
            ("postgres://app@db.prod:5432/shop", Some("shop")),
            ("postgres://db/shop?sslmode=disable", Some("shop")),
            ("postgres://db/shop?dbname=other", None),
            ("postgres://db/shop?service=other", None),
            ("postgres://db/sh%20op", None),
            ("postgres://db/", None),
            ("postgres://db", None),
            ("postgres:///shop", None),
            ("file:/shop", None),
            ("host=db dbname=shop", None),
        ];
        for (url, expected) in cases {
            assert_eq!(named(url).as_deref(), expected, "{url}");
        }
    }
}
