//! dbmate: `20240101000000_name.sql` with `-- migrate:up` and `-- migrate:down`, both in one file.
//!
//! The version is the number at the start of the name. dbmate goes by the names of the files as texts, and so
//! does this. Only the top level is read. Facts were taken from runs of dbmate 2.36.

use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Refusal, Script};

use super::{Confidence, Format, NewFiles, has_mark, number, slug, top_level};
use crate::halves::{Line, half, is_empty, lines, wrong};
use crate::script::script;
use crate::tree::Tree;
use crate::versions::{each_once, mixed_widths, of_names};

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "dbmate",
    title: "20240101000000_name.sql with the lines -- migrate:up and -- migrate:down in it",
    detect: |tree| if has_mark(tree, "migrate:up") { Confidence::Yes } else { Confidence::No },
    read: |tree, _| read(tree),
    name_new: Some(|version, description| NewFiles {
        up: format!("{version}_{}.sql", slug(description)),
        down: None,
        check: None,
        text: "-- migrate:up\n\n-- migrate:down\n",
    }),
    notes: |bundle| mixed_widths(bundle).into_iter().collect(),
};

fn read(tree: &Tree) -> Result<Bundle, Box<Refusal>> {
    let mut skipped = Vec::new();
    let mut named = Vec::new();
    for file in top_level(tree, &mut skipped, |name| name.ends_with(".sql")) {
        match number(file.name()) {
            Some((digits, rest)) => named.push((digits, rest, file)),
            None => {
                let reason = "it does not begin with a number, as 20240101000000_name.sql does".to_owned();
                skipped.push((tree.typed(&file.path), reason));
            }
        }
    }
    let versions = of_names(named.iter().map(|(digits, ..)| *digits));
    let mut migrations = Vec::with_capacity(named.len());
    for ((_, rest, file), version) in named.into_iter().zip(versions) {
        let whole = script(tree, file)?;
        let (up, down) = split(&whole)?;
        migrations.push(Migration {
            version: Some(version),
            description: rest.trim_end_matches(".sql").trim_start_matches('_').replace('_', " "),
            kind: MigrationKind::Versioned,
            checksum: Checksum::Sha256(whole.sha256.clone()),
            no_transaction: up.no_transaction,
            up,
            down,
            check: None,
        });
    }
    each_once(&migrations)?;
    Ok(Bundle { format: FORMAT.id, migrations, skipped })
}

/// Both halves of a file. The way back may be empty, but its line has to be there.
fn split(script: &Script) -> Result<(Script, Option<Script>), Box<Refusal>> {
    let refuse = |line: Option<Line<'_>>, what: &str, help: &str| {
        Err(Box::new(wrong(Code::ToolFile, script, line, what).help(help)))
    };
    let mut up = None::<(Line<'_>, bool)>;
    let mut down = None::<(Line<'_>, bool)>;
    let mut early = None::<Line<'_>>;
    for line in lines(&script.text) {
        match directive(line.text) {
            Some(("up", options)) if up.is_none() && down.is_none() => {
                up = Some((line, no_transaction(script, line, options)?));
            }
            Some(("down", options)) if up.is_some() && down.is_none() => {
                down = Some((line, no_transaction(script, line, options)?));
            }
            Some((part, _)) => {
                return refuse(
                    Some(line),
                    &format!("has migrate:{part} in the wrong place, or twice"),
                    "write -- migrate:up once, and below it -- migrate:down once",
                );
            }
            None if up.is_none()
                && early.is_none()
                && !line.text.is_empty()
                && !line.text.starts_with("--") =>
            {
                early = Some(line);
            }
            None => {}
        }
    }
    let Some((up, up_alone)) = up else {
        return refuse(None, "has no line -- migrate:up", "write it above the statements");
    };
    if early.is_some() {
        return refuse(early, "has a statement before -- migrate:up", "move it behind that line");
    }
    let Some((down, down_alone)) = down else {
        return refuse(
            None,
            "has no line -- migrate:down",
            "dbmate requires it: write it at the end of the file, and the way back below it",
        );
    };
    let (middle, end) = (down.start, script.text.len());
    let part = |range, alone| Script { no_transaction: alone, ..half(script, range, &[]) };
    let back = (!is_empty(&script.text[middle..])).then(|| part(middle..end, down_alone));
    Ok((part(up.start..middle, up_alone), back))
}

/// `up` or `down`, and the options behind it.
fn directive(line: &str) -> Option<(&'static str, &str)> {
    let rest = line.strip_prefix("--")?.trim_start().strip_prefix("migrate:")?;
    let (part, options) = match rest.strip_prefix("up") {
        Some(options) => ("up", options),
        None => ("down", rest.strip_prefix("down")?),
    };
    (options.is_empty() || options.starts_with(char::is_whitespace)).then_some((part, options))
}

fn no_transaction(script: &Script, line: Line<'_>, options: &str) -> Result<bool, Box<Refusal>> {
    let mut alone = false;
    for option in options.split_whitespace() {
        alone = match option {
            "transaction:false" => true,
            "transaction:true" => false,
            _ => {
                let what = format!("has the option {option}, which is not followed");
                let refusal = wrong(Code::ToolDirective, script, Some(line), &what);
                return Err(Box::new(
                    refusal
                        .cause("the option is transaction:false or transaction:true")
                        .help("correct or remove it"),
                ));
            }
        };
    }
    Ok(alone)
}
