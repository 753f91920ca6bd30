use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `ADD INDEX` and `CREATE INDEX` on a table that is not small.
pub(crate) static RULE: Rule = Rule {
    id: "create-index-large",
    code: "CF1133",
    title: "an index is built on a large or busy table, or keeps writers out",
    why: "A usual index is built while others write; but it takes long, what is written meanwhile is kept in a \
          log of limited size (innodb_online_alter_log_max_size) and the statement fails when that is full, and \
          replicas begin with it only when the source is done. FULLTEXT and SPATIAL indexes keep writers out; \
          the first FULLTEXT index writes the table anew.",
    instead: "Build it when little is written, and ask for LOCK=NONE by name. On a table where replicas may not \
              lag, change it online with `cofferdam alter`.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        let table = heavy.table;
        let large = scene.table(table).is_some_and(|facts| facts.large() || facts.busy());
        let message = match heavy.operation {
            O::AddFulltext | O::AddSpatial => format!("nobody writes to {table} while this index is built"),
            O::AddIndex if large => {
                format!("building an index on {table} takes long, and replicas lag as long")
            }
            _ => continue,
        };
        findings.push(Finding {
            help: Some("build it when little is written, or change the table online: cofferdam alter".into()),
            ..heavy.finding(scene, &RULE, message)
        });
    }
}
