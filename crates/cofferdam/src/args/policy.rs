//! The flags that decide what is planned: `plan` and `apply` share them, so that the one shows what the other
//! does.

use std::time::Duration;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_runner::{Assessment, Policy, Wishes};

use super::allow;
use super::backup::{BackupFlags, UNVERIFIED};
use super::limits::LimitFlags;
use super::online::{DATA_LOSS, NO_COMPARISON, OnlineFlags};
use super::park::ParkFlags;
use crate::config::Settings;
use crate::{linting, wiring};

/// How long to wait for another runner where nobody says.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The flags of planning.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct PolicyFlags {
    /// Up to this version
    #[arg(long, value_name = "VERSION")]
    pub(crate) to: Option<String>,
    /// Run the statements as they are written, without the native safe sequences
    #[arg(long)]
    pub(crate) as_written: bool,
    /// How the change is made: auto, direct, shadow-table [default: auto]
    #[arg(long, value_name = "NAME")]
    pub(crate) strategy: Option<String>,
    /// Apply versions older than the newest applied one, too
    #[arg(long)]
    pub(crate) out_of_order: bool,
    /// Allow the findings of a rule, data-loss, no-comparison, or a check that cannot be read, and say why; may be
    /// repeated
    #[arg(long, value_name = "RULE=REASON", value_parser = allow::parse)]
    pub(crate) allow: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) online: OnlineFlags,
    #[command(flatten)]
    pub(crate) backup: BackupFlags,
    #[command(flatten)]
    pub(crate) park: ParkFlags,
}

impl PolicyFlags {
    /// The policy of these flags.
    ///
    /// # Errors
    /// `NoSuchRule` for an allowance of a rule that there is not, `NoSuchVersion` for a target that is none.
    pub(crate) fn policy(&self, limits: &LimitFlags, settings: &Settings) -> Result<Policy> {
        let defaults = plain(limits, settings);
        let strategy =
            self.strategy.clone().or_else(|| settings.strategy.clone()).unwrap_or(defaults.strategy);
        check_strategy(&strategy)?;
        let (keys, _) = linting::keys(settings)?;
        Ok(Policy {
            strategy,
            levels: keys.levels(),
            naming: keys.conventions()?,
            as_written: self.as_written,
            out_of_order: self.out_of_order || settings.out_of_order,
            to: self.to.as_deref().map(target).transpose()?,
            wishes: Wishes {
                park: self.park.seconds(settings)?,
                ..self.online.wishes(settings, &self.allow)?
            },
            finalize: self.online.finalize,
            backups: self.backup.backups(settings, &self.allow)?,
            allow: self.allow.iter().map(known).collect::<Result<_>>()?,
            ..defaults
        })
    }
}

/// Refuses a strategy that there is not, before anything is read.
pub(crate) fn check_strategy(id: &str) -> Result<()> {
    let ids = || std::iter::once("auto").chain(cofferdam_strategies::STRATEGIES.iter().map(|s| s.id));
    if ids().any(|known| known == id) {
        return Ok(());
    }
    let known = ids().collect::<Vec<_>>().join(", ");
    let refusal = Refusal::new(Code::Usage, format!("there is no strategy {id}"))
        .cause(format!("the strategies are {known}"));
    Err(match cofferdam_formats::nearest(id, ids()) {
        Some(near) => refusal.help(format!("did you mean --strategy {near}?")),
        None => refusal.help("leave --strategy out: auto chooses"),
    }
    .into())
}

/// The policy of a command that plans nothing: limits, and who acts.
pub(crate) fn plain(limits: &LimitFlags, settings: &Settings) -> Policy {
    Policy {
        limits: limits.limits(settings),
        lock_wait: limits.lock_wait.or(settings.lock_wait).unwrap_or(LOCK_WAIT),
        who: wiring::who(settings.environment.as_deref()),
        ..Policy::default()
    }
}

/// Refuses a target that nobody wrote: a typo would else apply something, or nothing, in silence.
pub(crate) fn check_target(policy: &Policy, assessment: &Assessment) -> Result<()> {
    let Some(target) = &policy.to else { return Ok(()) };
    let versions: Vec<&str> = assessment.standing.rows.iter().filter_map(|r| r.version.as_deref()).collect();
    let order = Version::sample(versions.iter().copied());
    let wanted = order.like(&target.text);
    if versions.iter().any(|text| order.like(text) == wanted) {
        return Ok(());
    }
    let refusal = Refusal::new(Code::NoSuchVersion, format!("there is no version {target}"))
        .cause("it is neither in the directory nor in the history");
    Err(match cofferdam_formats::nearest(&target.text, versions.iter().copied()) {
        Some(near) => refusal.help(format!("did you mean --to {near}?")),
        None => refusal.help("cofferdam status lists the versions"),
    }
    .into())
}

/// A version up to which something is done. Which versions there are is for the directory and the history to say: those of
/// some tools are texts.
///
/// # Errors
/// `NoSuchVersion` for an empty one.
pub(crate) fn target(text: &str) -> Result<Version> {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    match Version::parse(text) {
        None if !text.is_empty() && text.chars().all(plain) && text.bytes().any(|b| b.is_ascii_digit()) => {
            Ok(Version::of_text(text))
        }
        _ => version(text),
    }
}

/// A version from the command line.
///
/// # Errors
/// `NoSuchVersion`.
pub(crate) fn version(text: &str) -> Result<Version> {
    Version::parse(text).ok_or_else(|| {
        Refusal::new(Code::NoSuchVersion, format!("{text:?} is not a version"))
            .cause("a version is whole numbers with points between them, as 3 or 1.4.0")
            .help("cofferdam status lists the versions")
            .into()
    })
}

fn known((rule, reason): &(String, String)) -> Result<(String, String)> {
    match cofferdam_lint::rule(rule) {
        None if others_than_rules().any(|known| known == rule) => Ok((rule.clone(), reason.clone())),
        Some(rule) => Ok((rule.id.to_owned(), reason.clone())),
        None => Err(no_such_rule(rule).into()),
    }
}

/// What may be allowed beside the findings of lint: a loss, a swap without a comparison, a check that cannot be read.
pub(crate) fn others_than_rules() -> impl Iterator<Item = &'static str> {
    let checks = cofferdam_adapters::checks::CHECKS.iter().map(|check| check.id);
    [DATA_LOSS, NO_COMPARISON, UNVERIFIED].into_iter().chain(checks)
}

/// The refusal of a rule that there is not, with the nearest one.
pub(crate) fn no_such_rule(rule: &str) -> Refusal {
    let refusal = Refusal::new(Code::NoSuchRule, format!("there is no rule {rule}"));
    match cofferdam_lint::suggest(rule) {
        Some(near) => refusal.help(format!("did you mean {near}?")),
        None => refusal.help("cofferdam lint --rules lists them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_names_a_rule_that_there_is() {
        let rule = cofferdam_lint::RULES[0];
        let policy = |name: &str| {
            let flags = PolicyFlags { allow: vec![(name.into(), "why".into())], ..PolicyFlags::default() };
            flags.policy(&LimitFlags::default(), &Settings::default())
        };
        let by_code = policy(rule.code).unwrap();
        assert_eq!(by_code.allow, [(rule.id.to_owned(), "why".to_owned())]);
        let near = format!("{}x", rule.id);
        let fault = policy(&near).unwrap_err();
        assert_eq!(fault.refusal().unwrap().help, Some(format!("did you mean {}?", rule.id)));
    }

    #[test]
    fn a_strategy_must_be_one_that_there_is() {
        let policy = |strategy: &str| {
            let flags = PolicyFlags { strategy: Some(strategy.into()), ..PolicyFlags::default() };
            flags.policy(&LimitFlags::default(), &Settings::default())
        };
        assert_eq!(policy("direct").unwrap().strategy, "direct");
        let fault = policy("dirct").unwrap_err();
        assert_eq!(fault.refusal().unwrap().help.as_deref(), Some("did you mean --strategy direct?"));
    }

    #[test]
    fn a_target_must_be_a_version() {
        let flags = PolicyFlags { to: Some("next".into()), ..PolicyFlags::default() };
        let fault = flags.policy(&LimitFlags::default(), &Settings::default()).unwrap_err();
        assert_eq!(fault.refusal().unwrap().code, Code::NoSuchVersion);
    }
}
