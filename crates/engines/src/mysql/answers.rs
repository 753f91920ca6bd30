//! Questions about rows: a look that is never felt, or no answer.

use std::time::Duration;

use async_trait::async_trait;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Facts};
use cofferdam_core::fault::Result;
use cofferdam_core::{Fault, Name};

use super::link::{self, Link};
use super::{Flavour, errors, names, perform};
use crate::answers::Looker;

/// What one look may take.
const LOOK: Duration = Duration::from_secs(2);

#[async_trait]
impl Looker for Link {
    async fn look(&mut self, facts: &Facts, question: &DataQuestion) -> Result<DataAnswer> {
        asked(self, facts, question).await
    }
}

async fn asked(link: &mut Link, facts: &Facts, question: &DataQuestion) -> Result<DataAnswer> {
    let table = resolved(facts, question.table())?;
    match question {
        DataQuestion::Nulls { column, .. } => {
            let condition = format!("{} IS NULL", names::quoted(column)?);
            look(link, &format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE {condition})")).await
        }
        DataQuestion::Duplicates { columns, .. } => {
            let quoted = quoted(columns)?;
            let there: Vec<String> = quoted.iter().map(|column| format!("{column} IS NOT NULL")).collect();
            let query = format!(
                "SELECT EXISTS (SELECT 1 FROM {table} WHERE {} GROUP BY {} HAVING COUNT(*) > 1)",
                there.join(" AND "),
                quoted.join(", ")
            );
            look(link, &query).await
        }
        DataQuestion::Orphans { columns, parent, parent_columns, .. } => {
            if parent_columns.len() != columns.len() {
                return Ok(DataAnswer::NotKnown("the parent's key is not known".to_owned()));
            }
            let parent = resolved(facts, parent)?;
            let pairs: Vec<(String, String)> =
                quoted(columns)?.into_iter().zip(quoted(parent_columns)?).collect();
            let there: Vec<String> = pairs.iter().map(|(own, _)| format!("c.{own} IS NOT NULL")).collect();
            let same: Vec<String> = pairs.iter().map(|(own, other)| format!("p.{other} = c.{own}")).collect();
            let query = format!(
                "SELECT EXISTS (SELECT 1 FROM {table} c WHERE {} AND NOT EXISTS (SELECT 1 FROM {parent} p WHERE {}))",
                there.join(" AND "),
                same.join(" AND ")
            );
            look(link, &query).await
        }
        DataQuestion::Changed { statement, .. } => planned(link, statement).await,
    }
}

fn resolved(facts: &Facts, name: &Name) -> Result<String> {
    let known = facts.table(name).and_then(|table| table.resolved.as_ref());
    Ok(known.unwrap_or(name).to_mysql()?)
}

fn quoted(columns: &[String]) -> Result<Vec<String>> {
    columns.iter().map(|column| Ok(names::quoted(column)?.to_string())).collect()
}

/// Runs a query of one truth. That it fails is an answer; only a lost connection is a fault.
async fn look(link: &mut Link, query: &str) -> Result<DataAnswer> {
    let rows = perform::read_only_rows(link, query, 1, Some(LOOK)).await;
    Ok(match rows {
        Ok(rows) => match rows.rows.first().and_then(|row| row.first()?.as_deref()) {
            Some("1") => DataAnswer::Yes,
            _ => DataAnswer::No,
        },
        Err(Fault::Refused(why)) if why.code != cofferdam_core::Code::ConnectionLost => {
            DataAnswer::NotKnown(why.cause.unwrap_or(why.what))
        }
        Err(Fault::Again { why, .. }) => DataAnswer::NotKnown(why.what),
        Err(fault) => return Err(fault),
    })
}

/// What the planner expects of a statement. EXPLAIN plans it, and does not carry it out.
async fn planned(link: &mut Link, statement: &str) -> Result<DataAnswer> {
    // Of MySQL the form depends on a setting; MariaDB has no word for this one.
    let form = match link.flavour {
        Flavour::MySql => "EXPLAIN FORMAT=TRADITIONAL",
        Flavour::MariaDb => "EXPLAIN",
    };
    match link.said(&format!("{form} {statement}")).await {
        Ok(rows) => {
            let examined = |row: &mysql_async::Row| {
                let at = row.columns_ref().iter().position(|column| column.name_str() == "rows")?;
                link::number(row, at).and_then(|rows| u64::try_from(rows).ok())
            };
            // The first line is that of the table that is changed, or of what leads to it.
            Ok(match rows.first().and_then(examined) {
                Some(rows) => DataAnswer::About(rows),
                None => DataAnswer::NotKnown("the server's plan says nothing of rows".to_owned()),
            })
        }
        Err(e) => match errors::code(&e) {
            Some(code) => Ok(DataAnswer::NotKnown(format!("the server answers with error {code}"))),
            None => Err(errors::fault(e, "looking at the database")),
        },
    }
}
