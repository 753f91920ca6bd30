//! What would be done: screen and document.

use cofferdam_core::approval::Approval;
use cofferdam_core::plan::{Act, Plan, Undo};
use cofferdam_core::{Facts, Finding, Migration, Severity};
use cofferdam_runner::approval::{self, Matter, Word};
use serde::Serialize;

use super::table::Columns;
use super::words;

/// The document of kind `Plan`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanView {
    pub(crate) database: DatabaseView,
    /// The version before; absent where nothing is applied.
    pub(crate) from: Option<String>,
    /// The version after.
    pub(crate) to: Option<String>,
    pub(crate) migrations: Vec<MigrationPlanView>,
    pub(crate) findings: Vec<Finding>,
    /// Migrations of earlier runs that are finished first.
    pub(crate) unfinished: Vec<String>,
    /// What names all of it: what an approval is for.
    pub(crate) digest: String,
    /// What was said of these migrations, the oldest first.
    pub(crate) approvals: Vec<WordView>,
}

/// What a person said of a plan.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WordView {
    pub(crate) by: String,
    /// `approved`, `rejected`, `expired`, `another plan` ...: how it stands to this plan.
    pub(crate) state: &'static str,
    pub(crate) at: String,
    pub(crate) until: Option<String>,
    pub(crate) reason: Option<String>,
    /// The plan that it was about.
    pub(crate) digest: String,
}

impl WordView {
    /// How a word stands to what is pending at this time.
    pub(crate) fn new(word: Word, matter: &Matter, now: jiff::Timestamp) -> Self {
        let state = approval::state(&word, matter, now).word();
        let Approval { at, until, comment, digest, .. } = word.approval;
        Self { by: word.by, state, at, until, reason: comment, digest }
    }

    fn line(&self) -> String {
        let until = self.until.as_deref().map(|until| format!(" until {until}")).unwrap_or_default();
        let why = self.reason.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        format!("{} by {} at {}{until}{why}\n", self.state, self.by, self.at)
    }
}

/// Which database.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DatabaseView {
    pub(crate) name: String,
    pub(crate) engine: String,
    pub(crate) server_version: String,
    /// `host:port/name`, where the URL says it.
    pub(crate) location: Option<String>,
    pub(crate) role: String,
}

impl DatabaseView {
    /// The database that the facts are of.
    pub(crate) fn new(facts: &Facts, url: Option<&str>) -> Self {
        let server = &facts.server;
        Self {
            name: server.database.clone(),
            engine: server.engine.clone(),
            server_version: server.version_text.clone(),
            location: url.and_then(location),
            role: server.role.clone(),
        }
    }

    /// `shop  postgresql 15.20  db.prod:5432/shop`.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}  {} {}", self.name, self.engine, self.server_version);
        if let Some(location) = &self.location {
            text += &format!("  {location}");
        }
        text
    }
}

/// Host, port and database of a URL: neither user nor password.
fn location(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty())?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{host}{port}{}", url.path()))
}

/// The plan of one migration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MigrationPlanView {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    pub(crate) description: String,
    pub(crate) strategy: String,
    pub(crate) digest: String,
    pub(crate) steps: Vec<StepView>,
    /// The author's way back.
    pub(crate) undo_script: Option<String>,
    /// Why it is done in this way, where somebody might ask.
    pub(crate) why: Vec<String>,
}

/// One step.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepView {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) sql: String,
    pub(crate) phase: cofferdam_core::Phase,
    /// It commits together with the steps beside it that have the same number.
    pub(crate) unit: usize,
    pub(crate) transaction: bool,
    pub(crate) lock: String,
    pub(crate) blocks: String,
    pub(crate) estimate: String,
    pub(crate) reversible: bool,
    pub(crate) undo: String,
    pub(crate) path: String,
    pub(crate) line: usize,
    /// It is more than a statement: a part of an online change, or something that is parked.
    #[serde(skip)]
    pub(crate) online: bool,
}

impl MigrationPlanView {
    /// The view of a plan; the migration is there when it is applied and absent when it is taken back.
    pub(crate) fn new(plan: &Plan, migration: Option<&Migration>) -> Self {
        let undo_script = migration.and_then(|m| m.down.as_ref()).map(|down| down.path.clone());
        let steps = plan.units.iter().enumerate().flat_map(|(unit, u)| {
            let script = undo_script.as_deref();
            u.steps.iter().map(move |step| {
                let impossible = matches!(step.undo, Undo::Impossible { .. });
                StepView {
                    id: step.id.clone(),
                    title: step.title.clone(),
                    sql: step.act.text(),
                    phase: step.phase,
                    unit: unit + 1,
                    transaction: u.atomic,
                    lock: step.lock.clone(),
                    blocks: step.blocks.clone(),
                    estimate: step.estimate.clone(),
                    reversible: !impossible || script.is_some(),
                    undo: match script {
                        Some(path) if impossible => format!("✔ {}", path.rsplit('/').next().unwrap_or(path)),
                        _ => words::undo(step),
                    },
                    path: step.path.clone(),
                    line: step.at.line,
                    online: matches!(step.act, Act::Online { .. } | Act::Park { .. }),
                }
            })
        });
        Self {
            key: plan.key.clone(),
            version: migration.and_then(|m| m.version.as_ref()).map(|v| v.text.clone()),
            description: plan.description.clone(),
            strategy: plan.strategy.clone(),
            digest: plan.digest(),
            steps: steps.collect(),
            undo_script,
            why: Vec::new(),
        }
    }

    /// With the reasons for which it is done in this way.
    pub(crate) fn because(self, why: Vec<String>) -> Self {
        Self { why, ..self }
    }

    /// The reasons, a line each.
    pub(crate) fn reasons(&self) -> String {
        self.why.iter().map(|why| format!("Why {}: {why}\n", self.strategy)).collect()
    }
}

/// The steps as a table; with the version that each belongs to, where there may be several.
pub(crate) fn steps_table(migrations: &[MigrationPlanView], with_version: bool) -> String {
    let mut columns = vec!["#", "version", "step", "lock", "blocks", "est.", "undo"];
    if !with_version {
        columns.remove(1);
    }
    let mut table = Columns::new(&columns).indented("  ").right(0);
    let mut number = 0;
    for migration in migrations {
        for step in &migration.steps {
            number += 1;
            let mut row = vec![
                number.to_string(),
                migration.key.clone(),
                words::cut(&step.title, 48),
                if step.lock.is_empty() { "–".to_owned() } else { step.lock.clone() },
                step.blocks.clone(),
                step.estimate.clone(),
                words::cut(&step.undo, 60),
            ];
            if !with_version {
                row.remove(1);
            }
            table.row(row);
        }
    }
    table.text()
}

impl PlanView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        if self.migrations.is_empty() && self.unfinished.is_empty() {
            return format!(
                "nothing to do: {} is at version {}",
                self.database.name,
                words::version(self.from.as_deref())
            );
        }
        let steps = self.migrations.iter().map(|m| m.steps.len()).sum();
        let mut out = format!(
            "{}   {} → {}   {}, {}\n",
            self.database.text(),
            words::version(self.from.as_deref()),
            words::version(self.to.as_deref()),
            words::count(self.migrations.len(), "migration"),
            words::count(steps, "step"),
        );
        for key in &self.unfinished {
            out += &format!("first: finishes the run of {key} that was cut off\n");
        }
        out += "\n";
        out += &steps_table(&self.migrations, true);
        out += "\n";
        out += &self.migrations.iter().map(MigrationPlanView::reasons).collect::<String>();
        out += &format!("{}\nPlan {}\n", self.findings_line(), self.digest);
        out += &self.approvals.iter().map(WordView::line).collect::<String>();
        out
    }

    fn findings_line(&self) -> String {
        let of = |severity| self.findings.iter().filter(|f| f.severity == severity).count();
        let handled = self.findings.iter().filter(|f| f.handled).count();
        let parts: Vec<String> = [(of(Severity::Error), "error"), (of(Severity::Warning), "warning")]
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, word)| words::count(*number, word))
            .collect();
        match (parts.is_empty(), handled) {
            (true, _) => "Findings: none.".to_owned(),
            (false, 0) => format!("Findings: {} (cofferdam lint).", parts.join(", ")),
            (false, _) => {
                format!(
                    "Findings: {}, {handled} taken care of by the plan (cofferdam lint).",
                    parts.join(", ")
                )
            }
        }
    }

    /// The statements as a script with comments, for `--sql`.
    pub(crate) fn sql(&self) -> String {
        let mut out = String::new();
        for migration in &self.migrations {
            out += &format!("-- {} {}\n", migration.key, migration.description);
            let mut unit = 0;
            let mut open = false;
            for step in &migration.steps {
                if step.unit != unit {
                    out += if std::mem::take(&mut open) { "COMMIT;\n" } else { "" };
                    out += if step.transaction { "BEGIN;\n" } else { "" };
                    (unit, open) = (step.unit, step.transaction);
                }
                out += &match step.online {
                    true => format!("-- {}: {}\n", step.id, step.title),
                    false => format!("-- {}: {}\n{};\n", step.id, step.title, step.sql.trim_end()),
                };
            }
            out += if open { "COMMIT;\n\n" } else { "\n" };
        }
        out
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
