//! Drizzle 0.x: `meta/_journal.json` names the files, in order; each is `TAG.sql` with statements divided by
//! `--> statement-breakpoint`.
//!
//! Drizzle's history has neither names nor numbers: it stores the moment `when` of a journal entry, and applies
//! what has a later one than the latest that is stored. So that moment is the version. Facts were taken from
//! drizzle-kit 0.31 and drizzle-orm 0.45.

use std::collections::BTreeSet;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Refusal, Script};
use serde::Deserialize;

use super::{Confidence, Format, is_sql};
use crate::script::script;
use crate::tree::Tree;
use crate::versions::each_once;

/// The format's line in the table.
pub static FORMAT: Format = Format {
    id: "drizzle",
    title: "meta/_journal.json with a file 0000_name.sql for each entry",
    detect: |tree| if tree.file(JOURNAL).is_some() { Confidence::Yes } else { Confidence::No },
    read: |tree, _| read(tree),
    name_new: None,
    notes,
};

const JOURNAL: &str = "meta/_journal.json";

/// Divides statements, which need no `;` then.
const BREAKPOINT: &str = "--> statement-breakpoint";

#[derive(Deserialize)]
struct Journal {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// Milliseconds since 1970.
    when: i64,
    tag: String,
}

fn read(tree: &Tree) -> Result<Bundle, Box<Refusal>> {
    let Some(file) = tree.file(JOURNAL) else {
        let path = tree.typed(JOURNAL);
        let refusal = Refusal::new(Code::ToolFile, format!("there is no {path}"));
        return Err(Box::new(
            refusal
                .cause("Drizzle runs what its journal names")
                .help("--dir names the directory that drizzle-kit writes (out)"),
        ));
    };
    let text = script(tree, file)?;
    let journal: Journal = serde_json::from_str(&text.text).map_err(|error| {
        Refusal::new(Code::ToolFile, format!("{} is not a journal of Drizzle", text.path))
            .cause(error.to_string())
            .help("restore it from version control; drizzle-kit writes it")
    })?;
    let files = tree.by_path();
    let mut migrations = Vec::with_capacity(journal.entries.len());
    let mut named = BTreeSet::new();
    for Entry { when, tag } in journal.entries {
        let path = format!("{tag}.sql");
        let Some(file) = files.get(path.as_str()) else {
            return Err(Box::new(
                Refusal::new(Code::ToolFile, format!("{} is not there", tree.typed(&path)))
                    .cause(format!("{} names it", text.path))
                    .help("restore the file from version control; if it was removed on purpose: drizzle-kit drop"),
            ));
        };
        let whole = script(tree, file)?;
        migrations.push(Migration {
            version: Version::parse(&when.to_string()),
            description: tag,
            kind: MigrationKind::Versioned,
            checksum: Checksum::Sha256(whole.sha256.clone()),
            no_transaction: false,
            up: divided(whole),
            down: None,
            check: None,
        });
        named.insert(path);
    }
    each_once(&migrations)?;
    let skipped = tree.files.iter().filter(|file| is_sql(file.name()) && !named.contains(&file.path));
    let reason = || format!("{} does not name it, so Drizzle never runs it", text.path);
    let skipped = skipped.map(|file| (tree.typed(&file.path), reason())).collect();
    Ok(Bundle { format: FORMAT.id, migrations, skipped })
}

/// A breakpoint that does not follow a `;` becomes one. The line and the place of all else stay.
fn divided(script: Script) -> Script {
    let mut text = String::with_capacity(script.text.len());
    let mut rest = script.text.as_str();
    while let Some(at) = rest.find(BREAKPOINT) {
        text.push_str(&rest[..at]);
        match text.trim_end().ends_with(';') || text.trim().is_empty() {
            true => text.push_str(BREAKPOINT),
            false => text.push_str(&format!("{:width$}", ";", width = BREAKPOINT.len())),
        }
        rest = &rest[at + BREAKPOINT.len()..];
    }
    text.push_str(rest);
    Script { text: text.into(), ..script }
}

fn notes(bundle: &Bundle) -> Vec<String> {
    let early = bundle.migrations.windows(2).filter(|pair| pair[1].version < pair[0].version);
    early
        .map(|pair| {
            format!(
                "{} has an earlier `when` than {}, which stands before it: where that one is applied, Drizzle itself never runs it",
                pair[1].up.path, pair[0].up.path
            )
        })
        .collect()
}
