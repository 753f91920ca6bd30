//! goose: `00001_name.sql` with `-- +goose Up` and `-- +goose Down`, both in one file.
//!
//! The version is the number before the first `_`. Only the top level is read. Migrations written in Go are
//! programs and refused. Facts were taken from runs of goose 3.29.

use std::ops::Range;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Refusal, Script};

use super::{Confidence, Format, NewFiles, has_mark, is_sql, number, slug, top_level};
use crate::halves::{Line, half, is_empty, lines, wrong};
use crate::script::script;
use crate::tree::Tree;
use crate::versions::{Versioned, by_version};

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "goose",
    title: "00001_name.sql with the lines -- +goose Up and -- +goose Down in it",
    detect: |tree| if has_mark(tree, "+goose Up") { Confidence::Yes } else { Confidence::No },
    read: |tree, _| read(tree),
    name_new: Some(|version, description| NewFiles {
        up: format!("{version}_{}.sql", slug(description)),
        down: None,
        check: None,
        text: "-- +goose Up\n\n-- +goose Down\n",
    }),
    notes: |_| Vec::new(),
};

fn read(tree: &Tree) -> Result<Bundle, Box<Refusal>> {
    let mut skipped = Vec::new();
    let mut files = Vec::new();
    let candidate = |name: &str| is_sql(name) || (name.ends_with(".go") && !name.ends_with("_test.go"));
    for file in top_level(tree, &mut skipped, candidate) {
        let parsed = number(file.name()).and_then(|(digits, rest)| {
            let description = rest.strip_prefix('_')?.rsplit_once('.')?.0;
            Some((Version::parse(digits).filter(|_| digits.bytes().any(|b| b != b'0'))?, description))
        });
        match parsed {
            Some(_) if !is_sql(file.name()) => return Err(Box::new(in_go(&tree.typed(&file.path)))),
            Some((version, description)) => {
                files.push(Versioned { version, description: description.replace('_', " "), file });
            }
            None if is_sql(file.name()) => {
                let reason = "it is not named as 00001_name.sql, with a number above 0".to_owned();
                skipped.push((tree.typed(&file.path), reason));
            }
            None => {}
        }
    }
    let mut migrations = Vec::with_capacity(files.len());
    for (version, named) in by_version(tree, files)? {
        let whole = script(tree, named.file)?;
        let (up, down) = split(&whole)?;
        migrations.push(Migration {
            version: Some(version),
            description: named.description,
            kind: MigrationKind::Versioned,
            checksum: Checksum::Sha256(whole.sha256.clone()),
            no_transaction: up.no_transaction,
            up,
            down,
            check: None,
        });
    }
    Ok(Bundle { format: FORMAT.id, migrations, skipped })
}

fn in_go(path: &str) -> Refusal {
    Refusal::new(Code::ToolNotRead, format!("{path} is a migration written in Go"))
        .cause("it is a program, which has to be built; left out, the migrations after it would run without it")
        .help("run the tool itself: spec.migration.container takes its image, with signal {table: goose_db_version, column: version_id}")
}

/// Both halves of a file.
fn split(script: &Script) -> Result<(Script, Option<Script>), Box<Refusal>> {
    let refuse = |line: Line<'_>, what: &str, help: &str| {
        Err(Box::new(wrong(Code::ToolFile, script, Some(line), what).help(help)))
    };
    let (mut up, mut down) = (None::<usize>, None::<usize>);
    let mut no_transaction = false;
    let mut block = None::<Line<'_>>;
    let mut early = None::<Line<'_>>;
    let mut ended: Vec<Range<usize>> = Vec::new();
    for line in lines(&script.text) {
        let Some(directive) = directive(line.text) else {
            if up.is_none() && early.is_none() && !line.text.is_empty() && !line.text.starts_with("--") {
                early = Some(line);
            }
            continue;
        };
        match (directive.to_ascii_lowercase().as_str(), block) {
            ("statementend", Some(_)) => {
                block = None;
                if !script.text[..line.start].trim_end().ends_with(';') {
                    ended.push(line.start..line.end);
                }
            }
            ("statementend", None) => {
                return refuse(
                    line,
                    "ends a statement that is not begun",
                    "write -- +goose StatementBegin before it",
                );
            }
            ("statementbegin", None) if up.is_some() => block = Some(line),
            (_, Some(_)) => {
                return refuse(
                    line,
                    "has a directive inside of a statement",
                    "write -- +goose StatementEnd before it",
                );
            }
            ("up", None) if up.is_none() && down.is_none() => up = Some(line.start),
            ("down", None) if up.is_some() && down.is_none() => down = Some(line.start),
            ("up" | "down" | "statementbegin", None) => {
                return refuse(
                    line,
                    "has the parts in the wrong order, or one of them twice",
                    "write -- +goose Up once, and below it -- +goose Down once",
                );
            }
            ("no transaction", None) => no_transaction = true,
            (_, None) => return Err(Box::new(not_followed(script, line, directive))),
        }
    }
    if let Some(line) = block {
        return refuse(
            line,
            "begins a statement that is not ended",
            "write -- +goose StatementEnd behind it",
        );
    }
    let Some(up) = up else {
        let refusal = wrong(Code::ToolFile, script, None, "has no line -- +goose Up");
        return Err(Box::new(
            refusal.cause("goose runs what stands below that line").help("write it above the statements"),
        ));
    };
    if let Some(line) = early {
        return refuse(line, "has a statement before -- +goose Up", "move it behind that line");
    }
    let whole = Script { no_transaction, ..script.clone() };
    let end = script.text.len();
    let back = down.filter(|down| !is_empty(&script.text[*down..]));
    Ok((half(&whole, up..down.unwrap_or(end), &ended), back.map(|down| half(&whole, down..end, &ended))))
}

/// What a line asks of goose.
fn directive(line: &str) -> Option<&str> {
    let comment = line.strip_prefix("--")?.trim();
    let rest = comment.strip_prefix("+goose")?;
    rest.starts_with(char::is_whitespace).then(|| rest.trim())
}

fn not_followed(script: &Script, line: Line<'_>, directive: &str) -> Refusal {
    let refusal = wrong(
        Code::ToolDirective,
        script,
        Some(line),
        &format!("asks for {directive}, which is not followed"),
    );
    match directive.to_ascii_lowercase().starts_with("envsub") {
        true => refusal
            .cause("goose would put values of its environment into the statements; Cofferdam sends them as they are written")
            .help("write the values out and remove the line"),
        false => refusal
            .cause("goose knows Up, Down, StatementBegin, StatementEnd, NO TRANSACTION and ENVSUB")
            .help("correct or remove the line"),
    }
}
