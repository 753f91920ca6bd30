//! `lint`: what the migrations would do to a live database.

use std::path::{Path, PathBuf};
use std::time::Instant;

use cofferdam_core::{Code, Fault, Finding, Refusal, Result, Severity};

use super::{Command, Exit, flags};
use crate::args::policy::no_such_rule;
use crate::config::Settings;
use crate::context::Context;
use crate::linting::levels::LintKeys;
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
    /// Show what each kind of statement was seen to lock on real servers, by version
    #[arg(long)]
    locks: bool,
    /// Check these rules only; may be repeated
    #[arg(long = "rule", visible_alias = "only", value_name = "RULE")]
    only: Vec<String>,
    /// How findings are printed
    #[arg(long, value_name = "FORM", default_value = PRETTY, value_parser = forms())]
    format_out: String,
    /// Exit with 4 for warnings, too
    #[arg(long)]
    deny_warnings: bool,
    /// Fail when the database cannot be asked, in place of judging by the text alone
    #[arg(long)]
    require_live: bool,
    /// Only files that differ from where this branch left REF, by git
    #[arg(long, value_name = "REF")]
    git_base: Option<String>,
}

/// Frames with the lines of the script.
const PRETTY: &str = "pretty";

/// The document, as with `-o json`.
const JSON: &str = "json";

/// The forms in which findings are printed: two for people and for `-o`, and those of the table.
fn forms() -> clap::builder::PossibleValuesParser {
    use clap::builder::PossibleValue;
    let own = [
        PossibleValue::new(PRETTY).help("frames with the lines of the script"),
        PossibleValue::new(JSON).help("the document, as with -o json"),
    ];
    let others =
        cofferdam_lint::OUTPUTS.iter().map(|output| PossibleValue::new(output.id).help(output.about));
    own.into_iter().chain(others).collect::<Vec<_>>().into()
}

pub(crate) static COMMAND: Command = Command {
    name: "lint",
    aliases: &[],
    about: "Say what the migrations would do to a live database, and how to do it without harm",
    more: "Needs no database. With --url the numbers of the live tables decide how bad a finding is, and of a \
           directory only what is pending is looked at. A folder of several directories is each of them, by its own \
           format. Exits with 4 when there are errors.",
    examples: &[
        ("cofferdam lint migrations", "every file of a directory"),
        ("cofferdam lint services", "every directory of migrations in a folder"),
        ("cofferdam lint --env prod", "what is pending, with live numbers"),
        ("cofferdam lint V7__orders.sql --fix", "rewrite what has a safe form"),
        ("cofferdam lint --git-base main --format-out sarif", "what a branch changes, for code scanning"),
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
    if flags.locks {
        context.console.show("Locks", &LocksView { locks: locks() }, LocksView::text);
        return Ok(Exit::DONE);
    }
    if let Some(unknown) = flags.only.iter().find(|name| cofferdam_lint::rule(name).is_none()) {
        return Err(no_such_rule(unknown).into());
    }
    let began = Instant::now();
    let settings = context.settings()?;
    let keys = keys(context, &settings)?;
    let mut sources = sources(context, flags, &settings, &keys).await?;
    let (levels, naming) = (keys.levels(), keys.conventions()?);
    let judged = |sources: &Sources| -> Result<Vec<Finding>> {
        let mut findings = sources.findings(&flags.only, &naming)?;
        cofferdam_lint::grade(&levels, &mut findings);
        Ok(findings)
    };
    let mut findings = judged(&sources)?;
    if flags.fix {
        let written = linting::fixing::fix(&mut sources, &findings)?;
        for line in &written {
            context.console.note(line);
        }
        if !written.is_empty() {
            findings = judged(&sources)?;
        }
    }
    let view = FindingsView::new(findings, sources.texts(), began.elapsed().as_secs_f64());
    let form = cofferdam_lint::OUTPUTS.iter().find(|output| output.id == flags.format_out);
    match form {
        Some(output) if !context.console.wants_document() => {
            let report = cofferdam_lint::Report {
                findings: &view.findings,
                files: &view.sources,
                version: env!("CARGO_PKG_VERSION"),
            };
            context.console.result(&(output.write)(&report));
        }
        None if flags.format_out == JSON => context.console.document("Findings", &view),
        _ => context.console.show("Findings", &view, FindingsView::text),
    }
    let least = if flags.deny_warnings || keys.deny_warnings { Severity::Warning } else { Severity::Error };
    let refused = view.findings.iter().any(|f| f.severity >= least);
    Ok(if refused { Code::LintBlocked.into() } else { Exit::DONE })
}

/// What is to be told of the keys is told.
fn keys(context: &Context, settings: &Settings) -> Result<LintKeys> {
    let (keys, ignored) = linting::keys(settings)?;
    if !ignored.is_empty() {
        let names = ignored.join(", ");
        context.console.note(&format!("note: atlas.hcl: not honoured in its lint block: {names}"));
    }
    Ok(keys)
}

/// The scripts: those named, or those of the directory; with facts where a database is named by a flag.
async fn sources(context: &Context, flags: &Flags, settings: &Settings, keys: &LintKeys) -> Result<Sources> {
    let paths = if flags.paths.is_empty() { vec![settings.dir.clone()] } else { flags.paths.clone() };
    let mut sources = Sources::read(&paths, settings)?;
    for note in &sources.notes {
        context.console.note(&format!("note: {note}"));
    }
    for (path, reason) in &sources.skipped {
        context.console.note(&format!("note: {path} is skipped: {reason}"));
    }
    if let Some(base) = flags.git_base.as_ref().or(keys.git_base.as_ref()) {
        sources.want(linting::changed::since(Path::new("."), base)?);
    }
    let required = flags.require_live || keys.require_live;
    // Only when asked by a flag: a DATABASE_URL left in the shell must not make lint depend on a server.
    if context.common.url.is_some() || context.common.env.is_some() {
        match look(context, settings, &mut sources).await {
            Ok(()) if sources.texts().is_empty() => {
                context.console.note("note: nothing is pending, so no file was looked at");
            }
            Ok(()) => {}
            Err(fault) => unasked(context, fault, required)?,
        }
    } else if required {
        return Err(Refusal::new(Code::NoLiveNumbers, "lint was to ask the database, and none is named")
            .help("--url postgres://user@host:5432/database, or --env NAME")
            .into());
    }
    Ok(sources)
}

async fn look(context: &Context, settings: &Settings, sources: &mut Sources) -> Result<()> {
    let mut session = context.open_keeping(settings, None).await?;
    sources.look_at(&mut *session).await
}

/// The database could not be asked: the text is judged alone, unless that was ruled out.
fn unasked(context: &Context, fault: Fault, required: bool) -> Result<()> {
    let Some(why) = fault.refusal().cloned() else { return Err(fault) };
    // A mistake of the command line is no silence of the database.
    if !matches!(
        why.code,
        Code::ConnectFailed
            | Code::ConnectionLost
            | Code::LockNotObtained
            | Code::ReadOnlyServer
            | Code::TimedOut
    ) {
        return Err(fault);
    }
    if required {
        return Err(Refusal::new(Code::NoLiveNumbers, "no live numbers: the database could not be asked")
            .cause(why.to_string())
            .help("check the database, or leave --require-live out")
            .into());
    }
    context.console.note(&format!("note: no live numbers: {why}"));
    Ok(())
}

/// The document of kind `Locks`.
#[derive(Debug, serde::Serialize)]
struct LocksView {
    locks: Vec<LockView>,
}

#[derive(Debug, serde::Serialize)]
struct LockView {
    statement: &'static str,
    locks: &'static str,
    work: &'static str,
    blocks: &'static str,
    versions: Vec<u32>,
}

fn locks() -> Vec<LockView> {
    let lines = cofferdam_dialects::postgres::locks::MEASURED.lines().filter(|line| !line.starts_with('#'));
    let view = |line: &'static str| {
        let mut cells = line.split('\t').map(str::trim);
        let mut next = || cells.next().unwrap_or_default();
        let (statement, locks, work, blocks) = (next(), next(), next(), next());
        let versions = next().split(' ').filter_map(|major| major.parse().ok()).collect();
        LockView { statement, locks, work, blocks, versions }
    };
    lines.map(view).collect()
}

impl LocksView {
    fn text(&self) -> String {
        let mut table = Columns::new(&["STATEMENT", "LOCKS", "MEANWHILE", "BLOCKS", "SEEN ON"]);
        for row in &self.locks {
            let versions: Vec<String> = row.versions.iter().map(u32::to_string).collect();
            table.row([row.statement, row.locks, row.work, row.blocks, &versions.join(" ")]);
        }
        table.text()
    }
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
