//! Bringing the following table up to date: logged keys are taken, and what the leading table has under them now is
//! what the following one gets.
//!
//! One transaction a batch, with one snapshot: a log row that it shows was committed with the change that it tells
//! of, so reading the row again in that snapshot sees that change or a later one. Order does not matter, and a key
//! that changed a thousand times is read once. Rows of the log are deleted one by one, never by a range: a row with
//! an earlier number may be committed later.

use std::collections::BTreeSet;

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use cofferdam_core::fault::Result;
use cofferdam_core::online::Capture;
use cofferdam_core::{Code, Fault};

use super::flow::{Direction, Flow};
use super::worker::{self, Opened, begin, passing, rollback};
use super::{Work, copy, logical, planted};
use crate::postgres::errors;

/// Log rows that one transaction takes.
const BATCH: u32 = 2_000;
/// A larger batch is so many times as large: of a long log, or where a batch lacks a row that it needs.
const MORE: u32 = 10;
/// Batches that are always tried before a log that does not become short is left as it is.
const ROUNDS: usize = 12;
/// The log is counted up to here. Of more, keys are not taken all at once, as long as smaller batches fit: they are held
/// in memory.
const COUNTED: usize = 100_000;

/// Keys, as texts by column.
pub(super) type Keys = BTreeSet<Vec<String>>;

/// What a batch did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Applied {
    /// So many rows of the log were taken.
    Rows(usize),
    /// Nothing: most of what was taken has no place yet, see [`put_what_fits`].
    Blocked,
    /// The leading table was truncated.
    Truncated,
}

/// Applies what is logged until at most `left` rows are left. Where others write as fast as we apply, that never comes:
/// after twice the batches that would do if nobody wrote, whoever wanted it goes on with what there is, unless that is
/// more than can be taken at once.
pub(super) async fn drain(work: &Work<'_>, client: &Client, left: usize) -> Result<()> {
    let mut allowed = None;
    let mut rounds = 0;
    loop {
        let waits = waiting(client, &work.flow).await?;
        if waits <= left {
            return Ok(());
        }
        let mut most = BATCH * MORE;
        if waits < COUNTED {
            most = BATCH;
            rounds += 1;
            if rounds > *allowed.get_or_insert(ROUNDS + 2 * waits / BATCH as usize) {
                return Ok(());
            }
        }
        work.check()?;
        let _applying = work.applying.lock().await;
        up_to(work, client, Some(most)).await?;
    }
}

/// How many rows the log holds, counted up to [`COUNTED`].
pub(super) async fn waiting(client: &Client, flow: &Flow) -> Result<usize> {
    let query = format!("SELECT count(*) FROM (SELECT FROM {} LIMIT {COUNTED}) l", flow.log);
    let count = worker::value(client, &query, "counting the log").await?;
    Ok(count.and_then(|c| c.parse().ok()).unwrap_or(0))
}

/// Applies all that is visible in one snapshot.
pub(super) async fn whole(work: &Work<'_>, client: &Client) -> Result<usize> {
    up_to(work, client, None).await
}

/// Applies one batch, or all; tries again what may pass, finds what does not.
async fn up_to(work: &Work<'_>, client: &Client, mut most: Option<u32>) -> Result<usize> {
    let mut tries = 0;
    loop {
        match attempt(work, client, most).await {
            Ok(Applied::Rows(rows)) => return Ok(rows),
            Ok(Applied::Truncated) => copy::anew(work).await?,
            Ok(Applied::Blocked) => most = None,
            Err(fault) if passing(&fault) && tries < 20 => {
                tries += 1;
                work.pause(tries).await?;
            }
            // A row that needs another one: both are in the log, but not both in this batch, nor perhaps in a larger
            // one. With all that is visible in one snapshot the two tables are equal, so what is left fits nowhere.
            Err(fault) if most.is_some() && misfits(&fault) => {
                most = most.map(|n| n * MORE).filter(|n| (*n as usize) < COUNTED);
            }
            Err(fault) if work.flow.direction == Direction::Back && misfits(&fault) => {
                return one_by_one(work, client).await;
            }
            Err(fault) => return Err(super::misfit::in_log(client, work, fault).await),
        }
    }
}

/// The rows themselves are refused: a duplicate, a NULL, a check, a value that its new type does not take.
pub(super) fn misfits(fault: &Fault) -> bool {
    // Classes 22 (data) and 23 (constraints); see <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
    let of_data = |note: &String| note.starts_with("SQLSTATE 22") || note.starts_with("SQLSTATE 23");
    matches!(fault, Fault::Refused(refusal)
        if refusal.code == Code::StatementFailed && refusal.notes.iter().any(of_data))
}

async fn attempt(work: &Work<'_>, client: &Client, most: Option<u32>) -> Result<Applied> {
    if begin(client, &work.flow, work.epoch).await? == Opened::Truncated {
        return Ok(Applied::Truncated);
    }
    let result = attempt_open(work, client, most).await;
    if result.is_err() {
        rollback(client).await;
    }
    result
}

async fn attempt_open(work: &Work<'_>, client: &Client, most: Option<u32>) -> Result<Applied> {
    let (rows, mut keys) = take(client, &work.flow, most).await?;
    if most.is_none() && work.kind == Capture::Logical {
        // Changes that our snapshot shows and whose keys are logged only now. Keys of later changes are among them:
        // they are read as they were in the snapshot, and stay in the log.
        logical::catch_up(work).await?;
        let other = worker::connect(work.session, "apply").await?;
        keys.extend(logged(&other, &work.flow).await?);
    }
    if most.is_some() && work.flow.direction == Direction::Forward {
        let back = put_what_fits(client, &work.flow, &keys).await?;
        if 2 * back > keys.len() {
            rollback(client).await;
            return Ok(Applied::Blocked);
        }
    } else {
        put(client, &work.flow, &keys).await?;
    }
    worker::crash_at("online.apply.before-commit")?;
    let committed = client.batch_execute("COMMIT").await;
    worker::crash_at("online.apply.committed")?;
    committed.map_err(|e| errors::fault(e, "applying changes"))?;
    super::plant::after_apply(client, &work.flow).await?;
    Ok(Applied::Rows(rows))
}

/// Takes rows out of the log, all or at most so many: how many they were, and their keys.
pub(super) async fn take(client: &Client, flow: &Flow, most: Option<u32>) -> Result<(usize, Keys)> {
    let limit = most.map(|n| format!("LIMIT {n}")).unwrap_or_default();
    let texts: Vec<String> = flow.key_names().iter().map(|k| format!("{k}::text")).collect();
    let text = format!(
        "DELETE FROM {log} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {log} {limit})) RETURNING {}",
        texts.join(", "),
        log = flow.log
    );
    let text = super::plant::in_take(flow, &texts, text);
    let found = worker::rows(&worker::run(client, &text, "reading the log").await?)?;
    let rows = found.len();
    let keys = found.into_iter().filter_map(|row| row.into_iter().collect::<Option<Vec<_>>>()).collect();
    Ok((rows, keys))
}

/// The keys that the log holds.
async fn logged(client: &Client, flow: &Flow) -> Result<Keys> {
    let texts: Vec<String> = flow.key_names().iter().map(|k| format!("{k}::text")).collect();
    let query = format!("SELECT {} FROM {}", texts.join(", "), flow.log);
    let found = worker::rows(&worker::run(client, &query, "reading the log").await?)?;
    Ok(found.into_iter().filter_map(|row| row.into_iter().collect::<Option<Vec<_>>>()).collect())
}

/// Makes the following table hold under these keys what the leading one holds. Deleted first and then inserted, so
/// that a unique value may have gone from one of them to another; but where the following table has a column of which
/// the leading one knows nothing, a row that is there is updated, and keeps it.
pub(super) async fn put(client: &Client, flow: &Flow, keys: &Keys) -> Result<()> {
    let (delete, insert) = statements(flow);
    put_by(client, flow, keys, &delete, &insert).await.map(|_| ())
}

/// The same for a part of what is logged, before the swap. A unique value may have come to one of these rows from a row
/// that is not among them, and perhaps not in the log yet: its change is visible and its key is still to be decoded. The
/// one that waits for it goes back into the log; so many did.
async fn put_what_fits(client: &Client, flow: &Flow, keys: &Keys) -> Result<usize> {
    let (delete, insert) = statements(flow);
    let columns = flow.key.iter().zip(flow.key_names());
    let target: Vec<&str> = flow.key.iter().map(|k| k.target.as_str()).collect();
    let there: Vec<_> = columns.clone().map(|(k, n)| format!("o.{} = k.{n}", k.source)).collect();
    let done: Vec<_> = columns.map(|(k, n)| format!("d.{n} = k.{n}::{}", k.target_type)).collect();
    let insert = format!(
        "WITH done({names}) AS ({insert} ON CONFLICT DO NOTHING RETURNING {})
         INSERT INTO {} SELECT 'K'::\"char\", {} FROM {} k WHERE EXISTS (SELECT FROM ONLY {} o WHERE {})
            AND NOT EXISTS (SELECT FROM done d WHERE {})",
        target.join(", "),
        flow.log,
        flow.key_names().iter().map(|n| format!("k.{n}")).collect::<Vec<_>>().join(", "),
        given(flow, |k| &k.source_type),
        flow.source,
        there.join(" AND "),
        done.join(" AND "),
        names = flow.key_names().join(", "),
    );
    put_by(client, flow, keys, &delete, &insert).await
}

/// Runs the two statements with these keys: how many rows the second one touched.
async fn put_by(client: &Client, flow: &Flow, keys: &Keys, delete: &str, insert: &str) -> Result<usize> {
    if keys.is_empty() {
        return Ok(0);
    }
    let columns: Vec<Vec<&str>> =
        (0..flow.key.len()).map(|n| keys.iter().map(|key| key[n].as_str()).collect()).collect();
    let parameters: Vec<(&(dyn tokio_postgres::types::ToSql + Sync), Type)> =
        columns.iter().map(|c| (c as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT_ARRAY)).collect();
    if planted("unapplied-back") && flow.direction == Direction::Back {
        return Ok(0);
    }
    let doing = "applying changes";
    if !planted("lost-delete") {
        client.execute_typed(delete, &parameters).await.map_err(|e| errors::fault(e, doing))?;
    }
    let touched = client.execute_typed(insert, &parameters).await.map_err(|e| errors::fault(e, doing))?;
    Ok(usize::try_from(touched).unwrap_or(usize::MAX))
}

/// Keys as rows of a subquery, from an array of texts a column. Each text is read as a value of its type by itself: an
/// array of arrays would be taken apart to the last element.
pub(super) fn given(flow: &Flow, ty: fn(&super::flow::Key) -> &str) -> String {
    let names = flow.key_names();
    let arrays: Vec<String> = (1..=names.len()).map(|n| format!("pg_catalog.unnest(${n}::text[])")).collect();
    let values: Vec<String> =
        flow.key.iter().zip(&names).map(|(k, name)| format!("t.{name}::{} AS {name}", ty(k))).collect();
    format!(
        "(SELECT {} FROM ROWS FROM ({}) AS t({}))",
        values.join(", "),
        arrays.join(", "),
        names.join(", ")
    )
}

/// The statements of [`put`]. The keys come as one array of texts a column, `$1`, `$2` ...
pub(super) fn statements(flow: &Flow) -> (String, String) {
    let keys = |ty: fn(&super::flow::Key) -> &str| format!("{} k", given(flow, ty));
    let same = |alias: &str, name: fn(&super::flow::Key) -> &str| {
        let pairs: Vec<String> = flow
            .key
            .iter()
            .zip(flow.key_names())
            .map(|(k, logged)| format!("{alias}.{} = k.{logged}", name(k)))
            .collect();
        pairs.join(" AND ")
    };
    let delete = format!(
        "DELETE FROM {} {} USING {} WHERE {}",
        flow.target,
        flow.target_alias,
        keys(|k| &k.target_type),
        same(flow.target_alias, |k| &k.target)
    );
    let insert = flow.insert(&format!(
        "{} JOIN ONLY {} {} ON {}",
        keys(|k| &k.source_type),
        flow.source,
        flow.source_alias,
        same(flow.source_alias, |k| &k.source)
    ));
    if flow.columns.iter().all(|c| !c.kept) {
        return (delete, insert);
    }
    let gone = format!(
        "{delete} AND NOT EXISTS (SELECT FROM ONLY {} {} WHERE {})",
        flow.source,
        flow.source_alias,
        flow.key
            .iter()
            .map(|k| format!("{}.{} = {}.{}", flow.source_alias, k.source, flow.target_alias, k.target))
            .collect::<Vec<_>>()
            .join(" AND ")
    );
    let key: Vec<&str> = flow.key.iter().map(|k| k.target.as_str()).collect();
    let set: Vec<String> =
        flow.columns.iter().filter(|c| !c.kept).map(|c| format!("{0} = excluded.{0}", c.name)).collect();
    (gone, format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), set.join(", ")))
}

/// Applies what is logged key by key; a key that the following table cannot take is put aside and shown, and is
/// tried again whenever it changes.
async fn one_by_one(work: &Work<'_>, client: &Client) -> Result<usize> {
    if begin(client, &work.flow, work.epoch).await? == Opened::Truncated {
        copy::anew(work).await?;
        return Ok(0);
    }
    let result = one_by_one_open(work, client).await;
    if result.is_err() {
        rollback(client).await;
    }
    result
}

async fn one_by_one_open(work: &Work<'_>, client: &Client) -> Result<usize> {
    let doing = "applying changes";
    let flow = &work.flow;
    let (rows, keys) = take(client, flow, Some(BATCH)).await?;
    for key in keys {
        let shown = key.join(", ");
        let aside = format!("DELETE FROM {} WHERE key = {}", flow.quarantine, super::flow::literal(&shown)?);
        worker::run(client, &format!("{aside}; SAVEPOINT one"), doing).await?;
        match put(client, flow, &Keys::from([key.clone()])).await {
            Ok(()) => {
                worker::run(client, "RELEASE one", doing).await?;
            }
            Err(fault) if misfits(&fault) => {
                worker::run(client, "ROLLBACK TO one", doing).await?;
                if is_there(client, flow, &key).await? {
                    let why = fault.refusal().map(ToString::to_string).unwrap_or_default();
                    let note = format!(
                        "INSERT INTO {} VALUES ({}, {}, pg_catalog.now())",
                        flow.quarantine,
                        super::flow::literal(&shown)?,
                        super::flow::literal(&why)?
                    );
                    worker::run(client, &note, doing).await?;
                }
            }
            Err(fault) => return Err(fault),
        };
    }
    client.batch_execute("COMMIT").await.map_err(|e| errors::fault(e, doing))?;
    Ok(rows)
}

/// The leading table has a row of this key. One that it has no more is nothing that could be lost, also where its key
/// cannot even be written in the old type.
async fn is_there(client: &Client, flow: &Flow, key: &[String]) -> Result<bool> {
    let pairs = flow
        .key
        .iter()
        .zip(key)
        .map(|(k, value)| Ok(format!("{} = {}::{}", k.source, super::flow::literal(value)?, k.source_type)))
        .collect::<Result<Vec<_>>>()?;
    let query = format!("SELECT EXISTS (SELECT FROM ONLY {} WHERE {})", flow.source, pairs.join(" AND "));
    Ok(worker::value(client, &query, "looking for a row").await?.as_deref() != Some("f"))
}
