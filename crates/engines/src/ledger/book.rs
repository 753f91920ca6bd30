//! The table of a tool that is kept, and what is to be written into it: the same on every server. An engine reads and
//! writes the rows.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use cofferdam_core::fault::Result;
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::{Bundle, Name};
use cofferdam_formats::beside::{self, Difference, Files};
use cofferdam_formats::history::{
    Cells, Context, History, HistoryCodec, Mark, Place, Server, Way, Write, own,
};
use cofferdam_formats::writes;

use super::{Beside, Keeping, Kept};
use crate::{Batch, Phase, Record};

/// A table, and how its rows are understood.
#[derive(Clone)]
pub(crate) struct Book {
    pub(crate) codec: &'static HistoryCodec,
    pub(crate) table: Name,
}

impl Book {
    pub(crate) fn sql_type(&self, column: &str) -> &'static str {
        self.codec.columns.iter().find(|c| c.name == column).map_or("text", |c| c.sql_type)
    }
}

/// The table of a tool.
pub(crate) struct Ledger {
    pub(crate) book: Book,
    pub(crate) kept: Kept,
    /// The table is there.
    pub(crate) there: bool,
    database: String,
    bundle: Arc<Bundle>,
    root: String,
    /// We hold the tool's lock.
    pub(crate) locked: bool,
    /// What the last reading found.
    pub(crate) seen: Option<Beside>,
    /// See [`crate::Session::dialect`].
    pub(crate) dialect: &'static str,
    server: Server,
}

/// What the tool did is taken over into our own history.
pub(crate) struct Adoption {
    /// For the journal.
    pub(crate) note: String,
    /// To our own history.
    pub(crate) writes: Vec<Write>,
}

impl Ledger {
    /// That of `book`, in this database.
    pub(crate) fn new(
        book: Book,
        there: bool,
        database: String,
        keeping: Keeping,
        dialect: &'static str,
    ) -> Self {
        let server = if dialect == "postgresql" { Server::PostgreSql } else { Server::MySql };
        Self {
            book,
            kept: keeping.kept.unwrap_or(Kept::Both),
            there,
            database,
            bundle: keeping.bundle,
            root: keeping.root,
            locked: false,
            seen: None,
            dialect,
            server,
        }
    }

    /// Where the table lies, by which the tool's lock is named.
    pub(crate) fn place(&self) -> Place<'_> {
        let schema = self.book.table.schema.as_deref().unwrap_or_default();
        Place { database: &self.database, schema, table: &self.book.table.name }
    }

    /// What these rows say. The directory is as far as our own history knows it.
    pub(crate) fn said(&self, rows: &[Cells], own: &[Applied]) -> Result<History> {
        let known = beside::with_history(&self.bundle, own);
        Ok((self.book.codec.read)(rows, &known)?)
    }

    /// What they say of the migration that has this rank, and this key. While the tool's mark stands at it, it is not
    /// among what is applied, and is all the same until it is taken back.
    pub(crate) fn in_force(
        &self,
        rows: &[Cells],
        own: &[Applied],
        rank: i64,
        key: &str,
    ) -> Result<Option<Applied>> {
        let said = self.said(rows, own)?;
        let marked = said.unfinished.into_iter().find(|what| what.key == key);
        let mut applied = said.applied.into_iter();
        Ok(applied.find(|row| row.rank == rank && row.in_force()).or(marked.map(|what| Applied {
            rank,
            version: Some(what.key.clone()),
            key: what.key,
            description: what.description,
            kind: AppliedKind::Versioned,
            checksum: None,
            at: what.at,
            by: what.by,
            ms: 0,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: None,
        })))
    }

    /// What they say beside our own history.
    pub(crate) fn beside(&self, rows: &[Cells], own: &[Applied]) -> Result<Beside> {
        let codec = self.book.codec;
        let theirs = self.said(rows, own)?;
        Ok(Beside {
            codec,
            table: self.book.table.clone(),
            there: self.there,
            kept: self.kept,
            difference: beside::difference(codec, &self.bundle, own, &theirs),
            theirs,
            bundle: self.bundle.clone(),
            at_work: None,
            dialect: self.dialect,
        })
    }

    /// The history that counts, where `own` is what our own table says. `bundles`: the ways back are wanted, and these
    /// stand with the runs, as JSON by their keys.
    pub(crate) fn counting(
        &self,
        seen: &mut Beside,
        own: Vec<Applied>,
        bundles: Option<&BTreeMap<String, String>>,
    ) -> Vec<Applied> {
        match self.kept {
            Kept::Tool => {
                let mut rows = seen.theirs.applied.clone();
                if let Some(of_runs) = bundles {
                    with_bundles(&mut rows, of_runs, &own);
                }
                seen.difference =
                    Difference { unfinished: seen.theirs.unfinished.clone(), ..Difference::default() };
                rows
            }
            Kept::Own | Kept::Both => {
                let files = Files::of(&self.bundle);
                let mut rows = beside::merged(own, &seen.difference);
                let known = rows.len().saturating_sub(seen.difference.theirs.len());
                // What is not taken over yet has its way back in the directory.
                for row in rows.iter_mut().skip(known).filter(|_| bundles.is_some()) {
                    *row = beside::taken_over(self.book.codec, row, files.about(row), row.rank, "");
                }
                rows
            }
        }
    }

    /// What is taken over into our own history, with a row of the journal; then the two differ in it no more. Nothing of
    /// the data is touched, and nothing of the tool's table.
    pub(crate) fn adoption(
        &self,
        seen: &mut Beside,
        own: &[Applied],
        now: jiff::Timestamp,
    ) -> Result<Option<Adoption>> {
        let (theirs, back) = (&seen.difference.theirs, &seen.difference.taken_back);
        if theirs.is_empty() && back.is_empty() {
            return Ok(None);
        }
        let codec = self.book.codec;
        let note = note(theirs, back, codec.id, &self.book.table);
        let last = own.iter().map(|row| row.rank).max().unwrap_or(0);
        let (files, at) = (Files::of(&self.bundle), now.to_string());
        let rows = (last + 1..).zip(theirs);
        let rows = rows.map(|(rank, row)| beside::taken_over(codec, row, files.about(row), rank, &at));
        let mut writes: Vec<Write> = rows.map(|row| Write::Insert(own::encode(&row))).collect();
        for (row, moment) in back {
            let moment = if moment.is_empty() { at.clone() } else { moment.clone() };
            let row = Applied { undone_at: Some(moment), ..row.clone() };
            writes.extend((own::CODEC.undone)(&row, &Context::nothing())?);
        }
        seen.difference.theirs.clear();
        seen.difference.taken_back.clear();
        Ok(Some(Adoption { note, writes }))
    }

    fn context<'a>(&'a self, rows: &'a [Cells], bundle: &'a Bundle) -> Context<'a> {
        Context { rows, bundle, root: &self.root }
    }

    /// What the tool would write when this was applied. `rows`: its table, or the last row of it where nothing of this
    /// was begun.
    pub(crate) fn when_applied(&self, rows: &[Cells], row: &Applied) -> Result<Vec<Write>> {
        Ok((self.book.codec.applied)(row, &self.context(rows, &self.bundle))?)
    }

    /// What the tool would write when these were applied one after the other. `rows`: the last one.
    pub(crate) fn when_all_applied(&self, mut rows: Vec<Cells>, all: &[Applied]) -> Result<Vec<Write>> {
        let codec = self.book.codec;
        let files = Files::of(&self.bundle);
        let mut writes = Vec::new();
        for row in all {
            // A row needs its own file only, where it is none for all below it: to look for it in all would take its
            // time for each.
            let own = |migrations| Bundle { format: self.bundle.format, migrations, skipped: Vec::new() };
            let about = match row.kind {
                AppliedKind::Baseline => Cow::Borrowed(&*self.bundle),
                _ => Cow::Owned(own(files.about(row).cloned().into_iter().collect())),
            };
            let new = (codec.applied)(row, &self.context(&rows, &about))?;
            for write in &new {
                if let Write::Insert(_) = write {
                    rows.clear();
                }
                writes::perform(codec, &mut rows, write);
            }
            writes.extend(new);
        }
        Ok(writes)
    }

    /// What the tool would write when this was taken back.
    pub(crate) fn when_undone(&self, rows: &[Cells], row: &Applied, own: &[Applied]) -> Result<Vec<Write>> {
        let known = beside::with_history(&self.bundle, own);
        Ok((self.book.codec.undone)(row, &self.context(rows, &known))?)
    }

    /// What the tool would write when these changes are made to what is applied: the file as it is now is accepted, or
    /// it is taken back where the row says so.
    pub(crate) fn when_changed(
        &self,
        mut rows: Vec<Cells>,
        all: &[Applied],
        own: &[Applied],
    ) -> Result<Vec<Write>> {
        let codec = self.book.codec;
        let known = beside::with_history(&self.bundle, own);
        let mut writes = Vec::new();
        for row in all {
            let new = match row.undone_at {
                Some(_) => (codec.undone)(row, &self.context(&rows, &known))?,
                None => (codec.amended)(row, &self.context(&rows, &self.bundle))?,
            };
            new.iter().for_each(|write| writes::perform(codec, &mut rows, write));
            writes.extend(new);
        }
        Ok(writes)
    }

    /// The mark that is to be written, or taken away, with a batch that is not the end of what its run does.
    pub(crate) fn mark(&self, batch: &Batch<'_>) -> Option<Mark> {
        let given_up = batch.run.phase == Phase::RolledBack;
        let about = !matches!(batch.run.record, Record::Nothing) && batch.record.is_none();
        self.book.codec.mark_on(self.server).filter(|_| about && (batch.open || given_up))
    }

    /// What the tool would write of a run that takes more than this transaction: when it begins, and when it came to
    /// nothing.
    pub(crate) fn when_marked(
        &self,
        mark: Mark,
        rows: &[Cells],
        batch: &Batch<'_>,
        own: &[Applied],
    ) -> Result<Vec<Write>> {
        let known = beside::with_history(&self.bundle, own);
        let theirs;
        let (row, way) = match &batch.run.record {
            Record::Nothing => return Ok(Vec::new()),
            Record::Applied(row) => (row.as_ref(), Way::Up),
            Record::Undone { rank } => {
                let found = match self.kept {
                    Kept::Tool => {
                        theirs = self.in_force(rows, own, *rank, &batch.run.plan.key)?;
                        theirs.as_ref()
                    }
                    Kept::Own | Kept::Both => own.iter().find(|row| row.rank == *rank),
                };
                match found {
                    Some(row) => (row, Way::Down),
                    None => return Ok(Vec::new()),
                }
            }
        };
        let context = self.context(rows, &known);
        let given_up = batch.run.phase == Phase::RolledBack;
        Ok(if given_up { (mark.given_up)(row, way, &context)? } else { (mark.began)(row, way, &context)? })
    }
}

/// Where our own history is not kept, the ways back stand in it from before, or with the runs.
fn with_bundles(rows: &mut [Applied], of_runs: &BTreeMap<String, String>, own: &[Applied]) {
    let of_own: BTreeMap<&str, &Applied> = own.iter().map(|row| (row.key.as_str(), row)).collect();
    for row in rows.iter_mut() {
        let text = of_runs.get(&row.key);
        let bundle = text.and_then(|text| serde_json::from_str::<RollbackBundle>(text).ok());
        let of_own = || of_own.get(row.key.as_str()).map(|own| own.bundle.clone());
        row.bundle = bundle.or_else(of_own).unwrap_or_default();
    }
}

fn note(theirs: &[Applied], back: &[(Applied, String)], tool: &str, table: &Name) -> String {
    let mut said = Vec::new();
    if !theirs.is_empty() {
        said.push(format!("taken over: {}", beside::keys(theirs)));
    }
    if !back.is_empty() {
        let back: Vec<Applied> = back.iter().map(|(row, _)| row.clone()).collect();
        said.push(format!("taken back there: {}", beside::keys(&back)));
    }
    format!("from {table} of {tool}: {}", said.join("; "))
}
