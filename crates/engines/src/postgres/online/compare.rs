//! Proof that both tables hold the same: every row of both is hashed, chunk by chunk, each chunk in one snapshot.
//!
//! With a sample the rows of both are counted, and the values of those are hashed whose key says so.
//!
//! A key that the log still holds is left out: it will be read again when it is applied, after this comparison.
//! What differs is never repaired: the cursor is poisoned, so that no later runner swaps, and the change is taken
//! back.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio_postgres::Client;

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Capture, Proof};
use cofferdam_core::{Code, Fault, Refusal};

use super::chunks::{self, Chunk, Chunks};
use super::flow::{Direction, Flow, literal};
use super::worker::{self, Opened, begin, passing, rollback};
use super::{Work, apply, copy, logical, planted, swap};

/// So many chunks are held in memory: a table of a billion rows that was copied beside others has a million.
const HELD: usize = if cfg!(test) { 2 } else { 10_000 };
/// So many logged keys may wait: under load the log is never empty.
const NEAR: usize = 500;
/// How many keys of rows that differ are named.
const NAMED: usize = 10;
/// So often keys that seem to differ are looked at again before nothing is applied for the sake of them.
const LOOKS: usize = 8;
/// More of them are not looked at one by one.
const MOST: usize = 50_000;

/// Compares what was not compared since [`forget`]; goes on from where an earlier runner stopped. The log is applied
/// meanwhile.
pub(super) async fn all(work: &Work<'_>) -> Result<()> {
    let drainer = worker::connect_to_begin(work, "apply").await?;
    let mut begun = false;
    loop {
        apply::drain(work, &drainer, NEAR).await?;
        if planted("no-compare") {
            return Ok(());
        }
        // What is swapped back is at least counted: nobody gave a reason for that.
        if work.change.proof.skipped.is_some() && work.flow.direction == Direction::Forward {
            return every_key_is_in_a_chunk(&drainer, &work.flow).await;
        }
        let next =
            format!("no IN (SELECT no FROM {} WHERE NOT compared ORDER BY no LIMIT {HELD})", work.flow.chunk);
        let left = chunks::read(&drainer, &work.flow, &next).await?;
        if left.is_empty() {
            return every_key_is_in_a_chunk(&drainer, &work.flow).await;
        }
        if !begun {
            work.doing("comparing", chunks::count(&drainer, &work.flow, "true").await?);
            work.done_before(chunks::count(&drainer, &work.flow, "compared").await?);
            begun = true;
        }
        let next = AtomicUsize::new(0);
        let width = work.row_width().await?;
        let comparers = (0..work.workers()).map(|number| one_worker(work, (&left, &next), width, number));
        let compared = futures::future::try_join_all(comparers);
        let applied = async {
            loop {
                apply::drain(work, &drainer, NEAR).await?;
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        let truncated = tokio::select! {
            compared = compared => compared?.contains(&true),
            stopped = applied => {
                let never: Result<()> = stopped;
                never?;
                false
            }
        };
        // It may have been stopped in the middle of a batch.
        rollback(&drainer).await;
        if truncated {
            copy::anew(work).await?;
        }
    }
}

/// A comparison of no chunk, or of some, would be none: together the chunks must be the whole space of keys.
async fn every_key_is_in_a_chunk(client: &Client, flow: &Flow) -> Result<()> {
    let query = format!(
        "SELECT count(*) > 0 AND bool_and(low IS NOT DISTINCT FROM before AND (high IS NULL) = last)
         FROM (SELECT low, high, lag(high) OVER (ORDER BY no) AS before, lead(no) OVER (ORDER BY no) IS NULL AS last
               FROM {}) c",
        flow.chunk
    );
    match worker::value(client, &query, "reading the chunks").await?.as_deref() {
        Some("t") => Ok(()),
        _ => Err(Fault::Bug(format!("the chunks of {} leave keys out", flow.source))),
    }
}

/// Cuts the leading table anew, into chunks that are to be compared and not to be copied.
pub(super) async fn cut(work: &Work<'_>) -> Result<()> {
    let doing = "beginning the comparison anew";
    let client = worker::connect(work.session, "chunks").await?;
    let begin = format!("BEGIN; {}", work.fence());
    if worker::rows(&worker::run(&client, &begin, doing).await?)?.is_empty() {
        rollback(&client).await;
        return Err(worker::fenced());
    }
    worker::run(&client, &format!("DELETE FROM {}; COMMIT", work.flow.chunk), doing).await?;
    let chunks = Chunks::resume(client, &work.flow, work.row_width().await?).await?;
    chunks.cut_all().await
}

/// The next [`all`] compares everything again.
pub(super) async fn forget(work: &Work<'_>, client: &Client) -> Result<()> {
    let text = format!("UPDATE {} SET compared = false WHERE compared", work.flow.chunk);
    worker::run(client, &text, "beginning the comparison anew").await.map(|_| ())
}

/// `true`: the leading table was truncated.
async fn one_worker(
    work: &Work<'_>,
    (left, next): (&[Chunk], &AtomicUsize),
    width: f64,
    number: usize,
) -> Result<bool> {
    let client = worker::connect_to_begin(work, &format!("compare {}", number + 1)).await?;
    worker::run(&client, worker::UNHURRIED, "setting up a connection").await?;
    loop {
        let none_left = || next.load(Ordering::SeqCst) >= left.len();
        let Some(_turn) = work.may_go_on(number, none_left).await? else { return Ok(false) };
        let Some(chunk) = left.get(next.fetch_add(1, Ordering::SeqCst)) else { return Ok(false) };
        let mut tries = 0;
        loop {
            match compare(&client, work, chunk, width).await {
                Ok(Opened::Ready) => break,
                Ok(Opened::Truncated) => return Ok(true),
                Err(fault) if passing(&fault) && tries < 20 => {
                    tries += 1;
                    work.pause(tries).await?;
                }
                Err(fault) => return Err(fault),
            }
        }
        work.copied(1);
    }
}

async fn compare(client: &Client, work: &Work<'_>, chunk: &Chunk, width: f64) -> Result<Opened> {
    if begin(client, &work.flow, work.epoch).await? == Opened::Truncated {
        return Ok(Opened::Truncated);
    }
    let result = compare_open(client, work, chunk, width).await;
    if result.is_err() {
        rollback(client).await;
    }
    result.map(|()| Opened::Ready)
}

async fn compare_open(client: &Client, work: &Work<'_>, chunk: &Chunk, width: f64) -> Result<()> {
    let doing = "comparing rows";
    let flow = &work.flow;
    let pending = format!("SELECT EXISTS (SELECT FROM {})", flow.log);
    let pending = worker::value(client, &pending, doing).await?.as_deref() != Some("f");
    let (source, target) = sides(flow, &work.change.proof, chunk, pending, None)?;
    let breath = work.breath(width);
    let sums = |side: &str| format!("SELECT count(*), coalesce(sum(h), 0) FROM ({side} {breath}) side");
    let answer = worker::run(client, &format!("{}; {}", sums(&source), sums(&target)), doing).await?;
    let found = worker::rows(&answer)?;
    let [left, right] = &found[..] else {
        return Err(Fault::Bug("a comparison did not give two sums".into()));
    };
    if left != right {
        if flow.direction == Direction::Back {
            // A row that the old table cannot take is missing there, and nobody's mistake.
            swap::refuse_quarantined(client, flow).await?;
        }
        if work.kind == Capture::Logical {
            let differing = worker::rows(&worker::run(client, &differing(&source, &target), doing).await?)?;
            rollback(client).await;
            return settled(client, work, chunk, differing.into_iter().flatten().flatten().collect()).await;
        }
        if let Some(fault) = mismatch(client, work, &source, &target).await? {
            return Err(fault);
        }
    }
    worker::crash_at("online.compare.before-commit")?;
    let text = format!("UPDATE {} SET compared = true WHERE no = {}; COMMIT", flow.chunk, chunk.no);
    worker::run(client, &text, doing).await?;
    worker::crash_at("online.compare.committed")
}

/// The keys under which the two sides differ.
fn differing(source: &str, target: &str) -> String {
    format!(
        "SELECT coalesce(s.key, t.key) FROM ({source}) s FULL JOIN ({target}) t ON s.key = t.key
         WHERE s.h IS DISTINCT FROM t.h"
    )
}

/// Whether a chunk that seems to differ under these keys does, where a change is visible before its key is logged. Once
/// the log has caught up, a key that is in it, or under which both sides are the same, was one of these. Those that are
/// written all the time never get there; for them see [`standing_still`].
async fn settled(client: &Client, work: &Work<'_>, chunk: &Chunk, mut keys: Vec<String>) -> Result<()> {
    let doing = "comparing rows";
    let flow = &work.flow;
    for _ in 0..LOOKS {
        if keys.is_empty() || keys.len() > MOST {
            break;
        }
        logical::catch_up(work).await?;
        if begin(client, flow, work.epoch).await? == Opened::Truncated {
            // The next chunk, or the applier, finds it again and deals with it.
            return Ok(());
        }
        let (source, target) = sides(flow, &work.change.proof, chunk, true, Some(&keys))?;
        let found = worker::run(client, &differing(&source, &target), doing).await;
        rollback(client).await;
        keys = worker::rows(&found?)?.into_iter().flatten().flatten().collect();
    }
    if !keys.is_empty() && !standing_still(client, work, chunk, &keys).await? {
        return Ok(());
    }
    let text = format!("UPDATE {} SET compared = true WHERE no = {}", flow.chunk, chunk.no);
    worker::run(client, &text, doing).await.map(|_| ())
}

/// Whether both sides are the same under these keys. Everything that is logged is applied, both sides are read, and
/// then, with nothing applied in between, the log catches up: whatever changed in the meantime is in it, and what
/// differs and is not in it, differs. `false`: the table was truncated meanwhile.
async fn standing_still(client: &Client, work: &Work<'_>, chunk: &Chunk, keys: &[String]) -> Result<bool> {
    let doing = "comparing rows";
    let flow = &work.flow;
    let only = (keys.len() <= MOST).then_some(keys);
    let _applying = work.applying.lock().await;
    apply::whole(work, client).await?;
    if begin(client, flow, work.epoch).await? == Opened::Truncated {
        return Ok(false);
    }
    let (source, target) = sides(flow, &work.change.proof, chunk, true, only)?;
    let found = worker::run(client, &differing(&source, &target), doing).await;
    rollback(client).await;
    let differing = worker::rows(&found?)?;
    logical::catch_up(work).await?;
    let names: Vec<String> = flow.key_names().iter().map(|k| format!("l.{k}")).collect();
    let logged = format!("SELECT DISTINCT ROW({})::text FROM {} l", names.join(", "), flow.log);
    let logged: std::collections::HashSet<_> =
        worker::rows(&worker::run(client, &logged, doing).await?)?.into_iter().flatten().flatten().collect();
    if differing.into_iter().flatten().flatten().any(|key| !logged.contains(&key)) {
        if begin(client, flow, work.epoch).await? == Opened::Truncated {
            return Ok(false);
        }
        if let Some(fault) = mismatch(client, work, &source, &target).await? {
            return Err(fault);
        }
    }
    Ok(true)
}

/// The rows of a chunk on both sides: the key `key` and the hash `h` of each; on the way back also `b`, by which rows
/// are the same that were written since the swap. With `only`, those under these keys.
fn sides(
    flow: &Flow,
    proof: &Proof,
    chunk: &Chunk,
    pending: bool,
    only: Option<&[String]>,
) -> Result<(String, String)> {
    let percent = if proof.skipped.is_some() { 0 } else { proof.percent };
    let hash = |pairs: &[(String, String)], of: fn(&(String, String)) -> &String, key: &str| {
        let parts: Vec<String> = pairs.iter().map(|c| format!("({})", of(c))).collect();
        sampled(percent, key, &parts.join(" # "))
    };
    let hashes = |of: fn(&(String, String)) -> &String, key: &str| match flow.direction {
        Direction::Forward => format!("{} AS h", hash(&flow.compared, of, key)),
        Direction::Back => {
            format!("{} AS h, {} AS b", hash(&flow.compared, of, key), hash(&flow.compared_back, of, key))
        }
    };
    // In the new type on both sides: a key that is written in another way would take another row into the sample.
    let [source_key, target_key] =
        [(flow.source_alias, true), (flow.target_alias, false)].map(|(alias, source)| {
            let columns = flow.key.iter().map(|k| match (flow.direction, source) {
                (Direction::Forward, true) => format!("{alias}.{}::{}", k.source, k.target_type),
                (Direction::Back, false) => format!("{alias}.{}::{}", k.target, k.source_type),
                (_, true) => format!("{alias}.{}", k.source),
                (_, false) => format!("{alias}.{}", k.target),
            });
            columns.collect::<Vec<_>>().join(", ")
        });
    let names = flow.key_names();
    let logged = |pairs: Vec<String>| match pending {
        true => format!("AND NOT EXISTS (SELECT FROM {} l WHERE {})", flow.log, pairs.join(" AND ")),
        false => String::new(),
    };
    let keyed = flow.key.iter().zip(&names);
    let source = keyed.clone().map(|(k, l)| format!("l.{l} = {}.{}", flow.source_alias, k.source)).collect();
    // Compared in the new type, which is never the narrower one.
    let target = keyed
        .map(|(k, l)| match flow.direction {
            Direction::Forward => format!("l.{l}::{} = {}.{}", k.target_type, flow.target_alias, k.target),
            Direction::Back => format!("l.{l} = {}.{}::{}", flow.target_alias, k.target, k.source_type),
        })
        .collect();
    let only = match only {
        Some(keys) => {
            let keys = keys.iter().map(|key| literal(key)).collect::<Result<Vec<_>>>()?;
            format!("= ANY(ARRAY[{}]::pg_catalog.text[])", keys.join(", "))
        }
        None => String::new(),
    };
    let side = |table: &str, alias: &str, key: String, hashes: String, range: String, logged: String| {
        let only = if only.is_empty() { String::new() } else { format!("AND (ROW({key}))::text {only}") };
        format!(
            "SELECT (ROW({key}))::text AS key, {hashes} FROM ONLY {table} {alias} WHERE {range} {logged} {only}"
        )
    };
    Ok((
        side(
            &flow.source,
            flow.source_alias,
            flow.source_key(),
            hashes(|c| &c.0, &source_key),
            flow.source_range(&chunk.range)?,
            logged(source),
        ),
        side(
            &flow.target,
            flow.target_alias,
            flow.target_key(),
            hashes(|c| &c.1, &target_key),
            flow.target_range(&chunk.range)?,
            logged(target),
        ),
    ))
}

/// The hash of a row that is in the sample, and 0 for all others, which are counted only.
fn sampled(percent: u8, key: &str, hash: &str) -> String {
    match percent {
        100.. => hash.to_owned(),
        0 => "0::pg_catalog.int8".to_owned(),
        percent => format!(
            "CASE WHEN pg_catalog.abs(pg_catalog.hashtextextended((ROW({key}))::pg_catalog.text, 0) % 100) < {percent} \
             THEN {hash} ELSE 0 END"
        ),
    }
}

/// Names the rows that differ, and sees to it that nobody swaps. `None`: on the way back, where the sums differ, each
/// row is the same in one of the two ways. The transaction is then still open.
async fn mismatch(client: &Client, work: &Work<'_>, source: &str, target: &str) -> Result<Option<Fault>> {
    let doing = "looking for the rows that differ";
    let back = work.flow.direction == Direction::Back;
    let query = format!(
        "SELECT coalesce(s.key, t.key), CASE WHEN s.key IS NULL THEN 'only in the {other} table' \
         WHEN t.key IS NULL THEN 'missing in the {other} table' ELSE 'other values' END \
         FROM ({source}) s FULL JOIN ({target}) t ON s.key = t.key \
         WHERE s.h IS DISTINCT FROM t.h {or} ORDER BY 1 LIMIT {NAMED}",
        other = if back { "old" } else { "new" },
        or = if back { "AND s.b IS DISTINCT FROM t.b" } else { "" },
    );
    let found = worker::rows(&worker::run(client, &query, doing).await?)?;
    if back && found.is_empty() {
        return Ok(None);
    }
    rollback(client).await;
    let refusal = Refusal::new(
        Code::Mismatch,
        format!("{} and {} do not hold the same", work.flow.source, work.flow.target),
    );
    let mut refusal = match back {
        true => refusal
            .cause("the comparison found rows that differ; the tables were not swapped back")
            .help("what was written since the swap is in the new table, which stays: cofferdam finalize; please report this"),
        false => refusal
            .cause("the comparison found rows that differ; the tables were not swapped")
            .help("the change is taken back; please report this"),
    };
    for row in found {
        let cell = |n: usize| row.get(n).cloned().flatten().unwrap_or_default();
        refusal = refusal.note(format!("key {}: {}", cell(0), cell(1)));
    }
    if !back {
        work.poison(client, &refusal.to_string()).await?;
    }
    Ok(Some(refusal.into()))
}
