//! Keys of changed rows from the server's write-ahead log, by a logical slot, for tables whose writers should not pay
//! for triggers.
//!
//! What the slot delivers is reduced to keys, and the keys go into the same log that triggers would write: everything
//! behind it is one and the same. Two things are different, and both are dealt with here:
//!
//! - A change can be decoded a moment before it is visible: the commit is in the write-ahead log before the server
//!   lets others see it. Keys are logged only once a new snapshot sees their transaction as ended, so whoever sees
//!   the logged key sees the change.
//! - A change is visible before its key is logged. Whoever needs to know that no key is missing calls [`catch_up`].
//!
//! Keys are logged first and the slot is advanced afterwards: what is read twice is applied twice, which is the same
//! as once. After the swap keys are captured by triggers: a slot would keep the server's write-ahead log while nobody
//! reads it.

use std::time::Duration;

use futures::StreamExt;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;
use cofferdam_core::{Code, Fault, QuotedIdent, Refusal};

use super::flow::{Flow, literal};
use super::{Work, apply, worker};
use crate::postgres::errors;

/// Changes that are read at once. Each reading begins where the oldest transaction began that had not ended when the
/// server last noted those that run (every 15 s), so few large readings are cheaper than many small ones.
const BATCH: i32 = 100_000;

/// So often the dropping of a slot is tried that is being read, ten times a second.
const DROP_TRIES: u32 = 150;

/// The name of the slot and of the publication.
pub(super) fn name(change: &Online) -> String {
    format!("cofferdam_{}", change.id())
}

/// Why keys cannot be captured this way; `None`: they can.
pub(super) async fn obstacle(client: &Client, flow: &Flow, table: u32) -> Result<Option<String>> {
    let doing = "looking whether changes can be decoded";
    let key = flow.key.iter().map(|k| literal(k.source.trim_matches('"'))).collect::<Result<Vec<_>>>()?;
    let query = format!(
        "SELECT pg_catalog.current_setting('wal_level'),
                (SELECT rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user),
                (SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attname)
                   = (SELECT pg_catalog.array_agg(k ORDER BY k) FROM pg_catalog.unnest(ARRAY[{}]) k)
                   FROM pg_catalog.pg_class c
                   JOIN pg_catalog.pg_index i ON i.indrelid = c.oid
                    AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END
                   JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey::int2[])
                   WHERE c.oid = {table})",
        key.join(", ")
    );
    let found =
        worker::rows(&worker::run(client, &query, doing).await?).into_iter().next().unwrap_or_default();
    let cell = |n: usize| found.get(n).cloned().flatten();
    if cell(0).as_deref() != Some("logical") {
        return Ok(Some("wal_level is not logical".into()));
    }
    if cell(1).as_deref() != Some("t") {
        return Ok(Some("this role has no REPLICATION: ALTER ROLE ... REPLICATION".into()));
    }
    if cell(2).as_deref() != Some("t") {
        return Ok(Some("the table's replica identity is not its key".into()));
    }
    Ok(None)
}

/// Whether the change captures keys this way: its slot is there.
pub(super) async fn at_work(client: &Client, change: &Online) -> Result<bool> {
    let query = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = {})",
        literal(&name(change))?
    );
    Ok(worker::value(client, &query, "looking for the slot").await?.as_deref() == Some("t"))
}

/// So many changed rows a second make a slot cheaper than triggers. Below it, decoding takes more from others on a
/// server of few cores than triggers do: of 4,000 TPC-B-like transactions a second on two cores, triggers left 86 % and
/// a slot 58 %.
const BUSY: i64 = 20_000;

/// The table is written so often that its writers should not pay for triggers.
pub(super) async fn busy(client: &Client, table: u32) -> Result<bool> {
    let query = format!(
        "SELECT n_tup_ins + n_tup_upd + n_tup_del FROM pg_catalog.pg_stat_user_tables WHERE relid = {table}"
    );
    let mut writes = Vec::new();
    for wait in [1_200, 0] {
        let count = worker::value(client, &query, "reading statistics").await?;
        writes.push(count.and_then(|c| c.parse::<i64>().ok()).unwrap_or(0));
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    Ok(writes[1] - writes[0] > BUSY * 12 / 10)
}

/// Begins the capture. Every change of a transaction that had not ended when the slot was made is in it.
pub(super) async fn begin(work: &Work<'_>, client: &Client) -> Result<()> {
    let doing = "making a logical slot";
    if let Some(why) = obstacle(client, &work.flow, work.print.table_oid).await? {
        return Err(Refusal::new(Code::NotOnline, "changes cannot be captured from the write-ahead log")
            .cause(why)
            .help("use --capture auto")
            .into());
    }
    let (slot, publication) = (literal(&name(work.change))?, QuotedIdent::new(&name(work.change))?);
    end(client, work.change).await?;
    worker::run(
        client,
        &format!("CREATE PUBLICATION {publication} FOR TABLE ONLY {}", work.flow.source),
        doing,
    )
    .await?;
    worker::run(
        client,
        &format!("SELECT pg_catalog.pg_create_logical_replication_slot({slot}, 'pgoutput')"),
        doing,
    )
    .await?;
    worker::crash_at("online.slot.made")
}

/// Ends it. The slot must not be left: the server keeps its write-ahead log for it. A reading of ours that was given up
/// holds it until its server process notices, within a second or two.
pub(super) async fn end(client: &Client, change: &Online) -> Result<()> {
    let doing = "dropping the logical slot";
    let text = format!(
        "DO $cofferdam$ BEGIN PERFORM pg_catalog.pg_drop_replication_slot(slot_name) FROM pg_catalog.pg_replication_slots
           WHERE slot_name = {name}; IF EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = {name})
           THEN DROP PUBLICATION {}; END IF; END $cofferdam$",
        QuotedIdent::new(&name(change))?,
        name = literal(&name(change))?,
    );
    let mut tries = 0;
    loop {
        let Err(e) = client.simple_query(&text).await else { return Ok(()) };
        if e.code() != Some(&SqlState::OBJECT_IN_USE) || tries == DROP_TRIES {
            return Err(errors::fault(e, doing));
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Logs keys again and again. Never ends; it is dropped with the part that it feeds.
pub(super) async fn pump(work: &Work<'_>) -> Result<()> {
    let client = worker::connect(work.session, "decode").await?;
    loop {
        if once(work, &client, None).await? == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Returns when the key of every change that was committed before the call is logged.
pub(super) async fn catch_up(work: &Work<'_>) -> Result<()> {
    let client = worker::connect(work.session, "decode").await?;
    let doing = "reading the write-ahead log";
    // A commit of our own that is waited for brings what others committed without waiting to disk.
    let note = "SELECT pg_catalog.pg_logical_emit_message(true, 'cofferdam', '')";
    let upto = worker::value(&client, "SELECT pg_catalog.pg_current_wal_insert_lsn()", doing).await?;
    worker::run(&client, note, doing).await?;
    let Some(upto) = upto else { return Err(Fault::Bug("the server has no position in its log".into())) };
    while once(work, &client, Some(&upto)).await? > 0 {
        work.check()?;
    }
    Ok(())
}

/// Logs the keys of some more changes; `0`: there are none (up to that position).
async fn once(work: &Work<'_>, client: &Client, upto: Option<&str>) -> Result<usize> {
    let doing = "reading the write-ahead log";
    // The pump and who catches up take turns: only one can read a slot at a time.
    let _turn = work.decoding.lock().await;
    let slot = name(work.change);
    let query = format!(
        "SELECT xid::text, data FROM pg_catalog.pg_logical_slot_peek_binary_changes({}, {}, {BATCH},
         'proto_version', '1', 'publication_names', {})",
        literal(&slot)?,
        upto.map_or_else(|| Ok("NULL".to_owned()), literal)?,
        literal(&slot)?
    );
    let no_parameters: [(&(dyn ToSql + Sync), Type); 0] = [];
    let stream = match client.query_typed_raw(&query, no_parameters).await {
        Ok(stream) => stream,
        // A backend of an earlier runner still reads it.
        Err(e) if e.code() == Some(&SqlState::OBJECT_IN_USE) => {
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Ok(1);
        }
        Err(e) => return Err(errors::fault(e, doing)),
    };
    futures::pin_mut!(stream);
    let mut read = 0;
    let mut decoder = Decoder::default();
    let mut ended: Vec<String> = Vec::new();
    while let Some(row) = stream.next().await {
        let row = match row {
            Ok(row) => row,
            Err(e) if e.code() == Some(&SqlState::OBJECT_IN_USE) => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return Ok(1);
            }
            Err(e) => return Err(errors::fault(e, doing)),
        };
        read += 1;
        let data: &[u8] = row.get(1);
        decoder.message(data)?;
        if data.first() == Some(&b'C') {
            ended.push(row.get::<_, String>(0));
        }
    }
    if read == 0 {
        return Ok(0);
    }
    visible(client, &ended).await?;
    log(client, &work.flow, &decoder).await?;
    worker::crash_at("online.slot.logged")?;
    let Some(end) = decoder.end else {
        return Err(Fault::Bug("a logical slot gave half a transaction".into()));
    };
    let advance = format!(
        "SELECT pg_catalog.pg_replication_slot_advance({}, '{:X}/{:X}')",
        literal(&slot)?,
        end >> 32,
        end & 0xffff_ffff
    );
    worker::run(client, &advance, doing).await?;
    Ok(read)
}

/// Waits until a new snapshot sees these transactions as ended.
async fn visible(client: &Client, transactions: &[String]) -> Result<()> {
    if transactions.is_empty() {
        return Ok(());
    }
    // Numbers of 32 bits, as the slot says them: compared with those that are at work now.
    let query = format!(
        "SELECT count(*) FROM pg_catalog.unnest(ARRAY[{}]::bigint[]) x
         WHERE x IN (SELECT running % 4294967296 FROM pg_catalog.txid_snapshot_xip(pg_catalog.txid_current_snapshot()) running)
            OR (x - pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) % 4294967296 + 4294967296) % 4294967296 < 2147483648",
        transactions.join(", ")
    );
    loop {
        let running = worker::value(client, &query, "waiting for transactions to be visible").await?;
        if running.as_deref() == Some("0") {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn log(client: &Client, flow: &Flow, decoder: &Decoder) -> Result<()> {
    let doing = "logging keys";
    if decoder.truncated {
        worker::run(client, &format!("INSERT INTO {} (op) VALUES ('T')", flow.log), doing).await?;
    }
    if decoder.keys.is_empty() {
        return Ok(());
    }
    let mut columns: Vec<Vec<&str>> = Vec::new();
    for k in &flow.key {
        let name = k.source.trim_matches('"').replace("\"\"", "\"");
        let mut values = Vec::new();
        for row in &decoder.keys {
            let value = row.iter().find(|(column, _)| *column == name).map(|(_, value)| value.as_str());
            values.push(value.ok_or_else(|| Fault::Bug(format!("a decoded change lacks column {name}")))?);
        }
        columns.push(values);
    }
    let keys = apply::given(flow, |k| &k.source_type);
    let insert = format!("INSERT INTO {} SELECT DISTINCT 'K'::\"char\", k.* FROM {keys} k", flow.log);
    let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
        columns.iter().map(|c| (c as &(dyn ToSql + Sync), Type::TEXT_ARRAY)).collect();
    client.execute_typed(&insert, &parameters).await.map(|_| ()).map_err(|e| errors::fault(e, doing))
}

/// Reads messages of the output plugin `pgoutput`, protocol version 1.
/// <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>
#[derive(Debug, Default)]
struct Decoder {
    /// The columns of the relation: whether it is of the key, and its name.
    columns: Vec<(bool, String)>,
    /// The columns of the key with their values, for each changed row; both for a row whose key changed.
    keys: Vec<Vec<(String, String)>>,
    truncated: bool,
    /// Where the last transaction ends. To go on from where its commit begins would be to read it again.
    end: Option<u64>,
}

impl Decoder {
    fn message(&mut self, data: &[u8]) -> Result<()> {
        let mut reader = Reader { data };
        match reader.byte()? {
            b'R' => self.relation(&mut reader)?,
            b'I' => {
                reader.skip(5)?;
                self.tuple(&mut reader)?;
            }
            b'U' => {
                reader.skip(4)?;
                // The old key is there only if it changed; the new row always.
                if matches!(reader.byte()?, b'K' | b'O') {
                    self.tuple(&mut reader)?;
                    reader.skip(1)?;
                }
                self.tuple(&mut reader)?;
            }
            b'D' => {
                reader.skip(5)?;
                self.tuple(&mut reader)?;
            }
            b'T' => self.truncated = true,
            b'C' => {
                reader.skip(9)?;
                self.end = Some(reader.number::<8>()? as u64);
            }
            _ => {}
        }
        Ok(())
    }

    fn relation(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        reader.skip(4)?;
        reader.text()?;
        reader.text()?;
        reader.skip(1)?;
        self.columns.clear();
        for _ in 0..reader.number::<2>()? {
            let key = reader.byte()? & 1 == 1;
            let name = reader.text()?;
            reader.skip(8)?;
            self.columns.push((key, name));
        }
        Ok(())
    }

    fn tuple(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        let mut key = Vec::new();
        for at in 0..reader.number::<2>()? {
            let value = match reader.byte()? {
                b't' => {
                    let length = reader.number::<4>()?;
                    Some(reader.take(length)?)
                }
                // NULL, or a large value that did not change: neither can be of a key.
                _ => None,
            };
            if let (Some((true, name)), Some(value)) = (self.columns.get(at), value) {
                key.push((name.clone(), String::from_utf8_lossy(value).into_owned()));
            }
        }
        self.keys.push(key);
        Ok(())
    }
}

struct Reader<'d> {
    data: &'d [u8],
}

impl<'d> Reader<'d> {
    fn take(&mut self, length: usize) -> Result<&'d [u8]> {
        let (taken, rest) = self
            .data
            .split_at_checked(length)
            .ok_or_else(|| Fault::Bug("a message of the logical slot ends too early".into()))?;
        self.data = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(|_| ())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A number of so many bytes, the highest first.
    fn number<const BYTES: usize>(&mut self) -> Result<usize> {
        Ok(self.take(BYTES)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.data.iter().position(|b| *b == 0).unwrap_or(self.data.len());
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.skip(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation() -> Vec<u8> {
        let mut out = vec![b'R', 0, 0, 0, 9];
        out.extend(b"public\0t\0d\0\x02");
        out.extend(b"\x01id\0\0\0\0\x17\xff\xff\xff\xff");
        out.extend(b"\x00note\0\0\0\0\x19\xff\xff\xff\xff");
        out
    }

    fn tuple(id: &str, note: Option<&str>) -> Vec<u8> {
        let mut out = vec![0, 2];
        for value in [Some(id), note] {
            match value {
                Some(value) => {
                    out.push(b't');
                    out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                    out.extend(value.bytes());
                }
                None => out.push(b'u'),
            }
        }
        out
    }

    fn keys(message: &[u8]) -> Vec<String> {
        let mut decoder = Decoder::default();
        decoder.message(&relation()).unwrap();
        decoder.message(message).unwrap();
        decoder.keys.into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn keys_of_every_kind_of_change_are_read() {
        let message = |head: &[u8], tuples: &[(&[u8], Vec<u8>)]| {
            let mut out = head.to_vec();
            for (kind, tuple) in tuples {
                out.extend_from_slice(kind);
                out.extend(tuple);
            }
            out
        };
        assert_eq!(keys(&message(b"I\0\0\0\x09", &[(b"N", tuple("7", Some("a")))])), ["id=7"]);
        assert_eq!(keys(&message(b"U\0\0\0\x09", &[(b"N", tuple("7", None))])), ["id=7"]);
        let moved = message(b"U\0\0\0\x09", &[(b"K", tuple("7", None)), (b"N", tuple("8", Some("a")))]);
        assert_eq!(keys(&moved), ["id=7", "id=8"]);
        assert_eq!(keys(&message(b"D\0\0\0\x09", &[(b"K", tuple("7", None))])), ["id=7"]);
        assert!(keys(b"B123").is_empty());
    }

    #[test]
    fn a_message_that_ends_too_early_is_an_error() {
        assert!(Decoder::default().message(b"I\0\0").is_err());
        assert!(Decoder::default().message(b"").is_err());
    }
}
