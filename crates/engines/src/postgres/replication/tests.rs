//! Logins in replication mode against a real server: each way to it that other connections have.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use cofferdam_scratch::{Options, Server, find_or_fetch, skipped};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use super::*;
use crate::postgres::options::{self, Env};

struct Nothing;

impl Env for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn home(&self) -> Option<std::path::PathBuf> {
        None
    }
}

const PASSWORD: &str = "correct-horse";

/// A server with TLS and SCRAM on TCP, and the certificate of its authority.
fn server() -> Option<(Server, String)> {
    let settings = vec![("wal_level".into(), "logical".into())];
    let options = Options { tcp: true, password: Some(PASSWORD.into()), settings, ..Options::default() };
    let mut server = match find_or_fetch(&mut |_| {}) {
        Ok(binaries) => Server::start(&binaries, &options).unwrap(),
        Err(e) => {
            skipped("replication", &e.to_string());
            return None;
        }
    };
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let own = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &Issuer::new(params, authority_key)).unwrap();
    let write = |name: &str, content: &str| {
        let path = server.socket_dir().join(name);
        std::fs::write(&path, content).unwrap();
        let owner = std::fs::metadata(server.socket_dir()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        path.to_string_lossy().into_owned()
    };
    let root = write("root.crt", &authority.pem());
    let files = [
        ("ssl_cert_file", write("server.crt", &own.pem())),
        ("ssl_key_file", write("server.key", &key.serialize_pem())),
        ("ssl", "on".into()),
    ];
    for (name, value) in files {
        server.query("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'")).unwrap();
    }
    server.restart().unwrap();
    Some((server, root))
}

fn refusal<T>(result: Result<T>) -> Refusal {
    match result {
        Err(Fault::Refused(refusal) | Fault::Again { why: refusal, .. }) => *refusal,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[tokio::test]
async fn every_way_to_the_server_leads_there_in_replication_mode() {
    let started = tokio::task::spawn_blocking(server).await.unwrap();
    let Some((server, root)) = started else { return };
    let to = |host: &str, more: &str| {
        let text = format!("host={host} port={} user=postgres dbname=postgres {more}", server.port());
        let mut options = options::resolve(Some(&text), &Nothing).unwrap();
        options.application_name = "a stream".into();
        options
    };
    let mut beside = to(&server.socket_dir().display().to_string(), "");
    beside.application_name = "a watcher".into();
    let socket = server.socket_dir().display().to_string();
    let tcp = server.host().to_string();
    let password = format!("password={PASSWORD}");
    let verified = format!("{password} sslmode=verify-full sslrootcert={root}");
    let seen = |encrypted: &str| {
        format!(
            "SELECT count(*)::text FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
             WHERE a.application_name = 'a stream' AND a.backend_type = 'walsender' AND s.ssl = {encrypted}"
        )
    };
    let watcher = connect::connect(&beside).await.unwrap().client;
    for (host, more, encrypted) in [
        (&socket, "", "false"),
        (&tcp, password.as_str(), "false"),
        (&tcp, &format!("{password} sslmode=require"), "true"),
        (&tcp, &verified, "true"),
        (&tcp, &format!("{verified} channel_binding=require"), "true"),
        (&tcp, &format!("{verified} channel_binding=disable"), "true"),
    ] {
        let mut connection = Replication::open(&to(host, more)).await.unwrap();
        assert!(connection.major >= 12);
        connection.query("SELECT pg_catalog.set_config('search_path', '', false)").await.unwrap();
        let row = watcher.query_one(&seen(encrypted), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "1", "{host} {more}");
        let wrong = refusal(connection.query("SELECT 1 / 0").await);
        assert_eq!(wrong.notes.last().unwrap(), "SQLSTATE 22012");
        // An error is no end.
        connection.query("SELECT 1").await.unwrap();
        let missing = refusal(connection.start("none", "none").await);
        assert!(missing.what.contains("does not exist"), "{missing:?}");
        let end =
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'a stream'";
        watcher.batch_execute(end).await.unwrap();
        // The server only tells it to end, and the next one is to be alone.
        let there = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'a stream'";
        while watcher.query_one(there, &[]).await.unwrap().get::<_, &str>(0) != "0" {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    for (more, code) in [
        ("password=wrong", Code::AuthFailed),
        ("", Code::AuthFailed),
        (
            &format!("{password} sslmode=verify-full sslrootcert={root} hostaddr=127.0.0.1 host=other"),
            Code::TlsFailed,
        ),
        (&format!("{password} channel_binding=require sslmode=require dbname=none"), Code::DatabaseMissing),
    ] {
        let refused = refusal(Replication::open(&to(&tcp, more)).await);
        assert_eq!(refused.code, code, "{more}: {refused:?}");
    }
}

#[tokio::test]
async fn a_role_without_the_right_is_refused() {
    let started = tokio::task::spawn_blocking(server).await.unwrap();
    let Some((server, _)) = started else { return };
    server.query("postgres", "CREATE ROLE plain LOGIN").unwrap();
    let text =
        format!("host={} port={} user=plain dbname=postgres", server.socket_dir().display(), server.port());
    let options = options::resolve(Some(&text), &Nothing).unwrap();
    let refused = refusal(Replication::open(&options).await);
    assert_eq!(refused.code, Code::PermissionMissing, "{refused:?}");
}
