//! Formats of migration directories, and which of them a directory has.

pub mod atlas;
pub mod dbmate;
pub mod drizzle;
pub mod flyway;
pub mod goose;
pub mod plain;
pub mod sqlx;

use std::collections::BTreeMap;

use cofferdam_core::{Bundle, Code, Refusal};

use crate::foreign;
use crate::nearest::nearest;
use crate::tree::{File, Tree};

/// How files of one tool become a [`Bundle`].
pub struct Format {
    /// What `--format` takes and [`Bundle::format`] says.
    pub id: &'static str,
    /// In a few words, with an example of a file name.
    pub title: &'static str,
    /// Looks at names, and at the marks of the tool in files whose names could be its.
    pub detect: fn(&Tree) -> Confidence,
    /// Reads all of it, or refuses all of it.
    pub read: fn(&Tree, &Values) -> Result<Bundle, Box<Refusal>>,
    /// File names of a new migration with this version and description. `None` where a file alone does not make a
    /// migration: the tool keeps a list or a sum beside it.
    pub name_new: Option<fn(version: &str, description: &str) -> NewFiles>,
    /// What is read and yet worth saying, a line each: what the tool itself would do otherwise.
    pub notes: fn(&Bundle) -> Vec<String>,
}

/// Values for placeholders, by name: `${name}` in a directory of Flyway.
pub type Values = BTreeMap<String, String>;

/// How well a directory fits a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// No file has a name of this format.
    No,
    /// Files have names that only miss those of this format.
    Near,
    /// A file has the name of a migration of this format.
    Yes,
}

/// The names of the files that make up a new migration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFiles {
    /// The change.
    pub up: String,
    /// The way back, where it is a file of its own.
    pub down: Option<String>,
    /// Queries that must return no row afterwards; `None` where the tool would take such a file for a migration.
    pub check: Option<String>,
    /// What the first file must hold to be read, where that is not nothing.
    pub text: &'static str,
}

/// All formats.
pub static FORMATS: &[&Format] = &[
    &atlas::FORMAT,
    &dbmate::FORMAT,
    &drizzle::FORMAT,
    &flyway::FORMAT,
    &goose::FORMAT,
    &plain::FORMAT,
    &sqlx::FORMAT,
];

/// Tools whose directories are those of a format with another name.
const ALIASES: [(&str, &str); 1] = [("golang-migrate", "plain")];

/// How many file names an error lists before it only counts.
const NAMES_LISTED: usize = 10;

/// Reads a directory in the format given, or in the one that it has.
///
/// # Errors
/// `EmptyDirectory` when there is no migration, `UnknownFormat` when no format fits, or two, or `format` is not
/// one; otherwise what the format refuses.
pub fn read(tree: &Tree, format: Option<&str>) -> Result<Bundle, Box<Refusal>> {
    read_with(tree, format, &Values::new())
}

/// Reads a directory with values for its placeholders. A placeholder without a value is refused.
///
/// # Errors
/// Those of [`read`].
pub fn read_with(tree: &Tree, format: Option<&str>, values: &Values) -> Result<Bundle, Box<Refusal>> {
    let format = match format {
        Some(id) => named(id)?,
        None => detected(tree)?,
    };
    let bundle = (format.read)(tree, values)?;
    match bundle.migrations.is_empty() {
        true => Err(Box::new(nothing_found(tree, format, &bundle.skipped))),
        false => Ok(bundle),
    }
}

/// What is worth saying of a directory that was read, a line each.
pub fn notes(bundle: &Bundle) -> Vec<String> {
    let format = FORMATS.iter().find(|format| format.id == bundle.format);
    format.map(|format| (format.notes)(bundle)).unwrap_or_default()
}

fn named(id: &str) -> Result<&'static Format, Box<Refusal>> {
    let id = ALIASES.iter().find(|(alias, _)| *alias == id).map_or(id, |(_, format)| format);
    let ids = || FORMATS.iter().map(|format| format.id);
    FORMATS.iter().copied().find(|format| format.id == id).ok_or_else(|| {
        let refusal = Refusal::new(Code::UnknownFormat, format!("there is no format {id:?}"))
            .cause(format!("the formats are {}", ids().collect::<Vec<_>>().join(", ")));
        Box::new(match nearest(id, ids()) {
            Some(near) => refusal.help(format!("did you mean --format {near}?")),
            None => refusal.help("leave --format out, and the names of the files decide"),
        })
    })
}

fn detected(tree: &Tree) -> Result<&'static Format, Box<Refusal>> {
    let root = shown_root(tree);
    let fitting = |confidence: Confidence| -> Vec<&'static Format> {
        FORMATS.iter().copied().filter(|format| (format.detect)(tree) == confidence).collect()
    };
    let (yes, near) = (fitting(Confidence::Yes), fitting(Confidence::Near));
    match (yes.as_slice(), near.as_slice()) {
        ([format], _) => Ok(format),
        ([], near) => match (foreign::tool(tree), near) {
            (Some(tool), near) => Err(Box::new(tool.refusal(&root, near))),
            (None, [format]) => Ok(format),
            (None, near) => Err(Box::new(not_recognised(tree, &root, near))),
        },
        (several, _) => {
            let ids: Vec<_> = several.iter().map(|format| format.id).collect();
            let refusal = Refusal::new(
                Code::UnknownFormat,
                format!("{root} has files of more than one format: {}", ids.join(" and ")),
            )
            .help(format!("--format {} reads the files of one and shows the others as skipped", ids[0]));
            Err(Box::new(several.iter().fold(refusal, |refusal, format| refusal.note(note(format)))))
        }
    }
}

fn not_recognised(tree: &Tree, root: &str, near: &[&Format]) -> Refusal {
    let sql: Vec<_> = tree.files.iter().filter(|file| is_sql(file.name())).collect();
    if sql.is_empty() {
        return Refusal::new(Code::EmptyDirectory, format!("there is no migration in {root}"))
            .cause(match tree.files.len() {
                0 => "it holds no file".to_owned(),
                1 => "it holds one file, and that is not .sql".to_owned(),
                count => format!("it holds {count} files, and none is .sql"),
            })
            .help("cofferdam new NAME writes a first migration; --dir names another directory");
    }
    let listed: Vec<_> = sql.iter().take(3).map(|file| file.path.as_str()).collect();
    let more = if sql.len() > listed.len() { ", ..." } else { "" };
    let refusal = Refusal::new(Code::UnknownFormat, format!("the format of {root} is not recognised"))
        .cause(format!("no file has the name of a migration: {}{more}", listed.join(", ")))
        .help("rename the files, or name another directory with --dir");
    let formats = if near.is_empty() { FORMATS } else { near };
    formats.iter().fold(refusal, |refusal, format| refusal.note(note(format)))
}

fn nothing_found(tree: &Tree, format: &Format, skipped: &[(String, String)]) -> Refusal {
    let root = shown_root(tree);
    let mut refusal =
        Refusal::new(Code::EmptyDirectory, format!("there is no {} migration in {root}", format.id))
            .cause(format!("no file is named as in {}", format.title))
            .help("rename the files, or write a first migration with cofferdam new NAME");
    for (path, reason) in skipped.iter().take(NAMES_LISTED) {
        refusal = refusal.note(format!("{path}: {reason}"));
    }
    if let more @ 1.. = skipped.len().saturating_sub(NAMES_LISTED) {
        refusal = refusal.note(format!("and {more} more"));
    }
    match foreign::tool(tree) {
        Some(tool) => refusal.note(tool.sentence(&root)),
        None => refusal,
    }
}

fn note(format: &Format) -> String {
    format!("{}: {}", format.id, format.title)
}

fn shown_root(tree: &Tree) -> String {
    if tree.root.is_empty() { "the source".to_owned() } else { tree.root.clone() }
}

/// Its name ends in `.sql`, in small or capital letters.
pub(crate) fn is_sql(name: &str) -> bool {
    strip_suffix(name, ".sql").is_some()
}

/// The name without `suffix`, which is matched in small and capital letters.
pub(crate) fn strip_suffix<'a>(name: &'a str, suffix: &str) -> Option<&'a str> {
    let at = name.len().checked_sub(suffix.len())?;
    name.get(at..)?.eq_ignore_ascii_case(suffix).then(|| &name[..at])
}

/// A description as part of a file name: letters and digits (of any script), `-` and `.` are kept, all else
/// becomes one `_`.
pub(crate) fn slug(description: &str) -> String {
    let kept = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
    let words: Vec<_> = description.split(|c| !kept(c)).filter(|word| !word.is_empty()).collect();
    if words.is_empty() { "migration".to_owned() } else { words.join("_") }
}

/// The part of a name before its first character that is no digit, if there is one, and the rest.
pub(crate) fn number(name: &str) -> Option<(&str, &str)> {
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    (end > 0).then(|| name.split_at(end))
}

/// The files that a tool looks at, which are those of the top level; the others of `named` are skipped with the
/// reason.
pub(crate) fn top_level<'t>(
    tree: &'t Tree,
    skipped: &mut Vec<(String, String)>,
    named: impl Fn(&str) -> bool,
) -> Vec<&'t File> {
    let (top, deep): (Vec<_>, Vec<_>) =
        tree.files.iter().filter(|file| named(file.name())).partition(|file| file.is_top_level());
    skipped.extend(deep.into_iter().map(|file| (tree.typed(&file.path), only_top_level(tree, file))));
    top
}

/// Why a file in a subdirectory is skipped.
pub(crate) fn only_top_level(tree: &Tree, file: &File) -> String {
    let directory = file.path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("only the top level is read; to read this one: --dir {}", tree.typed(directory))
}

/// A file named like `1_name.sql` has this text in a line of its own comments.
pub(crate) fn has_mark(tree: &Tree, mark: &str) -> bool {
    let mark = mark.as_bytes();
    let marked = |file: &File| {
        let named = file.name().starts_with(|c: char| c.is_ascii_digit()) && is_sql(file.name());
        named
            && file.bytes.split(|byte| *byte == b'\n').any(|line| {
                let comment = line.trim_ascii_start().strip_prefix(b"--").map(<[u8]>::trim_ascii);
                comment.is_some_and(|comment| comment.starts_with(mark))
            })
    };
    tree.files.iter().any(marked)
}
