//! What was put aside comes back.

use cofferdam_core::fault::Result;
use cofferdam_core::park::{Object, SMALL_BYTES};
use cofferdam_core::{Code, Fault, Name, Phase, QuotedIdent, QuotedLiteral, Refusal, failpoint};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::super::cells::AnswerCells;
use super::super::errors;
use super::record::{self, Attached, Found, Kept, Key, Published};
use super::tables::{move_of, things};
use super::{Work, comes_again, look, words};

pub(super) async fn undrop(work: &Work<'_>) -> Result<Vec<String>> {
    let Some(found) = record::live(work).await? else {
        return Ok(vec![format!(
            "{} is not parked: there is nothing to bring back",
            work.asked.parking.object
        )]);
    };
    if found.kept.columns.is_some() {
        return super::columns::undrop(work, &found).await;
    }
    let kept = &found.kept;
    refuse(work, &found).await?;
    let mut moves = Vec::new();
    for (kind, name) in things(kept) {
        moves.push(move_of(kind, &kept.now(name), name)?);
    }
    let sql = moves.join(";\n");
    work.attempt(&sql).await.map_err(|(e, sighting)| match taken_by(&e) {
        true => Fault::from(taken(&kept.object, words(&e))),
        false => work.failed(e, &sql, &sighting),
    })?;
    if failpoint::hit("undrop.moved") {
        return Err(errors::lost("failpoint undrop.moved"));
    }
    let mut notes = Vec::new();
    for one in &kept.attached {
        notes.extend(attach(work, kept, one).await?);
    }
    for key in &kept.keys {
        notes.extend(add_key(work, key).await?);
    }
    for one in &kept.published {
        notes.extend(publish(work, one).await?);
    }
    notes.extend(remove_schemas(work, kept).await?);
    record::end(work, &found.name, "undropped", &notes).await?;
    if failpoint::hit("undrop.done") {
        return Err(errors::lost("failpoint undrop.done"));
    }
    let mut said = vec![format!("{} is back, from {}", kept.object, found.name)];
    said.extend(notes);
    Ok(said)
}

/// Drops the schemas in which it was kept. Something of somebody else's in there stays.
pub(super) async fn remove_schemas(work: &Work<'_>, kept: &Kept) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    for moved in &kept.schemas {
        let sql = format!("DROP SCHEMA {}", QuotedIdent::new(&moved.to)?);
        if let Some(e) = work.may_fail(&sql).await? {
            notes.push(format!("schema {} stays: {}", moved.to, words(&e)));
        }
    }
    Ok(notes)
}

/// Looks beforehand at what can be looked at, so that the message says it all.
async fn refuse(work: &Work<'_>, found: &Found) -> Result<()> {
    let kept = &found.kept;
    for (kind, name) in things(kept) {
        let now = kept.now(name);
        if kind == "TABLE" && look::oid(work, &now).await?.is_none() {
            return Err(Refusal::new(Code::ParkedGone, format!("{} cannot be brought back", kept.object))
                .cause(format!("{now} is not there any more, and Cofferdam did not remove it"))
                .help("a backup may have its rows; cofferdam finalize --parked removes what is left")
                .into());
        }
    }
    let froms: Vec<String> = kept.schemas.iter().map(|moved| moved.from.clone()).collect();
    let there = look::schemas(work, &froms).await?;
    if let Some(gone) = froms.iter().find(|schema| !there.contains(schema)) {
        return Err(taken(&kept.object, format!("schema {gone} is not there any more"))
            .help(format!("CREATE SCHEMA {}", QuotedIdent::new(gone)?))
            .into());
    }
    for (kind, name) in things(kept) {
        if kind == "TABLE" && look::oid(work, name).await?.is_some() {
            return Err(taken(&kept.object, format!("there is another {name} by now"))
                .help(format!("rename it first: ALTER TABLE {} RENAME TO ...", name.to_sql()?))
                .into());
        }
    }
    Ok(())
}

fn taken(object: &Object, why: String) -> Refusal {
    Refusal::new(Code::UndropTaken, format!("{object} cannot be brought back")).cause(why).help(
        "rename what is there under that name, then run the same command again; it stays parked until then",
    )
}

/// A name is used by something that was made since: an index, a sequence, a type.
fn taken_by(e: &Error) -> bool {
    e.code().is_some_and(|code| *code == SqlState::DUPLICATE_TABLE || *code == SqlState::DUPLICATE_OBJECT)
}

/// A partition goes back into its place. Without the table that it was a partition of it stays a table.
async fn attach(work: &Work<'_>, kept: &Kept, one: &Attached) -> Result<Option<String>> {
    if look::oid(work, &one.parent).await?.is_none() {
        return Ok(Some(format!(
            "{} was a partition of {}, which is not there any more: it is a table of its own now",
            one.partition, one.parent
        )));
    }
    let sql = format!(
        "ALTER TABLE {} ATTACH PARTITION {} {}",
        one.parent.to_sql()?,
        one.partition.to_sql()?,
        one.bound
    );
    match work.attempt(&sql).await {
        Ok(()) => Ok(None),
        Err((e, sighting)) if comes_again(&e) => Err(work.failed(e, &sql, &sighting)),
        Err((e, _)) => {
            Err(Refusal::new(Code::UndropUnfit, format!("{} cannot be brought back", kept.object))
                .cause(format!("it does not fit {} any more: {}", one.parent, words(&e)))
                .help("make room for it in the partitioned table, then run the same command again")
                .into())
        }
    }
}

/// A foreign key comes back without a look at the rows, which would stop writers of both tables: that is made up for
/// afterwards. Keys of partitioned tables have no such form in most versions, and are made at once where the table is
/// small.
async fn add_key(work: &Work<'_>, key: &Key) -> Result<Option<String>> {
    let name = QuotedIdent::new(&key.name)?;
    let table = key.table.to_sql()?;
    let whole = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {}", key.definition);
    let by_hand =
        |why: String| Some(format!("foreign key {} of {} is not back: {why}; {whole}", key.name, key.table));
    let small = bytes(work, &key.table).await? <= SMALL_BYTES;
    if key.partitioned && !small {
        return Ok(by_hand(
            "the table is partitioned and large, and to look at its rows would stop writers".into(),
        ));
    }
    let comment = match &key.comment {
        Some(comment) => {
            format!(";\nCOMMENT ON CONSTRAINT {name} ON {table} IS {}", QuotedLiteral::new(comment)?)
        }
        None => String::new(),
    };
    // A run that is taken back has no step after this one that would look at the rows.
    let last = work.asked.run.is_some_and(|run| run.phase == Phase::RollingBack);
    let mut why = None;
    if key.partitioned || !key.validated || (last && small) {
        match work.may_fail(&format!("{whole}{comment}")).await? {
            None => return Ok(None),
            Some(e) => why = Some(words(&e)),
        }
    }
    if key.partitioned || !key.validated {
        return Ok(by_hand(why.unwrap_or_default()));
    }
    if let Some(e) = work.may_fail(&format!("{whole} NOT VALID{comment}")).await? {
        return Ok(by_hand(words(&e)));
    }
    let why = why.unwrap_or_else(|| "the table is large, and to look at its rows would stop writers".into());
    Ok(last.then(|| {
        format!(
            "foreign key {} of {} stays NOT VALID: {why}; ALTER TABLE {table} VALIDATE CONSTRAINT {name}",
            key.name, key.table
        )
    }))
}

/// Bytes of a table with its partitions.
pub(super) async fn bytes(work: &Work<'_>, table: &Name) -> Result<u64> {
    let sql = format!(
        "SELECT coalesce(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), 0)::pg_catalog.int8
         FROM (SELECT relid FROM pg_catalog.pg_partition_tree({0})
               UNION SELECT {0}::pg_catalog.regclass) t",
        QuotedLiteral::new(&table.to_sql()?)?
    );
    let bytes: i64 = work.ask(&sql, &[]).await?.first_cell()?.unwrap_or(0);
    Ok(u64::try_from(bytes).unwrap_or(0))
}

async fn publish(work: &Work<'_>, one: &Published) -> Result<Option<String>> {
    let mut sql = format!(
        "ALTER PUBLICATION {} ADD TABLE ONLY {}",
        QuotedIdent::new(&one.publication)?,
        one.table.to_sql()?
    );
    if let Some(columns) = &one.columns {
        let columns = columns.iter().map(|c| QuotedIdent::new(c)).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
        sql += &format!(" ({})", columns.join(", "));
    }
    if let Some(filter) = &one.filter {
        sql += &format!(" WHERE ({filter})");
    }
    let refused = work.may_fail(&sql).await?;
    Ok(refused.map(|e| {
        format!("{} is not in publication {} again: {}; {sql}", one.table, one.publication, words(&e))
    }))
}

/// Looks at the rows of the foreign keys that came back. One that does not hold any more stays NOT VALID, which is for
/// a person to decide about.
pub(super) async fn validate(work: &Work<'_>) -> Result<Vec<String>> {
    let Some(found) = record::ended(work).await? else { return Ok(Vec::new()) };
    let mut notes = Vec::new();
    for key in found.kept.keys.iter().filter(|key| key.validated && !key.partitioned) {
        let table = key.table.to_sql()?;
        let sql = format!(
            "SELECT 1 FROM pg_catalog.pg_constraint WHERE conrelid = pg_catalog.to_regclass({}) AND contype = 'f'
             AND conname = $1 AND NOT convalidated",
            QuotedLiteral::new(&table)?
        );
        if work.ask(&sql, &[(&key.name, Type::NAME)]).await?.is_empty() {
            continue;
        }
        let sql = format!("ALTER TABLE {table} VALIDATE CONSTRAINT {}", QuotedIdent::new(&key.name)?);
        match work.attempt(&sql).await {
            Ok(()) => {}
            // The next runner looks again.
            Err((e, sighting)) if e.as_db_error().is_none() || sighting.stopped => {
                return Err(work.failed(e, &sql, &sighting));
            }
            // The table is back, whatever its key says: that is no failure of the run.
            Err((e, _)) if e.code() != Some(&SqlState::FOREIGN_KEY_VIOLATION) => notes.push(format!(
                "foreign key {} of {} stays NOT VALID for now: {}; {sql}",
                key.name,
                key.table,
                words(&e)
            )),
            Err((e, _)) => notes.push(format!(
                "foreign key {} of {} does not hold for every row of before, and stays NOT VALID: {}; correct the rows, \
                 then {sql}",
                key.name,
                key.table,
                words(&e)
            )),
        }
        if failpoint::hit("undrop.validated") {
            return Err(errors::lost("failpoint undrop.validated"));
        }
    }
    for one in &notes {
        record::note(work, &found.name, std::slice::from_ref(one)).await?;
    }
    Ok(notes)
}
