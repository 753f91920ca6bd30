//! The table of a tool that is kept beside our own history: found, locked, made, read, and written in our transaction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mysql_async::Value;
use uuid::Uuid;

use cofferdam_core::fault::Result;
use cofferdam_core::history::Applied;
use cofferdam_core::journal::What;
use cofferdam_core::{Code, Fault, Name, Refusal, failpoint};
use cofferdam_formats::beside::{self, Choice, Wanted};
use cofferdam_formats::history::{Cells, HISTORIES, HistoryCodec, Server, Write};
use cofferdam_formats::tables::{self as known, Table};

use super::link::{self, Link};
use super::session::MySqlSession;
use super::{claim, commit, connect, errors, history, reading, tables as own_tables, watch};
use crate::ledger::{Book, Ledger, table_locked, tool_at_work, tool_changed};
use crate::{Batch, Holder, Keeping, Kept, Tick};

const DOING: &str = "looking for the histories of other tools";

/// How long a tool's table may be locked before who holds it counts as at work: to write a row takes no longer.
const IN_TIME: Duration = Duration::from_secs(2);

/// For reading within a transaction that writes by what is read: nobody changes it until that has ended.
const LOCKED: &str = "FOR UPDATE";

/// The tables of the database whose names are those of a tool's history, or the one given. Names are in small letters
/// where the server does not tell them apart by that.
pub(super) async fn tables(session: &mut MySqlSession, named: Option<&Name>) -> Result<Vec<Table>> {
    let mut names = known::names();
    names.extend(named.map(|name| name.name.as_str()));
    let database = session.database.as_str();
    let other = named.and_then(|name| name.schema.as_deref()).filter(|other| *other != database);
    let places = vec!["?"; names.len()].join(", ");
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, IF(@@lower_case_table_names = 0, TABLE_NAME, LOWER(TABLE_NAME))
         FROM information_schema.TABLES
         WHERE TABLE_SCHEMA = ? AND TABLE_NAME IN ({places}) AND TABLE_TYPE = 'BASE TABLE' ORDER BY 3"
    );
    let columns = "SELECT LOWER(COLUMN_NAME) FROM information_schema.COLUMNS
                   WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    let mut found: Vec<Table> = Vec::new();
    // One database and one table at a time: else MariaDB opens every table of every database.
    for schema in [Some(database), other].into_iter().flatten() {
        let mut values: Vec<Value> = vec![schema.into()];
        values.extend(names.iter().map(|name| Value::from(*name)));
        for row in session.link.rows(&sql, values).await.map_err(|e| errors::fault(e, DOING))? {
            let cell = |at| link::text(&row, at).unwrap_or_default();
            let place = vec![cell(0).into(), cell(1).into()];
            let columns = session.link.rows(columns, place).await.map_err(|e| errors::fault(e, DOING))?;
            let columns: Vec<String> = columns.iter().filter_map(|row| link::text(row, 0)).collect();
            // Gone meanwhile.
            if !columns.is_empty() {
                found.push(Table { schema: cell(0), name: cell(2), columns });
            }
        }
    }
    Ok(found)
}

/// See [`crate::Session::keep`].
pub(super) async fn keep(session: &mut MySqlSession, keeping: Keeping) -> Result<Kept> {
    session.ledger = None;
    if keeping.kept == Some(Kept::Own) {
        return Ok(Kept::Own);
    }
    let found = tables(session, keeping.table.as_ref()).await?;
    // Only where no directory is at hand do the rows say in which tools' histories they are, too.
    let own = reading::history(&mut session.link, &session.tables, keeping.bundle.format.is_empty()).await?;
    let in_force = || own.iter().filter(|applied| applied.in_force());
    let kept_in: Vec<String> = in_force().filter_map(|row| row.bundle.kept_in.clone()).collect();
    let wanted = Wanted {
        format: keeping.bundle.format,
        tool: keeping.tool.as_deref(),
        table: keeping.table.as_ref(),
        asked: keeping.kept.is_some(),
        schema: &session.database,
        server: Server::MySql,
        own: in_force().next().is_some(),
        kept_in: &kept_in,
    };
    let dialect = session.link.flavour.id();
    match beside::choose(&found, &wanted)? {
        Choice::Own => Ok(Kept::Own),
        Choice::Keep { codec, table, there } if !codec.is_kept_on(Server::MySql) => match wanted.asked {
            true => Err(no_such_tool(codec, session.link.flavour.name()).into()),
            false if there && !wanted.own => Err(not_read(codec, &table).into()),
            false => Ok(Kept::Own),
        },
        Choice::Keep { codec, table, there } => {
            let ledger =
                Ledger::new(Book { codec, table }, there, session.database.clone(), keeping, dialect);
            let kept = ledger.kept;
            session.ledger = Some(ledger);
            Ok(kept)
        }
    }
}

fn not_read(codec: &HistoryCodec, table: &Name) -> Refusal {
    Refusal::new(Code::HistoryNotRead, format!("the database has the history of {} in {table}", codec.id))
        .cause("it is not read on this server, so all that it applied would be applied again")
        .help("say at which version the database is: cofferdam baseline VERSION --history own")
        .note("from then on the files above that version are pending, and the tool is not used any more")
}

fn no_such_tool(codec: &HistoryCodec, server: &str) -> Refusal {
    let kept = HISTORIES.iter().filter(|codec| codec.mysql.is_some()).map(|codec| codec.id);
    Refusal::new(Code::NoSuchTool, format!("the history of {} is not kept on {server}", codec.id))
        .cause(format!("those that are kept there are {}", kept.collect::<Vec<_>>().join(", ")))
        .help("keep Cofferdam's own history alone: --history own")
}

/// The rows of the tool's table, read outside of a transaction; none where no table of a tool is kept.
async fn rows(session: &mut MySqlSession) -> Result<Vec<Cells>> {
    let MySqlSession { link, ledger, .. } = session;
    let Some(ledger) = ledger.as_ref().filter(|ledger| ledger.there) else { return Ok(Vec::new()) };
    connect::lock_wait(link, IN_TIME).await.map_err(|e| errors::fault(e, DOING))?;
    let rows = read(link, ledger, "").await;
    let back = "SET SESSION lock_wait_timeout = DEFAULT, SESSION innodb_lock_wait_timeout = DEFAULT";
    link.run(back).await.map_err(|e| errors::fault(e, DOING))?;
    rows
}

/// Whoever keeps the tool's table locked is taken for the tool.
async fn read(link: &mut Link, ledger: &Ledger, how: &str) -> Result<Vec<Cells>> {
    let Book { codec, table } = &ledger.book;
    match history::rows(link, codec, &table.to_mysql()?, None, how).await {
        Err(Fault::Again { after, why }) if why.code == Code::LockNotObtained => {
            let why = table_locked(codec.id, table, None, ledger.dialect);
            Err(Fault::Again { after, why: Box::new(why) })
        }
        rows => rows,
    }
}

/// The history that counts, where `own` is what our own table says.
pub(super) async fn history(
    session: &mut MySqlSession,
    own: Vec<Applied>,
    bundles: bool,
) -> Result<Vec<Applied>> {
    let rows = rows(session).await?;
    let MySqlSession { link, ledger: Some(ledger), tables, .. } = session else { return Ok(own) };
    let mut seen = ledger.beside(&rows, &own)?;
    if !seen.difference.unfinished.is_empty() && !ledger.locked {
        seen.at_work = at_work(link, ledger).await?;
    }
    let of_runs = match ledger.kept {
        Kept::Tool if bundles => bundles_of_runs(link, tables).await?,
        _ => BTreeMap::new(),
    };
    let counting = ledger.counting(&mut seen, own, bundles.then_some(&of_runs));
    ledger.seen = Some(seen);
    Ok(counting)
}

/// What is needed to take back what was applied last under each key, as JSON.
async fn bundles_of_runs(link: &mut Link, tables: &own_tables::Tables) -> Result<BTreeMap<String, String>> {
    let sql = format!(
        "SELECT `key`, JSON_EXTRACT(record, '$.applied.bundle') FROM {}
         WHERE intent = 'apply' AND phase = 'Done' ORDER BY id",
        tables.run
    );
    let rows = reading::read(link, &sql, vec![]).await?;
    Ok(rows.iter().filter_map(|row| Some((link::text(row, 0)?, link::text(row, 1)?))).collect())
}

/// Who holds the tool's lock, where we do not.
async fn at_work(link: &mut Link, ledger: &Ledger) -> Result<Option<Holder>> {
    for name in locks(ledger) {
        if let Some(holder) = lock_holder(link, &name).await? {
            return Ok(Some(holder));
        }
    }
    Ok(None)
}

async fn lock_holder(link: &mut Link, name: &str) -> Result<Option<Holder>> {
    let Some(id) = claim::lock_owner(link, name).await?.filter(|id| *id != link.id) else { return Ok(None) };
    let seen = watch::holders(link, &[id]).await.map_err(|e| errors::fault(e, "asking who holds a lock"))?;
    Ok(seen.into_iter().next())
}

fn locks(ledger: &Ledger) -> Vec<String> {
    ledger.book.codec.mysql.map(|mysql| (mysql.locks)(&ledger.place())).unwrap_or_default()
}

/// Takes the tool's lock, makes its table where it is missing, and takes over what the tool did. Under the run lock.
pub(super) async fn begin(session: &mut MySqlSession, wait: Duration) -> Result<()> {
    lock(session, wait).await?;
    create(session).await?;
    adopt(session).await
}

async fn lock(session: &mut MySqlSession, wait: Duration) -> Result<()> {
    let MySqlSession { link, ledger: Some(ledger), ticker, stop, .. } = session else { return Ok(()) };
    if ledger.locked {
        return Ok(());
    }
    let (began, names) = (Instant::now(), locks(ledger));
    let mut taken = 0;
    while let Some(name) = names.get(taken) {
        if claim::try_lock(link, name).await? {
            taken += 1;
            continue;
        }
        let holder = lock_holder(link, name).await?;
        let given_up = if began.elapsed() >= wait {
            Some(tool_at_work(ledger.book.codec.id, "", holder.as_ref(), ledger.dialect))
        } else if stop().asked() {
            Some(Refusal::new(Code::Interrupted, "stopped while waiting for another tool"))
        } else {
            None
        };
        if let Some(refusal) = given_up {
            for name in &names[..taken] {
                claim::unlock(link, name).await?;
            }
            return Err(refusal.into());
        }
        if let Some(holder) = holder {
            ticker(Tick::LockedBy(holder));
        }
        tokio::time::sleep(claim::POLL).await;
    }
    ledger.locked = true;
    Ok(())
}

/// Gives back the tool's lock.
pub(super) async fn end(session: &mut MySqlSession) -> Result<()> {
    let MySqlSession { link, ledger: Some(ledger), .. } = session else { return Ok(()) };
    if std::mem::take(&mut ledger.locked) {
        for name in locks(ledger) {
            claim::unlock(link, &name).await?;
        }
    }
    Ok(())
}

/// What the tool's table says, for [`locked_again`].
pub(super) async fn before_reset(session: &mut MySqlSession) -> Result<Vec<Cells>> {
    if session.ledger.is_none() {
        return Ok(Vec::new());
    }
    // What a script has set must not decide what is read.
    session.keep_settings().await?;
    let rows = rows(session).await?;
    session.give_settings_back().await?;
    Ok(rows)
}

/// A session that is reset loses its locks. Takes the tool's again, and refuses where the tool was there in between: what
/// is pending now, nobody looked at.
pub(super) async fn locked_again(session: &mut MySqlSession, before: &[Cells], wait: Duration) -> Result<()> {
    match &mut session.ledger {
        Some(ledger) if ledger.locked => ledger.locked = false,
        _ => return Ok(()),
    }
    lock(session, wait).await?;
    match rows(session).await? == before {
        true => Ok(()),
        false => Err(tool_changed().into()),
    }
}

/// Makes the tool's table as the tool makes it, with the row that it begins with: a process that dies between the two
/// leaves an empty table.
async fn create(session: &mut MySqlSession) -> Result<()> {
    let MySqlSession { link, ledger: Some(ledger), .. } = session else { return Ok(()) };
    let Book { codec, table } = &ledger.book;
    let Some(mysql) = codec.mysql else { return Ok(()) };
    let doing = format!("creating {table}");
    let sql = table.to_mysql()?;
    if !ledger.there {
        link.run(&(mysql.create)(table)?).await.map_err(|e| errors::fault(e, &doing))?;
        if failpoint::hit("ledger.created") {
            return Err(errors::lost("failpoint ledger.created"));
        }
    }
    refuse_other_engine(link, table).await?;
    if let Some(first) = mysql.first
        && history::rows(link, codec, &sql, None, "").await?.is_empty()
    {
        history::write(link, codec, &sql, vec![first()]).await?;
    }
    ledger.there = true;
    Ok(())
}

/// Refuses a table that no transaction takes back: its row would stay where what it tells of is undone.
async fn refuse_other_engine(link: &mut Link, table: &Name) -> Result<()> {
    let sql = "SELECT ENGINE FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NOT ENGINE <=> 'InnoDB'";
    let values = vec![table.schema.as_deref().unwrap_or_default().into(), table.name.as_str().into()];
    let rows = link.rows(sql, values).await.map_err(|e| errors::fault(e, DOING))?;
    let Some(row) = rows.first() else { return Ok(()) };
    let engine = link::text(row, 0).unwrap_or_else(|| "no engine".into());
    Err(Refusal::new(Code::JournalNotTransactional, format!("{table} is a table of {engine}"))
        .cause("what is written to it is not taken back with the transaction that wrote it")
        .help(format!("ALTER TABLE {} ENGINE = InnoDB", table.to_mysql()?))
        .into())
}

/// Takes over into our own history what the tool did since, in one transaction with a row of the journal.
async fn adopt(session: &mut MySqlSession) -> Result<()> {
    let rows = rows(session).await?;
    let own = reading::history(&mut session.link, &session.tables, false).await?;
    let Some(ledger) = session.ledger.as_mut().filter(|ledger| ledger.kept != Kept::Tool) else {
        return Ok(());
    };
    let mut seen = ledger.beside(&rows, &own)?;
    let adoption = ledger.adoption(&mut seen, &own, super::record::now())?;
    ledger.seen = Some(seen);
    match adoption {
        Some(adoption) => {
            let noted = (Uuid::nil(), What::Noted { text: adoption.note });
            commit::beside(session, vec![noted], commit::Beside::Own(adoption.writes)).await
        }
        None => Ok(()),
    }
}

/// See [`crate::Session::tell_tool`].
pub(super) async fn tell(session: &mut MySqlSession, rows: &[Applied], note: &str) -> Result<()> {
    if session.ledger.is_none() {
        return Ok(());
    }
    let noted = (Uuid::nil(), What::Noted { text: note.to_owned() });
    commit::beside(session, vec![noted], commit::Beside::Tool(rows)).await
}

/// What is to be written into the tool's table in the transaction that is open: by its rows, which nobody changes until
/// then, and by our own.
pub(super) async fn writes(
    link: &mut Link,
    ledger: &Ledger,
    of: impl FnOnce(&Ledger, Vec<Cells>) -> Result<Vec<Write>>,
) -> Result<Vec<Write>> {
    let rows = read(link, ledger, LOCKED).await?;
    of(ledger, rows)
}

/// What the tool would write of a run that takes more than this transaction.
pub(super) async fn marks(session: &mut MySqlSession, batch: &Batch<'_>) -> Result<Vec<Write>> {
    let MySqlSession { link, ledger: Some(ledger), tables, .. } = session else { return Ok(Vec::new()) };
    let Some(mark) = ledger.mark(batch) else { return Ok(Vec::new()) };
    let own = reading::history(link, tables, false).await?;
    writes(link, ledger, |ledger, rows| ledger.when_marked(mark, &rows, batch, &own)).await
}

/// Writes into the tool's table.
pub(super) async fn write(link: &mut Link, ledger: Option<&Ledger>, writes: Vec<Write>) -> Result<()> {
    let Some(ledger) = ledger else { return Ok(()) };
    history::write(link, ledger.book.codec, &ledger.book.table.to_mysql()?, writes).await
}
