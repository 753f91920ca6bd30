//! What is said about a script that cannot be cut.

use cofferdam_core::{Code, Place, Refusal};

use super::lex::Token;

fn boxed(
    code: Code,
    what: impl Into<String>,
    at: Place,
    cause: &str,
    help: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(code, what).at(at).cause(cause).help(help))
}

pub(super) fn nul_byte(at: Place) -> Box<Refusal> {
    boxed(
        Code::NulByte,
        "the script contains a NUL byte",
        at,
        "the program mysql ends a line there, and the server a comment",
        "save the file as UTF-8 text without it",
    )
}

/// `mark` is what opened it.
pub(super) fn unclosed(what: Token, mark: &str, at: Place) -> Box<Refusal> {
    let (what, help) = match what {
        Token::QuotedName => {
            ("the quoted name", "close it with `; one inside it is written twice".to_owned())
        }
        Token::BlockComment => ("the comment", "close it with */; comments do not nest".to_owned()),
        Token::VersionOpen => ("the comment for some versions", "close it with */".to_owned()),
        _ => ("the text", format!("close it with {mark}; one inside it is written twice or as \\{mark}")),
    };
    boxed(
        Code::NotSplit,
        format!("{what} that begins here with {mark} is never closed"),
        at,
        "everything up to the end of the file would belong to it",
        help,
    )
}

/// `word` as it is written, `source` or `\G`.
pub(super) fn client_command(word: &str, at: Place) -> Box<Refusal> {
    let help = match word.to_ascii_lowercase().as_str() {
        "\\g" => "end the statement with its delimiter, which is ; where no DELIMITER says otherwise",
        "\\-" => "mariadb-dump wrote this line for its client: remove it",
        "source" | "\\." => "write the statements of that file here, or make it a migration of its own",
        "use" => "end it with its delimiter: USE name;",
        "connect" | "\\r" => "remove it: a migration runs in the database that --url names",
        "go" | "ego" => "end each statement with ; instead",
        _ => "remove it, or say the same in SQL",
    };
    boxed(
        Code::ClientCommand,
        format!("`{word}` is a command of the mysql client, not SQL"),
        at,
        "the program mysql carries it out itself; the server does not know it",
        help,
    )
}

pub(super) fn bad_delimiter(what: &str, at: Place) -> Box<Refusal> {
    boxed(
        Code::BadDelimiter,
        what,
        at,
        "what ends the statements below it is not known",
        "write `DELIMITER //` on a line of its own",
    )
}

pub(super) fn body_cut(at: Place) -> Box<Refusal> {
    boxed(
        Code::BodyCut,
        "the body of this routine is cut in the middle",
        at,
        "a ; ends the statement also within BEGIN and END, as in the program mysql",
        "write `DELIMITER //` on a line before it, end it with //, and write `DELIMITER ;` below it",
    )
}

pub(super) fn mode_dependent(mode: &str, at: Place) -> Box<Refusal> {
    boxed(
        Code::ModeDependent,
        format!("the end of this text depends on {mode}, which the script sets"),
        at,
        "with the mode on a backslash cannot escape the closing quote",
        "write the quote twice in place of the backslash, or leave sql_mode alone",
    )
}

pub(super) fn version_dependent(what: &str, at: Place) -> Box<Refusal> {
    boxed(
        Code::VersionDependent,
        what,
        at,
        "servers that skip the comment end it elsewhere than those that carry it out",
        "write the statement without the comment for some versions",
    )
}
