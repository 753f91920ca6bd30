//! A password with every special byte, which must not come out anywhere.

use std::process::Command;

use cofferdam_scratch::{Options, Server};

use crate::support::{Bench, binaries, ended, program};

/// Every printable byte that is no letter or digit, between two words to look for.
const PASSWORD: &str = "canary !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ä canary";

fn encoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

/// The password as a value of `key=value`.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

struct Vault {
    server: Server,
    bench: Bench,
}

impl Vault {
    fn new() -> Self {
        let server = Server::start(
            &binaries(),
            &Options { tcp: true, password: Some(PASSWORD.into()), ..Options::default() },
        )
        .unwrap();
        server.create_database("vault").unwrap();
        let bench = Bench::new("vault");
        bench
            .file("V1__a.sql", "CREATE TABLE a (id int);\nINSERT INTO a SELECT generate_series(1, 10);\n")
            .file("V2__b.sql", "CREATE INDEX ON a (id);\n");
        Self { server, bench }
    }

    /// The ways to give the password.
    fn urls(&self, password: &str) -> [String; 3] {
        let (host, port) = (self.server.host(), self.server.port());
        [
            format!("postgres://postgres:{}@{host}:{port}/vault", encoded(password)),
            format!("postgres://{host}:{port}/vault?user=postgres&password={}", encoded(password)),
            format!("host={host} port={port} dbname=vault user=postgres password={}", quoted(password)),
        ]
    }

    /// Runs it and fails where any part of the password is in what it says.
    fn run(&self, arguments: &[&str], url: &str, code: i32) -> String {
        let done = ended(self.bench.command(arguments).env("COFFERDAM_URL", url));
        assert_eq!(done.code, code, "{arguments:?}: {}\n{}", done.stderr, done.stdout);
        let said = format!("{}{}", done.stdout, done.stderr);
        no_secret(&said, &format!("{arguments:?}"));
        said
    }
}

#[track_caller]
fn no_secret(text: &str, what: &str) {
    for secret in ["canary", &encoded("canary")] {
        let lower = text.to_lowercase();
        assert!(!lower.contains(&secret.to_lowercase()), "the password is in what {what} says: {text}");
    }
}

#[test]
fn it_is_in_nothing_that_is_said_or_kept() {
    let vault = Vault::new();
    for url in &vault.urls(PASSWORD) {
        for arguments in [
            &["status", "-vv"][..],
            &["plan", "-vv"],
            &["plan", "-o", "json"],
            &["apply", "-vv"],
            &["status", "-o", "yaml"],
            &["history", "--runs", "-o", "json"],
            &["doctor", "-vv"],
            &["verify", "-vv"],
            &["rollback", "--to", "0", "--yes", "-vv"],
            &["lint", "-vv"],
        ] {
            vault.run(arguments, url, 0);
        }
        // The application name and the statements are what others see of us.
        let seen =
            vault.server.query("vault", "SELECT application_name || query FROM pg_stat_activity").unwrap();
        no_secret(&format!("{seen:?}"), "pg_stat_activity");
    }
    let dump = Command::new(program("pg_dump"))
        .args(["-n", "cofferdam"])
        .arg(vault.server.url("vault"))
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let dump = String::from_utf8(dump.stdout).unwrap();
    assert!(dump.contains("CREATE INDEX"), "the journal is not in the dump");
    no_secret(&dump, "the journal");
}

#[test]
fn it_is_in_no_error() {
    let vault = Vault::new();
    for url in &vault.urls(PASSWORD) {
        vault.run(&["apply", "-vv", "--to", "9"], url, 2);
        vault.run(&["status", "-vv"], &url.replace("vault", "valut"), 1);
        // No server, no TLS, no such parameter.
        vault.run(&["status", "-vv"], &url.replace(&vault.server.port().to_string(), "1"), 1);
    }
    for url in &vault.urls(&format!("{PASSWORD} but wrong")) {
        for arguments in [&["apply", "-vv"][..], &["status", "-o", "json"], &["doctor", "-vv"]] {
            let said = vault.run(arguments, url, 1);
            assert!(said.contains("CF2203"), "{said}");
        }
    }
    let plain = format!("postgres://postgres:{PASSWORD}@127.0.0.1:1/vault");
    for url in [
        // Not encoded, as people write it.
        plain.as_str(),
        "postgre://u:canary@h/d",
        "postgres://u:canary@h:port/d",
        "postgres://u:canary@h/d?sslmod=canary2",
        "postgres://u:canary%ZZ@h/d",
        "host=h password='canary",
        "canary",
    ] {
        for arguments in [&["apply", "-vv"][..], &["apply", "-o", "json"]] {
            let done = ended(vault.bench.command(arguments).env("COFFERDAM_URL", url));
            assert_ne!(done.code, 0, "{url}");
            if url != "canary" {
                no_secret(&format!("{}{}", done.stdout, done.stderr), url);
            }
            assert!(!format!("{}{}", done.stdout, done.stderr).contains("panicked"), "{}", done.stderr);
        }
    }
    // Where no URL belongs.
    let url = &vault.urls("canary")[0].replace(&encoded("canary"), "canary");
    for arguments in [
        &["apply", url][..],
        &["apply", "--allow", url],
        &["apply", "--to", url],
        &["apply", "--dir", url],
        &["apply", "--env", url],
        &["apply", "--lock-timeout", url],
        &["explain", url],
        &[url],
        &["apply", url, "-o", "json"],
        &["repair", url, "--says", "step-done"],
    ] {
        let done = ended(&mut vault.bench.command(arguments));
        assert_ne!(done.code, 0, "{arguments:?}");
        no_secret(&format!("{}{}", done.stdout, done.stderr), &format!("{arguments:?}"));
    }
}

/// A statement may hold a password of its own; that is the script's text and is shown. The connection's is not,
/// even when the server repeats it.
#[test]
fn a_failing_statement_shows_no_connection() {
    let vault = Vault::new();
    vault.bench.file(
        "V3__c.sql",
        "DO $$ BEGIN RAISE EXCEPTION 'of %', current_setting('application_name'); END $$;\n",
    );
    let url = &vault.urls(PASSWORD)[0];
    let said = vault.run(&["apply", "-vv", "--allow", "opaque-do=test"], url, 6);
    assert!(said.contains("CF2308"), "{said}");
    vault.run(&["history", "--runs"], url, 0);
}
