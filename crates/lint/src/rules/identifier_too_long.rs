use cofferdam_core::change::{Column, MySqlClause};
use cofferdam_core::{Action, Finding, Findings, QuotedIdent, Severity, TableChange};

use crate::{Rule, Scene};

/// A name that the server cuts.
pub(crate) static RULE: Rule = Rule {
    id: "identifier-too-long",
    code: "CF1084",
    title: "a name is longer than the server keeps",
    why: "MySQL and MariaDB refuse names of more than 64 characters. PostgreSQL cuts names silently after 63 bytes. The object then has another name than the script says: two \
          long names may become the same one, and tools that look for the full name find nothing.",
    instead: "Choose a name of at most 63 bytes (MySQL, MariaDB: 64 characters).",
    severity: Severity::Error,
    engines: &["postgresql", "mysql", "mariadb"],
    aliases: &[],
    check,
};

/// The longest name that MySQL and MariaDB take (error 1059).
const MYSQL_CHARACTERS: usize = 64;

fn check(scene: &Scene, findings: &mut Findings) {
    if scene.engine != "postgresql" {
        for name in names(scene.action()).into_iter().filter(|name| name.chars().count() > MYSQL_CHARACTERS) {
            findings.push(Finding {
                help: Some(format!("choose a name of at most {MYSQL_CHARACTERS} characters")),
                ..scene.finding(
                    &RULE,
                    format!("{name} has {} characters, so the server refuses it", name.chars().count()),
                )
            });
        }
        return;
    }
    for name in names(scene.action()) {
        if name.len() > QuotedIdent::MAX_BYTES {
            let mut keep = QuotedIdent::MAX_BYTES;
            while !name.is_char_boundary(keep) {
                keep -= 1;
            }
            findings.push(Finding {
                help: Some(format!("choose a name of at most {} bytes", QuotedIdent::MAX_BYTES)),
                ..scene.finding(
                    &RULE,
                    format!("{name} has {} bytes; the server keeps {}", name.len(), &name[..keep]),
                )
            });
        }
    }
}

/// The names that a statement gives.
fn names(action: &Action) -> Vec<&str> {
    fn of_column(column: &Column) -> &str {
        &column.name
    }
    match action {
        Action::CreateTable(table) => {
            let own = table.name.iter().map(|name| name.name.as_str());
            let constraints = table.constraints.iter().filter_map(|c| c.name.as_deref());
            own.chain(table.columns.iter().map(of_column)).chain(constraints).collect()
        }
        Action::CreateIndex(index) => index.name.as_deref().into_iter().collect(),
        Action::CreateView { name, .. }
        | Action::CreateSequence { name, .. }
        | Action::CreateType { name } => {
            vec![&name.name]
        }
        Action::RenameIndex { to, .. } => vec![to],
        Action::AlterTable { changes, .. } => changes
            .iter()
            .filter_map(|change| match change {
                TableChange::AddColumn { column, .. } => Some(of_column(column)),
                TableChange::AddConstraint(constraint) => constraint.name.as_deref(),
                TableChange::MySql(MySqlClause::AddIndex(index)) => index.name.as_deref(),
                TableChange::MySql(MySqlClause::ChangeColumn { column, .. }) => Some(of_column(column)),
                TableChange::MySql(MySqlClause::RenameIndex { to, .. })
                | TableChange::RenameTo { to }
                | TableChange::RenameColumn { to, .. }
                | TableChange::RenameConstraint { to, .. } => Some(to),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
