//! Rules that say what a change will do to a live database, before it does.
//!
//! A [`Rule`] is one file in `rules/` and one line in [`RULES`]; all that lists rules (help, docs pages, "did you
//! mean") is derived from the table. A rule sees one statement in its [`Scene`]: the statements around it, the
//! facts of the live database where there are any, and which tables are so new that nobody uses them. Nothing
//! here does input or output.

mod allow;
mod catalogue;
mod clauses;
mod created;
mod fix;
mod levels;
mod mysql;
mod naming;
mod outputs;
mod page;
mod questions;
mod rewrite;
mod rules;
mod scene;
mod transaction;

use std::collections::BTreeSet;

use cofferdam_core::{Facts, Finding, Findings, Name, Script, Severity};
use cofferdam_dialects::Parsed;

pub use catalogue::{goes_by, rule, suggest};
pub use created::created_tables;
pub use fix::{Fixed, fix};
pub use levels::{Level, Levels, grade};
pub use naming::{Convention, Kind};
pub use outputs::{OUTPUTS, Output, Report};
pub use page::page;
pub use questions::questions;
pub use rules::RULES;
pub use scene::Scene;

/// Something to know before a statement runs on a live database.
pub struct Rule {
    /// What users write to allow it, kebab-case. Never changed: it stands in their files.
    pub id: &'static str,
    /// `CF1021`. Never reused.
    pub code: &'static str,
    /// In a few words.
    pub title: &'static str,
    /// What happens, and to whom: a paragraph.
    pub why: &'static str,
    /// The safe way.
    pub instead: &'static str,
    /// How bad it usually is; the live numbers may raise or lower it.
    pub severity: Severity,
    /// The ids of the engines that it speaks of.
    pub engines: &'static [&'static str],
    /// What other linters call it (names of squawk, codes and analysers of Atlas), so that their marks count.
    pub aliases: &'static [&'static str],
    /// Looks at one statement and adds what it finds.
    pub check: fn(&Scene, &mut Findings),
}

/// The rules that say of a statement that it blocks a table while it works. Each word of theirs is compared with what a
/// real server does (`tests/oracle`).
pub const SPEAK_OF_LOCKS: &[&str] = &[
    "create-index-blocking",
    "reindex-blocking",
    "create-index-on-partitioned",
    "change-type-rewrite",
    "set-not-null",
    "set-unlogged",
    "vacuum-full-cluster",
    "refresh-matview-blocking",
    "move-storage",
    "add-fk-validating",
    "add-check-validating",
    "add-unique-constraint",
    "add-primary-key",
    "add-exclusion",
    "domain-constraint",
    "attach-partition-scan",
    "add-column-volatile-default",
    "add-column-serial-or-identity",
    "add-column-generated-stored",
    "add-column-inline-check",
    "add-column-inline-unique-or-pk",
    "add-column-domain",
];

/// What the linter is told beside the script.
pub struct Options<'a> {
    /// What the live database says; `None`: nobody was asked.
    pub facts: Option<&'a Facts>,
    /// Tables that pending files before this one create.
    pub created: &'a BTreeSet<Name>,
    /// Ids or aliases of the rules to check; empty: all.
    pub only: &'a [String],
    /// The format runs each statement of this file by itself, whatever the file says.
    pub no_transaction: bool,
    /// The day on which `until` of an allow is judged.
    pub today: jiff::civil::Date,
    /// The major version of a PostgreSQL, 15; used where no facts say it. Of MySQL and MariaDB the oldest that is still
    /// maintained is taken then.
    pub server_major: u32,
    /// How names are to be; empty: as they like.
    pub naming: &'a [Convention],
}

/// All that the rules find in a script, sorted by place, without what the script allows.
pub fn lint(script: &Script, parsed: &Parsed, options: &Options) -> Findings {
    let changes = &parsed.changes;
    let transaction_none = options.no_transaction || parsed.directives.transaction_none;
    let server_major = options
        .facts
        .map(|facts| facts.server.major())
        .filter(|major| *major > 0)
        .unwrap_or(options.server_major);
    let in_transaction = transaction::in_transaction(parsed, transaction_none, server_major);
    let rules: Vec<&Rule> =
        RULES.iter().copied().filter(|rule| rule.engines.contains(&parsed.engine)).collect();
    let rules: Vec<&Rule> = rules.into_iter().filter(|rule| catalogue::chosen(rule, options.only)).collect();

    let mut created = options.created.clone();
    let mut found: Vec<(usize, Findings)> = Vec::with_capacity(changes.len());
    let known: Vec<rewrite::Found> = changes.iter().map(|_| rewrite::Found::default()).collect();
    for (index, change) in changes.iter().enumerate() {
        let scene = Scene {
            script,
            changes,
            index,
            in_transaction: in_transaction[index],
            transaction_none,
            facts: options.facts,
            created: &created,
            server_major,
            naming: options.naming,
            engine: parsed.engine,
            found: &known,
        };
        let mut findings = Findings::new();
        for rule in &rules {
            (rule.check)(&scene, &mut findings);
        }
        let locks = scene.lock_words();
        for finding in findings.iter_mut().filter(|finding| SPEAK_OF_LOCKS.contains(&finding.rule)) {
            finding.notes.extend(locks.clone());
        }
        let sent = |finding: &&mut Finding| finding.help.as_deref().is_some_and(mysql::names_alter);
        for finding in findings.iter_mut().filter(|_| parsed.engine != "postgresql").filter(sent) {
            finding.notes.push(mysql::NO_ALTER_YET.to_owned());
        }
        found.push((index, findings));
        created::follow(&change.action, options.facts, &mut created);
    }

    let mut findings = allow::settle(script, parsed, found, options);
    findings.sort_by(|a, b| {
        (a.at.start, a.at.end, b.severity, a.code).cmp(&(b.at.start, b.at.end, a.severity, b.code))
    });
    findings
}
