use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::postgres::locks::{effect, words};

use crate::{Rule, Scene};

/// From here on, in seconds, a transaction hardly ends by itself.
const FORGOTTEN: u64 = 300;

/// An index that is built `CONCURRENTLY` while a transaction is open for long.
pub(crate) static RULE: Rule = Rule {
    id: "index-build-waits",
    code: "CF1029",
    title: "building an index waits for a transaction that is open",
    why: "CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY block nobody, but wait: before they read, for everybody who \
          has written to the table, and at their end for every older transaction of the database that still sees old \
          rows, whatever tables it is about. A report, or a session that is idle in a transaction, holds them up for as \
          long as it lives. Meanwhile they keep their lock, which keeps VACUUM and other changes of the table off. This \
          rule speaks only where the database was asked, and somebody has been in a transaction for ten seconds.",
    instead: "Begin when long reports are done. `SELECT * FROM pg_stat_activity WHERE xact_start < now() - interval \
              '1 min'` shows who is in a transaction; idle_in_transaction_session_timeout ends what was forgotten.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Some(facts) = scene.facts else { return };
    let (effect, tables) = (effect(scene.change(), Some(facts)), scene.action().tables());
    let Some(open) = facts.server.long_open().filter(|_| effect.waits()) else { return };
    if tables.iter().any(|table| scene.is_new(table)) {
        return;
    }
    let table = tables.first().copied();
    let (_, estimate) = words(&effect, table.and_then(|table| scene.table(table)), Some(&facts.server));
    findings.push(Finding {
        severity: if open >= FORGOTTEN { Severity::Warning } else { RULE.severity },
        live: table.and_then(|table| scene.live(table)),
        notes: vec![format!("takes {estimate}")],
        help: Some("begin when it has ended; pg_stat_activity shows who it is".into()),
        ..scene.finding(&RULE, "building an index waits for a transaction of somebody else that is open")
    });
}
