//! What is said about a script that cannot be cut.

use cofferdam_core::{Code, Place, Refusal};

use super::lex::Token;

fn not_split(what: impl Into<String>, at: Place) -> Refusal {
    Refusal::new(Code::NotSplit, what).at(at)
}

pub(crate) fn nul_byte(at: Place) -> Box<Refusal> {
    Box::new(
        Refusal::new(Code::NulByte, "the script contains a NUL byte")
            .at(at)
            .cause("PostgreSQL takes no NUL byte in SQL text")
            .help("save the file as UTF-8 text without it"),
    )
}

/// `mark` is what opened it: `'`, `E'`, `"`, `$body$`, `/*`.
pub(crate) fn unclosed(what: Token, mark: &str, at: Place) -> Box<Refusal> {
    let (what, help) = match what {
        Token::QuotedName => {
            ("the quoted name", "close it with \"; a quotation mark inside it is written twice".to_owned())
        }
        Token::DollarText => {
            ("the dollar-quoted text", format!("close it with {mark}, in the same letter case"))
        }
        Token::BlockComment => {
            ("the comment", "close it with */; comments nest, so each /* inside needs its own */".to_owned())
        }
        Token::EscapedText => {
            ("the text", "close it with '; inside it a quote is written \\' and a backslash \\\\".to_owned())
        }
        _ => ("the text", "close it with '; a quote inside it is written twice".to_owned()),
    };
    Box::new(
        not_split(format!("{what} that begins here with {mark} is never closed"), at)
            .cause("everything up to the end of the file would belong to it")
            .help(help),
    )
}

pub(crate) fn unclosed_parenthesis(at: Place) -> Box<Refusal> {
    Box::new(
        not_split("the parenthesis that is opened here is never closed", at)
            .cause("a `;` inside parentheses does not end a statement")
            .help("close it with )"),
    )
}

pub(crate) fn unclosed_body(at: Place) -> Box<Refusal> {
    Box::new(
        not_split("the routine body that begins here has no END", at)
            .cause("a `;` between BEGIN ATOMIC and its END does not end the statement")
            .help("close the body with END; each CASE inside it needs its own END"),
    )
}

pub(crate) fn rows_without_end(at: Place) -> Box<Refusal> {
    Box::new(
        not_split("the rows of this COPY have no end", at)
            .cause("the rows of a COPY ... FROM stdin go up to a line that is `\\.` and nothing else")
            .help("end the rows with a line `\\.`"),
    )
}

pub(crate) fn text_before_rows(at: Place) -> Box<Refusal> {
    Box::new(
        not_split("SQL stands behind a COPY ... FROM stdin on the same line", at)
            .cause("the rows begin on the line after the COPY")
            .help("move what follows below the line `\\.`"),
    )
}

pub(crate) fn old_strings(at: Place) -> Box<Refusal> {
    Box::new(
        not_split(
            "the end of this text depends on standard_conforming_strings, which the script switches off",
            at,
        )
        .cause("with the setting off a backslash can escape the closing quote")
        .help("remove the SET standard_conforming_strings and write such texts as E'...'"),
    )
}

/// `name` is the command without its backslash.
pub(crate) fn psql_command(name: &str, at: Place) -> Box<Refusal> {
    let help = match name {
        "copy" => "write COPY ... FROM stdin; with the rows below it, up to a line `\\.`",
        "." => "a line `\\.` ends the rows of a COPY ... FROM stdin; there is none here: remove the line",
        "i" | "ir" | "include" | "include_relative" => {
            "write the statements of that file here, or make it a migration of its own"
        }
        "restrict" | "unrestrict" => "pg_dump wrote this line for psql: remove it",
        "connect" | "c" => "remove it: a migration runs in the database that --url names",
        "gexec" => "write the statements out, or run them in a DO block with EXECUTE",
        "set" | "gset" | "if" | "elif" | "else" | "endif" => "write the values out, or decide in a DO block",
        _ => "remove it, or say the same in SQL",
    };
    Box::new(
        Refusal::new(Code::PsqlCommand, format!("`\\{name}` is a command of psql, not SQL"))
            .at(at)
            .cause("a backslash outside quotes means nothing to the server")
            .help(help),
    )
}
