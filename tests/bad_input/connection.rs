//! Databases that cannot be reached, or not be written to.

use std::process::Command;

use cofferdam_core::Code;
use cofferdam_scratch::{Options, Server};

use crate::refusal::{Expected, refused, said};
use crate::support::{Bench, binaries, server};

fn bench() -> Bench {
    let bench = Bench::new("reached");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n");
    bench
}

/// `apply` with another URL.
fn with<'b>(bench: &'b Bench, url: &'b str) -> impl Fn() -> Command + 'b {
    move || {
        let mut command = bench.command(&["apply"]);
        command.env("COFFERDAM_URL", url);
        command
    }
}

#[test]
fn urls_that_are_none() {
    let bench = bench();
    for (url, says) in [
        ("postgre://localhost/shop", &["did you mean postgres://?"][..]),
        ("oracle://localhost/shop", &["postgres", "mysql"]),
        ("postgres://localhost:port/shop", &["port"]),
        ("postgres://localhost/shop?sslmod=require", &["sslmod"]),
        ("host=localhost dbnam=shop", &["dbnam"]),
        ("postgres://[::1/shop", &[]),
    ] {
        said(&with(&bench, url), &Expected { code: Code::BadUrl, place: None, says });
    }
}

#[test]
fn servers_that_are_not_there() {
    let bench = bench();
    // Taken and given back: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let expected = Expected::new(Code::ConnectFailed, &["refused", "127.0.0.1"]);
    said(&with(&bench, &format!("postgres://postgres@127.0.0.1:{port}/shop")), &expected);
    let expected = Expected::new(Code::ConnectFailed, &["nosuchhost.invalid", "was not found"]);
    said(&with(&bench, "postgres://postgres@nosuchhost.invalid/shop"), &expected);
    let expected = Expected::new(Code::ConnectFailed, &["/nonexistent"]);
    said(&with(&bench, "postgres:///shop?host=/nonexistent&user=postgres"), &expected);
}

#[test]
fn lint_judges_by_the_text_where_the_database_is_away_unless_it_must_not() {
    let bench = bench();
    let url = "postgres:///shop?host=/nonexistent&user=postgres";
    let lint = |more: &[&str]| bench.run(&[&["lint", "--url", url, "-o", "json"], more].concat());
    let ended = lint(&[]);
    assert!(ended.code == 0 || ended.code == 4, "{ended:?}");
    assert!(ended.stderr.contains("no live numbers") && ended.stdout.contains("\"findings\""), "{ended:?}");
    let ended = lint(&["--require-live"]);
    assert_eq!(ended.code, i32::from(Code::NoLiveNumbers.exit()), "{ended:?}");
    assert!(ended.stdout.contains("CF3641"), "{ended:?}");
}

#[test]
fn something_that_is_no_postgresql() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = std::io::Write::write_all(&mut stream.unwrap(), b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let bench = bench();
    said(
        &with(&bench, &format!("postgres://postgres@127.0.0.1:{port}/shop?sslmode=disable")),
        &Expected::new(Code::ConnectFailed, &["PostgreSQL server"]),
    );
}

#[test]
fn logins_that_are_refused() {
    let bench = bench();
    let asks = Server::start(
        &binaries(),
        &Options { tcp: true, password: Some("right".into()), ..Options::default() },
    )
    .unwrap();
    let wrong = asks.url("postgres").replace(":right@", ":wrong@");
    said(&with(&bench, &wrong), &Expected::new(Code::AuthFailed, &["postgres", "password"]));
    let none = asks.url("postgres").replace(":right@", "@");
    said(&with(&bench, &none), &Expected::new(Code::AuthFailed, &["password"]));
    let nobody = server().url(&bench.database).replace("postgres@", "nobody_here@");
    said(&with(&bench, &nobody), &Expected::new(Code::AuthFailed, &["nobody_here"]));
}

#[test]
fn a_database_that_is_not_there() {
    let bench = bench();
    let url = server().url("no_such_shop");
    said(&with(&bench, &url), &Expected::new(Code::DatabaseMissing, &["no_such_shop", "createdb"]));
}

#[test]
fn a_database_that_takes_no_writes() {
    let bench = bench();
    bench.query(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", bench.database));
    refused(
        &bench,
        &["apply"],
        &Expected::new(Code::ReadOnlyServer, &["default_transaction_read_only", "primary"]),
    );
}

#[test]
fn a_standby() {
    let mut server = Server::start(&binaries(), &Options { tcp: true, ..Options::default() }).unwrap();
    let url = server.create_database("shop").unwrap();
    let bench = bench();
    server.stop_immediate().unwrap();
    std::fs::write(server.socket_dir().join("data/standby.signal"), "").unwrap();
    server.start_again().unwrap();
    assert_eq!(server.query("shop", "SELECT pg_is_in_recovery()").unwrap(), [[Some("t".to_owned())]]);
    said(&with(&bench, &url), &Expected::new(Code::ReadOnlyServer, &["standby", "primary"]));
}

/// One connection works and one watches it; a role that may have fewer is told so before anything is done.
#[test]
fn a_role_that_may_not_connect_twice() {
    let bench = bench();
    bench.query("CREATE ROLE single LOGIN CONNECTION LIMIT 1; GRANT ALL ON SCHEMA public TO single");
    bench.query(&format!("GRANT ALL ON DATABASE {} TO single", bench.database));
    let url = bench.url.replace("postgres@", "single@");
    let before = crate::refusal::everything(&bench);
    said(
        &with(&bench, &url),
        &Expected::new(Code::ConnectFailed, &["too many connections", "CONNECTION LIMIT"]),
    );
    assert_eq!(crate::refusal::everything(&bench), before);
}

/// What the role or the database sets for its applications does not cut a migration short.
#[test]
fn timeouts_that_are_meant_for_applications() {
    let bench = bench();
    for setting in
        ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"]
    {
        bench.query(&format!("ALTER DATABASE {} SET {setting} = '1s'", bench.database));
    }
    bench.file("V2__slow.sql", "SELECT pg_sleep(1.5);\nCREATE TABLE b (id int);\n");
    bench.must(&["apply"]);
    assert_eq!(bench.history().len(), 2);
}
