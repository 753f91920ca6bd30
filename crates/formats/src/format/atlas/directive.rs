//! Atlas' directives: comments at the head of a file.
//!
//! Atlas takes them only from a block of comments that an empty line ends, and ignores others in silence. Here they
//! are taken all the same, because nobody writes them to be ignored, and a note says what Atlas would do.

use cofferdam_core::{Code, Refusal, Script};

use crate::halves::{Line, lines, wrong};

/// What a file asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Directives {
    pub(super) tx_mode: TxMode,
    pub(super) checkpoint: bool,
    /// What ends a statement instead of `;`.
    pub(super) delimiter: Option<String>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum TxMode {
    #[default]
    File,
    None,
}

/// Those that say nothing of how a file is run: the linter's, and the sum's.
const ELSEWHERE: [&str; 2] = ["nolint", "sum"];

impl Directives {
    pub(super) fn read(script: &Script) -> Result<Self, Box<Refusal>> {
        let mut directives = Self::default();
        for (line, name, value) in head(&script.text) {
            let refuse = |what: &str, cause: &str, help: &str| {
                Err(Box::new(wrong(Code::ToolDirective, script, Some(line), what).cause(cause).help(help)))
            };
            match (name, value) {
                ("txmode", "none") => directives.tx_mode = TxMode::None,
                ("txmode", "file") => {}
                ("txmode", "all") => {
                    return refuse(
                        "asks for one transaction around all files",
                        "each migration is recorded in the transaction that it runs in, so it has one of its own",
                        "remove the line",
                    );
                }
                ("txmode", _) => {
                    return refuse(
                        &format!("has the transaction mode {value:?}, which Atlas does not know"),
                        "the modes are none, file and all",
                        "correct the line",
                    );
                }
                ("checkpoint", _) => directives.checkpoint = true,
                // Atlas takes it from the very first line only.
                ("delimiter", text) if line.start == 0 && !text.is_empty() => {
                    directives.delimiter = Some(unescaped(text));
                }
                ("delimiter", _) => {
                    return refuse(
                        "sets a delimiter in the wrong place, or an empty one",
                        "Atlas takes it from the first line of a file only",
                        "make it the first line: -- atlas:delimiter TEXT",
                    );
                }
                ("import" | "txtar" | "assert", _) => {
                    return refuse(
                        &format!("asks for atlas:{name}, which is not followed"),
                        "what it adds would not be run",
                        "write the statements into the file and remove the line",
                    );
                }
                // `notes` speaks of the others.
                _ => {}
            }
        }
        Ok(directives)
    }
}

/// What Atlas would make of the directives of a file, where it is something else.
pub(super) fn notes(script: &Script) -> Vec<String> {
    let text = &script.text;
    let ended = lines(text).find(|line| !line.text.starts_with("--")).is_none_or(|line| line.text.is_empty());
    let head: Vec<_> = head(text).collect();
    let mut notes = Vec::new();
    let of_file = ["txmode", "checkpoint"];
    if let Some((_, name, value)) = head.iter().find(|(_, name, _)| of_file.contains(name) && !ended) {
        notes.push(format!(
            "{}: no empty line follows `{}`, so Atlas itself would ignore it",
            script.path,
            format!("-- atlas:{name} {value}").trim_end()
        ));
    }
    let known = |name: &str| of_file.contains(&name) || ELSEWHERE.contains(&name) || name == "delimiter";
    for (_, name, _) in head.iter().filter(|(_, name, _)| !known(name)) {
        notes.push(format!("{}: atlas:{name} is not read", script.path));
    }
    notes
}

/// The directives in the comments with which a text begins: line, name, value.
fn head(text: &str) -> impl Iterator<Item = (Line<'_>, &str, &str)> {
    let comments = lines(text).take_while(|line| line.text.starts_with("--"));
    comments.filter_map(|line| {
        let directive = line.text.trim_start_matches('-').trim().strip_prefix("atlas:")?;
        let (name, value) = directive.split_once(char::is_whitespace).unwrap_or((directive, ""));
        Some((line, name, value.trim()))
    })
}

fn unescaped(text: &str) -> String {
    text.replace(r"\n", "\n").replace(r"\r", "\r").replace(r"\t", "\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Directives, Box<Refusal>> {
        Directives::read(&Script::new("1_a.sql", text))
    }

    #[test]
    fn directives_are_read_from_the_head() {
        let none = Directives { tx_mode: TxMode::None, ..Directives::default() };
        assert_eq!(read("-- atlas:txmode none\n\nSELECT 1;").unwrap(), none);
        assert_eq!(read("-- atlas:txmode none\nSELECT 1;").unwrap(), none);
        assert_eq!(read("-- a comment\n--atlas:txmode  none\r\n\r\n").unwrap(), none);
        assert_eq!(read("SELECT 1;\n-- atlas:txmode none\n").unwrap(), Directives::default());
        assert_eq!(read("-- atlas:delimiter \\n\\n\nx").unwrap().delimiter.as_deref(), Some("\n\n"));
        assert!(read("-- atlas:checkpoint v1\n\nx").unwrap().checkpoint);
        for text in [
            "-- atlas:txmode all\n",
            "-- atlas:txmode off\n",
            "-- a\n-- atlas:delimiter x\n",
            "-- atlas:delimiter\n",
            "-- atlas:import b.sql\n",
        ] {
            let refusal = read(text).unwrap_err();
            assert_eq!(refusal.code, Code::ToolDirective, "{text}");
            assert!(refusal.cause.is_some() && refusal.help.is_some() && refusal.place.is_some());
        }
    }

    #[test]
    fn what_atlas_would_ignore_is_said() {
        for (text, notes) in [
            ("-- atlas:txmode none\n\nSELECT 1;", &[][..]),
            (
                "-- atlas:txmode none\nSELECT 1;",
                &["1_a.sql: no empty line follows `-- atlas:txmode none`, so Atlas itself would ignore it"],
            ),
            ("-- atlas:nolint\nSELECT 1;", &[]),
            ("-- atlas:nonsense\n\nSELECT 1;", &["1_a.sql: atlas:nonsense is not read"]),
        ] {
            assert_eq!(super::notes(&Script::new("1_a.sql", text)), notes, "{text}");
        }
    }
}
