//! What must hold before anything is changed: checks, and a person's word.

use cofferdam_adapters::checks::{self, Asked};
use cofferdam_core::Result;
use cofferdam_runner::approval::Terms;

use crate::config::Settings;

/// The flags of what comes before a change.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Before the change")]
pub(crate) struct BeforeFlags {
    /// Look at this first: disk-space=20GB, replication=30s, long-transactions=5m, pooler, custom='SELECT ...'; may be
    /// repeated
    #[arg(long, value_name = "CHECK[=VALUE]")]
    pub(crate) check: Vec<String>,
    /// Begin nothing that nobody approved (cofferdam approve)
    #[arg(long, value_name = "required", value_parser = ["required"])]
    pub(crate) approval: Option<String>,
    /// Whoever approves must be somebody else than whoever applies
    #[arg(long)]
    pub(crate) two_persons: bool,
}

impl BeforeFlags {
    /// The checks of the environment and of the flags. `allow`: for those whose answer cannot be read.
    ///
    /// # Errors
    /// `BadCheck`.
    pub(crate) fn checks(&self, settings: &Settings, allow: &[(String, String)]) -> Result<Vec<Asked>> {
        let mut all = Vec::new();
        for text in settings.checks.iter().chain(&self.check) {
            let mut asked = checks::parse(text)?;
            asked.allow_unread =
                allow.iter().find(|(what, _)| what == asked.check.id).map(|(_, reason)| reason.clone());
            // What is asked for on the command line counts, and not the environment's idea of the same.
            all.retain(|known: &Asked| {
                known.title() != asked.title() || asked.check.takes == checks::Takes::Sql
            });
            all.push(asked);
        }
        Ok(all)
    }

    /// Whether somebody must agree. A flag can ask for more than the environment, and not for less. `command`: what
    /// approves, for whoever is refused.
    pub(crate) fn terms(&self, settings: &Settings, command: String) -> Terms {
        let two_persons = self.two_persons || settings.approval.two_persons;
        Terms {
            required: two_persons || self.approval.is_some() || settings.approval.required,
            two_persons,
            command,
            as_planned: false,
            announced: settings.notifications.is_some(),
        }
    }
}

/// Flags that say nothing of what would be done: an approval is not about them. `=`: it has a value.
const NOT_APPROVED: &[&str] = &[
    "--approval=",
    "--two-persons",
    "--check=",
    "--max-time=",
    "--max-downtime=",
    "--max-cpu=",
    "--max-memory=",
    "--max-slowdown=",
    "--max-lag=",
    "--bake=",
    "--post-check=",
    "--no-auto-rollback",
    "--rollback-on=",
    "--rollback-how=",
    "--push-metrics=",
    "--wait",
    "--exit-code",
    "--dry-run",
    "--finalize",
    "--yes",
    "-y",
    "--progress=",
    "--timeout=",
    "--output=",
    "-o=",
];

/// The command line that this process was called with, with another verb and without the flags that an approval is not
/// about; `also` stands at its end. Passwords are masked by whoever prints it.
pub(crate) fn this_command_as(verb: &str, known_as: &[&str], also: &str) -> String {
    rewritten(std::env::args().skip(1), verb, known_as, also)
}

/// See above.
fn rewritten(arguments: impl Iterator<Item = String>, verb: &str, known_as: &[&str], also: &str) -> String {
    let mut words = vec!["cofferdam".to_owned()];
    let mut arguments = arguments.peekable();
    let mut named = false;
    while let Some(argument) = arguments.next() {
        if !named && known_as.contains(&argument.as_str()) {
            named = true;
            words.push(verb.to_owned());
            continue;
        }
        let (flag, valued) = match argument.split_once('=') {
            Some((flag, _)) => (flag, true),
            None => (argument.as_str(), false),
        };
        // `--flag`, or `--flag=` of one with a value.
        if let Some(gone) = NOT_APPROVED.iter().find(|gone| gone.trim_end_matches('=') == flag) {
            if gone.ends_with('=') && !valued {
                arguments.next();
            }
            continue;
        }
        words.push(quoted(&argument));
    }
    if !also.is_empty() {
        words.push(also.to_owned());
    }
    words.join(" ")
}

/// As a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:@%+,".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;

    use super::*;
    use crate::args::guard::GuardFlags;
    use crate::config::ApprovalRule;

    #[test]
    fn a_flag_replaces_the_environments_idea_of_the_same_check_and_queries_add_up() {
        let settings = Settings {
            checks: vec!["disk-space=1GB".into(), "custom=SELECT a".into(), "pooler".into()],
            ..Settings::default()
        };
        let flags = BeforeFlags {
            check: vec!["disk-space=2GB".into(), "custom=SELECT b".into()],
            ..BeforeFlags::default()
        };
        let allow = [("disk-space".to_owned(), "seen elsewhere".to_owned())];
        let all = flags.checks(&settings, &allow).unwrap();
        let found: Vec<_> = all.iter().map(|asked| (asked.title(), asked.value.clone())).collect();
        use checks::Value::{Bytes, Default, Sql};
        assert_eq!(
            found,
            [
                ("custom".to_owned(), Sql("SELECT a".into())),
                ("pooler".to_owned(), Default),
                ("disk-space".to_owned(), Bytes(2_000_000_000)),
                ("custom".to_owned(), Sql("SELECT b".into())),
            ]
        );
        assert_eq!(all[2].allow_unread.as_deref(), Some("seen elsewhere"));
        assert!(BeforeFlags { check: vec!["disk".into()], ..flags }.checks(&settings, &[]).is_err());
    }

    #[test]
    fn flags_ask_for_more_than_the_environment_and_never_for_less() {
        let terms = |flag: Option<&str>, two: bool, required: bool, both: bool| {
            let settings = Settings {
                approval: ApprovalRule { required, two_persons: both, ..ApprovalRule::default() },
                ..Settings::default()
            };
            let flags = BeforeFlags { check: vec![], approval: flag.map(str::to_owned), two_persons: two };
            let terms = flags.terms(&settings, String::new());
            (terms.required, terms.two_persons)
        };
        assert_eq!(terms(None, false, false, false), (false, false));
        assert_eq!(terms(Some("required"), false, false, false), (true, false));
        assert_eq!(terms(None, true, false, false), (true, true));
        assert_eq!(terms(None, false, true, false), (true, false));
        assert_eq!(terms(None, false, false, true), (true, true));
    }

    #[test]
    fn the_command_that_approves_is_the_one_that_was_refused() {
        let known = ["apply", "up"];
        for (line, expected) in [
            (vec!["apply", "--env", "prod", "--approval", "required"], "cofferdam approve --env prod"),
            (vec!["--env=prod", "up", "--wait", "--approval=required", "-y"], "cofferdam --env=prod approve"),
            (
                vec!["apply", "--bake=60s", "--max-time", "1h", "--no-auto-rollback", "2"],
                "cofferdam approve 2",
            ),
            (
                vec!["apply", "--allow", "drop-column=it's old", "--check", "custom=SELECT 1", "--to", "2"],
                "cofferdam approve --allow 'drop-column=it'\\''s old' --to 2",
            ),
        ] {
            let line = line.into_iter().map(str::to_owned);
            assert_eq!(rewritten(line, "approve", &known, ""), expected);
        }
    }

    #[test]
    fn an_approval_is_about_no_check_and_no_limit() {
        let flags = GuardFlags::augment_args(BeforeFlags::augment_args(clap::Command::new("apply")));
        for flag in flags.get_arguments() {
            let value = if flag.get_action().takes_values() { "=" } else { "" };
            let flag = format!("--{}{value}", flag.get_long().unwrap());
            assert!(NOT_APPROVED.contains(&flag.as_str()), "{flag}");
        }
    }
}
