//! Questions about rows: a look that is never felt, or no answer.

use async_trait::async_trait;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Facts};
use cofferdam_core::fault::Result;
use cofferdam_core::{Name, QuotedIdent};

use super::super::cells::AnswerCells;
use super::super::errors;
use super::{DOING, LOOK};
use crate::answers::Looker;

/// Of a table that cannot be read in the time of a look, this share of its pages is, in percent.
const SAMPLE: &str = "1";

/// Operators are the server's own: one that somebody planted in a schema of the path is never run by us.
const OWN_OPERATORS: &str = "SET LOCAL search_path = pg_catalog";

/// One answer for each question, in order. `facts`: those of the tables that are asked about.
pub async fn answers(
    mut client: &Client,
    facts: &Facts,
    questions: &[DataQuestion],
) -> Result<Vec<DataAnswer>> {
    crate::answers::answers(&mut client, facts, questions).await
}

/// Looks in transactions of its own, each given up after two seconds.
#[async_trait]
impl Looker for &Client {
    async fn look(&mut self, facts: &Facts, question: &DataQuestion) -> Result<DataAnswer> {
        asked(self, facts, question).await
    }
}

async fn asked(client: &Client, facts: &Facts, question: &DataQuestion) -> Result<DataAnswer> {
    let Some(resolved) = facts.table(question.table()).and_then(|table| table.resolved.as_ref()) else {
        return Ok(DataAnswer::NotKnown("the table is not there yet".to_owned()));
    };
    let table = resolved.to_sql()?;
    match question {
        DataQuestion::Nulls { column, .. } => {
            let column = QuotedIdent::new(column)?;
            look(client, &format!("SELECT EXISTS (SELECT FROM {table} WHERE {column} IS NULL)")).await
        }
        DataQuestion::Duplicates { columns, .. } => {
            let from = |sample: &str| duplicates(resolved, sample, columns);
            let whole = look(client, &from("")?).await?;
            if !matches!(whole, DataAnswer::NotKnown(_)) {
                return Ok(whole);
            }
            // Two rows of a sample that are the same are the same; that there are none in it says nothing.
            let sample = format!(" TABLESAMPLE system ({SAMPLE})");
            let seen = look(client, &from(&sample)?).await?;
            Ok(if seen == DataAnswer::Yes { seen } else { whole })
        }
        DataQuestion::Orphans { columns, parent, parent_columns, .. } => {
            let known = facts.table(parent);
            let key = known.and_then(|p| p.constraints.iter().find(|c| c.kind == "primary key"));
            let theirs = match (parent_columns.is_empty(), key) {
                (true, Some(key)) => &key.columns,
                _ => parent_columns,
            };
            let parent = known.and_then(|p| p.resolved.clone()).unwrap_or_else(|| parent.clone()).to_sql()?;
            if theirs.len() != columns.len() {
                return Ok(DataAnswer::NotKnown("the parent's key is not known".to_owned()));
            }
            let (mut there, mut same) = (Vec::new(), Vec::new());
            for (own, other) in columns.iter().zip(theirs) {
                let (own, other) = (QuotedIdent::new(own)?, QuotedIdent::new(other)?);
                there.push(format!("c.{own} IS NOT NULL"));
                same.push(format!("p.{other} = c.{own}"));
            }
            let (there, same) = (there.join(" AND "), same.join(" AND "));
            let query = format!(
                "SELECT EXISTS (SELECT FROM {table} c WHERE {there} \
                 AND NOT EXISTS (SELECT FROM {parent} p WHERE {same}))"
            );
            look(client, &query).await
        }
        DataQuestion::Changed { statement, .. } => planned(client, statement).await,
    }
}

/// What the planner expects of a statement. It is not executed: EXPLAIN without ANALYZE plans it, under the lock that
/// it would take, which is let go at once. It is found by the names that it will have when it runs, so the path is the
/// session's own.
async fn planned(client: &Client, statement: &str) -> Result<DataAnswer> {
    let query = format!("EXPLAIN (FORMAT JSON) {statement}");
    let (begun, rows, ended) = futures::join!(
        client.batch_execute(LOOK),
        client.query_typed(&query, &[]),
        client.batch_execute("ROLLBACK")
    );
    begun.and(ended).map_err(|e| errors::fault(e, DOING))?;
    Ok(match rows {
        Ok(rows) => {
            let plan: Option<serde_json::Value> = rows.first().and_then(|row| row.try_get(0).ok());
            match plan.as_ref().and_then(|plan| changed_rows(&plan[0]["Plan"])) {
                Some(rows) => DataAnswer::About(rows),
                None => DataAnswer::NotKnown("the server's plan says nothing of rows".to_owned()),
            }
        }
        Err(error) => not_known(&error),
    })
}

/// The rows that come to the node that changes them: of several tables (before PostgreSQL 14 each partition has a plan
/// of its own) all together.
fn changed_rows(node: &serde_json::Value) -> Option<u64> {
    if node["Node Type"] != "ModifyTable" {
        return None;
    }
    let below = node["Plans"].as_array()?;
    // What stands below as an init plan or a CTE feeds the others.
    let feeds =
        |plan: &&serde_json::Value| matches!(plan["Parent Relationship"].as_str(), Some("Outer" | "Member"));
    let rows = below.iter().filter(feeds).filter_map(|plan| plan["Plan Rows"].as_f64());
    Some(rows.sum::<f64>().max(0.0) as u64)
}

/// NULLs are no duplicates of each other. An index over the columns, where there is one, gives the rows in order, so
/// that the first two that are the same end the look.
fn duplicates(table: &Name, sample: &str, columns: &[String]) -> Result<String> {
    let quoted = columns.iter().map(|c| Ok(QuotedIdent::new(c)?.to_string())).collect::<Result<Vec<_>>>()?;
    let there: Vec<String> = quoted.iter().map(|c| format!("{c} IS NOT NULL")).collect();
    Ok(format!(
        "SELECT EXISTS (SELECT FROM {}{sample} WHERE {} GROUP BY {} HAVING count(*) > 1)",
        table.to_sql()?,
        there.join(" AND "),
        quoted.join(", "),
    ))
}

/// Runs a query of one truth. That it fails is an answer; only a lost connection is a fault.
async fn look(client: &Client, query: &str) -> Result<DataAnswer> {
    let begin = format!("{LOOK}; {OWN_OPERATORS}");
    let (begun, rows, ended) = futures::join!(
        client.batch_execute(&begin),
        client.query_typed(query, &[]),
        client.batch_execute("ROLLBACK")
    );
    begun.and(ended).map_err(|e| errors::fault(e, DOING))?;
    Ok(match rows {
        Ok(rows) => match rows.first_cell::<bool>()? {
            Some(true) => DataAnswer::Yes,
            _ => DataAnswer::No,
        },
        Err(error) => not_known(&error),
    })
}

fn not_known(error: &tokio_postgres::Error) -> DataAnswer {
    DataAnswer::NotKnown(match error.code() {
        Some(&SqlState::QUERY_CANCELED) => "it takes longer than 2 s to find out".to_owned(),
        Some(&SqlState::LOCK_NOT_AVAILABLE) => "somebody holds the table locked".to_owned(),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => "its rows may not be read".to_owned(),
        Some(code) => format!("the server answers with SQLSTATE {}", code.code()),
        None => "the server gave no answer".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::changed_rows;

    #[test]
    fn rows_come_from_the_plans_that_feed_the_change() {
        let of = |relationship: &str, rows: u64| json!({"Node Type": "Seq Scan", "Parent Relationship": relationship, "Plan Rows": rows});
        let plan = json!({"Node Type": "ModifyTable", "Plan Rows": 0,
            "Plans": [of("InitPlan", 7), of("Outer", 1000), of("Member", 20)]});
        assert_eq!(changed_rows(&plan), Some(1020));
        assert_eq!(changed_rows(&of("Outer", 3)), None);
        assert_eq!(changed_rows(&json!(null)), None);
    }
}
