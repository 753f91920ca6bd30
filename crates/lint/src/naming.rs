//! How a team wants its names.

use regex::Regex;

/// What a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the SQL words")]
pub enum Kind {
    Schema,
    Table,
    Column,
    Index,
    ForeignKey,
    PrimaryKey,
    Check,
}

/// All kinds, as Atlas and cofferdam.yaml write them.
const KINDS: &[(&str, Kind)] = &[
    ("schema", Kind::Schema),
    ("table", Kind::Table),
    ("column", Kind::Column),
    ("index", Kind::Index),
    ("foreign_key", Kind::ForeignKey),
    ("primary_key", Kind::PrimaryKey),
    ("check", Kind::Check),
];

impl Kind {
    /// The kind of this word: `foreign_key`.
    pub fn named(word: &str) -> Option<Self> {
        KINDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
    }

    /// In words: `foreign key`.
    pub fn word(self) -> &'static str {
        match self {
            Kind::ForeignKey => "foreign key",
            Kind::PrimaryKey => "primary key",
            other => KINDS.iter().find(|(_, kind)| *kind == other).map_or("name", |(name, _)| name),
        }
    }

    /// All words, for a message.
    pub fn words() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _)| *name)
    }
}

/// What names of a kind must match.
#[derive(Debug, Clone)]
pub struct Convention {
    /// `None`: of every kind that has none of its own.
    pub kind: Option<Kind>,
    /// What each matches.
    pub pattern: Regex,
    /// What a person is told beside it.
    pub message: Option<String>,
}

impl Convention {
    /// Of its parts as they are written: a kind of [`Kind::named`], or `match` for every kind.
    ///
    /// # Errors
    /// In words, where there is no such kind or the pattern is none.
    pub fn new(kind: &str, pattern: &str, message: Option<String>) -> Result<Self, String> {
        let kind = match kind {
            "match" => None,
            kind => Some(Kind::named(kind).ok_or_else(|| {
                format!("there is no kind {kind}; there are {}", Kind::words().collect::<Vec<_>>().join(", "))
            })?),
        };
        let pattern = Regex::new(pattern).map_err(|why| format!("{pattern:?} is no pattern: {why}"))?;
        Ok(Self { kind, pattern, message })
    }
}
