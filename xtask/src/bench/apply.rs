//! Start-up and a hundred small migrations, beside the peers.
//!
//! The tools take turns within each round, in another order each time, so that what else the machine does falls
//! on all of them alike. The first round warms caches and does not count.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cofferdam_scratch::{Options, Server, find_or_fetch};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Asked;
use super::measure::{Summary, Times, timed};
use super::product::{Product, without_settings};
use super::report::{goal, milliseconds, short, table};
use super::samples::create_table;
use super::tools::{Place, TOOLS, Tool};
use crate::machine::has_program;
use crate::peers::PEERS;

/// How many migrations are pending at first.
const PENDING: usize = 100;

/// With nothing pending a run is so short that one more shows less than it costs to have several.
const IDLE_REPEATS: usize = 3;

/// One of the tools on this machine, with what was measured of it.
struct Entry {
    name: &'static str,
    version: String,
    note: &'static str,
    is_peer: bool,
    command: Box<dyn Fn(&Place<'_>) -> Command>,
    idle: Times,
    pending: Times,
}

pub(super) fn run(asked: &Asked) -> Result<Value, String> {
    let folder = TempDir::new().map_err(|e| e.to_string())?;
    let mut entries = entries(folder.path())?;
    let binaries = find_or_fetch(&mut |_| {}).map_err(|e| e.to_string())?;
    let server = start(&binaries)?;

    for round in 0..=asked.runs {
        let count = entries.len();
        for turn in 0..count {
            let entry = &mut entries[(round + turn) % count];
            let name = entry.name;
            let (pending, idle) = measure(&server, entry).map_err(|why| format!("{name}: {why}"))?;
            if round > 0 {
                entry.pending.add(pending);
                idle.into_iter().for_each(|took| entry.idle.add(took));
            }
        }
    }

    let rows: Vec<Vec<String>> = entries.iter().map(Entry::row).collect();
    println!(
        "PostgreSQL {}, fsync on, TCP over loopback, median of {} rounds",
        binaries.version_text, asked.runs
    );
    println!("{}", table(&["tool", "version", "0 pending, ms", "100 pending, ms"], &rows));
    for entry in entries.iter().filter(|entry| !entry.note.is_empty()) {
        println!("{}: {}", entry.name, entry.note);
    }
    goals("0 pending", &entries, |entry| &entry.idle);
    goals("100 pending", &entries, |entry| &entry.pending);
    let tools: Vec<Value> = entries.iter().map(Entry::json).collect();
    Ok(json!({ "server": binaries.version_text, "cores": cores(), "rounds": asked.runs, "tools": tools }))
}

/// A server that loses nothing when the machine goes down, as a server in use is.
pub(super) fn start(binaries: &cofferdam_scratch::Binaries) -> Result<Server, String> {
    let options = Options { fsync: true, tcp: true, ..Options::default() };
    Server::start(binaries, &options).map_err(|e| e.to_string())
}

/// A new database; what was written for others before is on the disk.
pub(super) fn fresh<'a>(server: &'a Server, name: &str) -> Result<Place<'a>, String> {
    let ask = |sql: String| server.query("postgres", &sql).map_err(|e| e.to_string());
    ask(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
    ask(format!("CREATE DATABASE {name}"))?;
    ask("CHECKPOINT".to_owned())?;
    let address = format!("{}:{}/{name}", server.host(), server.port());
    Ok(Place { address, user: server.superuser() })
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Ours, the peers that are here, and psql as the floor.
fn entries(folder: &Path) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for tool in TOOLS {
        let (program, version, note) = match PEERS.iter().find(|peer| peer.name == tool.name) {
            None => {
                let product = Product::ready()?;
                (product.program, product.version, "")
            }
            Some(peer) => match peer.ready() {
                Ok(ready) => (ready.program, ready.version, if ready.named { "" } else { peer.note }),
                Err(why) => {
                    println!("{} is not measured: {why}", peer.name);
                    continue;
                }
            },
        };
        let files = write(folder, tool)?;
        let place = folder.to_path_buf();
        entries.push(Entry {
            name: tool.name,
            version,
            note,
            is_peer: tool.name != "cofferdam",
            command: Box::new(move |database| {
                let mut command = without_settings(&program, &place);
                command.args((tool.arguments)(&files, database));
                command
            }),
            idle: Times::default(),
            pending: Times::default(),
        });
    }
    if has_program("psql") {
        entries.push(psql(folder)?);
    }
    Ok(entries)
}

fn write(folder: &Path, tool: &Tool) -> Result<PathBuf, String> {
    let files = folder.join(tool.name);
    fs::create_dir(&files).map_err(|e| e.to_string())?;
    for number in 1..=PENDING {
        let (name, text) = (tool.file)(number);
        fs::write(files.join(name), text).map_err(|e| e.to_string())?;
    }
    Ok(files)
}

/// What the statements alone take, a commit each, without any history. It knows nothing of pending, so that
/// there is no number for none.
fn psql(folder: &Path) -> Result<Entry, String> {
    let script = folder.join("all.sql");
    let text: String = (1..=PENDING).map(create_table).collect();
    fs::write(&script, text).map_err(|e| e.to_string())?;
    let version = crate::machine::output(Command::new("psql").arg("--version"))?;
    let place = folder.to_path_buf();
    Ok(Entry {
        name: PSQL,
        version: version.split(' ').nth(2).unwrap_or_default().trim().to_owned(),
        note: "the floor: all statements in one session, a commit each, no history",
        is_peer: false,
        command: Box::new(move |database| {
            let mut command = without_settings(Path::new("psql"), &place);
            let url = format!("postgres://{}@{}?sslmode=disable", database.user, database.address);
            command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f"]).arg(&script).arg(url);
            command
        }),
        idle: Times::default(),
        pending: Times::default(),
    })
}

const PSQL: &str = "psql";

/// One turn of a tool: all pending, then none, several times.
fn measure(
    server: &Server,
    entry: &Entry,
) -> Result<(std::time::Duration, Vec<std::time::Duration>), String> {
    let place = fresh(server, "bench")?;
    let pending = timed(&mut (entry.command)(&place), &[0])?;
    // Fast because it did nothing is not fast.
    let made = server.query(
        "bench",
        "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^t[0-9]+$'",
    );
    let made = made.map_err(|e| e.to_string())?.first().and_then(|row| row.first().cloned().flatten());
    if made.as_deref() != Some(&PENDING.to_string()) {
        return Err(format!("it made {} of {PENDING} tables", made.unwrap_or_default()));
    }
    let repeats = if entry.name == PSQL { 0 } else { IDLE_REPEATS };
    let idle: Result<Vec<_>, String> =
        (0..repeats).map(|_| timed(&mut (entry.command)(&place), &[0])).collect();
    Ok((pending, idle?))
}

impl Entry {
    fn row(&self) -> Vec<String> {
        let (idle, pending) = (self.idle.summary(), self.pending.summary());
        vec![self.name.to_owned(), self.version.clone(), milliseconds(idle), milliseconds(pending)]
    }

    fn json(&self) -> Value {
        let of = |times: &Times| {
            times.summary().map(|s| json!({ "median": s.median, "least": s.least, "most": s.most }))
        };
        json!({ "tool": self.name, "version": self.version, "note": self.note,
                "idle_ms": of(&self.idle), "pending_ms": of(&self.pending) })
    }
}

fn goals(what: &str, entries: &[Entry], times: fn(&Entry) -> &Times) {
    let median = |entry: &Entry| times(entry).summary().map(|Summary { median, .. }| median);
    let ours = entries.iter().find(|entry| entry.name == "cofferdam").and_then(median);
    let peers = entries.iter().filter(|entry| entry.is_peer);
    let fastest =
        peers.filter_map(|peer| Some((median(peer)?, peer.name))).min_by(|a, b| a.0.total_cmp(&b.0));
    match (ours, fastest) {
        (Some(ours), Some((theirs, name))) => {
            let against = format!("{} ms against {} of {name}", short(ours), short(theirs));
            goal(&format!("{what} faster than the fastest peer ({against})"), ours < theirs);
        }
        _ => println!("goal: {what} faster than the fastest peer: unknown, there is no peer"),
    }
}
