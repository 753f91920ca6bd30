//! Reading all that a database is made of, in a fixed number of queries.

use tokio_postgres::Client;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;
use cofferdam_formats::tables::{self, Table};
use cofferdam_schema::{Key, Kind, LeftOut, Object, Schema};

use super::cells::{AnswerCells, RowCells};
use super::errors;

mod depend;
mod queries;
mod relations;

use depend::{Address, Addresses};

const DOING: &str = "reading the catalog";

/// One moment is read, and for a bounded time.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL statement_timeout = '60s'; SET LOCAL lock_timeout = '5s'";

/// Names are printed with their schemas, and nothing of a user's can stand before the server's own functions, because
/// nothing is in the path.
const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL quote_all_identifiers = off;
    SET LOCAL DateStyle = 'ISO, MDY'; SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1;
    SET LOCAL bytea_output = 'hex'; SET LOCAL xmlbinary = 'base64'; SET LOCAL TimeZone = 'UTC';
    SET LOCAL jit = off";

/// See [`crate::Session::inspect`].
pub(super) async fn inspect(client: &Client, major: u32) -> Result<Schema> {
    between(client, major, BEGIN, "ROLLBACK").await
}

/// The same in a transaction that is open already, with what it did. Its settings are as before afterwards, and how
/// long a query may take is its own matter.
pub(super) async fn inside(client: &Client, major: u32) -> Result<Schema> {
    between(client, major, "SAVEPOINT reading", "ROLLBACK TO SAVEPOINT reading; RELEASE SAVEPOINT reading")
        .await
}

async fn between(client: &Client, major: u32, begin: &str, end: &str) -> Result<Schema> {
    let fault = |e| errors::fault(e, DOING);
    client.batch_execute(&format!("{begin}; {SETTINGS}")).await.map_err(fault)?;
    let read = read(client, major).await;
    let ended = client.batch_execute(end).await.map_err(fault);
    let schema = read?;
    ended?;
    Ok(schema)
}

async fn read(client: &Client, major: u32) -> Result<Schema> {
    let version = rows(client, "SELECT current_setting('server_version_num')::int4").await?;
    let version: i32 = version.first_cell()?.unwrap_or_default();
    let mut schema = Schema { version: version.unsigned_abs(), ..Schema::default() };
    let mut addresses = Addresses::default();
    for query in queries::all(major) {
        for row in rows(client, &query).await? {
            let object: serde_json::Value = row.cell(3)?;
            let object: Object = serde_json::from_value(object)
                .map_err(|e| Fault::Bug(format!("a row of the catalog is not as expected: {e}")))?;
            let address = Address { class: row.cell(0)?, object: row.cell(1)?, part: row.cell(2)? };
            addresses.insert(address, &object.key);
            schema.objects.insert(object.key.clone(), object);
        }
    }
    for row in rows(client, &queries::left_out()).await? {
        schema.left_out.push(LeftOut { what: row.cell(0)?, name: row.cell(1)?, why: None });
    }
    let found = rows(client, depend::QUERY).await?;
    addresses.connect(&mut schema, &found)?;
    leave_out_histories(&mut schema);
    schema.left_out.sort();
    Ok(schema)
}

async fn rows(client: &Client, query: &str) -> Result<Vec<tokio_postgres::Row>> {
    client.query_typed(query, &[]).await.map_err(|e| errors::fault(e, DOING))
}

/// The tables in which migration tools keep their histories are theirs, and no part of the application's schema.
fn leave_out_histories(schema: &mut Schema) {
    let names = tables::names();
    let candidates: Vec<Table> = schema
        .objects
        .keys()
        .filter(|key| key.kind == Kind::Table && names.contains(&key.name.as_str()))
        .map(|key| Table {
            schema: key.schema.clone(),
            name: key.name.clone(),
            columns: schema
                .objects
                .keys()
                .filter(|part| part.kind == Kind::Column && part.schema == key.schema && part.on == key.name)
                .map(|part| part.name.clone())
                .collect(),
        })
        .collect();
    for found in tables::found(&candidates) {
        leave_out(schema, &Key::new(Kind::Table, &found.table.schema, &found.table.name), found.tool.name());
    }
}

fn leave_out(schema: &mut Schema, table: &Key, tool: &str) {
    let of = |key: &Key| key == table || !key.on.is_empty() && key.table() == *table;
    let sequences: Vec<Key> = schema
        .objects
        .values()
        .filter(|object| object.key.kind == Kind::Ownership && object.needs.iter().any(of))
        .map(|object| Key::new(Kind::Sequence, &object.key.schema, &object.key.name))
        .collect();
    let goes = |key: &Key| {
        of(key)
            || sequences.iter().any(|s| s.schema == key.schema && s.name == key.name)
                && matches!(key.kind, Kind::Sequence | Kind::Ownership)
    };
    schema.objects.retain(|key, _| !goes(key));
    // A schema that the tool made for it alone.
    let alone = !schema.objects.keys().any(|key| key.schema == table.schema);
    if alone && table.schema != "public" {
        schema.objects.remove(&Key::new(Kind::Schema, "", &table.schema));
    }
    schema.left_out.push(LeftOut {
        what: "table".into(),
        name: format!("{}.{}", table.schema, table.name),
        why: Some(format!("the history of {tool}")),
    });
}
