//! Cells of a history table, asked for by column, and the migrations that they are about.

use std::collections::BTreeMap;

use cofferdam_core::bundle::Version;
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle};
use cofferdam_core::{Bundle, Code, Migration, Refusal};

use crate::history::{Cells, Context, HistoryCodec, Write};

/// A row of a tool's table.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    codec: &'static HistoryCodec,
    cells: &'a [Option<String>],
}

impl<'a> Row<'a> {
    pub(crate) fn new(codec: &'static HistoryCodec, cells: &'a Cells) -> Self {
        Self { codec, cells }
    }

    /// The cell's text; `None` for NULL.
    pub(crate) fn text(self, name: &str) -> Option<&'a str> {
        let at = self.codec.columns.iter().position(|column| column.name == name)?;
        self.cells.get(at)?.as_deref()
    }

    /// The cell's text, empty for NULL.
    pub(crate) fn word(self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// A value that has to be there.
    ///
    /// # Errors
    /// `ToolHistory`, with row and column.
    pub(crate) fn read<T>(self, name: &str, value: impl Fn(&str) -> Option<T>) -> Result<T, Box<Refusal>> {
        let text = self.text(name);
        text.and_then(value).ok_or_else(|| {
            let key = self.codec.key.first().and_then(|key| self.text(key)).unwrap_or("NULL");
            let found = text.map_or("NULL".to_owned(), |text| format!("{text:?}"));
            let first = self.codec.key.first().copied().unwrap_or_default();
            Box::new(
                Refusal::new(
                    Code::ToolHistory,
                    format!("a row of {} cannot be read: {first} {key}", self.codec.table),
                )
                .cause(format!("column {name} is {found}, which {} does not write", self.codec.id))
                .help("correct the row, or remove it if it was written by hand"),
            )
        })
    }

    /// A number.
    pub(crate) fn number(self, name: &str) -> Result<i64, Box<Refusal>> {
        self.read(name, |text| text.parse().ok())
    }

    /// True or false, in either of the two forms in which PostgreSQL writes them.
    pub(crate) fn flag(self, name: &str) -> Result<bool, Box<Refusal>> {
        self.read(name, |text| match text {
            "t" | "true" => Some(true),
            "f" | "false" => Some(false),
            _ => None,
        })
    }

    /// A moment in RFC 3339. One without a zone is taken as UTC.
    pub(crate) fn time(self, name: &str) -> String {
        let text = self.word(name).replacen(' ', "T", 1);
        match text.strip_suffix("+00").or_else(|| text.strip_suffix("+00:00")) {
            Some(utc) => format!("{utc}Z"),
            None if text.is_empty()
                || text.ends_with('Z')
                || text[text.len().min(10)..].contains(['+', '-']) =>
            {
                text
            }
            None => format!("{text}Z"),
        }
    }
}

/// The migrations of a directory by their versions, compared as the directory compares them.
pub(crate) struct Index<'b> {
    order: Option<&'b Version>,
    places: BTreeMap<&'b Version, usize>,
    bundle: &'b Bundle,
}

impl<'b> Index<'b> {
    pub(crate) fn new(bundle: &'b Bundle) -> Self {
        let versions =
            || bundle.migrations.iter().enumerate().filter_map(|(i, m)| Some((m.version.as_ref()?, i)));
        Self { order: versions().next().map(|(version, _)| version), places: versions().collect(), bundle }
    }

    /// The place in the directory of the migration with this version.
    pub(crate) fn place(&self, version: &str) -> Option<usize> {
        self.places.get(&self.order?.like(version)?).copied()
    }

    /// The migration with this version.
    pub(crate) fn migration(&self, version: &str) -> Option<&'b Migration> {
        self.bundle.migrations.get(self.place(version)?)
    }

    /// What identifies it in the history: as the directory writes it, or as the table does.
    pub(crate) fn key(&self, version: &str) -> String {
        self.migration(version).map_or_else(|| version.to_owned(), Migration::key)
    }

    /// What is applied by its version alone, for tools that keep no more.
    pub(crate) fn applied(&self, rank: i64, version: &str) -> Applied {
        let migration = self.migration(version);
        let key = self.key(version);
        Applied {
            rank,
            version: Some(key.clone()),
            key,
            description: migration.map_or_else(String::new, |migration| migration.description.clone()),
            kind: AppliedKind::Versioned,
            checksum: None,
            at: String::new(),
            by: String::new(),
            ms: 0,
            run: None,
            bundle: RollbackBundle::default(),
            undone_at: None,
        }
    }

    /// The migrations that a row stands for: that of its version, or all up to a baseline.
    pub(crate) fn covered(&self, applied: &Applied) -> Vec<&'b Migration> {
        let version = applied.version.as_deref().unwrap_or_default();
        match applied.kind {
            AppliedKind::Baseline => {
                let line = self.order.and_then(|order| order.like(version));
                let below =
                    self.places.iter().filter(|(one, _)| line.as_ref().is_some_and(|line| **one <= line));
                below.filter_map(|(_, place)| self.bundle.migrations.get(*place)).collect()
            }
            AppliedKind::Versioned | AppliedKind::Repeatable => self.migration(version).into_iter().collect(),
        }
    }
}

/// The version as the number that a tool keeps.
///
/// # Errors
/// `NotRecordable` for a version that is none, and for a repeatable migration.
pub(crate) fn number(codec: &HistoryCodec, applied: &Applied) -> Result<i64, Box<Refusal>> {
    let version = applied.version.as_deref();
    version.and_then(|version| version.parse().ok()).filter(|number| *number >= 0).ok_or_else(|| {
        let what = version.map_or_else(
            || format!("the repeatable migration {:?}", applied.description),
            |version| format!("version {version}"),
        );
        not_recordable(codec, &what, "it keeps a whole number for each migration")
    })
}

/// The row with this key goes, if it is there: what the tool never heard of needs no taking back there.
pub(crate) fn delete(codec: &'static HistoryCodec, context: &Context<'_>, key: String) -> Vec<Write> {
    let first = codec.key.first().copied().unwrap_or_default();
    match context.rows.iter().any(|cells| Row::new(codec, cells).text(first) == Some(&key)) {
        true => vec![Write::Delete { key: vec![Some(key)] }],
        false => Vec::new(),
    }
}

/// The row with this key gets other values, if it is there.
pub(crate) fn update(
    codec: &'static HistoryCodec,
    context: &Context<'_>,
    key: String,
    set: Vec<(&'static str, Option<String>)>,
) -> Vec<Write> {
    let first = codec.key.first().copied().unwrap_or_default();
    match context.rows.iter().any(|cells| Row::new(codec, cells).text(first) == Some(&key)) {
        true => vec![Write::Update { key: vec![Some(key)], set }],
        false => Vec::new(),
    }
}

/// A tool cannot keep this.
pub(crate) fn not_recordable(codec: &HistoryCodec, what: &str, cause: &str) -> Box<Refusal> {
    Box::new(
        Refusal::new(
            Code::NotRecordable,
            format!("{what} cannot be written into {} of {}", codec.table, codec.id),
        )
        .cause(cause)
        .help("--history own keeps the record in Cofferdam's own table only"),
    )
}
