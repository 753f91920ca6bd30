//! Copying rows of the fake: a row is a line with its number.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use cofferdam_core::backup::{ColumnShape, Encoding, Origin, Shape, Sum};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::FakeDatabase;
use super::language::{Content, Table, perform};
use crate::copy::{Copier, Existing, Moment, Rows, Wanted};

pub(super) struct FakeCopier {
    pub(super) database: FakeDatabase,
    /// What was there when the snapshot began.
    pub(super) seen: Content,
}

impl FakeCopier {
    fn table(&self, name: &Name) -> Option<&Table> {
        self.seen.get(&name.to_string())
    }
}

fn sum(rows: &[u64]) -> Sum {
    let hash: u128 = rows.iter().map(|row| u128::from(row.wrapping_mul(0x9e37_79b9_7f4a_7c15))).sum();
    Sum { rows: rows.len() as u64, hash: hash.to_string() }
}

async fn numbers(mut rows: Rows) -> Result<Vec<u64>> {
    let mut text = Vec::new();
    while let Some(piece) = rows.next().await {
        text.extend_from_slice(&piece?);
    }
    let text = String::from_utf8_lossy(&text).into_owned();
    let read = text.lines().map(|line| {
        line.parse().map_err(|_| {
            let refusal = Refusal::new(Code::BackupDamaged, format!("{line:?} is no row"));
            Fault::from(refusal.help("nothing was restored"))
        })
    });
    read.collect()
}

#[async_trait]
impl Copier for FakeCopier {
    async fn begin(&mut self) -> Result<Moment> {
        self.seen = self.database.server().content.clone();
        Ok(Moment { at: jiff::Timestamp::now().to_string(), lsn: String::new() })
    }

    async fn shapes(&mut self, wanted: &Wanted) -> Result<Vec<Shape>> {
        let mut shapes: Vec<Shape> = Vec::new();
        for (name, _) in &wanted.tables {
            let Some(table) = self.table(name) else { continue };
            let column = |column: &super::language::Column| ColumnShape {
                name: column.name.clone(),
                ty: Name { schema: None, name: column.ty.clone() },
                modifiers: vec![],
                not_null: column.not_null,
                generated: false,
                attributes: Vec::new(),
                members: Vec::new(),
                collation: None,
            };
            let columns = table.columns.iter().map(column).collect();
            let shape = Shape { table: name.clone(), columns, key: vec![], encoding: Encoding::Text };
            if !shapes.iter().any(|other| other.table == shape.table) {
                shapes.push(shape);
            }
        }
        Ok(shapes)
    }

    async fn sum(&mut self, shape: &Shape) -> Result<Sum> {
        Ok(sum(self.table(&shape.table).map(|table| table.rows.as_slice()).unwrap_or_default()))
    }

    async fn out(&mut self, shape: &Shape) -> Result<Rows> {
        let rows = self.table(&shape.table).map(|table| table.rows.clone()).unwrap_or_default();
        let lines = rows.into_iter().map(|row| Ok(Bytes::from(format!("{row}\n"))));
        Ok(futures::stream::iter(lines.collect::<Vec<_>>()).boxed())
    }

    async fn end(&mut self) -> Result<()> {
        self.seen = Content::default();
        Ok(())
    }

    async fn rehearse(&mut self, _: &Shape, rows: Rows) -> Result<Sum> {
        Ok(sum(&numbers(rows).await?))
    }

    async fn restore(
        &mut self,
        shape: &Shape,
        rows: Rows,
        into: &Name,
        existing: Existing,
        expected: &Sum,
    ) -> Result<()> {
        let rows = numbers(rows).await?;
        let mut server = self.database.server();
        let there = server.content.contains_key(&into.to_string());
        if there && existing == Existing::Refuse {
            return Err(Refusal::new(Code::RestoreRefused, format!("{into} is there already")).into());
        }
        if sum(&rows) != *expected {
            return Err(
                Refusal::new(Code::BackupDamaged, format!("{into} did not become what was saved")).into()
            );
        }
        if !there {
            let columns: Vec<String> =
                shape.columns.iter().map(|column| format!("{}:{}", column.name, column.ty)).collect();
            let made = format!("create table {into} {}", columns.join(" "));
            perform(&mut server.content, &mut BTreeMap::new(), &made, None)
                .map_err(|why| Refusal::new(Code::StatementFailed, why))?;
        }
        if let Some(table) = server.content.get_mut(&into.to_string()) {
            table.rows = rows;
        }
        Ok(())
    }

    async fn whole(&mut self) -> Result<(String, Rows)> {
        Err(Refusal::new(Code::BackupNotTaken, "a database in memory has no program that writes it whole")
            .into())
    }

    async fn origin(&mut self) -> Result<Origin> {
        let server = self.database.server();
        Ok(Origin { database: server.name.clone(), server: server.name.clone(), ..Origin::default() })
    }
}
