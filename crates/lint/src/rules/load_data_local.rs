use crate::{Rule, Scene, mysql};
use cofferdam_core::{Action, Finding, Findings, Severity};

/// `LOAD DATA LOCAL`.
pub(crate) static RULE: Rule = Rule {
    id: "load-data-local",
    code: "CF1140",
    title: "LOAD DATA LOCAL reads a file of the program that migrates",
    why: "The server asks the client for the file, and may ask for any other that it can read. So Cofferdam \
          never answers, and the statement fails with error 3948 or 1148.",
    instead: "Write the rows as INSERT, or put the file on the server and leave LOCAL out.",
    severity: Severity::Error,
    engines: mysql::BOTH,
    aliases: &[],
    check,
};

fn check(scene: &Scene, findings: &mut Findings) {
    let Action::LoadData { local: true, table } = scene.action() else { return };
    findings.push(Finding {
        help: Some("write the rows as INSERT, or leave LOCAL out".into()),
        ..scene.finding(&RULE, format!("no file is sent to the server, so nothing is loaded into {table}"))
    });
}
