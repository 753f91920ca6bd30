//! `approve`: a person's word about what `apply` would do, written into the journal of the database.

use std::time::Duration;

use cofferdam_core::approval::{Approval, Decision};
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::Session;
use cofferdam_project::Release;
use cofferdam_runner::approval::{self, Matter};
use cofferdam_runner::{Assessment, Policy, assess, refuse_blocking};
use serde::Serialize;

use super::{Command, Exit, flags, plan};
use crate::args::duration;
use crate::args::limits::LimitFlags;
use crate::args::policy::{PolicyFlags, check_target};
use crate::config::Settings;
use crate::context::Context;
use crate::plugin::agree;
use crate::projects::{self, OfFlags, release};

/// So many digits of a digest tell it from every other one that a person could mean.
const PREFIX: usize = 12;

#[derive(Debug, clap::Args)]
struct Flags {
    /// At most so many migrations
    #[arg(value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    most: Option<u32>,
    /// The plan that was looked at, by its digest or the first 12 digits of it; nothing is asked then
    #[arg(long, value_name = "DIGEST", value_parser = digest)]
    plan: Option<String>,
    /// How long it is good [default: as cofferdam.yaml says, or for ever]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse)]
    lasts: Option<Duration>,
    /// Why, for those who read it later
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Say no: this plan must not be carried out
    #[arg(long)]
    reject: bool,
    /// What install or upgrade would do to a database of this project, to bring it to the version of --version
    #[arg(
        long,
        value_name = "PROJECT",
        requires = "version",
        conflicts_with = "most",
        help_heading = "Project"
    )]
    project: Option<String>,
    /// With --project: the version that the database is to have
    #[arg(long, value_name = "VERSION", value_parser = release, requires = "project", help_heading = "Project")]
    version: Option<Release>,
    /// With --project: the version that is believed to be there
    #[arg(long, value_name = "VERSION", value_parser = release, requires = "project", help_heading = "Project")]
    from_version: Option<Release>,
    #[command(flatten)]
    of: OfFlags,
    #[command(flatten)]
    policy: PolicyFlags,
    #[command(flatten)]
    limits: LimitFlags,
}

pub(crate) static COMMAND: Command = Command {
    name: "approve",
    aliases: &[],
    about: "Agree to what apply would do, or reject it",
    more: "Shows the plan and asks. What is agreed to is exactly this plan of this database: one that changes, or whose \
           tables change, needs a new approval. The word stands in the journal, signed by who runs the command; `apply \
           --approval required` begins nothing without it.",
    examples: &[
        ("cofferdam approve --env prod --for 24h", "show the plan, ask, and agree to it until tomorrow"),
        ("cofferdam approve --env prod --plan 9f2c4d1e0a7b", "only if the plan is still this one"),
        (
            "cofferdam approve --project e-commerce-api --version v1.1.0 --env prod",
            "what install or upgrade would do",
        ),
        ("cofferdam approve --env prod --reject --reason 'wait for the sale to end'", "say no"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { approve(&context, &flags(&matches)?).await }),
};

/// What is said.
#[derive(Debug, Default)]
pub(crate) struct Saying {
    pub(crate) reject: bool,
    pub(crate) lasts: Option<Duration>,
    pub(crate) reason: Option<String>,
}

/// The document of kind `Approval`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ApprovalView {
    /// It was written now; false: it stood there.
    changed: bool,
    by: String,
    #[serde(flatten)]
    approval: Approval,
}

impl ApprovalView {
    fn text(&self) -> String {
        let word = match self.approval.decision {
            Decision::Approve => "is approved",
            Decision::Reject => "is rejected",
        };
        let before = if self.changed { "" } else { " already" };
        let until = self.approval.until.as_deref().map(|until| format!(" until {until}")).unwrap_or_default();
        let keys: Vec<&str> = self.approval.plans.iter().map(|plan| plan.key.as_str()).collect();
        format!("plan {} of {} {word}{before} by {}{until}", self.approval.digest, keys.join(", "), self.by)
    }
}

async fn approve(context: &Context, flags: &Flags) -> Result<Exit> {
    let (settings, mut session, assessment, policy) = assessed(context, flags).await?;
    let matter = Matter::pending(&assessment);
    if matter.plans.is_empty() {
        return Err(Refusal::new(Code::NoSuchVersion, "nothing is pending, so there is no plan to agree to")
            .help("cofferdam status")
            .into());
    }
    same(&matter, flags.plan.as_deref())?;
    if flags.plan.is_none() {
        let view = plan::view(&mut *session, &settings, &assessment).await?;
        let verb = if flags.reject { "Reject" } else { "Agree to" };
        agree::ask(context, &format!("{}\n{verb} this plan?", view.text())).await?;
    }
    let lasts = flags.lasts.or(settings.approval.lasts);
    let saying = Saying { reject: flags.reject, lasts, reason: flags.reason.clone() };
    say(context, &mut *session, &matter, &policy, saying).await
}

/// What would be done. What `apply` would refuse is not agreed to.
async fn assessed(
    context: &Context,
    flags: &Flags,
) -> Result<(Settings, Box<dyn Session>, Assessment, Policy)> {
    if let (Some(project), Some(version)) = (&flags.project, &flags.version) {
        let policy = |settings: &Settings| {
            Ok(Policy { to: None, out_of_order: false, ..flags.policy.policy(&flags.limits, settings)? })
        };
        let (from, of) = (flags.from_version.as_ref(), &flags.of);
        let asked = projects::Approving { project, version, from, of, policy: &policy };
        return projects::approve(context, asked).await;
    }
    let settings = context.settings()?;
    settings.need_database()?;
    let mut policy = flags.policy.policy(&flags.limits, &settings)?;
    policy.most = flags.most.map(|most| most as usize);
    let (bundle, mut session) = context.bundle_and_session(&settings, false).await?;
    let assessment = assess(&mut *session, &bundle, &policy).await?;
    check_target(&policy, &assessment)?;
    refuse_blocking(&assessment, &policy)?;
    Ok((settings, session, assessment, policy))
}

/// Refuses a digest that is not that of what is pending.
fn same(matter: &Matter, wanted: Option<&str>) -> Result<()> {
    let digest = matter.digest();
    let digits = digest.strip_prefix("sha256:").unwrap_or(&digest);
    match wanted {
        Some(wanted) if !digits.starts_with(wanted) => {
            Err(Refusal::new(Code::ApprovalOther, "the plan is not the one that was looked at")
                .cause(format!("the plan is {digest}, and sha256:{wanted} was given"))
                .help("look at it again: cofferdam plan")
                .into())
        }
        _ => Ok(()),
    }
}

/// Writes the word and shows it.
pub(crate) async fn say(
    context: &Context,
    session: &mut dyn Session,
    matter: &Matter,
    policy: &Policy,
    saying: Saying,
) -> Result<Exit> {
    let decision = if saying.reject { Decision::Reject } else { Decision::Approve };
    let lasts = saying.lasts.filter(|_| !saying.reject);
    let (approval, changed) =
        approval::decide(session, matter, decision, lasts, saying.reason, policy).await?;
    let view = ApprovalView { changed, by: policy.who.clone(), approval };
    context.console.show("Approval", &view, ApprovalView::text);
    Ok(Exit::DONE)
}

/// Reads a digest or the beginning of one.
///
/// # Errors
/// A sentence for the command line.
fn digest(text: &str) -> std::result::Result<String, String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    match digits.len() {
        PREFIX..=64 if digits.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(digits),
        _ => Err(format!("write the digest that cofferdam plan shows, or its first {PREFIX} digits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_given_whole_or_by_its_first_digits() {
        let whole = "ab".repeat(32);
        for (text, read) in [
            ("9F2c4d1e0a7b", Some("9f2c4d1e0a7b")),
            (whole.as_str(), Some(whole.as_str())),
            ("sha256:9f2c4d1e0a7b", Some("9f2c4d1e0a7b")),
            ("9f2c4d1e0a7", None),
            ("9f2c4d1e0a7g", None),
            ("", None),
        ] {
            assert_eq!(digest(text).ok().as_deref(), read, "{text}");
        }
    }
}
