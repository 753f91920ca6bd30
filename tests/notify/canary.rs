//! Secrets from every place that one can come from, at the loudest level: they are in nothing that is said or kept, and
//! in no argument of a process.

use std::process::Command;

use cofferdam_scratch::{Options, Server};
use serde_json::json;

use crate::pod::Pod;
use crate::receiver::Receiver;
use crate::support::{Bench, binaries, ended, program};

/// Each secret has one of its own, so that the one that is found says where it comes from. The bytes are those that are
/// written differently in URLs, in base64 and in quotes.
const PASSWORD: &str = "CANARYpassword/+='%";
const HOOK: &str = "CANARYhook-path";
const KEY: &str = "CANARYsigning-key-of-some-length";
const SMTP: &str = "CANARYsmtp/+=%";

fn writings(secret: &str) -> Vec<String> {
    let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let some: String = secret
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    // Wherever it begins in what is encoded, these letters stand in the middle of it.
    let base64 = (0..3).map(|shift| {
        let text = base64(&[vec![b' '; shift], secret.as_bytes().to_vec()].concat());
        text[4..text.len() - 4].to_owned()
    });
    [secret.to_owned(), percent, some, hex(secret)].into_iter().chain(base64).collect()
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let number = part.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - part.len()));
        for place in 0..=part.len() {
            out.push(char::from(LETTERS[(number >> (18 - 6 * place) & 63) as usize]));
        }
        out.push_str(&"=".repeat(3 - part.len()));
    }
    out
}

#[track_caller]
fn clean(text: &str, what: &str) {
    let lower = text.to_lowercase();
    for secret in [PASSWORD, HOOK, KEY, SMTP] {
        for writing in writings(secret) {
            let found = text.contains(&writing) || lower.contains(&writing.to_lowercase());
            assert!(!found, "{secret} is in what {what} says, as {writing}: {text}");
        }
    }
    assert!(!text.contains("CANARY"), "a part of a secret is in what {what} says: {text}");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    for writing in writings(PASSWORD) {
        assert!(std::panic::catch_unwind(|| clean(&format!("x{writing}y"), "a test")).is_err(), "{writing}");
    }
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw==");
}

/// A server that wants the password.
fn server() -> Server {
    let options = Options { tcp: true, password: Some(PASSWORD.into()), ..Options::default() };
    let server = Server::start(&binaries(), &options).unwrap();
    server.create_database("vault").unwrap();
    server
}

fn dumped(server: &Server) -> String {
    let dump =
        Command::new(program("pg_dump")).args(["-n", "cofferdam"]).arg(server.url("vault")).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    String::from_utf8(dump.stdout).unwrap()
}

fn configured(receiver: &Receiver, smtp: &str) -> String {
    format!(
        "notifications:
  slack: {{webhook: 'env:SLACK'}}
  webhook: {{url: '{}/{HOOK}', signingKey: 'file:key'}}
  email: {{host: localhost, port: {smtp}, username: u, password: 'env:SMTP', from: a@b.c, recipients: [d@e.f]}}
",
        receiver.url
    )
}

#[test]
fn nothing_that_a_command_says_or_keeps_has_one_wherever_it_comes_from() {
    let (server, receiver) = (server(), Receiver::start());
    let (host, port) = (server.host().to_owned(), server.port());
    let encoded: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = format!("postgres://postgres:{encoded}@{host}:{port}/vault");
    let bare = format!("postgres://postgres@{host}:{port}/vault");
    let bench = Bench::new("canary");
    bench
        .file("V1__a.sql", "CREATE TABLE a (id int);\n")
        .file("V2__b.sql", "CREATE TABLE b (id int);\nSELECT 1 / 0;\n");
    let place = |name: &str| bench.folder.path().join(name);
    std::fs::write(place("key"), KEY).unwrap();
    std::fs::write(place("url"), &url).unwrap();
    let escaped = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
    std::fs::write(place("passfile"), format!("*:*:*:*:{escaped}\n")).unwrap();
    let rights = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(place("passfile"), rights).unwrap();
    std::fs::write(place("cofferdam.yaml"), configured(&receiver, "1")).unwrap();
    let file = format!("file:{}", place("url").display());
    let passfile = place("passfile").display().to_string();
    // Where the password comes from, and the arguments and variables that say so.
    type Way<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);
    let ways: [Way<'_>; 6] = [
        ("COFFERDAM_URL", &url, &[]),
        ("DATABASE_URL", &url, &[]),
        ("COFFERDAM_URL", &bare, &[("PGPASSWORD", PASSWORD)]),
        ("COFFERDAM_URL", &bare, &[("PGPASSFILE", &passfile)]),
        ("COFFERDAM_URL", "env:SOMEWHERE", &[("SOMEWHERE", &url)]),
        ("COFFERDAM_URL", &file, &[]),
    ];
    let run = |(name, value, more): &Way<'_>, arguments: &[&str]| {
        let mut command = bench.command(arguments);
        command
            .env_remove("COFFERDAM_URL")
            .env(name, value)
            .envs(more.iter().copied())
            .env("SLACK", format!("{}/{HOOK}", receiver.url))
            .env("SMTP", SMTP)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full");
        let done = ended(&mut command);
        let said = format!("{}{}", done.stdout, done.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        clean(&said, &format!("{arguments:?} by {name}"));
        (done.code, said)
    };
    for (number, way) in ways.iter().enumerate() {
        receiver.answers(if number % 2 == 0 { 200 } else { 500 });
        let to = ["rollback", "--to", "0", "--yes", "-vv"];
        for (arguments, code) in [
            (&["apply", "-vv"][..], 6),
            (&["status", "-vv", "-o", "yaml"], 0),
            (&["history", "--runs", "-o", "json", "-vv"], 0),
            (&["audit", "-vv"], 0),
            (&["audit", "-o", "csv"], 0),
            (&["audit", "verify", "-vv"], 0),
            (&["verify", "-vv"], 0),
            (&["notify", "list", "-vv", "-o", "json"], 0),
            (&["notify", "flush", "-vv"], 1),
            (&["notify", "test", "-vv", "-o", "json"], 1),
            (&["doctor", "-vv"], 0),
            (&["plan", "-vv"], 0),
            (&to, 0),
        ] {
            let (ended, said) = run(way, arguments);
            assert_eq!(ended, code, "{arguments:?} {way:?}: {said}");
        }
        let seen = server.query("vault", "SELECT application_name || query FROM pg_stat_activity").unwrap();
        clean(&format!("{seen:?}"), "pg_stat_activity");
    }
    let id = server.query("vault", "SELECT id FROM cofferdam.run LIMIT 1").unwrap()[0][0].clone().unwrap();
    let (_, page) = run(&ways[0], &["history", &id, "--html", "-"]);
    assert!(page.contains("<svg"), "{page}");
    let dump = dumped(&server);
    assert!(
        dump.contains("cofferdam.outbox") && dump.contains("CREATE TABLE a"),
        "the journal is not in the dump"
    );
    clean(&dump, "the schema cofferdam");
    // The receiver was given the events themselves, of which none holds one.
    clean(&receiver.bodies().iter().map(ToString::to_string).collect::<String>(), "the receiver");
}

#[test]
fn no_error_has_one() {
    let (server, receiver) = (server(), Receiver::start());
    let (host, port) = (server.host().to_owned(), server.port());
    let bench = Bench::new("canary_errors");
    let encoded: String = PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let wrong = format!("postgres://postgres:{encoded}x@{host}:{port}/vault");
    let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "\\'");
    for url in [
        wrong.clone(),
        wrong.replace(&format!(":{port}/"), ":1/"),
        wrong.replace("vault", "valut"),
        format!("{wrong}?sslmode=verify-full"),
        format!("{wrong}?nonsense={encoded}"),
        format!("host={host} port=1 user=u password='{quoted}'"),
        format!("host={host} port=1 user=u password='{quoted}"),
        format!("postgres://u:{PASSWORD}@h:port/d"),
    ] {
        for arguments in [&["apply", "-vv"][..], &["status", "-o", "json"], &["audit"], &["notify", "list"]] {
            let done = ended(bench.command(arguments).env("COFFERDAM_URL", &url).env("RUST_LOG", "trace"));
            assert_ne!(done.code, 0, "{url}");
            clean(&format!("{}{}", done.stdout, done.stderr), &format!("{arguments:?}"));
        }
    }
    // Addresses and keys that are none, and receivers that are down, refuse or redirect.
    for (slack, key) in [
        (format!("{}/{HOOK}", receiver.url), KEY),
        (format!("http://127.0.0.1:1/{HOOK}"), KEY),
        (format!("https://127.0.0.1:{port}/{HOOK}"), KEY),
        (format!("https://u:{PASSWORD}@127.0.0.1/{HOOK}"), KEY),
        (format!("ht tp://{HOOK}"), KEY),
        (format!("{}/{HOOK}", receiver.url), "CANARY"),
    ] {
        receiver.answers(302);
        std::fs::write(bench.folder.path().join("cofferdam.yaml"), configured(&receiver, "1")).unwrap();
        std::fs::write(bench.folder.path().join("key"), key).unwrap();
        for arguments in [&["notify", "test", "-vv"][..], &["apply", "-vv"]] {
            let mut command = bench.command(arguments);
            let done = ended(command.env("SLACK", &slack).env("SMTP", SMTP).env("RUST_LOG", "trace"));
            clean(&format!("{}{}", done.stdout, done.stderr), &format!("{arguments:?} with {slack}"));
        }
    }
}

#[test]
fn neither_log_nor_status_nor_message_nor_arguments_of_a_job_have_one() {
    let (server, receiver) = (server(), Receiver::start());
    for (name, sql, code) in [
        ("canary_job", "CREATE TABLE a (id int);\nCREATE INDEX ON a (id);\n", 0),
        ("canary_job_fails", "CREATE TABLE b (id int);\nSELECT 1 / 0;\n", 6),
    ] {
        let mut pod = Pod::new(name);
        pod.script("a", sql);
        pod.spec["database"]["host"] = json!(server.host());
        pod.spec["database"]["port"] = json!(server.port());
        pod.spec["database"]["database"] = json!("vault");
        pod.secret("password", PASSWORD);
        pod.spec["notifications"] = json!({
            "slack": { "webhook": "slack" },
            "email": { "recipients": ["d@e.f"] },
            "webhook": {
                "urlSecretRef": { "name": "hook", "key": "url" },
                "signingKeySecretRef": { "name": "hook", "key": "key" },
            },
        });
        for (mount, key, value) in [
            ("notify-slack", "url", format!("{}/{HOOK}", receiver.url)),
            ("notify-webhook", "url", format!("https://127.0.0.1:1/{HOOK}")),
            ("notify-signing-key", "key", KEY.to_owned()),
            ("notify-smtp", "username", "u".to_owned()),
            ("notify-smtp", "password", SMTP.to_owned()),
        ] {
            std::fs::create_dir_all(pod.mounts().join(mount)).unwrap();
            std::fs::write(pod.mounts().join(mount).join(key), value).unwrap();
        }
        let mut command = pod.command(&["-vv"]);
        command
            .env("COFFERDAM_NOTIFY_ALLOW", "127.0.0.0/8")
            .env("COFFERDAM_SMTP", r#"{"host":"localhost","port":1,"from":"a@b.c","existingSecret":"smtp"}"#)
            .env("RUST_LOG", "trace")
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        // As long as it lives, whoever may list processes sees its arguments, and those of its children.
        let children = format!("/proc/{0}/task/{0}/children", child.id());
        for _ in 0..40 {
            let children = std::fs::read_to_string(&children).unwrap_or_default();
            for id in children.split_whitespace().chain([child.id().to_string().as_str()]) {
                let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                clean(&String::from_utf8_lossy(&line), "cmdline");
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let done = crate::support::wait(child);
        assert_eq!(done.code, code, "{}", done.stderr);
        clean(&format!("{}{}", done.stdout, done.stderr), "the log");
        clean(&pod.status().to_string(), "the status");
        clean(&std::fs::read_to_string(pod.message()).unwrap(), "the message");
        assert!(done.stderr.contains("notifications to webhook"), "{}", done.stderr);
    }
    clean(&dumped(&server), "the schema cofferdam");
}
