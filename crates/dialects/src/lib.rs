//! SQL text to statements and changes, and back: the splitter, the reader, native safe sequences.
//!
//! A [`Dialect`] is what one engine's SQL needs: [`Dialect::split`] cuts a script into the statements that the
//! server gets one by one, [`Dialect::read`] says what each of them does. Nothing here asks a server.

mod comment;
mod directive;
pub mod mysql;
mod place;
pub mod postgres;

use cofferdam_core::change::{Change, Span};
use cofferdam_core::{Refusal, Script, Text};

/// What a script holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// Its statements, in order.
    pub changes: Vec<Change>,
    /// What its comments ask of Cofferdam.
    pub directives: Directives,
    /// The id of the engine whose SQL it was read as: `postgresql`, `mysql`, `mariadb`.
    pub engine: &'static str,
}

/// What the comments of a script ask of Cofferdam.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// `-- cofferdam:transaction none`: each statement commits by itself.
    pub transaction_none: bool,
    /// The `-- cofferdam:allow` comments, in order.
    pub allows: Vec<Allow>,
}

/// `-- cofferdam:allow RULE reason="..." until=2027-01-31`: findings of a rule that the author has agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allow {
    /// The rule's id; whether there is such a rule is for the linter to say.
    pub rule: String,
    /// Why it is agreed to.
    pub reason: Option<String>,
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub until: Option<String>,
    /// The line on which it stands, from 1.
    pub line: usize,
    /// It holds for the whole file, not only for the statement directly after it: it stands in the comment
    /// block that begins the file and is followed by an empty line, or is `cofferdam:allow-file`.
    pub whole_file: bool,
}

/// What is known of one engine's SQL.
pub struct Dialect {
    /// The engine's id: `postgresql`.
    pub id: &'static str,
    /// Cuts a script into statements.
    pub split: fn(&Script) -> Result<Vec<Piece>, Box<Refusal>>,
    /// Says what each statement of a script does.
    pub read: fn(&Script) -> Result<Parsed, Box<Refusal>>,
}

/// All dialects.
pub static DIALECTS: &[&Dialect] = &[&postgres::POSTGRES, &mysql::MYSQL, &mysql::MARIADB];

/// The dialect of an engine, by its id.
pub fn dialect(engine_id: &str) -> Option<&'static Dialect> {
    DIALECTS.iter().copied().find(|d| d.id == engine_id)
}

/// The text and the place of one statement, before it is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The statement as written, without the closing `;` and without comments and white space around it.
    pub text: Text,
    /// Where `text` stands in the script.
    pub at: Span,
    /// The rows after a `COPY ... FROM stdin`, up to the line `\.`, as written.
    pub copy_rows: Option<Text>,
    /// The comments that stand between the statement before and this one, each with its first line.
    pub comments: Vec<(usize, String)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_folder_is_a_dialect_in_the_table() {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let entries = std::fs::read_dir(source).unwrap().map(Result::unwrap);
        let folders = entries.filter(|e| e.path().is_dir()).count();
        // Those of MySQL and MariaDB are two in one.
        assert_eq!(DIALECTS.len(), folders + 1);
        for one in DIALECTS {
            assert!(std::ptr::eq(dialect(one.id).unwrap(), *one), "{}", one.id);
        }
        assert!(dialect("oracle").is_none());
    }
}
