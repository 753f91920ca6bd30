//! Reaching a server, or not.

use std::io::{Read, Write};
use std::net::TcpListener;

use cofferdam_core::{Code, Fault};
use cofferdam_engines::postgres::connect::connect;
use cofferdam_engines::postgres::options::resolve;
use cofferdam_scratch::Server;

use crate::support::{Around, CANARY, client, quoted, refused, server, socket, tcp, text, try_connect};

fn code(fault: &Fault) -> Code {
    fault.refusal().unwrap_or_else(|| panic!("{fault:?}")).code
}

/// Roles and databases for [`logins`].
fn prepare(server: &Server) {
    for sql in [
        "CREATE ROLE login_off NOLOGIN",
        "CREATE ROLE login_full LOGIN CONNECTION LIMIT 0",
        "CREATE ROLE login_out LOGIN",
        "CREATE DATABASE login_private",
        "REVOKE CONNECT ON DATABASE login_private FROM PUBLIC",
        "CREATE DATABASE login_closed ALLOW_CONNECTIONS false",
        "CREATE DATABASE login_read_only",
        "ALTER DATABASE login_read_only SET default_transaction_read_only = on",
    ] {
        server.query("postgres", sql).unwrap();
    }
}

#[tokio::test]
async fn logins() {
    let Some(server) = server("logins") else { return };
    prepare(server);
    let (tcp, socket) = (tcp(server), socket(server));
    let host = server.socket_dir().display();
    let dead = {
        // A port on which nobody listens any more.
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    };
    let cases: Vec<(String, Code, &str)> = vec![
        (format!("{tcp} password=wrong"), Code::AuthFailed, "password authentication failed"),
        (format!("{tcp} password=''"), Code::AuthFailed, "asks for a password, and none was given"),
        (format!("{tcp} user=nobody_at_all"), Code::AuthFailed, "password authentication failed"),
        (format!("{socket} user=login_off"), Code::AuthFailed, "not permitted to log in"),
        (format!("{socket} user=login_full"), Code::ConnectFailed, "too many connections for role"),
        (format!("{tcp} dbname=nowhere"), Code::DatabaseMissing, "does not exist"),
        (
            format!("{socket} dbname=login_private user=login_out"),
            Code::PermissionMissing,
            "permission denied",
        ),
        (format!("{socket} dbname=login_closed"), Code::ConnectFailed, "not currently accepting connections"),
        (
            format!("{socket} options='-c nonsense=1'"),
            Code::ConnectFailed,
            "unrecognized configuration parameter",
        ),
        (format!("{tcp} port={dead}"), Code::ConnectFailed, "nobody listens there"),
        (format!("{socket} port={dead}"), Code::ConnectFailed, "no socket of that port"),
        (format!("{tcp} host=no-such-host.invalid sslmode=disable"), Code::ConnectFailed, "was not found"),
        (
            format!("{socket} dbname=login_read_only target_session_attrs=read-write"),
            Code::ReadOnlyServer,
            "takes no writes",
        ),
        (format!("{tcp} sslmode=require"), Code::TlsFailed, "offers no TLS"),
        (format!("{tcp} sslmode=require channel_binding=require"), Code::TlsFailed, "offers no TLS"),
        // The second host is refused in the same way, and is named too.
        (
            format!("host={host},127.0.0.1 port={dead},{dead} user=postgres password={}", quoted(CANARY)),
            Code::ConnectFailed,
            "also tried: connecting to 127.0.0.1",
        ),
        // A refused login ends the search.
        (
            format!(
                "host=127.0.0.1,{host} port={} user=postgres password=wrong dbname=postgres",
                server.port()
            ),
            Code::AuthFailed,
            "password authentication failed",
        ),
    ];
    for (text, expected, words) in cases {
        let fault = refused(&text).await;
        assert_eq!(code(&fault), expected, "{text}: {fault:?}");
        assert!(format!("{fault:?}").contains(words), "{text}: {fault:?}");
        // The next command, always.
        assert!(fault.refusal().unwrap().help.is_some() || expected == Code::ConnectFailed, "{fault:?}");
        let again = matches!(fault, Fault::Again { .. });
        assert_eq!(again, text.contains("login_full"), "{fault:?}");
    }
    for text in [
        tcp.clone(),
        socket.clone(),
        format!("{socket} dbname=login_read_only"),
        format!("{socket} target_session_attrs=read-write"),
        format!(
            "host={host},127.0.0.1 port={dead},{} user=postgres password={} dbname=postgres",
            server.port(),
            quoted(CANARY)
        ),
    ] {
        let connected = try_connect(&text).await.unwrap();
        assert!(!connected.tls);
        assert_eq!(connected.described.port, server.port());
        assert_eq!(connected.major, server.version() / 10_000);
    }
}

#[tokio::test]
async fn a_url_with_every_special_character_in_the_password() {
    let Some(server) = server("a_url_with_every_special_character_in_the_password") else { return };
    let options = resolve(Some(&server.url("postgres")), &Around::default()).unwrap();
    let connected = connect(&options).await.unwrap();
    assert_eq!(connected.described.to_string(), format!("127.0.0.1:{}/postgres", server.port()));
}

#[cfg(unix)]
#[tokio::test]
async fn the_password_file_and_the_service_file() {
    use std::os::unix::fs::PermissionsExt;
    let Some(server) = server("the_password_file_and_the_service_file") else { return };
    let home = tempfile::tempdir().unwrap();
    let password = CANARY.replace('\\', "\\\\").replace(':', "\\:");
    let passfile = home.path().join(".pgpass");
    std::fs::write(&passfile, format!("127.0.0.1:{}:*:postgres:{password}\n", server.port())).unwrap();
    std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(
        home.path().join(".pg_service.conf"),
        format!("[shop]\nhost=127.0.0.1\nport={}\nuser=postgres\ndbname=postgres\n", server.port()),
    )
    .unwrap();
    let around = Around {
        variables: [("PGSERVICE", "shop".to_owned())].into_iter().collect(),
        home: Some(home.path().to_owned()),
    };
    let options = resolve(None, &around).unwrap();
    assert_eq!(text(&connect(&options).await.unwrap().client, "SELECT 'in'").await, "in");
    std::fs::set_permissions(&passfile, std::fs::Permissions::from_mode(0o644)).unwrap();
    let options = resolve(None, &around).unwrap();
    assert!(options.warnings[0].contains("chmod 600"));
    assert_eq!(code(&connect(&options).await.err().unwrap()), Code::AuthFailed);
}

#[tokio::test]
async fn the_session_is_ours_whatever_the_role_says() {
    let Some(server) = server("the_session_is_ours_whatever_the_role_says") else { return };
    server.query("postgres", "CREATE ROLE session_role LOGIN").unwrap();
    let mut settings = vec![
        ("statement_timeout", "1min", "0"),
        ("lock_timeout", "1min", "0"),
        ("idle_in_transaction_session_timeout", "1min", "0"),
        ("standard_conforming_strings", "off", "on"),
        ("client_encoding", "LATIN1", "UTF8"),
    ];
    if server.version() >= 140_000 {
        settings.push(("idle_session_timeout", "1min", "0"));
        settings.push(("client_connection_check_interval", "0", "1s"));
    }
    for (name, value, _) in &settings {
        server.query("postgres", &format!("ALTER ROLE session_role SET {name} = '{value}'")).unwrap();
    }
    let connected =
        try_connect(&(socket(server) + "user=session_role application_name='it\\'s' search_path='a, b'"))
            .await;
    let client = connected.unwrap_or_else(|e| panic!("{e:?}")).client;
    for (name, _, expected) in settings {
        assert_eq!(text(&client, &format!("SELECT current_setting('{name}')")).await, expected, "{name}");
    }
    assert_eq!(text(&client, "SELECT current_setting('search_path')").await, "a, b");
    assert_eq!(text(&client, "SELECT current_setting('application_name')").await, "it's");
}

#[tokio::test]
async fn notices_and_the_end_of_the_session_are_told() {
    let Some(server) = server("notices_and_the_end_of_the_session_are_told") else { return };
    let mut connected = try_connect(&socket(server)).await.unwrap();
    connected.client.batch_execute("DO $$BEGIN RAISE NOTICE E'red \\x1b[31m'; END$$").await.unwrap();
    assert_eq!(connected.notices.recv().await.unwrap(), "NOTICE: red \\u{1b}[31m");
    let other = client(server, "notices").await;
    let pid: i32 = connected.client.query_typed("SELECT pg_backend_pid()", &[]).await.unwrap()[0].get(0);
    other.execute(&format!("SELECT pg_terminate_backend({pid})"), &[]).await.unwrap();
    assert!(connected.notices.recv().await.unwrap().starts_with("FATAL: terminating connection"));
    assert!(connected.notices.recv().await.is_none());
    let e = connected.client.batch_execute("SELECT 1").await.unwrap_err();
    let fault = cofferdam_engines::postgres::errors::fault(e, "asking");
    assert_eq!(code(&fault), Code::ConnectionLost);
}

/// Answers each connection with the same bytes, after having read something.
fn rogue(answer: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(&answer);
            // Read what still comes, so that the answer is not lost in a reset.
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let _ = stream.read(&mut [0; 4096]);
        }
    });
    port
}

fn error_response(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, text) in fields {
        body.push(*kind);
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut message = vec![b'E'];
    message.extend_from_slice(&u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(body);
    message
}

#[tokio::test]
async fn a_rogue_server_gets_nothing_onto_the_screen() {
    let long = "x".repeat(4 << 20);
    let many = "line\n".repeat(100_000);
    let evil = format!("\x1b[2J\rerror: all is well {CANARY} {long}");
    let errors = [
        error_response(&[(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "28P01"), (b'M', &evil)]),
        error_response(&[(b'S', "\x1b"), (b'C', "\x1b[1m"), (b'M', &evil), (b'D', &many), (b'H', &evil)]),
        error_response(&[(b'S', "ERROR")]),
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        b"E\x00\x00\x00\x01".to_vec(),
        Vec::new(),
    ];
    for answer in errors {
        let port = rogue(answer);
        for mode in ["disable", "require"] {
            let password = quoted(CANARY);
            let fault =
                refused(&format!("host=127.0.0.1 port={port} user=u password={password} sslmode={mode}"))
                    .await;
            let refusal = fault.refusal().unwrap_or_else(|| panic!("{fault:?}"));
            let texts = [Some(&refusal.what), refusal.cause.as_ref(), refusal.help.as_ref()];
            for text in texts.into_iter().flatten().chain(&refusal.notes) {
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(text.len() < 5_000, "{} bytes", text.len());
            }
            assert!(refusal.notes.len() < 50);
        }
    }
}

/// What servers say that are hard to bring about, poolers among them.
#[tokio::test]
async fn refusals_at_login_by_what_comes_next() {
    for (state, message, expected, again) in [
        ("57P03", "the database system is starting up", Code::ConnectFailed, true),
        ("57P03", "the database system is shutting down", Code::ConnectFailed, true),
        ("53300", "sorry, too many clients already", Code::ConnectFailed, true),
        ("57P01", "terminating connection due to administrator command", Code::ConnectFailed, false),
        ("28000", "no pg_hba.conf entry for host, no encryption", Code::AuthFailed, false),
        ("08P01", "unsupported startup parameter: options", Code::PoolerNotSupported, false),
        ("08P01", "no such database: shop", Code::DatabaseMissing, false),
        ("08P01", "server login failed", Code::ConnectFailed, false),
        ("XX000", "something else", Code::ConnectFailed, false),
    ] {
        let port = rogue(error_response(&[(b'S', "FATAL"), (b'V', "FATAL"), (b'C', state), (b'M', message)]));
        let fault = refused(&format!("host=127.0.0.1 port={port} user=u")).await;
        assert_eq!((code(&fault), matches!(fault, Fault::Again { .. })), (expected, again), "{fault:?}");
        assert!(fault.refusal().unwrap().what.ends_with(message), "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused() {
    // The login is granted at once, the version told, and then all is ready.
    let version = b"server_version\x0011.22\0";
    let mut answer = b"R\0\0\0\x08\0\0\0\0S\0\0\0".to_vec();
    answer.push(u8::try_from(version.len() + 4).unwrap());
    answer.extend_from_slice(version);
    answer.extend_from_slice(b"Z\0\0\0\x05I");
    let port = rogue(answer);
    let fault = refused(&format!("host=127.0.0.1 port={port} user=u")).await;
    assert_eq!(code(&fault), Code::ServerTooOld, "{fault:?}");
    assert!(fault.refusal().unwrap().what.ends_with("the server is PostgreSQL 11"), "{fault:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let fault = refused(&format!("host=127.0.0.1 port={port} user=u connect_timeout=1")).await;
    assert_eq!(code(&fault), Code::ConnectFailed);
    assert_eq!(fault.refusal().unwrap().cause.as_deref(), Some("no answer in time"));
}
