//! Which rights a plan needs, as far as the heads of its statements say.
//!
//! It reads too little rather than too much, as on PostgreSQL: a right that is asked for in vain stops a migration that
//! would have worked.

use std::collections::BTreeSet;

use cofferdam_core::plan::{Act, Plan};
use cofferdam_core::{Name, Undo};

use crate::head::{Head, is_word};

/// A right on a table, or on what is called like one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    pub(super) right: &'static str,
    pub(super) on: Name,
}

/// What the statements of a plan need, and those that would take them back.
pub(super) fn needs(plan: &Plan) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    for step in plan.steps() {
        let undo = match &step.undo {
            Undo::Acts { acts, .. } => acts.as_slice(),
            Undo::Nothing | Undo::Impossible { .. } => &[],
        };
        for act in std::iter::once(&step.act).chain(undo) {
            if let Act::Sql { sql, .. } | Act::BuildIndex { sql, .. } = act {
                // From here on it is somebody else who acts.
                if set_role(sql) {
                    return needs;
                }
                needs.extend(statement(sql));
            }
        }
    }
    needs
}

fn set_role(sql: &str) -> bool {
    let mut head = Head::of(sql, behind_comment);
    head.word().as_deref() == Some("set") && head.peek("role")
}

fn statement(sql: &str) -> Vec<Need> {
    head(&mut Head::of(sql, behind_comment)).unwrap_or_default()
}

/// `None`: not one of those that are known.
fn head(head: &mut Head<'_>) -> Option<Vec<Need>> {
    match head.word()?.as_str() {
        "create" => create(head),
        "alter" => head.skip(&["online", "ignore"]).expect("table")?.skip(&["if", "exists"]).need(&["ALTER"]),
        "drop" => match head.skip(&["temporary"]).word()?.as_str() {
            "table" | "view" => {
                let mut needs = head.skip(&["if", "exists"]).need(&["DROP"])?;
                while let Some(rest) = head.trimmed().strip_prefix(',') {
                    head.rest = rest;
                    needs.extend(head.need(&["DROP"])?);
                }
                Some(needs)
            }
            "index" => {
                head.skip(&["if", "exists"]).name()?;
                head.expect("on")?.need(&["INDEX"])
            }
            _ => None,
        },
        "truncate" => head.skip(&["table"]).need(&["DROP"]),
        "rename" => head.expect("table")?.skip(&["if", "exists"]).need(&["ALTER", "DROP"]),
        "insert" => {
            head.skip(&["low_priority", "delayed", "high_priority", "ignore", "into"]).need(&["INSERT"])
        }
        "replace" => head.skip(&["low_priority", "delayed", "into"]).need(&["INSERT", "DELETE"]),
        // Of several tables it is not said which one is changed.
        "update" => {
            let needs = head.skip(&["low_priority", "ignore"]).need(&["UPDATE"])?;
            head.peek("set").then_some(needs)
        }
        "delete" => {
            let needs = head.skip(&["low_priority", "quick", "ignore"]).expect("from")?.need(&["DELETE"])?;
            (head.peek("where") || head.trimmed().is_empty()).then_some(needs)
        }
        _ => None,
    }
}

fn create(head: &mut Head<'_>) -> Option<Vec<Need>> {
    head.skip(&["or", "replace", "unique", "fulltext", "spatial", "online", "offline"]);
    match head.word()?.as_str() {
        "table" => head.skip(&["if", "not", "exists"]).need(&["CREATE"]),
        "view" => head.skip(&["if", "not", "exists"]).need(&["CREATE VIEW"]),
        "index" => {
            head.skip(&["if", "not", "exists"]).name()?;
            head.skip(&["using", "btree", "hash"]).expect("on")?.need(&["INDEX"])
        }
        "trigger" => {
            head.skip(&["if", "not", "exists"]).name()?;
            let moments = ["before", "after", "insert", "update", "delete", "or"];
            head.skip(&moments).expect("on")?.need(&["TRIGGER"])
        }
        _ => None,
    }
}

/// What is behind the comment that a text begins with. Comments that the server executes are not read: the statement is
/// then not known.
fn behind_comment(text: &str) -> Option<&str> {
    if text.starts_with("-- ") || text.starts_with("--\n") || text.starts_with('#') {
        return Some(text.split_once('\n').map_or("", |(_, rest)| rest));
    }
    let comment =
        text.strip_prefix("/*").filter(|inner| !inner.starts_with('!') && !inner.starts_with("M!"))?;
    Some(comment.split_once("*/").map_or("", |(_, rest)| rest))
}

/// Names as these servers write them.
trait Names {
    /// A name as it is written: whether its letters count, the server says.
    fn part(&mut self) -> Option<String>;
    fn name(&mut self) -> Option<Name>;
    fn need(&mut self, rights: &[&'static str]) -> Option<Vec<Need>>;
}

impl Names for Head<'_> {
    fn part(&mut self) -> Option<String> {
        let text = self.trimmed();
        if text.starts_with('`') {
            return self.quoted('`');
        }
        let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
        self.rest = &text[end..];
        (end > 0).then(|| text[..end].to_owned())
    }

    fn name(&mut self) -> Option<Name> {
        let first = self.part()?;
        match self.trimmed().strip_prefix('.') {
            Some(rest) => {
                self.rest = rest;
                Some(Name::qualified(first, self.part()?))
            }
            None => Some(Name::plain(first)),
        }
    }

    fn need(&mut self, rights: &[&'static str]) -> Option<Vec<Need>> {
        let on = self.name()?;
        Some(rights.iter().map(|right| Need { right, on: on.clone() }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        for (sql, expected) in [
            ("ALTER TABLE t ADD COLUMN c int", &[("ALTER", "t")][..]),
            ("alter online table if exists `S`.`a``b` drop c", &[("ALTER", "S.a`b")]),
            ("-- why\n# and\n/* what */ ALTER TABLE t RENAME TO u", &[("ALTER", "t")]),
            ("ALTER DATABASE shop CHARACTER SET utf8mb4", &[]),
            ("CREATE TABLE IF NOT EXISTS s.t (id int)", &[("CREATE", "s.t")]),
            ("CREATE TEMPORARY TABLE t (id int)", &[]),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", &[("CREATE VIEW", "v")]),
            ("CREATE UNIQUE INDEX i USING BTREE ON t (c)", &[("INDEX", "t")]),
            ("CREATE TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1", &[("TRIGGER", "t")]),
            (
                "CREATE OR REPLACE TRIGGER s.x after delete on `s`.t FOR EACH ROW SET @a = 1",
                &[("TRIGGER", "s.t")],
            ),
            ("CREATE DEFINER = me TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1", &[]),
            ("DROP TABLE IF EXISTS a, s.b", &[("DROP", "a"), ("DROP", "s.b")]),
            ("DROP INDEX i ON t", &[("INDEX", "t")]),
            ("DROP USER me", &[]),
            ("TRUNCATE t", &[("DROP", "t")]),
            ("RENAME TABLE t TO u", &[("ALTER", "t"), ("DROP", "t")]),
            ("INSERT IGNORE INTO t VALUES (1)", &[("INSERT", "t")]),
            ("REPLACE t VALUES (1)", &[("INSERT", "t"), ("DELETE", "t")]),
            ("UPDATE s.t SET c = 1", &[("UPDATE", "s.t")]),
            ("UPDATE a JOIN b ON a.id = b.id SET a.c = 1", &[]),
            ("DELETE FROM t WHERE id = 1", &[("DELETE", "t")]),
            ("DELETE FROM a USING a JOIN b", &[]),
            ("/*!80000 ALTER TABLE t ADD c int */", &[]),
            ("SELECT 1", &[]),
            ("", &[]),
            ("ALTER TABLE `never closed", &[]),
        ] {
            let needs: Vec<(&str, String)> = statement(sql)
                .into_iter()
                .map(|Need { right, on }| {
                    let schema = on.schema.map(|schema| format!("{schema}.")).unwrap_or_default();
                    (right, format!("{schema}{}", on.name))
                })
                .collect();
            let expected: Vec<(&str, String)> = expected.iter().map(|(r, n)| (*r, (*n).to_owned())).collect();
            assert_eq!(needs, expected, "{sql}");
        }
    }

    #[test]
    fn who_sets_a_role_is_somebody_else_from_then_on() {
        for (sql, expected) in [
            ("SET ROLE owner", true),
            ("set default role x to y", false),
            ("SET @role = 1", false),
            ("SET sql_mode = ''", false),
        ] {
            assert_eq!(set_role(sql), expected, "{sql}");
        }
    }
}
