//! `cofferdam.parked`: a row for each statement whose objects were put aside.
//!
//! | column | meaning |
//! |---|---|
//! | `name` | the schema in which they are kept |
//! | `label` | what a plan knows it by; one row of a label is there at a time, and gives it up where its step parks again |
//! | `run`, `key` | the run that parked it, and its migration |
//! | `record` | what is needed to bring it back: [`Kept`] |
//! | `until` | how long it is to be kept at least |
//! | `ended_at`, `ended` | when it ended, and how: `undropped`, `dropped`, `nothing` |
//! | `notes` | what could not be brought back as it was |

use serde::{Deserialize, Serialize};
use tokio_postgres::types::{Json, Type};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::park::{Deed, Object, Parked};
use cofferdam_core::{Code, Fault, Name, QuotedLiteral, Refusal};

use super::super::cells::{AnswerCells, RowCells};
use super::super::{errors, reading};
use super::Work;

/// The table; made with the others, and in a database of an earlier version when it is first needed.
pub(in super::super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS cofferdam.parked (
    name text PRIMARY KEY,
    label text NOT NULL,
    run uuid NOT NULL,
    key text NOT NULL,
    record json NOT NULL,
    parked_at timestamptz NOT NULL,
    parked_by text NOT NULL,
    until timestamptz NOT NULL,
    ended_at timestamptz,
    ended text,
    notes text[] NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX IF NOT EXISTS parked_label ON cofferdam.parked (label) WHERE ended_at IS NULL;
";

/// What is needed to bring it back. A file format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// What it was, with the schemas that the server found.
    pub(super) object: Object,
    /// Which schema went where. The first one names the whole.
    pub(super) schemas: Vec<Moved>,
    /// Every table that moved, partitions included, under its name from before.
    pub(super) relations: Vec<Relation>,
    /// Extended statistics, which do not move with their tables.
    #[serde(default)]
    pub(super) statistics: Vec<Name>,
    /// Foreign keys to tables that stayed.
    #[serde(default)]
    pub(super) keys: Vec<Key>,
    /// Publications that named one of the tables.
    #[serde(default)]
    pub(super) published: Vec<Published>,
    /// Partitions that were detached from a table that stayed.
    #[serde(default)]
    pub(super) attached: Vec<Attached>,
    /// Of columns: how they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) columns: Option<super::columns::Columns>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Moved {
    pub(super) from: String,
    pub(super) to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Relation {
    pub(super) name: Name,
    /// The statement named it; else it is a partition of one that it named.
    pub(super) top: bool,
    /// `r`, `p`, or `f` of a partition elsewhere.
    pub(super) kind: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Key {
    pub(super) table: Name,
    pub(super) name: String,
    /// As the server prints it, with schemas.
    pub(super) definition: String,
    pub(super) validated: bool,
    /// The table is partitioned: its keys cannot be NOT VALID.
    pub(super) partitioned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Published {
    pub(super) publication: String,
    pub(super) table: Name,
    /// The columns that are published, where not all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) columns: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) filter: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Attached {
    pub(super) parent: Name,
    pub(super) partition: Name,
    /// `FOR VALUES ...` or `DEFAULT`, as the server prints it.
    pub(super) bound: String,
}

impl Kept {
    /// A name from before, where it is now.
    pub(super) fn now(&self, name: &Name) -> Name {
        let schema = name.schema.as_deref().unwrap_or_default();
        match self.schemas.iter().find(|moved| moved.from == schema) {
            Some(moved) => Name::qualified(moved.to.clone(), name.name.clone()),
            None => name.clone(),
        }
    }

    /// Where what it was is now: the tables that the statement named, or the one with a column's values.
    pub(super) fn kept_in(&self) -> Vec<Name> {
        let tops = self.relations.iter().filter(|relation| relation.top);
        tops.map(|relation| self.now(&relation.name)).collect()
    }
}

/// A row as it is read for a deed.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) kept: Kept,
}

/// The row of what is parked under the label of this deed, locked until the end of the transaction.
///
/// # Errors
/// `ParkedGone`: it was dropped for good, or never parked. `Ok(None)`: it came back before, there was nothing to
/// park, or it is to be dropped for good and was.
pub(super) async fn live(work: &Work<'_>) -> Result<Option<Found>> {
    let label = &work.asked.parking.label;
    let sql = format!(
        "SELECT name, record, ended, {}, parked_by FROM cofferdam.parked WHERE label OPERATOR(pg_catalog.=) $1
         ORDER BY ended_at IS NULL DESC, parked_at DESC LIMIT 1 FOR UPDATE",
        reading::time("ended_at")
    );
    let rows = match there(work.client()).await? {
        true => work.ask(&sql, &[(label, Type::TEXT)]).await?,
        false => Vec::new(),
    };
    let object = &work.asked.parking.object;
    let gone = |why: String| {
        Err(Refusal::new(Code::ParkedGone, format!("{object} cannot be brought back"))
            .cause(why)
            .help("cofferdam parked --all shows what was parked; rows that are gone are in a backup, if anywhere")
            .into())
    };
    let Some(row) = rows.first() else { return gone(format!("nothing is parked under {label}")) };
    let name: String = row.cell(0)?;
    match row.cell::<Option<String>>(2)?.as_deref() {
        None => Ok(Some(Found { kept: kept(row, 1, &name)?, name })),
        // Who wants it gone has it.
        Some("dropped") if work.asked.deed == Deed::Discard => Ok(None),
        Some("dropped") => {
            let at: Option<String> = row.cell(3)?;
            gone(format!("{name} was dropped for good on {}", at.unwrap_or_default()))
        }
        Some(_) => Ok(None),
    }
}

/// The row that was ended last under this label.
pub(super) async fn ended(work: &Work<'_>) -> Result<Option<Found>> {
    let sql = "SELECT name, record FROM cofferdam.parked
               WHERE label OPERATOR(pg_catalog.=) $1 AND ended OPERATOR(pg_catalog.=) 'undropped'
               ORDER BY ended_at DESC LIMIT 1";
    let rows = work.ask(sql, &[(&work.asked.parking.label, Type::TEXT)]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let name: String = row.cell(0)?;
    Ok(Some(Found { kept: kept(row, 1, &name)?, name }))
}

fn kept(row: &Row, column: usize, name: &str) -> Result<Kept> {
    let read = row.try_get::<_, Json<Kept>>(column);
    read.map(|json| json.0)
        .map_err(|e| Fault::Bug(format!("{name} was parked by another version of Cofferdam: {e}")))
}

pub(super) async fn there(client: &Client) -> Result<bool> {
    let rows = client
        .query_typed("SELECT pg_catalog.to_regclass('cofferdam.parked') IS NOT NULL", &[])
        .await
        .map_err(|e| errors::fault(e, "looking for cofferdam.parked"))?;
    Ok(rows.first_cell()?.unwrap_or(false))
}

/// Writes the row of what was put aside, and what a person should know of it. Returns until when it is kept.
pub(super) async fn write(work: &Work<'_>, name: &str, kept: &Kept, notes: &[String]) -> Result<String> {
    insert(work, name, kept, (None, notes)).await
}

/// Writes the row that says that there was nothing to put aside.
pub(super) async fn write_nothing(work: &Work<'_>, name: &str, kept: &Kept) -> Result<()> {
    insert(work, name, kept, (Some("nothing"), &[])).await.map(drop)
}

async fn insert(
    work: &Work<'_>,
    name: &str,
    kept: &Kept,
    (ended, notes): (Option<&str>, &[String]),
) -> Result<String> {
    let role = ourselves(work).await?;
    if !there(work.client()).await? {
        work.run(&["SET LOCAL client_min_messages = warning".into(), TABLE.to_owned()]).await?;
    }
    let parking = work.asked.parking;
    let (run, key) = work.asked.run.map_or((Uuid::nil(), ""), |run| (run.id, run.plan.key.as_str()));
    let seconds = i64::try_from(parking.keep_seconds).unwrap_or(i64::from(i32::MAX)).min(i64::from(i32::MAX));
    let sql = format!(
        "INSERT INTO cofferdam.parked (name, label, run, key, record, parked_at, parked_by, until, ended_at, ended, notes)
         VALUES ($1, $2, $3, $4, $5, pg_catalog.statement_timestamp(), $6,
                 pg_catalog.statement_timestamp() OPERATOR(pg_catalog.+) ($7 OPERATOR(pg_catalog.*) interval '1 second'),
                 CASE WHEN $8 IS NULL THEN NULL ELSE pg_catalog.statement_timestamp() END, $8, $9)
         RETURNING {}",
        reading::time("until")
    );
    let seconds = seconds as f64;
    make_way(work, &parking.label).await?;
    let rows = work
        .client()
        .query_typed(
            &sql,
            &[
                (&name, Type::TEXT),
                (&parking.label, Type::TEXT),
                (&run, Type::UUID),
                (&key, Type::TEXT),
                (&Json(kept), Type::JSON),
                (&work.session.who, Type::TEXT),
                (&seconds, Type::FLOAT8),
                (&ended, Type::TEXT),
                (&notes, Type::TEXT_ARRAY),
            ],
        )
        .await
        .map_err(|e| errors::fault(e, "writing to cofferdam.parked"))?;
    themselves(work, role).await?;
    Ok(rows.first_cell()?.unwrap_or_default())
}

/// What the same step parked before and nobody brought back, as an author's own way back does not, stays there under its
/// name. From now on the label means what is parked now: that is what a way back is about.
async fn make_way(work: &Work<'_>, label: &str) -> Result<()> {
    let sql =
        "UPDATE cofferdam.parked SET label = label OPERATOR(pg_catalog.||) ' ' OPERATOR(pg_catalog.||) name
               WHERE label OPERATOR(pg_catalog.=) $1 AND ended_at IS NULL";
    work.ask(sql, &[(&label, Type::TEXT)]).await.map(drop)
}

/// Writes down that it ended, and with which notes.
pub(super) async fn end(work: &Work<'_>, name: &str, how: &str, notes: &[String]) -> Result<()> {
    let role = ourselves(work).await?;
    let sql = "UPDATE cofferdam.parked SET ended_at = pg_catalog.clock_timestamp(), ended = $2, notes = $3
               WHERE name OPERATOR(pg_catalog.=) $1";
    work.ask(sql, &[(&name, Type::TEXT), (&how, Type::TEXT), (&notes, Type::TEXT_ARRAY)]).await?;
    themselves(work, role).await
}

/// Adds notes to a row that ended.
pub(super) async fn note(work: &Work<'_>, name: &str, notes: &[String]) -> Result<()> {
    let sql = "UPDATE cofferdam.parked SET notes = notes OPERATOR(pg_catalog.||) $2
               WHERE name OPERATOR(pg_catalog.=) $1 AND NOT notes OPERATOR(pg_catalog.@>) $2";
    work.ask(sql, &[(&name, Type::TEXT), (&notes, Type::TEXT_ARRAY)]).await.map(drop)
}

/// The script may have become somebody who may not write our tables. Returns whom.
pub(super) async fn ourselves(work: &Work<'_>) -> Result<Option<String>> {
    if !work.session.unsettled {
        return Ok(None);
    }
    let rows = work.ask("SELECT pg_catalog.current_setting('role')", &[]).await?;
    work.run(&["SET LOCAL ROLE NONE".into()]).await?;
    rows.first_cell()
}

/// See [`ourselves`].
pub(super) async fn themselves(work: &Work<'_>, role: Option<String>) -> Result<()> {
    let Some(role) = role else { return Ok(()) };
    let sql = format!("SELECT pg_catalog.set_config('role', {}, true)", QuotedLiteral::new(&role)?);
    work.run(&[sql]).await
}

/// See [`crate::Session::parked`]. Sizes are those of the catalog: to ask the files would wait for whoever is bringing
/// something back.
pub(super) async fn list(client: &Client) -> Result<Vec<Parked>> {
    let sql = format!(
        "SELECT name, label, run, key, record, {}, parked_by, {}, until < pg_catalog.clock_timestamp(), {}, ended, notes,
                CASE WHEN ended_at IS NULL THEN
                    (SELECT coalesce(sum(greatest(c.relpages, 0) + greatest(t.relpages, 0)), 0)::bigint
                            * pg_catalog.current_setting('block_size')::bigint
                     FROM pg_catalog.json_array_elements(record->'schemas') s
                     JOIN pg_catalog.pg_namespace n ON n.nspname = s->>'to'
                     JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'i')
                     LEFT JOIN pg_catalog.pg_class t ON t.oid = c.reltoastrelid) END
         FROM cofferdam.parked ORDER BY parked_at DESC LIMIT 1000",
        reading::time("parked_at"),
        reading::time("until"),
        reading::time("ended_at")
    );
    reading::read(client, &sql, &[]).await?.iter().map(parked).collect()
}

fn parked(row: &Row) -> Result<Parked> {
    let name: String = row.cell(0)?;
    let kept = kept(row, 4, &name)?;
    let ended_at: Option<String> = row.cell(9)?;
    Ok(Parked {
        kept_in: if ended_at.is_none() { kept.kept_in() } else { Vec::new() },
        object: kept.object,
        label: row.cell(1)?,
        run: row.cell(2)?,
        key: row.cell(3)?,
        parked_at: row.cell(5)?,
        parked_by: row.cell(6)?,
        until: row.cell(7)?,
        expired: row.cell(8)?,
        ended_at,
        ended: row.cell(10)?,
        notes: row.cell(11)?,
        bytes: row.cell::<Option<i64>>(12)?.map(|bytes| u64::try_from(bytes).unwrap_or(0)),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_a_file_format() {
        let kept = Kept {
            object: Object::Tables { names: vec![Name::qualified("public", "orders")], cascade: false },
            schemas: vec![Moved { from: "public".into(), to: "cofferdam_parked_20261122_orders".into() }],
            relations: vec![Relation {
                name: Name::qualified("public", "orders"),
                top: true,
                kind: "r".into(),
            }],
            statistics: vec![],
            keys: vec![Key {
                table: Name::qualified("public", "orders"),
                name: "orders_user_fkey".into(),
                definition: "FOREIGN KEY (u) REFERENCES public.users(id)".into(),
                validated: true,
                partitioned: false,
                comment: None,
            }],
            published: vec![],
            attached: vec![],
            columns: None,
        };
        let text = r#"{"object":{"object":"tables","names":[{"schema":"public","name":"orders"}],"cascade":false},"schemas":[{"from":"public","to":"cofferdam_parked_20261122_orders"}],"relations":[{"name":{"schema":"public","name":"orders"},"top":true,"kind":"r"}],"statistics":[],"keys":[{"table":{"schema":"public","name":"orders"},"name":"orders_user_fkey","definition":"FOREIGN KEY (u) REFERENCES public.users(id)","validated":true,"partitioned":false}],"published":[],"attached":[]}"#;
        assert_eq!(serde_json::to_string(&kept).unwrap(), text);
        assert_eq!(serde_json::from_str::<Kept>(text).unwrap(), kept);
        assert_eq!(kept.kept_in(), [Name::qualified("cofferdam_parked_20261122_orders", "orders")]);
    }
}
