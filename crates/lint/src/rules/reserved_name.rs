use cofferdam_core::{Action, Finding, Findings, Severity, TableChange};

use crate::{Rule, Scene};

/// A name that is a word of SQL.
pub(crate) static RULE: Rule = Rule {
    id: "reserved-name",
    code: "CF1086",
    title: "a name is a reserved word of SQL",
    why: "A table or column with the name of a reserved word works only in quotes, at every place where anybody writes it: \
          in the application, in reports, in psql. A query that forgets them fails, and SELECT user FROM user does not \
          even fail: it shows the role.",
    instead: "Take another word: users, orders, grp.",
    severity: Severity::Info,
    engines: &["postgresql"],
    aliases: &[],
    check,
};

/// The words that PostgreSQL reserves (its manual, appendix C), sorted.
const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "current_catalog",
    "current_date",
    "current_role",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "grant",
    "group",
    "having",
    "in",
    "initially",
    "intersect",
    "into",
    "lateral",
    "leading",
    "limit",
    "localtime",
    "localtimestamp",
    "not",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "placing",
    "primary",
    "references",
    "returning",
    "select",
    "session_user",
    "some",
    "symmetric",
    "system_user",
    "table",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "when",
    "where",
    "window",
    "with",
];

fn check(scene: &Scene, findings: &mut Findings) {
    let mut names: Vec<&str> = Vec::new();
    match scene.action() {
        Action::CreateTable(table) => {
            names.extend(table.name.iter().map(|name| name.name.as_str()));
            names.extend(table.columns.iter().map(|column| column.name.as_str()));
        }
        Action::AlterTable { changes, .. } => {
            names.extend(changes.iter().filter_map(|change| match change {
                TableChange::AddColumn { column, .. } => Some(column.name.as_str()),
                TableChange::RenameTo { to } | TableChange::RenameColumn { to, .. } => Some(to.as_str()),
                _ => None,
            }))
        }
        Action::CreateView { name, .. } => names.push(&name.name),
        _ => {}
    }
    for name in names.into_iter().filter(|name| RESERVED.binary_search(name).is_ok()) {
        findings.push(Finding {
            help: Some("take another word".into()),
            ..scene.finding(
                &RULE,
                format!("{name} is a reserved word: it must be quoted wherever it is written"),
            )
        });
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_words_are_sorted() {
        assert!(super::RESERVED.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
