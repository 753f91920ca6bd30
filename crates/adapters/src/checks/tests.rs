//! Checks as tables: what was asked and answered, and what follows.

use super::*;

fn found(rows: &[(&str, Result<Rows, String>)]) -> Found {
    Found {
        rows: rows.iter().map(|(sql, rows)| ((*sql).to_owned(), rows.clone())).collect(),
        ..Found::default()
    }
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| (*cell != "NULL").then(|| (*cell).to_owned())).collect()
}

fn verdict(text: &str, found: &Found) -> String {
    let asked = parse(text).unwrap();
    match (asked.check.judge)(&asked, found) {
        Verdict::Holds(said) => format!("holds: {said}"),
        Verdict::Doubtful(said) => format!("doubtful: {said}"),
        Verdict::Fails(why) => {
            assert!(why.help.is_some() && why.cause.is_some(), "{why}");
            format!("fails: {} {}", why.code.id(), why.what)
        }
        Verdict::Unread(why) => {
            assert!(why.help.is_some() && why.cause.is_some(), "{why}");
            format!("unread: {}", why.what)
        }
    }
}

#[test]
fn every_file_is_in_the_table_and_every_id_is_its_own() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap().replace(".rs", "").replace('_', "-"))
        .filter(|name| !matches!(name.as_str(), "mod" | "parse" | "tests"))
        .collect();
    files.sort();
    let mut ids: Vec<String> = CHECKS.iter().map(|check| check.id.to_owned()).collect();
    ids.sort();
    assert_eq!(files, ids);
    assert!(CHECKS.iter().all(|check| !check.about.is_empty()));
}

#[test]
fn a_check_is_read_as_it_is_written() {
    for (text, title, value) in [
        ("connection", "connection", Value::Default),
        ("disk-space", "disk-space", Value::Default),
        ("disk-space=20GB", "disk-space", Value::Bytes(20_000_000_000)),
        ("disk-space=1.5GiB", "disk-space", Value::Bytes(1_610_612_736)),
        ("replication=90s", "replication", Value::Age(Duration::from_secs(90))),
        ("long-transactions=5m", "long-transactions", Value::Age(Duration::from_secs(300))),
        ("custom=SELECT a = 'x=y'", "custom", Value::Sql("SELECT a = 'x=y'".into())),
        ("custom:no-x=SELECT true", "custom no-x", Value::Sql("SELECT true".into())),
    ] {
        let asked = parse(text).unwrap();
        assert_eq!((asked.title().as_str(), &asked.value), (title, &value), "{text}");
    }
    for (text, help) in [
        ("", "cofferdam doctor looks at all of them"),
        ("disk", "cofferdam doctor looks at all of them"),
        ("disk-spac=1GB", "did you mean --check disk-space?"),
        ("disk-space=20", "--check disk-space=20GB"),
        ("disk-space=0B", "--check disk-space=20GB"),
        ("disk-space=-1GB", "--check disk-space=20GB"),
        ("disk-space=1e400GB", "--check disk-space=20GB"),
        ("disk-space=9999999999TB", "--check disk-space=20GB"),
        ("replication=soon", "--check replication=30s"),
        ("replication=99999999999999999999s", "--check replication=30s"),
        ("replication=18446744073709551615d", "--check replication=30s"),
        ("pooler=yes", "--check pooler"),
        ("custom", "--check custom='SELECT ...'"),
        ("custom= ", "--check custom='SELECT ...'"),
        ("pooler:x", "--check pooler"),
    ] {
        let refusal = parse(text).unwrap_err();
        assert_eq!((refusal.code, refusal.help.as_deref()), (Code::BadCheck, Some(help)), "{text}");
    }
}

#[test]
fn connection_permissions_and_pooler_are_judged_by_what_was_found() {
    let server =
        |read_only| Found { server: Some(Server { read_only, ..Server::default() }), ..Found::default() };
    assert_eq!(verdict("connection", &server(false)), "holds: the server takes writes");
    assert_eq!(verdict("connection", &server(true)), "fails: CF2205 the server takes no writes");
    assert!(verdict("connection", &Found::default()).starts_with("unread"));
    let missing = |what: &str| MissingRight { what: what.into(), grant: format!("GRANT {what}") };
    let both = Found { missing: vec![missing("a"), missing("b")], ..Found::default() };
    let asked = Asked::plain(check("permissions").unwrap());
    let Verdict::Fails(why) = (asked.check.judge)(&asked, &both) else { panic!() };
    assert_eq!((why.code, why.cause.as_deref()), (Code::PermissionMissing, Some("a; b")));
    assert_eq!(why.notes, ["GRANT a;", "GRANT b;"]);
    let pooled = Found { pooled: true, ..Found::default() };
    assert!(verdict("pooler", &pooled).starts_with("fails: "));
    assert!(verdict("pooler", &Found::default()).starts_with("holds"));
}

#[test]
fn room_is_what_is_asked_for_and_at_least_what_the_plan_needs() {
    const GB: u64 = 1_000_000_000;
    let room = |free: &[u64], needs| Found {
        room: free
            .iter()
            .map(|free| Room { folder: format!("/d{}", free / GB), free: *free, total: 100 * GB })
            .collect(),
        needs,
        ..Found::default()
    };
    for (text, found, expected) in [
        ("disk-space=20GB", room(&[30 * GB], 0), "holds: 30.0 GB are free; the plan adds next to nothing"),
        ("disk-space=20GB", room(&[10 * GB], 0), "fails: CF3101 10.0 GB are free in /d10"),
        ("disk-space=20GB", room(&[30 * GB], 40 * GB), "fails: CF3101 30.0 GB are free in /d30"),
        ("disk-space=20GB", room(&[30 * GB, 5 * GB], 0), "fails: CF3101 5.0 GB are free in /d5"),
        ("disk-space", room(&[GB], 0), "holds: 1.0 GB are free; the plan adds next to nothing"),
        ("disk-space", room(&[GB], 2 * GB), "fails: CF3101 1.0 GB are free in /d1"),
        // Where nothing is seen, only what adds nothing passes.
        (
            "disk-space=20GB",
            room(&[], 0),
            "doubtful: how much is free cannot be seen from here, but the plan adds next to nothing",
        ),
        ("disk-space=20GB", room(&[], GB), "unread: how much disk is free cannot be seen from here"),
        ("disk-space", room(&[], GB), "unread: how much disk is free cannot be seen from here"),
    ] {
        assert_eq!(verdict(text, &found), expected, "{text}");
    }
}

#[test]
fn a_standby_that_lags_and_a_slot_that_holds_back_are_named() {
    let [standbys, slots, waited] = replication::ASKED;
    let answers = |all: &[&[&str]], held: &[&[&str]], names: &str| {
        let rows = |all: &[&[&str]]| Ok(all.iter().map(|cells| row(cells)).collect());
        found(&[(standbys, rows(all)), (slots, rows(held)), (waited, rows(&[&[names]]))])
    };
    let good: &[&str] = &["a", "streaming", "sync", "0.2", "1000"];
    let quiet: &[&str] = &["a", "streaming", "async", "NULL", "0"];
    for (found, expected) in [
        (answers(&[], &[], ""), "holds: 0 standbys and 0 slots, all keep up"),
        (
            answers(&[good, quiet], &[&["s", "true", "reserved", "5"]], "a"),
            "holds: 2 standbys and 1 slots, all keep up",
        ),
        (
            answers(&[&["a", "streaming", "async", "31", "2000000"]], &[], ""),
            "fails: CF3101 standby a is 31 s (2 MB) behind",
        ),
        (
            answers(&[&["a", "catchup", "async", "NULL", "9"]], &[], ""),
            "fails: CF3101 standby a does not stream: catchup",
        ),
        (
            answers(&[&["a", "backup", "async", "NULL", "NULL"]], &[], ""),
            "holds: 1 standbys and 0 slots, all keep up",
        ),
        (answers(&[], &[&["s", "false", "lost", "NULL"]], ""), "fails: CF3101 slot s is lost"),
        (
            answers(&[], &[&["s", "false", "extended", "5000000000"]], ""),
            "fails: CF3101 nobody reads slot s, and it keeps 5.0 GB of log",
        ),
        (
            answers(&[], &[&["s", "true", "extended", "5000000000"]], ""),
            "holds: 0 standbys and 1 slots, all keep up",
        ),
        (
            answers(&[quiet], &[], "a"),
            "fails: CF3101 commits wait for a synchronous standby (a), and none is there",
        ),
        (
            answers(&[&["a", "NULL", "NULL", "NULL", "NULL"]], &[], ""),
            "unread: how replication stands is not known",
        ),
        (found(&[]), "unread: how replication stands is not known"),
    ] {
        assert_eq!(verdict("replication", &found), expected);
    }
    let slow = answers(&[&["a", "streaming", "async", "31", "0"]], &[], "");
    assert!(verdict("replication=1m", &slow).starts_with("holds"));
}

#[test]
fn a_transaction_that_is_open_for_long_is_named_and_one_that_is_hidden_is_no_pass() {
    let [others, prepared] = long_transactions::ASKED;
    let answers = |all: &[&[&str]], held: &[&[&str]]| {
        let rows = |all: &[&[&str]]| Ok(all.iter().map(|cells| row(cells)).collect());
        found(&[(others, rows(all)), (prepared, rows(held))])
    };
    let old: &[&str] = &["7", "app", "web", "idle in transaction", "400", "false"];
    let young: &[&str] = &["8", "app", "", "active", "12", "false"];
    let hidden: &[&str] = &["9", "app", "", "NULL", "NULL", "true"];
    for (text, found, expected) in [
        ("long-transactions", answers(&[], &[]), "holds: the oldest has been open for 0 s"),
        ("long-transactions", answers(&[young], &[]), "holds: the oldest has been open for 12 s"),
        (
            "long-transactions",
            answers(&[old, young, hidden], &[]),
            "fails: CF3101 pid 7 (app, web) idle in transaction for 7 min",
        ),
        ("long-transactions=10m", answers(&[old], &[]), "holds: the oldest has been open for 7 min"),
        (
            "long-transactions",
            answers(&[young, hidden], &[]),
            "unread: how long transactions have been open is not known",
        ),
        (
            "long-transactions",
            answers(&[], &[&["gid'1", "app", "9000"]]),
            "fails: CF3101 transaction \"gid'1\" of app has been prepared for 2 h",
        ),
    ] {
        assert_eq!(verdict(text, &found), expected);
    }
}

#[test]
fn only_true_is_true() {
    let sql = "SELECT x";
    for (answer, expected) in [
        (Ok(vec![row(&["t"])]), "holds: SELECT x returned true"),
        (Ok(vec![row(&["true"])]), "holds: SELECT x returned true"),
        (Ok(vec![row(&["f"])]), "fails: CF3101 it returned \"f\""),
        (Ok(vec![row(&["1"])]), "fails: CF3101 it returned \"1\""),
        (Ok(vec![row(&["NULL"])]), "fails: CF3101 it returned NULL"),
        (Ok(vec![]), "fails: CF3101 it returned no row"),
        (Ok(vec![row(&["t", "t"])]), "fails: CF3101 it returned 2 columns"),
        (Ok(vec![row(&["t"]), row(&["t"])]), "fails: CF3101 it returned 2 rows"),
        (Err("no such table".to_owned()), "fails: CF3101 the query failed: no such table"),
    ] {
        assert_eq!(verdict("custom=SELECT x", &found(&[(sql, answer)])), expected);
    }
}

fn on(dialect: &str, lag: Option<Result<(Duration, String), String>>) -> Found {
    Found { dialect: dialect.to_owned(), lag, ..Found::default() }
}

#[test]
fn a_truth_of_mysql_is_one_and_of_postgresql_it_is_not() {
    for (dialect, value, holds) in [
        ("mysql", "1", true),
        ("mariadb", "1", true),
        ("mysql", "2", false),
        ("mysql", "0", false),
        ("postgresql", "1", false),
    ] {
        let rows = [("SELECT 1", Ok(vec![row(&[value])]))];
        let found = Found { dialect: dialect.to_owned(), ..found(&rows) };
        assert_eq!(verdict("custom=SELECT 1", &found).starts_with("holds"), holds, "{dialect} {value}");
    }
}

#[test]
fn replicas_are_asked_how_far_they_are_behind() {
    let lag = |seconds, name: &str| on("mysql", Some(Ok((Duration::from_secs(seconds), name.to_owned()))));
    for (text, found, expected) in [
        ("replication", lag(0, ""), "holds: no replica reads the log"),
        ("replication", lag(30, "db2:3306"), "holds: replica db2:3306 is the farthest behind, by 30 s"),
        ("replication", lag(31, "db2:3306"), "fails: CF3101 replica db2:3306 is 31 s behind"),
        ("replication=1m", lag(31, "db2:3306"), "holds: replica db2:3306 is the farthest behind, by 31 s"),
        ("replication", on("mariadb", Some(Err("no".into()))), "unread: how replication stands is not known"),
    ] {
        assert_eq!(verdict(text, &found), expected, "{text}");
    }
    let looks = |dialect| (check("replication").unwrap().asks)(&parse("replication").unwrap(), dialect).len();
    assert_eq!((looks("postgresql"), looks("mysql"), looks("mariadb")), (3, 1, 1));
}

#[test]
fn open_transactions_of_innodb_are_named_with_what_ends_them() {
    let sql = long_transactions::ASKED_OF_INNODB;
    for (rows, expected) in [
        (Ok(vec![]), "holds: the oldest has been open for 0 s"),
        (Ok(vec![row(&["7", "app", "10.0.0.1:5", "12.5"])]), "holds: the oldest has been open for 12 s"),
        (
            Ok(vec![row(&["7", "app", "10.0.0.1:5", "900"]), row(&["0", "NULL", "NULL", "8000"])]),
            "fails: CF3101 connection 7 (app@10.0.0.1:5) has a transaction open for 15 min; a transaction without a \
             session has been open for 2 h",
        ),
        (Err("Access denied".to_owned()), "unread: how long transactions have been open is not known"),
    ] {
        assert_eq!(verdict("long-transactions", &found(&[(sql, rows)])), expected);
    }
}
