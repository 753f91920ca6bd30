//! `lint`: what the migrations would do to a live database.

use std::path::PathBuf;
use std::time::Instant;

use cofferdam_core::{Code, Result, Severity};

use super::{Command, Exit, flags};
use crate::args::policy::no_such_rule;
use crate::context::Context;
use crate::linting::{self, Sources};
use crate::output::finding::FindingsView;
use crate::output::table::Columns;

#[derive(Debug, clap::Args)]
struct Flags {
    /// Directories or SQL files [default: the directory of --dir]
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Rewrite what has a safe form
    #[arg(long)]
    fix: bool,
    /// List the rules
    #[arg(long)]
    rules: bool,
    /// Check these rules only; may be repeated
    #[arg(long = "rule", visible_alias = "only", value_name = "RULE")]
    only: Vec<String>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t)]
    format_out: FormatOut,
    /// Exit with 4 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
}

/// How findings are printed. `-o json` and `-o yaml` give the document whatever this says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum FormatOut {
    /// Frames with the lines of the script.
    #[default]
    Pretty,
    /// The document, as with -o json.
    Json,
    /// Annotations of GitHub Actions.
    Github,
}

pub(crate) static COMMAND: Command = Command {
    name: "lint",
    aliases: &[],
    about: "Say what the migrations would do to a live database, and how to do it without harm",
    more: "Needs no database. With --url the numbers of the live tables decide how bad a finding is, and of a \
           directory only what is pending is looked at. Exits with 4 when there are errors.",
    examples: &[
        ("cofferdam lint migrations", "every file of a directory"),
        ("cofferdam lint --env prod", "what is pending, with live numbers"),
        ("cofferdam lint V7__orders.sql --fix", "rewrite what has a safe form"),
        ("cofferdam lint --rules", "what is looked for"),
    ],
    arguments: <Flags as clap::Args>::augment_args,
    run: |context, matches| Box::pin(async move { lint(&context, &flags(&matches)?).await }),
};

async fn lint(context: &Context, flags: &Flags) -> Result<Exit> {
    if flags.rules {
        context.console.show("Rules", &rules(), |_| rules_text());
        return Ok(Exit::DONE);
    }
    if let Some(unknown) = flags.only.iter().find(|name| cofferdam_lint::rule(name).is_none()) {
        return Err(no_such_rule(unknown).into());
    }
    let began = Instant::now();
    let mut sources = sources(context, flags).await?;
    let mut findings = sources.findings(&flags.only)?;
    if flags.fix {
        let written = linting::fixing::fix(&mut sources, &findings)?;
        for line in &written {
            context.console.note(line);
        }
        if !written.is_empty() {
            findings = sources.findings(&flags.only)?;
        }
    }
    let view = FindingsView::new(findings, sources.texts(), began.elapsed().as_secs_f64());
    match flags.format_out {
        FormatOut::Json => context.console.document("Findings", &view),
        FormatOut::Github if !context.console.wants_document() => context.console.result(&view.github()),
        FormatOut::Pretty | FormatOut::Github => context.console.show("Findings", &view, FindingsView::text),
    }
    let least = if flags.deny_warnings { Severity::Warning } else { Severity::Error };
    let refused = view.findings.iter().any(|f| f.severity >= least);
    Ok(if refused { Code::LintBlocked.into() } else { Exit::DONE })
}

/// The scripts: those named, or those of the directory; with facts where a database is named by a flag.
async fn sources(context: &Context, flags: &Flags) -> Result<Sources> {
    let settings = context.settings()?;
    let paths = if flags.paths.is_empty() { vec![settings.dir.clone()] } else { flags.paths.clone() };
    let mut sources = Sources::read(&paths, &settings)?;
    for note in &sources.notes {
        context.console.note(&format!("note: {note}"));
    }
    for (path, reason) in &sources.skipped {
        context.console.note(&format!("note: {path} is skipped: {reason}"));
    }
    // Only when asked by a flag: a DATABASE_URL left in the shell must not make lint depend on a server.
    if context.common.url.is_some() || context.common.env.is_some() {
        let mut session = context.open(&settings).await?;
        sources.look_at(&mut *session).await?;
        if sources.texts().is_empty() {
            context.console.note("note: nothing is pending, so no file was looked at");
        }
    }
    Ok(sources)
}

/// The document of kind `Rules`.
#[derive(Debug, serde::Serialize)]
struct RulesView {
    rules: Vec<RuleView>,
}

#[derive(Debug, serde::Serialize)]
struct RuleView {
    id: &'static str,
    code: &'static str,
    severity: Severity,
    title: &'static str,
    aliases: &'static [&'static str],
}

fn rules() -> RulesView {
    let view = |rule: &&'static cofferdam_lint::Rule| RuleView {
        id: rule.id,
        code: rule.code,
        severity: rule.severity,
        title: rule.title,
        aliases: rule.aliases,
    };
    RulesView { rules: cofferdam_lint::RULES.iter().map(view).collect() }
}

fn rules_text() -> String {
    let mut table = Columns::new(&["CODE", "RULE", "USUALLY", "WHAT"]);
    for rule in cofferdam_lint::RULES {
        table.row([rule.code, rule.id, rule.severity.word(), rule.title]);
    }
    table.text()
}
