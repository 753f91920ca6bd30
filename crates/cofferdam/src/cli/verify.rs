//! `verify`: whether the database is what its records say; with `--project`, whether projects may be deployed.

use clap::parser::ValueSource;
use cofferdam_core::{Code, Refusal, Result};
use cofferdam_runner::Audit;
use serde::Serialize;

use super::{Command, Exit, flags};
use crate::context::Context;
use crate::output::words::{count, cut};
use crate::projects;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Judge the files of these projects instead, without a database; without a name, of all projects of --dir
    #[arg(long, value_name = "NAME", num_args = 0..)]
    project: Option<Vec<String>>,
    /// With --project: exit with 4 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

pub(crate) static COMMAND: Command = Command {
    name: "verify",
    aliases: &[],
    about: "Prove that the records are whole and that the database is what they say",
    more: "Follows the hash chain of the journal, runs the check scripts that were stored with what is applied, and \
           looks for invalid indexes. Reads only. Exits with 7 when the journal was tampered with, with 9 when the \
           database has drifted. With --project it is the quality gate of projects/: every script has its rollback \
           and its validation, names, numbers and the compatibility matrix are right. It then reads files only, and \
           exits with 4 when there are errors.",
    examples: &[
        ("cofferdam verify --env prod", "look at everything"),
        ("cofferdam verify --env prod -o json", "for a scheduled job"),
        ("cofferdam verify --project e-commerce-api", "the quality gate of a project, for CI"),
        ("cofferdam verify --project --dir migrations", "of all projects"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| {
        Box::pin(async move {
            let flags: Flags = flags(&matches)?;
            // Its variable is that of `lint`, too, and must not get in the way here.
            let typed = matches.value_source("deny_warnings") == Some(ValueSource::CommandLine);
            match flags.project {
                Some(names) => projects::verify(&context, &names, flags.deny_warnings),
                None if typed => Err(only_of_projects().into()),
                None => verify(&context).await,
            }
        })
    },
};

fn only_of_projects() -> Refusal {
    Refusal::new(Code::Usage, "--deny-warnings is for projects")
        .cause("what is found in a database is no warning")
        .help("cofferdam verify --project --deny-warnings")
}

/// The document of kind `Verification`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VerificationView {
    clean: bool,
    journal_rows: usize,
    chain_broken_at: Option<i64>,
    checks: usize,
    failed_checks: Vec<FailedCheck>,
    invalid_indexes: Vec<String>,
    unfinished_runs: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedCheck {
    version: String,
    query: String,
    rows: cofferdam_engines::Rows,
    error: Option<String>,
}

async fn verify(context: &Context) -> Result<Exit> {
    let settings = context.settings()?;
    let mut session = context.open(&settings).await?;
    let view = VerificationView::from(cofferdam_runner::verify(&mut *session).await?);
    context.console.show("Verification", &view, VerificationView::text);
    Ok(view.exit())
}

impl From<Audit> for VerificationView {
    fn from(audit: Audit) -> Self {
        let failed = |c: cofferdam_runner::CheckOutcome| FailedCheck {
            version: c.key,
            query: c.query,
            rows: c.rows,
            error: c.error,
        };
        Self {
            clean: audit.clean(),
            journal_rows: audit.journal_rows,
            chain_broken_at: audit.chain_broken_at,
            checks: audit.checks,
            failed_checks: audit.failed_checks.into_iter().map(failed).collect(),
            invalid_indexes: audit.invalid_indexes,
            unfinished_runs: audit.unfinished,
        }
    }
}

impl VerificationView {
    fn exit(&self) -> Exit {
        match (self.chain_broken_at, self.clean) {
            (Some(_), _) => Code::JournalBroken.into(),
            (None, false) => Code::Drift.into(),
            (None, true) => Exit::DONE,
        }
    }

    fn text(&self) -> String {
        let mut out = match self.chain_broken_at {
            None => format!("✔ journal: {}, the hash chain is whole\n", count(self.journal_rows, "row")),
            Some(seq) => format!("✖ journal: row {seq} does not fit the hash chain\n"),
        };
        out += &match self.failed_checks.len() {
            0 => format!("✔ checks: {} returned no row\n", self.checks),
            failed => format!("✖ checks: {failed} of {} failed\n", self.checks),
        };
        for check in &self.failed_checks {
            let what = match &check.error {
                Some(error) => format!("could not be run: {error}"),
                None => format!("returned {}", count(check.rows.rows.len(), "row")),
            };
            out += &format!("    {} {what}: {}\n", check.version, cut(&one_line(&check.query), 80));
        }
        out += &match self.invalid_indexes.as_slice() {
            [] => "✔ indexes: none is invalid\n".to_owned(),
            invalid => format!("✖ indexes: invalid: {}\n", invalid.join(", ")),
        };
        if self.unfinished_runs > 0 {
            out += &format!(
                "  {} unfinished: cofferdam status says how to go on\n",
                count(self.unfinished_runs, "run")
            );
        }
        out
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audit() -> Audit {
        Audit {
            journal_rows: 12,
            chain_broken_at: None,
            failed_checks: vec![],
            checks: 3,
            invalid_indexes: vec![],
            unfinished: 0,
        }
    }

    #[test]
    fn what_is_wrong_decides_the_exit() {
        let view = |change: &dyn Fn(&mut Audit)| {
            let mut audit = audit();
            change(&mut audit);
            VerificationView::from(audit)
        };
        assert_eq!(view(&|_| {}).exit(), Exit::DONE);
        assert_eq!(view(&|a| a.invalid_indexes.push("public.ix".into())).exit(), Code::Drift.into());
        assert_eq!(view(&|a| a.chain_broken_at = Some(4)).exit(), Code::JournalBroken.into());
        assert!(view(&|a| a.chain_broken_at = Some(4)).text().contains("✖ journal: row 4"));
    }
}
