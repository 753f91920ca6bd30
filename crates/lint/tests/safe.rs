//! The rules stay silent over a corpus of safe migrations: `safe/ENGINE`, in their order. Those of PostgreSQL are run
//! on a real server, too, and looked at with its numbers (`tests/hints`); `.live.sql` are safe by what it says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cofferdam_core::Script;
use cofferdam_dialects::dialect;
use cofferdam_lint::{Options, lint};

#[test]
fn no_rule_speaks_of_a_safe_migration() {
    let mut said = Vec::new();
    let mut read = 0;
    for engine in ["postgresql", "mysql"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("safe").join(engine);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.ends_with(".live.sql") {
                continue;
            }
            let script = Script::new(name, fs::read_to_string(&path).unwrap());
            let parsed = (dialect(engine).unwrap().read)(&script).unwrap();
            let options = Options {
                facts: None,
                created: &BTreeSet::new(),
                only: &[],
                no_transaction: false,
                today: jiff::civil::date(2026, 11, 21),
                server_major: 15,
                naming: &[],
            };
            read += parsed.changes.len();
            let found = lint(&script, &parsed, &options);
            said.extend(found.iter().map(|f| format!("{engine}/{}: {}: {}", script.path, f.rule, f.message)));
        }
    }
    assert!(read > 60, "only {read} statements");
    assert!(said.is_empty(), "{} false alarms:\n{}", said.len(), said.join("\n"));
}
