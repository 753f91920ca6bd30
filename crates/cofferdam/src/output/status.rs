//! Where a database is: screen and document.

use cofferdam_engines::{Holder, Run};
use cofferdam_formats::{Row, State};
use serde::Serialize;

use super::online::OnlineView;
use super::plan::DatabaseView;
use super::run::RunView;
use super::table::Columns;
use super::words;
use crate::args::duration;

/// The document of kind `Status`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusView {
    pub(crate) database: String,
    pub(crate) server: DatabaseView,
    /// The newest version in force.
    pub(crate) version: Option<String>,
    /// How many migrations `apply` would apply.
    pub(crate) pending: usize,
    /// Nothing is pending, nothing unfinished, nothing does not fit.
    pub(crate) up_to_date: bool,
    pub(crate) migrations: Vec<MigrationView>,
    pub(crate) unfinished: Vec<RunView>,
    /// Online changes that are at work, or whose swap can still be taken back.
    pub(crate) online: Vec<OnlineView>,
    /// What does not fit between files and history.
    pub(crate) problems: Vec<String>,
    /// Who is at work on the database now.
    pub(crate) lock_holder: Option<HolderView>,
}

/// One migration, by file or by history.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MigrationView {
    pub(crate) key: String,
    pub(crate) version: Option<String>,
    pub(crate) description: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) state: State,
    pub(crate) applied_at: Option<String>,
    pub(crate) applied_by: Option<String>,
    pub(crate) took_ms: Option<u64>,
    /// A way back is known.
    pub(crate) undo: bool,
}

/// Who holds the run lock.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HolderView {
    pub(crate) pid: i32,
    pub(crate) user: String,
    pub(crate) application: String,
    pub(crate) client: String,
    pub(crate) state: String,
    pub(crate) seconds: u64,
    #[serde(skip)]
    text: String,
}

impl From<Holder> for HolderView {
    fn from(holder: Holder) -> Self {
        let text = holder.to_string();
        let Holder { pid, user, application, client, state, seconds, .. } = holder;
        Self { pid, user, application, client, state, seconds, text }
    }
}

impl From<&Row> for MigrationView {
    fn from(row: &Row) -> Self {
        let applied = row.applied.as_ref();
        Self {
            key: row.key.clone(),
            version: row.version.clone(),
            description: row.description.clone(),
            kind: row.kind.clone(),
            state: row.state,
            applied_at: applied.map(|a| a.at.clone()),
            applied_by: applied.map(|a| a.by.clone()),
            took_ms: applied.map(|a| a.ms),
            undo: row.undo,
        }
    }
}

impl StatusView {
    /// Puts together what was read.
    pub(crate) fn new(
        server: DatabaseView,
        version: Option<String>,
        standing: &cofferdam_formats::Standing,
        unfinished: &[Run],
        holder: Option<Holder>,
        online: Vec<OnlineView>,
    ) -> Self {
        let pending = standing.pending.len();
        Self {
            database: server.name.clone(),
            server,
            version,
            pending,
            up_to_date: pending == 0
                && unfinished.is_empty()
                && standing.problems.is_empty()
                && online.iter().all(|change| change.revertible),
            migrations: standing.rows.iter().map(MigrationView::from).collect(),
            unfinished: unfinished.iter().map(RunView::from).collect(),
            problems: standing.problems.iter().map(|p| p.to_string()).collect(),
            lock_holder: holder.map(HolderView::from),
            online,
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        let summary = match self.pending {
            0 if self.up_to_date => "up to date".to_owned(),
            0 => "nothing pending".to_owned(),
            pending => format!("{pending} pending"),
        };
        let mut out = format!(
            "{}   version {}   {summary}\n",
            self.server.text(),
            words::version(self.version.as_deref())
        );
        if !self.migrations.is_empty() {
            out += &self.table();
        }
        for change in &self.online {
            out += &change.text();
        }
        for run in &self.unfinished {
            out += &format!("unfinished: {}\n", run.line());
        }
        for problem in &self.problems {
            out += &format!("problem: {problem}\n");
        }
        if let Some(holder) = &self.lock_holder {
            out += &format!("at work: {}\n", holder.text);
        }
        out + self.next()
    }

    fn table(&self) -> String {
        let mut table = Columns::new(&["VERSION", "DESCRIPTION", "TYPE", "STATE", "APPLIED", "TOOK", "UNDO"]);
        for m in &self.migrations {
            table.row([
                m.version.clone().unwrap_or_else(|| "–".to_owned()),
                m.description.clone(),
                m.kind.to_owned(),
                m.state.words().to_owned(),
                m.applied_at.as_deref().map_or_else(|| "–".to_owned(), words::minute),
                m.took_ms.map_or_else(|| "–".to_owned(), duration::shown),
                match (m.undo, m.state) {
                    (true, _) => "yes",
                    // The way back is derived when it is applied.
                    (false, State::Pending | State::AboveTarget | State::OutOfOrder) => "–",
                    (false, _) => "no",
                }
                .to_owned(),
            ]);
        }
        table.text()
    }

    fn next(&self) -> &'static str {
        if self.unfinished.iter().any(RunView::is_stuck) {
            "next: cofferdam repair RUN --says FACT\n"
        } else if !self.problems.is_empty() {
            "next: cofferdam validate\n"
        } else if self.pending > 0 || !self.unfinished.is_empty() {
            "next: cofferdam plan, then cofferdam apply\n"
        } else {
            ""
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::bundle::Version;
    use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
    use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Script};
    use cofferdam_formats::{Options, standing};

    use super::*;

    fn migration(version: &str, description: &str) -> Migration {
        let up = Script::new(format!("migrations/V{version}__x.sql"), "select 1");
        Migration {
            version: Version::parse(version),
            description: description.into(),
            kind: MigrationKind::Versioned,
            checksum: Checksum::Sha256(up.sha256.clone()),
            up,
            down: None,
            check: None,
            no_transaction: false,
        }
    }

    fn applied(rank: i64, migration: &Migration) -> Applied {
        Applied {
            rank,
            key: migration.key(),
            version: migration.version.as_ref().map(|v| v.text.clone()),
            description: migration.description.clone(),
            kind: AppliedKind::Versioned,
            checksum: Some(migration.checksum.clone()),
            at: "2026-11-20T10:02:11Z".into(),
            by: "ci@runner".into(),
            ms: 248_000,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: None,
        }
    }

    fn view(files: Vec<Migration>, history: Vec<Applied>) -> StatusView {
        let bundle = Bundle { format: "flyway", migrations: files, skipped: vec![] };
        let server = DatabaseView {
            name: "shop".into(),
            engine: "postgresql".into(),
            server_version: "15.20".into(),
            location: None,
            role: "shop".into(),
        };
        let version = history.last().and_then(|a| a.version.clone());
        StatusView::new(server, version, &standing(&bundle, &history, &Options::default()), &[], None, vec![])
    }

    #[test]
    fn the_screen() {
        let files = vec![migration("1.4.0", "create orders"), migration("1.5.0", "order note")];
        let history = vec![applied(1, &files[0])];
        insta::assert_snapshot!(view(files, history).text());
    }

    #[test]
    fn the_document_says_plainly_whether_there_is_something_to_do() {
        let files = vec![migration("1", "a")];
        let history = vec![applied(1, &files[0])];
        let done = serde_json::to_value(view(files.clone(), history.clone())).unwrap();
        assert_eq!(done["upToDate"], true);
        assert_eq!(
            (&done["pending"], &done["version"], &done["database"]),
            (&0.into(), &"1".into(), &"shop".into())
        );
        let pending = serde_json::to_value(view(files, vec![])).unwrap();
        assert_eq!((&pending["upToDate"], &pending["pending"]), (&false.into(), &1.into()));
        let gone = serde_json::to_value(view(vec![migration("2", "b")], history)).unwrap();
        assert_eq!(gone["upToDate"], false);
        assert!(gone["problems"][0].as_str().unwrap().starts_with("CF2008"));
    }
}
