use cofferdam_core::{Finding, Findings, Severity};
use cofferdam_dialects::mysql::locks::Operation as O;

use crate::{Rule, Scene, mysql};

/// `CONVERT TO CHARACTER SET`.
pub(crate) static RULE: Rule = Rule {
    id: "convert-charset",
    code: "CF1123",
    title: "the texts of a whole table are written anew",
    why: "CONVERT TO CHARACTER SET changes every text column and copies the table (ALGORITHM=COPY); nobody \
          writes until that is done. Under the new collation values of a unique index may be the same, and the \
          statement fails at the end; TEXT columns become larger types; and texts that were stored in the wrong \
          character set are changed for good.",
    instead: "Change the table online, with `cofferdam alter`; look for values that become the same first. To \
              give new columns another character set, DEFAULT CHARACTER SET is enough.",
    severity: Severity::Warning,
    engines: mysql::BOTH,
    aliases: &["convert-charset-online"],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    for heavy in mysql::operations(scene) {
        if !matches!(heavy.operation, O::ConvertCharset) {
            continue;
        }
        let table = heavy.table;
        findings.push(Finding {
            help: Some("change the table online: cofferdam alter".into()),
            ..heavy.finding(scene, &RULE, format!("every text of {table} is written anew"))
        });
    }
}
