//! Asking the catalog whether something happened.

use mysql_async::Value;

use cofferdam_core::Name;
use cofferdam_core::fault::{Question, Result};
use cofferdam_core::plan::{Probe, Seen};

use super::errors;
use super::link::{self, Link};

pub(super) async fn probe(link: &mut Link, database: &str, asked: &Probe) -> Result<Seen> {
    let mut asker = Asker { link, database };
    Ok(match asked {
        Probe::IndexOf { table, index, there } => done((asker.indexes(table, index).await? > 0) == *there),
        // Names of indexes belong to tables: of one that several tables have it cannot be told which is meant.
        Probe::IndexValid { index } | Probe::IndexAbsent { index } => {
            let there = matches!(asked, Probe::IndexValid { .. });
            match asker.tables_with_index(index).await? {
                0 => done(!there),
                1 => done(there),
                several => Seen::Unclear(Question {
                    what: format!("which index {index} is meant: {several} tables have one"),
                    look_at: "SHOW INDEX FROM the table".into(),
                }),
            }
        }
        Probe::ColumnThere { table, column, ty } => {
            let found = asker.column(table, column).await?;
            done(found.is_some_and(|(found, _)| ty.as_ref().is_none_or(|ty| same_type(ty, &found))))
        }
        Probe::ColumnAbsent { table, column } => done(asker.column(table, column).await?.is_none()),
        Probe::ColumnNotNull { table, column, not_null } => {
            done(asker.column(table, column).await?.is_some_and(|(_, found)| found == *not_null))
        }
        Probe::ConstraintThere { table, constraint, .. } => {
            done(asker.constraints(table, constraint).await? > 0)
        }
        Probe::ConstraintAbsent { table, constraint } => {
            done(asker.constraints(table, constraint).await? == 0)
        }
        Probe::RelationThere { relation } => done(asker.relations(relation).await? > 0),
        Probe::RelationAbsent { relation } => done(asker.relations(relation).await? == 0),
        Probe::DatabaseThere { database, there } => {
            let sql = "SELECT COUNT(*) FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
            done((asker.count(sql, vec![database.as_str().into()]).await? > 0) == *there)
        }
        Probe::PartitionOf { .. } | Probe::EnumValueThere { .. } | Probe::OnlineDone { .. } => {
            unclear("whether it was done: there is no such thing on this server")
        }
        Probe::Session | Probe::Repeatable => Seen::NotDone,
        Probe::Nothing => unclear("whether the statement took effect"),
    })
}

fn done(yes: bool) -> Seen {
    if yes { Seen::Done } else { Seen::NotDone }
}

fn unclear(what: &str) -> Seen {
    Seen::Unclear(Question {
        what: what.into(),
        look_at: "the server's log, and what the statement would have changed".into(),
    })
}

/// MariaDB prints `int(11)` where MySQL prints `int`, and either takes both.
pub(super) fn same_type(one: &str, other: &str) -> bool {
    let plain = |text: &str| text.to_ascii_lowercase().replace(' ', "");
    let bare = |text: &str| {
        let text = plain(text);
        let whole = ["tinyint(", "smallint(", "mediumint(", "int(", "bigint("];
        match whole.iter().find(|w| text.starts_with(**w)).and_then(|_| text.split_once('(')) {
            Some((head, rest)) => format!("{head}{}", rest.split_once(')').map_or("", |(_, after)| after)),
            None => text,
        }
    };
    bare(one) == bare(other)
}

struct Asker<'a> {
    link: &'a mut Link,
    database: &'a str,
}

impl Asker<'_> {
    fn place(&self, name: &Name) -> Vec<Value> {
        vec![name.schema.as_deref().unwrap_or(self.database).into(), name.name.as_str().into()]
    }

    async fn count(&mut self, sql: &str, values: Vec<Value>) -> Result<i64> {
        let rows = self.link.rows(sql, values).await.map_err(|e| errors::fault(e, "asking the catalog"))?;
        Ok(rows.first().and_then(|row| link::number(row, 0)).unwrap_or(0))
    }

    /// Tables, and views.
    async fn relations(&mut self, name: &Name) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
        self.count(sql, self.place(name)).await
    }

    async fn indexes(&mut self, table: &Name, index: &str) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM information_schema.STATISTICS
                   WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_NAME = ?";
        let mut values = self.place(table);
        values.push(index.into());
        self.count(sql, values).await
    }

    async fn tables_with_index(&mut self, index: &Name) -> Result<i64> {
        let sql = "SELECT COUNT(DISTINCT TABLE_NAME) FROM information_schema.STATISTICS
                   WHERE INDEX_SCHEMA = ? AND INDEX_NAME = ?";
        self.count(sql, self.place(index)).await
    }

    async fn constraints(&mut self, table: &Name, constraint: &str) -> Result<i64> {
        let sql = "SELECT COUNT(*) FROM information_schema.TABLE_CONSTRAINTS
                   WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_NAME = ?";
        let mut values = self.place(table);
        values.push(constraint.into());
        self.count(sql, values).await
    }

    /// The column's type as the server prints it, and whether it refuses NULL.
    async fn column(&mut self, table: &Name, column: &str) -> Result<Option<(String, bool)>> {
        let sql = "SELECT COLUMN_TYPE, IS_NULLABLE = 'NO' FROM information_schema.COLUMNS
                   WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND COLUMN_NAME = ?";
        let mut values = self.place(table);
        values.push(column.into());
        let rows = self.link.rows(sql, values).await.map_err(|e| errors::fault(e, "asking the catalog"))?;
        Ok(rows.first().map(|row| (link::text(row, 0).unwrap_or_default(), link::number(row, 1) == Some(1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_the_same_whatever_a_whole_number_is_shown_with() {
        for (one, other, same) in [
            ("int(11)", "INT", true),
            ("bigint(20) unsigned", "bigint unsigned", true),
            ("int", "int unsigned", false),
            ("varchar(20)", "varchar(21)", false),
            ("decimal(10, 2)", "decimal(10,2)", true),
            ("point", "int", false),
        ] {
            assert_eq!(same_type(one, other), same, "{one} {other}");
        }
    }
}
