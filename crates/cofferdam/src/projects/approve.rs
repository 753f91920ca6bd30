//! `approve --project`: a person's word about what `install` or `upgrade` would do.

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::Session;
use cofferdam_project::Release;
use cofferdam_runner::{Policy, refuse_blocking};

use super::flags::OfFlags;
use super::reach::reach;
use super::ready::{Ready, Wish, ready};
use crate::config::Settings;
use crate::context::Context;
use cofferdam_runner::Assessment;

/// What is to be approved.
pub(crate) struct Approving<'a> {
    pub(crate) project: &'a str,
    pub(crate) version: &'a Release,
    pub(crate) from: Option<&'a Release>,
    pub(crate) of: &'a OfFlags,
    /// The policy in the database.
    pub(crate) policy: &'a dyn Fn(&Settings) -> Result<Policy>,
}

/// What somebody agrees to: the plan as `install` makes it, or `upgrade` where the project is there.
pub(crate) async fn approve(
    context: &Context,
    asked: Approving<'_>,
) -> Result<(Settings, Box<dyn Session>, Assessment, Policy)> {
    let mut reached = reach(context, asked.project, asked.of)?;
    reached.refuse_unless_passed()?;
    let one = match (reached.databases.pop(), reached.databases.is_empty()) {
        (Some(one), true) => one,
        (last, _) => {
            let name = last.map(|one| one.name).unwrap_or_default();
            return Err(Refusal::new(Code::Usage, "a plan is approved for one database")
                .cause("the project has several, each with a journal of its own")
                .help(format!("--database {name}"))
                .into());
        }
    };
    let session = context.open(&one.settings).await?;
    let policy = (asked.policy)(&one.settings)?;
    let wish = Wish::Either(asked.version.clone(), asked.from.cloned());
    let Ready { session, assessment, policy, .. } = ready(session, (&reached, &wish), &policy).await?;
    refuse_blocking(&assessment, &policy)?;
    Ok((one.settings, session, assessment, policy))
}
