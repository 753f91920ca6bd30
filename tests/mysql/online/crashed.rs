//! The server itself crashes while nobody is at work on a change: what it had acknowledged is there after the swap, and
//! after the way back.

use std::process::Stdio;

use cofferdam_scratch::mysql::{Kind, Options, Server};

use super::{ID_TYPE, OF_CHANGES, ROLLBACK, ROWS, WIDER, alter, filling};
use crate::site::{own_server, scheme};
use crate::support::{Bench, until, wait};

on_both! {
    a_server_that_crashes_loses_nothing_of_a_change,
}

fn a_server_that_crashes_loses_nothing_of_a_change(kind: Kind) {
    // As those have it who want to lose nothing.
    let settings = [("sync_binlog", "1"), ("innodb_flush_log_at_trx_commit", "1")];
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let Some(mut server) = own_server(kind, &Options { settings, ..Options::default() }) else { return };
    // The rows of a chunk are there, and that a chunk was compared is written down.
    for point in ["online.copy.committed", "online.compare.committed"] {
        crashes_after(&mut server, kind, point);
    }
}

/// The first row of what a statement gives.
fn said(server: &Server, database: &str, sql: &str) -> String {
    let rows = server.query(Some(database), sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
    let cells: Vec<String> =
        rows.into_iter().next().unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect();
    cells.join(" ")
}

/// A round of writes: a row that is new, one that goes, and two that change, at the beginning and at the end.
fn write(server: &Server, database: &str, round: u32) {
    for sql in [
        format!("INSERT INTO t (id) VALUES ({})", 70_000 + round),
        format!("DELETE FROM t WHERE id = {}", 20 + round),
        format!("UPDATE t SET note = 'round {round}' WHERE id IN ({}, {})", 10 + round, 3_980 + round),
    ] {
        said(server, database, &sql);
    }
}

/// The table is of this type, and has all of so many rounds.
#[track_caller]
fn assert_written(server: &Server, database: &str, ty: &str, rounds: u32) {
    assert_eq!(said(server, database, ID_TYPE), ty, "{database}");
    let sql = format!(
        "SELECT COUNT(*), SUM(id > 70000), SUM(note LIKE 'round %'), SUM(id BETWEEN 21 AND {}) FROM t",
        20 + rounds
    );
    let expected = format!("{ROWS} {rounds} {} 0", 2 * rounds);
    assert_eq!(said(server, database, &sql), expected, "{database}");
}

fn crashes_after(server: &mut Server, kind: Kind, point: &str) {
    let database = point.replace('.', "_");
    let url = server.create_database(&database).unwrap();
    let url = url.replacen("mysql://", &format!("{}://", scheme(kind)), 1);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("migrations")).unwrap();
    let bench = Bench { database: database.clone(), url, folder };
    for sql in filling() {
        said(server, &database, &sql);
    }
    let mark = bench.folder.path().join("reached");
    let mut command = bench.command(&alter(&[], WIDER));
    command
        .env("COFFERDAM_FAILPOINT", format!("{point}=hang"))
        .env("COFFERDAM_FAILPOINT_REACHED", &mark)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut runner = command.spawn().unwrap();
    until("it comes by", || mark.exists());
    write(server, &database, 1);
    runner.kill().unwrap();
    wait(runner);
    write(server, &database, 2);
    server.stop_immediate().unwrap();
    server.start_again().unwrap();
    write(server, &database, 3);
    bench.must(&alter(&[], WIDER));
    assert_written(server, &database, "bigint", 3);
    // In the window, too.
    write(server, &database, 4);
    server.stop_immediate().unwrap();
    server.start_again().unwrap();
    write(server, &database, 5);
    bench.must(ROLLBACK);
    assert_written(server, &database, "int", 5);
    assert_eq!(said(server, &database, OF_CHANGES), "");
    assert_eq!(said(server, &database, "SELECT COUNT(*) FROM _cofferdam_online"), "0");
    bench.must(&["verify"]);
}
