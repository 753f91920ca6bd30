//! The histories of other tools: seen, so that what a tool applied is not applied again, and not kept (ADR 24).

use mysql_async::Value;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Name, Refusal};
use cofferdam_formats::beside::{self, Choice, Wanted};
use cofferdam_formats::history::HistoryCodec;
use cofferdam_formats::tables::{self as known, Table};

use super::session::MySqlSession;
use super::{errors, link, reading};
use crate::{Ability, Keeping, Kept};

/// The tables of the database whose names are those of a tool's history. Names are in small letters, since it depends on
/// the server whether case counts.
pub(super) async fn tables(session: &mut MySqlSession) -> Result<Vec<Table>> {
    let names = known::names();
    let places = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "SELECT LOWER(TABLE_NAME), LOWER(COLUMN_NAME) FROM information_schema.COLUMNS
         WHERE TABLE_SCHEMA = ? AND LOWER(TABLE_NAME) IN ({places}) ORDER BY 1, ORDINAL_POSITION"
    );
    let mut values: Vec<Value> = vec![session.database.as_str().into()];
    values.extend(names.into_iter().map(Value::from));
    let rows = session.link.rows(&sql, values).await;
    let rows = rows.map_err(|e| errors::fault(e, "looking for the histories of other tools"))?;
    let mut found: Vec<Table> = Vec::new();
    for row in &rows {
        let (Some(name), Some(column)) = (link::text(row, 0), link::text(row, 1)) else { continue };
        match found.last_mut().filter(|table| table.name == name) {
            Some(table) => table.columns.push(column),
            None => found.push(Table { schema: session.database.clone(), name, columns: vec![column] }),
        }
    }
    Ok(found)
}

/// See [`crate::Session::keep`].
pub(super) async fn keep(session: &mut MySqlSession, keeping: Keeping) -> Result<Kept> {
    match keeping.kept {
        Some(Kept::Own) => return Ok(Kept::Own),
        Some(Kept::Tool | Kept::Both) => {
            return Err(Ability::Keep.missing(session.link.flavour.name()).into());
        }
        None => {}
    }
    let own = reading::history(&mut session.link, &session.tables, false).await?;
    if own.iter().any(|applied| applied.in_force()) {
        return Ok(Kept::Own);
    }
    let there = tables(session).await?;
    let wanted = Wanted {
        format: keeping.bundle.format,
        tool: keeping.tool.as_deref(),
        table: keeping.table.as_ref(),
        schema: &session.database,
        ..Wanted::default()
    };
    match beside::choose(&there, &wanted)? {
        Choice::Keep { codec, table, there: true } => Err(not_read(codec, &table).into()),
        Choice::Keep { .. } | Choice::Own => Ok(Kept::Own),
    }
}

fn not_read(codec: &HistoryCodec, table: &Name) -> Refusal {
    Refusal::new(Code::HistoryNotRead, format!("the database has the history of {} in {table}", codec.id))
        .cause("it is not read on this server, so all that it applied would be applied again")
        .help("say at which version the database is: cofferdam baseline VERSION --history own")
        .note("from then on the files above that version are pending, and the tool is not used any more")
}
