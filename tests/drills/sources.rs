//! Limits that nobody can watch, and sources that fall silent or lie.

use crate::place::{Place, TABLE, WIDER};

#[test]
fn a_limit_without_a_source_is_refused_before_anything() {
    let place = Place::new("sources", TABLE);
    let ended = place.run(&place.alter(WIDER, &["--max-slowdown", "3"]));
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("CF3001") && ended.stderr.contains("pg_stat_statements"),
        "{}",
        ended.stderr
    );
    assert_eq!(place.one("SELECT to_regclass('cofferdam.online')"), "NULL", "nothing was begun");
    // A Prometheus that nobody serves.
    let mut command = place.bench.command(&place.alter(WIDER, &["--max-cpu", "80%"]));
    command.env("COFFERDAM_PROMETHEUS_URL", "http://127.0.0.1:1").env("COFFERDAM_CPU_QUERY", "x");
    let ended = crate::support::ended(&mut command);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("CF3001") && ended.stderr.contains("127.0.0.1:1"), "{}", ended.stderr);
}

/// A role that may not read what the kernel tells, and one that may.
#[test]
fn the_server_tells_how_busy_it_is_to_who_may_read_it() {
    let place = Place::new("sources_host", TABLE);
    let ended = place.must(&place.alter(WIDER, &["--max-memory", "100%", "--bake", "3s", "-o", "json"]));
    assert!(ended.stdout.contains("\"memory\""), "{}", ended.stdout);
    place.finalize();
    let role = format!("plain_{}", place.bench.database);
    place.query(&format!(
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}; GRANT ALL ON SCHEMA public TO {role};
         GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}; ALTER TABLE t OWNER TO {role};
         DROP SCHEMA cofferdam CASCADE",
        place.bench.database
    ));
    let url = place.bench.url.replacen("postgres:postgres@", &format!("{role}@"), 1).replacen(
        "//postgres@",
        &format!("//{role}@"),
        1,
    );
    let mut command = place.bench.command(&place.alter("ALTER COLUMN n TYPE bigint", &["--max-cpu", "80%"]));
    command.env("COFFERDAM_URL", url);
    let ended = crate::support::ended(&mut command);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("CF3001") && ended.stderr.contains("pg_read_server_files"),
        "{}",
        ended.stderr
    );
}

/// A Prometheus that answers in percent where a share is asked for, and then one that falls silent.
#[test]
fn a_value_in_another_unit_is_none() {
    let place = Place::new("sources_units", TABLE);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{Read, Write};
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"45"]}]}}"#;
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    let mut command = place.bench.command(&place.alter(WIDER, &["--max-cpu", "80%"]));
    command.env("COFFERDAM_PROMETHEUS_URL", format!("http://{address}")).env("COFFERDAM_CPU_QUERY", "busy");
    let ended = crate::support::ended(&mut command);
    assert_eq!(ended.code, 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("it gave 45, and must give a share from 0 to 1"), "{}", ended.stderr);
}

/// A check after the swap that gives no answer is no pass, and the server does not go on with it for ever.
#[test]
fn a_check_that_gives_no_answer_counts_as_breached_and_is_ended() {
    let place = Place::new("sources_endless", TABLE);
    let check = "SELECT 1 FROM pg_sleep(3600), t LIMIT 1";
    let ended = place.run(&place.alter(WIDER, &["--bake", "120s", "--post-check", check]));
    assert_eq!(ended.code, 6, "{}\n{}", ended.stdout, ended.stderr);
    // After 15 seconds, or a little later on a busy machine.
    assert!(ended.stderr.contains("the last check has given no value for 1"), "{}", ended.stderr);
    assert_eq!(place.one("SELECT pg_typeof(id) FROM t LIMIT 1"), "integer");
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()";
    crate::support::until("the server has ended it", || place.one(asked) == "0");
    place.nothing_left();
}
