//! The stream of the log: one connection that the server takes for a replica, and what its events mean.
//!
//! A connection that breaks is replaced, and the log is read again from behind the last whole transaction. What was
//! handed out of the one after it is counted, and left out the second time: the log is always the same.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use futures::StreamExt;
use mysql_async::binlog::events::{Event, EventData};
use mysql_async::prelude::Queryable;
use mysql_async::{BinlogStream, BinlogStreamRequest, Error};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::bytes::{self, Did};
use super::events::{
    ANONYMOUS_GTID, COMPRESSED_FIRST, COMPRESSED_LAST, FORMAT, GTID, IGNORABLE, INCIDENT, LOAD_BEGUN,
    LOAD_DONE, NO_TABLE, NOTHING, PAYLOAD, QUERY, ROTATE, TABLE_MAP, TAGGED_GTID, XA_PREPARE, XID,
};
use super::statement::{self, Followed, Means};
use super::types::{Column, Kind, low_first};
use super::{Key, Position, Watched, server, unread};
use crate::mysql::online::plant::planted;
use crate::mysql::options::ConnectOptions;
use crate::mysql::{Flavour, connect, errors, link};
use crate::visible::shortened;

/// How often the server says that it is there when there is nothing to say.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Without a word for so long the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(20);
/// For so long a connection is tried to be had again.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// The largest event there can be: more than a server takes from its clients.
const LARGEST: usize = 1 << 30;

/// What is read of the log, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Keys of rows that were inserted, updated or deleted; of an update that changes the key, both.
    Keys(Vec<Key>),
    /// The number that was written into the table of marks.
    Mark(u64),
    /// A transaction ended: everything before this place was handed out.
    End(Position),
}

/// The log, from a position on.
pub struct Stream {
    options: ConnectOptions,
    watched: Watched,
    followed: Followed,
    /// The table is the one that is followed, and no longer the one that had its name before.
    turned: bool,
    /// What others did before that to the one that had its name.
    others: Option<String>,
    /// As which replica the server knows this stream.
    replica: (u32, uuid::Uuid),
    wire: Option<BinlogStream>,
    /// Everything before this place was handed out.
    safe: Position,
    /// So many items behind it were, too.
    handed: usize,
    /// So many items are left out, since they were handed out over an earlier connection.
    skip: usize,
    ready: VecDeque<Item>,
    /// The file that is being read.
    file: String,
    /// The transaction that is being read changed the table.
    touched: bool,
    /// Where the compressed transaction ends whose events are being read.
    packed: Option<u64>,
    /// The name of the XA transaction that is being read, and of those that were prepared.
    xid: String,
    prepared: HashSet<String>,
    tables: HashMap<u64, Table>,
    /// Since when there is no progress.
    stuck: Option<Instant>,
}

/// What the number of a table stands for.
enum Table {
    Ours(Vec<Column>),
    Marks(Vec<Column>),
    Other,
}

/// Why there was no event.
enum Broken {
    /// A new connection may help.
    Lost(Fault),
    For(Fault),
}

impl Stream {
    /// Begins to read. The server must be the one that the position is of.
    pub(crate) async fn open(options: &ConnectOptions, watched: Watched, from: Position) -> Result<Self> {
        let id = uuid::Uuid::now_v7();
        let [.., a, b, c, d] = *id.as_bytes();
        let mut options = options.clone();
        options.application_name = format!("{} (binlog)", options.application_name);
        let followed = Followed::new(&watched.database, &watched.table, &watched.turn, &watched.triggers);
        let turned = watched.turn.is_empty();
        let mut stream = Self {
            turned,
            others: None,
            options,
            watched,
            followed,
            // High, where no person numbers replicas.
            replica: (u32::from_be_bytes([a | 0x80, b, c, d]), id),
            wire: None,
            file: from.file.clone(),
            safe: from,
            handed: 0,
            skip: 0,
            ready: VecDeque::new(),
            touched: false,
            packed: None,
            xid: String::new(),
            prepared: HashSet::new(),
            tables: HashMap::new(),
            stuck: None,
        };
        match stream.connect().await {
            Ok(()) => Ok(stream),
            Err(Broken::Lost(fault) | Broken::For(fault)) => Err(fault),
        }
    }

    /// The next item; waits for it for as long as it takes. Giving up the wait loses nothing, but whoever does so again
    /// and again may keep a new connection from being made.
    pub async fn next(&mut self) -> Result<Item> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(item);
            }
            let event = self.event().await?;
            self.take(&event)?;
        }
    }

    /// Waits until the server sends the log: only then it has looked at rights and at the position.
    pub(crate) async fn answered(&mut self) -> Result<()> {
        let event = self.event().await?;
        self.take(&event)
    }

    /// The next event, over a new connection where one is needed.
    async fn event(&mut self) -> Result<Event> {
        loop {
            let fault = match self.read().await {
                Ok(event) => return Ok(event),
                Err(Broken::For(fault)) => return Err(fault),
                Err(Broken::Lost(fault)) => fault,
            };
            self.wire = None;
            let since = *self.stuck.get_or_insert_with(Instant::now);
            if since.elapsed() > PATIENCE {
                return Err(fault);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The statement by which the table came to its place was read.
    pub(crate) fn turned(&self) -> bool {
        self.turned
    }

    /// What others did to the table that had the name before, behind the place from which on the log was read.
    pub(crate) fn others(&self) -> Option<&str> {
        self.others.as_deref()
    }

    /// Everything before this place was handed out, and nothing of the transaction behind it need be.
    pub fn safe(&self) -> &Position {
        &self.safe
    }

    async fn read(&mut self) -> std::result::Result<Event, Broken> {
        if self.wire.is_none() {
            self.connect().await?;
        }
        let Some(wire) = self.wire.as_mut() else { return Err(lost()) };
        match tokio::time::timeout(SILENCE, wire.next()).await {
            Ok(Some(Ok(event))) => Ok(event),
            Ok(Some(Err(e))) => Err(self.broken(e)),
            Ok(None) | Err(_) => Err(lost()),
        }
    }

    async fn connect(&mut self) -> std::result::Result<(), Broken> {
        // What was read of the transaction behind the safe place comes again.
        (self.skip, self.touched, self.packed) = (self.handed, false, None);
        self.tables.clear();
        self.file.clone_from(&self.safe.file);
        let connected = connect::connect_taking(&self.options, Some(LARGEST)).await;
        let mut link = connected.map_err(sorted)?.link;
        let found = server(&mut link).await.map_err(sorted)?;
        if found != self.safe.server {
            return Err(Broken::For(gone(&self.safe, "the connection leads to another server now").into()));
        }
        // MariaDB would wait for a place that its log has lost in a crash.
        let files = link.said("SHOW BINARY LOGS").await.map_err(|e| self.broken(e))?;
        let size = |row: &mysql_async::Row| {
            let ours = link::text(row, 0).as_deref() == Some(self.safe.file.as_str());
            ours.then(|| link::number(row, 1)).flatten()
        };
        if files.iter().find_map(size).is_none_or(|size| self.safe.at > size.unsigned_abs()) {
            return Err(Broken::For(
                gone(&self.safe, "the server has no such file, or a shorter one").into(),
            ));
        }
        let mariadb = link.flavour == Flavour::MariaDb;
        let mut conn = link.into_conn();
        let heartbeat = HEARTBEAT.as_nanos();
        let (number, uuid) = self.replica;
        let mut setup = format!(
            "SET @master_heartbeat_period = {heartbeat}, @source_heartbeat_period = {heartbeat}, \
             @slave_uuid = '{uuid}', @replica_uuid = '{uuid}'"
        );
        if mariadb {
            // Else it would send its own events as texts that mean nothing.
            setup += ", @mariadb_slave_capability = 4";
        }
        conn.query_drop(setup).await.map_err(|e| self.broken(e))?;
        let request =
            BinlogStreamRequest::new(number).with_filename(self.safe.file.as_bytes()).with_pos(self.safe.at);
        self.wire = Some(conn.get_binlog_stream(request).await.map_err(|e| self.broken(e))?);
        Ok(())
    }

    fn broken(&self, e: Error) -> Broken {
        match &e {
            Error::Server(said) if said.code == 1236 => Broken::For(gone(&self.safe, &said.message).into()),
            // What is said to whoever lacks the right.
            Error::Server(said) if matches!(said.code, 1227 | 1045) => {
                Broken::For(no_right(&said.message).into())
            }
            _ => sorted(errors::fault(e, "reading the binary log")),
        }
    }

    /// What an event means. Nothing of it is handed out before all of it was read.
    fn take(&mut self, event: &Event) -> Result<()> {
        let header = event.header();
        let (code, data, at) = (header.event_type_raw(), event.data(), u64::from(header.log_pos()));
        if let Some((did, detailed)) = bytes::did(code) {
            return self.rows(did, detailed, data);
        }
        match code {
            QUERY => return self.statement(event, at),
            TABLE_MAP => return self.table(data),
            XID => self.end(at),
            XA_PREPARE => return self.prepare(data, at),
            ROTATE => return self.rotate(data),
            // A new file. A transaction that the server did not write to its end, because it crashed, is none.
            FORMAT => (self.touched, self.packed) = (false, None),
            PAYLOAD => self.packed = Some(at),
            // The next transaction, though the end of this one was not there.
            GTID | ANONYMOUS_GTID | TAGGED_GTID if self.packed.is_some() => {
                return Err(self.refuse("a compressed transaction cannot be unpacked"));
            }
            INCIDENT => return Err(self.refuse("the server says that events were lost (an incident event)")),
            LOAD_BEGUN | LOAD_DONE => {
                return Err(self.refuse(
                    "LOAD DATA stands there as a statement: a session had binlog_format = STATEMENT",
                ));
            }
            COMPRESSED_FIRST..=COMPRESSED_LAST => {
                return Err(self.refuse("it is compressed, as log_bin_compress = ON of MariaDB makes it"));
            }
            known if NOTHING.contains(&known) => {}
            _ if header.flags_raw() & IGNORABLE != 0 => {}
            other => return Err(self.refuse(format!("an event of type {other} is not known"))),
        }
        Ok(())
    }

    fn refuse(&self, why: impl Into<String>) -> Fault {
        unread(&self.watched, &self.safe, why).into()
    }

    fn statement(&mut self, event: &Event, at: u64) -> Result<()> {
        let data = event.read_data().map_err(|e| self.refuse(e.to_string()))?;
        let Some(EventData::QueryEvent(query)) = data else {
            return Err(self.refuse("a statement cannot be read"));
        };
        let (database, text) = (query.schema(), query.query());
        match statement::read(&self.followed, &database, &text) {
            Means::Begin => self.xid = xid(&text),
            Means::Nothing => {
                if self.xid.is_empty() {
                    self.xid = xid(&text);
                }
            }
            Means::End => self.end(at),
            Means::Turned if !self.turned => {
                self.turned = true;
                self.tables.clear();
                self.end(at);
            }
            // The table that had the name is not read again.
            Means::Changed if !self.turned => {
                self.others.get_or_insert_with(|| shortened(&text));
                self.end(at);
            }
            Means::Prepared | Means::Rows if !self.turned => self.end(at),
            Means::Prepared if self.prepared.remove(&xid(&text)) => self.end(at),
            Means::Prepared => {
                let why =
                    "an XA transaction was prepared before, and ended now: it may have changed the table";
                return Err(self.refuse(why));
            }
            Means::Rows => {
                let what = "a statement stands there in place of the rows that it changed (binlog_format of its session): ";
                return Err(self.refuse(format!("{what}{}", shortened(&text))));
            }
            Means::Changed | Means::Turned => {
                let table = &self.watched.table;
                let what = format!("somebody else changed {table} itself, or what depends on it");
                let refusal = Refusal::new(Code::TableChanged, what)
                    .cause(shortened(&text))
                    .help("start again: the table is looked at as it is now");
                return Err(refusal.into());
            }
        }
        Ok(())
    }

    fn table(&mut self, data: &[u8]) -> Result<()> {
        let map = bytes::map(data).map_err(|why| self.refuse(why))?;
        let watched = &self.watched;
        let table = match map.database == watched.database.as_bytes() {
            true if map.table == watched.table.as_bytes() && !self.turned => Table::Other,
            true if map.table == watched.table.as_bytes() => {
                let columns = map.columns().map_err(|why| self.refuse(why))?;
                let fits = |(at, kind): &(usize, Kind)| columns.get(*at).is_some_and(|c| kind.fits(*c));
                if !watched.columns.contains(&columns.len()) || !watched.key.iter().all(fits) {
                    let what = format!("the columns of {} are no longer those that it had", watched.table);
                    let help = "start again: the table is looked at as it is now";
                    return Err(Refusal::new(Code::TableChanged, what).help(help).into());
                }
                Table::Ours(columns)
            }
            true if map.table == watched.marks.as_bytes() => {
                Table::Marks(map.columns().map_err(|why| self.refuse(why))?)
            }
            _ => Table::Other,
        };
        let id = map.id;
        self.tables.insert(id, table);
        Ok(())
    }

    fn rows(&mut self, did: Did, detailed: bool, data: &[u8]) -> Result<()> {
        let table = bytes::table_of(data).map_err(|why| self.refuse(why))?;
        let item = match self.tables.get(&table) {
            Some(Table::Other) => None,
            None if table == NO_TABLE => None,
            None => return Err(self.refuse("rows are told of a table that was not named before")),
            Some(Table::Ours(columns)) => {
                self.touched = true;
                let keys = keys(did, detailed, data, columns, &self.watched.key);
                Some(keys.map(Item::Keys).map_err(|why| self.refuse(why))?)
            }
            Some(Table::Marks(columns)) => {
                // An update need not tell the number before.
                let rows = bytes::rows(did, detailed, data).and_then(|rows| rows.after(columns, &[1]));
                let rows = rows.map_err(|why| self.refuse(why))?;
                rows.iter().flatten().map(|number| low_first(number)).max().map(Item::Mark)
            }
        };
        match item {
            Some(_) if self.skip > 0 => self.skip -= 1,
            Some(item) => {
                self.handed += 1;
                // It came further than ever: breaks from here on are others.
                self.stuck = None;
                self.ready.push_back(item);
            }
            None => {}
        }
        Ok(())
    }

    /// A transaction ended here.
    fn end(&mut self, at: u64) {
        // The events of a compressed one count their own bytes.
        let at = self.packed.take().unwrap_or(at);
        self.touched = false;
        self.xid.clear();
        // A file of more than 4 GiB, whose places the log itself cannot tell: the next file comes soon.
        if at > self.safe.at || self.file != self.safe.file {
            self.reached(at);
        }
    }

    fn reached(&mut self, at: u64) {
        self.safe = Position { server: self.safe.server.clone(), file: self.file.clone(), at };
        (self.handed, self.skip, self.stuck) = (0, 0, None);
        self.ready.push_back(Item::End(self.safe.clone()));
    }

    fn prepare(&mut self, data: &[u8], at: u64) -> Result<()> {
        let one_phase = data.first().is_some_and(|byte| *byte != 0);
        if self.touched && !one_phase {
            let why =
                "an XA transaction changed the table and was only prepared: it may end at any later time";
            return Err(self.refuse(why));
        }
        if !one_phase {
            self.prepared.insert(std::mem::take(&mut self.xid));
        }
        self.end(at);
        Ok(())
    }

    /// The next file, or at the beginning of a connection the one that was asked for.
    fn rotate(&mut self, data: &[u8]) -> Result<()> {
        let (position, name) = data.split_at_checked(8).ok_or_else(|| self.refuse("a rotation is cut"))?;
        let same = name.strip_prefix(self.file.as_bytes());
        // Before the server has said that it adds check sums, one counts as part of the name.
        if same.is_some_and(|rest| matches!(rest.len(), 0 | 4)) {
            return Ok(());
        }
        let name = std::str::from_utf8(name).map_err(|e| self.refuse(format!("a file's name: {e}")))?;
        self.file = name.to_owned();
        self.tables.clear();
        (self.touched, self.packed) = (false, None);
        self.reached(low_first(position));
        Ok(())
    }
}

fn keys(
    did: Did,
    detailed: bool,
    data: &[u8],
    columns: &[Column],
    key: &[(usize, Kind)],
) -> std::result::Result<Vec<Key>, String> {
    let rows = bytes::rows(did, detailed, data)?;
    let places: Vec<usize> = key.iter().map(|(at, _)| *at).collect();
    let literals = |values: Vec<&[u8]>| {
        let literal = |((at, kind), value): (&(usize, Kind), &[u8])| {
            kind.literal(*columns.get(*at).ok_or("a column of the key is missing")?, value)
        };
        key.iter().zip(values).map(literal).collect()
    };
    let updates = matches!(did, Did::Update | Did::PartialUpdate);
    let keys = match updates && planted("only-new-key") {
        true => rows.after(columns, &places)?,
        false => rows.keys(columns, &places)?,
    };
    keys.into_iter().map(literals).collect()
}

/// What stands behind the verb: `X'61',X'',1`.
fn xid(text: &str) -> String {
    let name = text.split_whitespace().nth(2).unwrap_or_default();
    name.to_ascii_lowercase()
}

fn lost() -> Broken {
    Broken::Lost(errors::lost("reading the binary log"))
}

/// Whether another connection may help.
fn sorted(fault: Fault) -> Broken {
    match &fault {
        Fault::Again { .. } => Broken::Lost(fault),
        Fault::Refused(refusal) if matches!(refusal.code, Code::ConnectionLost | Code::ConnectFailed) => {
            Broken::Lost(fault)
        }
        _ => Broken::For(fault),
    }
}

fn gone(at: &Position, why: &str) -> Refusal {
    Refusal::new(Code::BinlogGone, format!("the binary log cannot be read from {at} on"))
        .cause(shortened(why))
        .help("start again, with a server that keeps its log for longer than a change takes (binlog_expire_logs_seconds)")
}

fn no_right(why: &str) -> Refusal {
    Refusal::new(Code::PermissionMissing, "the binary log may not be read")
        .cause(shortened(why))
        .help("GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO the user (MariaDB: BINLOG MONITOR for the second)")
}
