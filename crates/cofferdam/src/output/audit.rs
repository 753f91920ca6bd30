//! The audit: rows of the journal, each with who, from where, what, for which environment and by which plan.

use std::collections::HashMap;

use cofferdam_core::Who;
use cofferdam_core::journal::Entry;
use cofferdam_engines::Run;
use serde::Serialize;
use uuid::Uuid;

use super::history::{HeadView, sentence};
use super::table::Columns;
use super::words;

/// The document of kind `Audit`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditView {
    pub(crate) database: String,
    pub(crate) rows: Vec<RowView>,
    /// The journal's last row, to be kept outside of the database.
    pub(crate) head: Option<HeadView>,
}

/// One row.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowView {
    pub(crate) seq: i64,
    pub(crate) at: String,
    pub(crate) who: String,
    #[serde(flatten)]
    pub(crate) parts: Who,
    /// Absent for what belongs to no run.
    pub(crate) run: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) intent: Option<cofferdam_core::plan::Intent>,
    pub(crate) plan_digest: Option<String>,
    /// Where the run is now.
    pub(crate) outcome: Option<cofferdam_core::Phase>,
    pub(crate) text: String,
    pub(crate) hash: String,
}

impl RowView {
    pub(crate) fn new(entry: &Entry, runs: &HashMap<Uuid, Run>) -> Self {
        let run = runs.get(&entry.run);
        Self {
            seq: entry.seq,
            at: entry.at.clone(),
            who: entry.who.clone(),
            parts: Who::parse(&entry.who),
            run: (!entry.run.is_nil()).then(|| entry.run.to_string()),
            key: run.map(|run| run.plan.key.clone()),
            intent: run.map(|run| run.plan.intent),
            plan_digest: run.map(|run| run.digest.clone()),
            outcome: run.map(|run| run.phase),
            text: sentence(&entry.what),
            hash: entry.hash.clone(),
        }
    }
}

impl AuditView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut table = Columns::new(&["SEQ", "AT", "WHO", "RUN", "WHAT", "HAPPENED"]).right(0);
        for row in &self.rows {
            table.row([
                row.seq.to_string(),
                words::minute(&row.at),
                row.who.clone(),
                row.run.as_deref().map_or("–", |run| run.get(..13).unwrap_or(run)).to_owned(),
                row.key.clone().unwrap_or_else(|| "–".to_owned()),
                words::cut(&row.text, 100),
            ]);
        }
        let table = if self.rows.is_empty() { "no row fits".to_owned() } else { table.text() };
        let head = self.head.as_ref().map(|head| format!("\n{}", head.line())).unwrap_or_default();
        format!("{}{head}", table.trim_end())
    }

    /// For other programs: a header, and a line for each row, by RFC 4180.
    pub(crate) fn csv(&self) -> String {
        const HEADER: &str =
            "seq,at,actor,host,pipeline,environment,run,key,intent,planDigest,outcome,text,hash";
        let word = |value: &dyn erased::Word| value.word();
        let mut out = format!("{HEADER}\r\n");
        for row in &self.rows {
            let some = |text: &Option<String>| text.clone().unwrap_or_default();
            let cells = [
                row.seq.to_string(),
                row.at.clone(),
                row.parts.actor.clone(),
                some(&row.parts.host),
                some(&row.parts.pipeline),
                some(&row.parts.environment),
                some(&row.run),
                some(&row.key),
                row.intent.as_ref().map(|intent| word(intent)).unwrap_or_default(),
                some(&row.plan_digest),
                row.outcome.as_ref().map(|phase| word(phase)).unwrap_or_default(),
                row.text.clone(),
                row.hash.clone(),
            ];
            out += &cells.map(|cell| quoted(&cell)).join(",");
            out += "\r\n";
        }
        out
    }
}

mod erased {
    /// A value whose text is that of its document.
    pub(super) trait Word {
        fn word(&self) -> String;
    }

    impl<T: serde::Serialize> Word for T {
        fn word(&self) -> String {
            serde_json::to_value(self).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
        }
    }
}

/// A cell. One that a spreadsheet would read as a formula is a text: names in the database are not ours.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    format!("\"{}{}\"", if formula { "'" } else { "" }, cell.replace('"', "\"\""))
}

/// The document of kind `ChainVerification`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChainView {
    pub(crate) whole: bool,
    pub(crate) rows: usize,
    pub(crate) chain_broken_at: Option<i64>,
    pub(crate) head: Option<HeadView>,
    /// The row that has the hash of --head; absent: none was given, or no row has it.
    pub(crate) anchored_at: Option<i64>,
    #[serde(skip)]
    pub(crate) anchored: bool,
}

impl ChainView {
    /// The screen.
    pub(crate) fn text(&self) -> String {
        let mut out = match self.chain_broken_at {
            None => format!("✔ journal: {}, the hash chain is whole\n", words::count(self.rows, "row")),
            Some(seq) => format!("✖ journal: row {seq} does not fit the hash chain\n"),
        };
        match (self.anchored, self.anchored_at) {
            (false, _) => {}
            (true, Some(seq)) => out += &format!("✔ head: it is the hash of row {seq}\n"),
            (true, None) => out += "✖ head: no row has this hash; rows were cut off at the end\n",
        }
        if let Some(head) = &self.head {
            out += &format!("  {}\n", head.line());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::journal::What;

    use super::*;

    #[test]
    fn a_row_says_who_where_and_which_environment_and_a_cell_is_no_formula() {
        let what = What::Noted { text: "=HYPERLINK(\"http://evil\"),\r\nx".into() };
        let who = "alice@host (github 4812) [prod]".to_owned();
        let entry = Entry::chained(1, Uuid::nil(), 1, "2026-11-20T10:02:11Z".into(), who, what, "");
        let row = RowView::new(&entry, &HashMap::new());
        let hash = row.hash.clone();
        let view = AuditView { database: "shop".into(), rows: vec![row], head: None };
        let csv = view.csv();
        let expected = format!(
            "\"1\",\"2026-11-20T10:02:11Z\",\"alice\",\"host\",\"github 4812\",\"prod\",\"\",\"\",\"\",\"\",\"\",\
             \"'=HYPERLINK(\"\"http://evil\"\"),\r\nx\",\"{hash}\"\r\n"
        );
        assert_eq!(csv.split_once("\r\n").unwrap().1, expected);
        let json = serde_json::to_value(&view).unwrap();
        assert_eq!(json["rows"][0]["environment"], "prod");
    }
}
