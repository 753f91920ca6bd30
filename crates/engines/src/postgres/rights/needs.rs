//! Which rights a plan needs, as far as the heads of its statements say.
//!
//! It reads too little rather than too much: a right that is asked for in vain stops a migration that would have
//! worked, while one that was overlooked shows up as the server's own refusal.

use std::collections::BTreeSet;

use cofferdam_core::park::Deed;
use cofferdam_core::plan::{Act, Plan, Probe};
use cofferdam_core::{Name, Undo};

use crate::head::Head;

/// A right that a statement needs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// To be the owner of a relation; it may be altered and get indexes.
    Own(Name),
    /// To be the owner of a relation or of its schema; it may be dropped.
    Drop(Name),
    /// To be the owner of a type.
    OwnType(Name),
    /// To create things in a schema; `None`: in the first of `search_path`.
    Create(Option<String>),
    /// To create an index: in the schema of the table.
    Index(Name),
    /// To create schemas.
    CreateSchema,
    /// To create databases.
    CreateDatabase,
    /// `INSERT`, `UPDATE`, `DELETE`, `TRUNCATE` or `SELECT` on a relation.
    Use(&'static str, Name),
}

/// What the statements of a plan need, and those that would take them back: a way back without the right to go it is
/// none.
pub(super) fn needs(plan: &Plan) -> BTreeSet<Need> {
    let mut needs = BTreeSet::new();
    let mut reading = Reading::default();
    for step in plan.steps() {
        needs.extend(probed(&step.probe));
        let undo = match &step.undo {
            Undo::Acts { acts, .. } => acts.as_slice(),
            Undo::Nothing | Undo::Impossible { .. } => &[],
        };
        for act in std::iter::once(&step.act).chain(undo) {
            if let Act::Sql { sql, .. } | Act::BuildIndex { sql, .. } = act {
                needs.extend(reading.statement(sql));
            }
            if let Act::Park { parking, deed: Deed::Park } = act {
                needs.extend(reading.statement(&parking.sql));
                needs.insert(Need::CreateSchema);
            }
        }
        if reading.somebody_else {
            break;
        }
    }
    needs
}

/// What a probe looks at is what its statement changes.
fn probed(probe: &Probe) -> Vec<Need> {
    match probe {
        Probe::ColumnThere { table, .. }
        | Probe::ColumnAbsent { table, .. }
        | Probe::ColumnNotNull { table, .. }
        | Probe::ConstraintThere { table, .. }
        | Probe::ConstraintAbsent { table, .. } => vec![Need::Own(table.clone())],
        Probe::IndexAbsent { index } => vec![Need::Drop(index.clone())],
        Probe::PartitionOf { parent, partition, .. } => {
            vec![Need::Own(parent.clone()), Need::Own(partition.clone())]
        }
        Probe::EnumValueThere { ty, .. } => vec![Need::OwnType(ty.clone())],
        Probe::DatabaseThere { there: true, .. } => vec![Need::CreateDatabase],
        // Whether what is there was created, renamed or altered is not said.
        _ => Vec::new(),
    }
}

/// Statements in their order: some change what names mean, or who acts.
#[derive(Default)]
struct Reading {
    /// `search_path` was changed: names without a schema mean something else from here on.
    path_changed: bool,
    /// The role was changed: what follows is not done by us.
    somebody_else: bool,
}

impl Reading {
    fn statement(&mut self, sql: &str) -> Vec<Need> {
        let mut head = Head::of(sql, behind_comment);
        let found = self.head(&mut head).unwrap_or_default();
        let path_changed = self.path_changed;
        found.into_iter().filter(|need| !(path_changed && need.follows_path())).collect()
    }

    /// `None`: not one of those that are known.
    fn head(&mut self, head: &mut Head<'_>) -> Option<Vec<Need>> {
        match head.word()?.as_str() {
            "set" | "reset" => {
                head.skip(&["local", "session"]);
                match head.word()?.as_str() {
                    "role" | "authorization" | "all" => self.somebody_else = true,
                    "search_path" => self.path_changed = true,
                    _ => {}
                }
                None
            }
            "select" => {
                // It may call set_config('search_path', ...).
                self.path_changed |= head.rest.contains("search_path");
                None
            }
            "create" => create(head),
            "alter" => alter(head),
            "drop" => drop_(head),
            "insert" => head.expect("into")?.used("INSERT"),
            "update" => head.skip(&["only"]).used("UPDATE"),
            "delete" => head.expect("from")?.skip(&["only"]).used("DELETE"),
            "truncate" => head.skip(&["table", "only"]).used("TRUNCATE"),
            "copy" => {
                let name = head.name()?;
                if head.rest.trim_start().starts_with('(') {
                    let closed = head.rest.find(')')?;
                    head.rest = &head.rest[closed + 1..];
                }
                let right = if head.word()? == "from" { "INSERT" } else { "SELECT" };
                Some(vec![Need::Use(right, name)])
            }
            "comment" => match head.expect("on")?.word()?.as_str() {
                "table" | "view" => Some(vec![Need::Own(head.name()?)]),
                "materialized" => Some(vec![Need::Own(head.expect("view")?.name()?)]),
                "column" => {
                    let mut parts = head.parts()?;
                    parts.pop();
                    Some(vec![Need::Own(of_parts(parts)?)])
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Need {
    /// The schema that it names.
    pub(super) fn schema(&self) -> Option<&str> {
        match self {
            Need::Own(name)
            | Need::Drop(name)
            | Need::OwnType(name)
            | Need::Index(name)
            | Need::Use(_, name) => name.schema.as_deref(),
            Need::Create(schema) => schema.as_deref(),
            Need::CreateSchema | Need::CreateDatabase => None,
        }
    }

    fn follows_path(&self) -> bool {
        self.schema().is_none() && !matches!(self, Need::CreateSchema | Need::CreateDatabase)
    }
}

fn create(head: &mut Head<'_>) -> Option<Vec<Need>> {
    head.skip(&["or", "replace", "unlogged", "unique", "recursive"]);
    let kind = head.word()?;
    let in_schema = |name: Name| vec![Need::Create(name.schema)];
    match kind.as_str() {
        "schema" => Some(vec![Need::CreateSchema]),
        "database" => Some(vec![Need::CreateDatabase]),
        "table" | "view" | "sequence" => {
            head.skip(&["if", "not", "exists"]);
            Some(in_schema(head.name()?))
        }
        "materialized" => {
            head.expect("view")?.skip(&["if", "not", "exists"]);
            Some(in_schema(head.name()?))
        }
        "type" | "domain" | "function" | "procedure" => Some(in_schema(head.name()?)),
        "index" => {
            head.skip(&["concurrently", "if", "not", "exists"]);
            if !head.peek("on") {
                head.name()?;
            }
            let table = head.expect("on")?.skip(&["only"]).name()?;
            Some(vec![Need::Own(table.clone()), Need::Index(table)])
        }
        // Temporary tables need nothing; of the others the head does not say enough.
        _ => None,
    }
}

fn alter(head: &mut Head<'_>) -> Option<Vec<Need>> {
    match head.word()?.as_str() {
        "table" | "index" | "view" | "sequence" => {}
        "materialized" => {
            head.expect("view")?;
        }
        "type" | "domain" => return Some(vec![Need::OwnType(head.name()?)]),
        _ => return None,
    }
    // ALTER TABLE ALL IN TABLESPACE has no table.
    if head.peek("all") {
        return None;
    }
    Some(vec![Need::Own(head.skip(&["if", "exists", "only"]).name()?)])
}

fn drop_(head: &mut Head<'_>) -> Option<Vec<Need>> {
    match head.word()?.as_str() {
        "table" | "view" | "sequence" => {}
        "index" => {
            head.skip(&["concurrently"]);
        }
        "materialized" => {
            head.expect("view")?;
        }
        _ => return None,
    }
    head.skip(&["if", "exists"]);
    let mut needs = vec![Need::Drop(head.name()?)];
    while let Some(rest) = head.trimmed().strip_prefix(',') {
        head.rest = rest;
        needs.push(Need::Drop(head.name()?));
    }
    Some(needs)
}

fn of_parts(mut parts: Vec<String>) -> Option<Name> {
    let name = parts.pop()?;
    match (parts.pop(), parts.pop()) {
        (schema, None) => Some(Name { schema, name }),
        // With a database before it, which must be ours.
        (schema, Some(_)) => Some(Name { schema, name }),
    }
}

/// What is behind the comment that a text begins with. Nested ones are given up: the statement is then not known.
fn behind_comment(text: &str) -> Option<&str> {
    if let Some(comment) = text.strip_prefix("--") {
        return Some(comment.split_once('\n').map_or("", |(_, rest)| rest));
    }
    let (comment, rest) = text.strip_prefix("/*")?.split_once("*/").unwrap_or_default();
    Some(if comment.contains("/*") { "" } else { rest })
}

/// Names as this server writes them.
trait Names {
    /// The parts of a name, folded as the server folds them.
    fn parts(&mut self) -> Option<Vec<String>>;
    fn name(&mut self) -> Option<Name>;
    fn used(&mut self, right: &'static str) -> Option<Vec<Need>>;
}

impl Names for Head<'_> {
    fn parts(&mut self) -> Option<Vec<String>> {
        let mut parts = Vec::new();
        loop {
            let text = self.trimmed();
            // U&"..." has escapes of its own.
            if text.get(..3).is_some_and(|t| t.eq_ignore_ascii_case("u&\"")) {
                return None;
            }
            parts.push(if text.starts_with('"') { self.quoted('"')? } else { self.word()? });
            match self.trimmed().strip_prefix('.') {
                Some(rest) => self.rest = rest,
                None => return Some(parts),
            }
        }
    }

    fn name(&mut self) -> Option<Name> {
        of_parts(self.parts()?)
    }

    fn used(&mut self, right: &'static str) -> Option<Vec<Need>> {
        Some(vec![Need::Use(right, self.name()?)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(name: &str) -> Need {
        Need::Own(named(name))
    }

    fn named(name: &str) -> Name {
        match name.split_once('.') {
            Some((schema, name)) => Name::qualified(schema, name),
            None => Name::plain(name),
        }
    }

    #[test]
    fn heads() {
        let create = |schema: &str| Need::Create((!schema.is_empty()).then(|| schema.to_owned()));
        let index = |table: &str| vec![own(table), Need::Index(named(table))];
        let cases: Vec<(&str, Vec<Need>)> = vec![
            ("ALTER TABLE t ADD COLUMN c int", vec![own("t")]),
            ("alter table if exists only S.T add c int", vec![own("s.t")]),
            (r#"ALTER TABLE "S"."a""b" DROP c"#, vec![own("S.a\"b")]),
            ("-- why\n/* what */ ALTER TABLE t RENAME TO u", vec![own("t")]),
            ("ALTER TABLE ALL IN TABLESPACE a SET TABLESPACE b", vec![]),
            ("ALTER TABLE db.s.t ADD c int", vec![own("s.t")]),
            ("ALTER TYPE mood ADD VALUE 'x'", vec![Need::OwnType(named("mood"))]),
            ("ALTER ROLE x NOLOGIN", vec![]),
            ("CREATE TABLE t (id int)", vec![create("")]),
            ("CREATE TABLE IF NOT EXISTS s.t (id int)", vec![create("s")]),
            ("CREATE UNLOGGED TABLE t (id int)", vec![create("")]),
            ("CREATE TEMP TABLE t (id int)", vec![]),
            ("CREATE OR REPLACE VIEW s.v AS SELECT 1", vec![create("s")]),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1", vec![create("")]),
            ("CREATE OR REPLACE FUNCTION f() RETURNS int AS $$ $$", vec![create("")]),
            ("CREATE SCHEMA audit", vec![Need::CreateSchema]),
            ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t (c)", index("s.t")),
            ("CREATE INDEX ON t (c)", index("t")),
            ("CREATE EXTENSION citext", vec![]),
            ("DROP TABLE IF EXISTS a, s.b CASCADE", vec![Need::Drop(named("a")), Need::Drop(named("s.b"))]),
            ("DROP INDEX CONCURRENTLY i", vec![Need::Drop(named("i"))]),
            ("INSERT INTO t VALUES (1)", vec![Need::Use("INSERT", named("t"))]),
            ("UPDATE ONLY s.t SET c = 1", vec![Need::Use("UPDATE", named("s.t"))]),
            ("DELETE FROM t", vec![Need::Use("DELETE", named("t"))]),
            ("TRUNCATE t", vec![Need::Use("TRUNCATE", named("t"))]),
            ("COPY t (a, b) FROM stdin", vec![Need::Use("INSERT", named("t"))]),
            ("COPY (SELECT 1) TO stdout", vec![]),
            ("COMMENT ON COLUMN s.t.c IS 'x'", vec![own("s.t")]),
            ("COMMENT ON TABLE t IS 'x'", vec![own("t")]),
            ("ALTER TABLE U&\"t\" ADD c int", vec![]),
            ("SELECT 1", vec![]),
            ("", vec![]),
            ("ALTER TABLE", vec![]),
            ("/* never closed", vec![]),
        ];
        for (sql, expected) in cases {
            assert_eq!(Reading::default().statement(sql), expected, "{sql}");
        }
    }

    #[test]
    fn after_a_change_of_path_or_role_less_is_said() {
        for first in [
            "SET search_path = x",
            "SET LOCAL search_path TO x",
            "SELECT set_config('search_path', 'x', false)",
        ] {
            let mut reading = Reading::default();
            reading.statement(first);
            assert_eq!(reading.statement("ALTER TABLE t ADD c int"), vec![], "{first}");
            assert_eq!(reading.statement("ALTER TABLE s.t ADD c int"), vec![own("s.t")], "{first}");
        }
        for first in ["SET ROLE owner", "SET LOCAL ROLE owner", "SET SESSION AUTHORIZATION x", "RESET ALL"] {
            let mut reading = Reading::default();
            reading.statement(first);
            assert!(reading.somebody_else, "{first}");
        }
    }
}
