//! TLS against a real server: each certificate under each `sslmode`.

use std::path::Path;

use cofferdam_core::{Code, Fault};
use cofferdam_scratch::{Options, Server};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

use crate::support::{own_server, quoted, refused, text, try_connect};

struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// A certificate and its key, in PEM.
struct Signed {
    certificate: String,
    key: String,
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn signed(params: CertificateParams, by: &Authority) -> Signed {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &by.issuer).unwrap();
    Signed { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn expired(names: &[&str]) -> CertificateParams {
    let mut params = params(names);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 3, 4);
    params
}

fn client_certificate(user: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, user);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

/// Writes a file that the server may read and nobody else.
fn write_for(server: &Server, name: &str, content: &str) -> String {
    let path = server.socket_dir().join(name);
    std::fs::write(&path, content).unwrap();
    make_private(&path, server);
    path.to_string_lossy().into_owned()
}

#[cfg(unix)]
fn make_private(path: &Path, server: &Server) {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let owner = std::fs::metadata(server.socket_dir()).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
}

#[cfg(not(unix))]
fn make_private(_: &Path, _: &Server) {}

/// Has the server show this certificate from now on.
fn show(server: &mut Server, signed: &Signed, clients: Option<&str>) {
    let files = [
        ("ssl_cert_file", write_for(server, "server.crt", &signed.certificate)),
        ("ssl_key_file", write_for(server, "server.key", &signed.key)),
        ("ssl_ca_file", clients.map(|c| write_for(server, "clients.crt", c)).unwrap_or_default()),
        ("ssl", "on".to_owned()),
    ];
    for (name, value) in files {
        server.query("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'")).unwrap();
    }
    server.restart().unwrap();
}

/// How a connection must end: in TLS, or refused with these words.
type End = Result<(), &'static str>;

async fn check(what: &str, connection: &str, expected: End) {
    match expected {
        Ok(()) => {
            let connected = try_connect(connection).await.unwrap_or_else(|e| panic!("{what}: {e:?}"));
            assert!(connected.tls, "{what}");
            let sql = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            assert_eq!(text(&connected.client, sql).await, "true", "{what}");
        }
        Err(words) => {
            let fault = refused(connection).await;
            let Fault::Refused(refusal) = &fault else { panic!("{what}: {fault:?}") };
            assert_eq!(refusal.code, Code::TlsFailed, "{what}: {fault:?}");
            let cause = refusal.cause.as_deref().unwrap_or_default();
            assert!(cause.contains(words), "{what}: {fault:?}");
            assert!(refusal.help.is_some(), "{what}");
        }
    }
}

#[tokio::test]
async fn certificates_by_sslmode() {
    let Some(mut server) =
        own_server("certificates_by_sslmode", &Options { tcp: true, ..Options::default() })
    else {
        return;
    };
    let (ours, other) = (authority("ours"), authority("another"));
    let local = &["localhost", "127.0.0.1"][..];
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        quoted(&path.to_string_lossy())
    };
    let root = file("ours.pem", &ours.certificate.pem());
    let both = file("both.pem", &format!("{}\n{}", other.certificate.pem(), ours.certificate.pem()));

    let self_signed = |names: &[&str], ca| {
        let key = KeyPair::generate().unwrap();
        let mut params = params(names);
        params.is_ca = ca;
        Signed { certificate: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    };
    let own_authority = self_signed(local, IsCa::Ca(BasicConstraints::Unconstrained));
    let own_leaf = self_signed(local, IsCa::NoCa);
    let nameless_authority = self_signed(&[], IsCa::Ca(BasicConstraints::Unconstrained));

    const UNKNOWN: End = Err("signed by an authority that is not known here");
    const EXPIRED: End = Err("expired on 2021-03-04");
    // What the server shows; what we trust; then require without an authority, verify-ca, verify-full.
    let pinned = |signed: &Signed, name: &str| file(name, &signed.certificate);
    let cases: Vec<(&str, Signed, String, [End; 3])> = vec![
        ("good", signed(params(local), &ours), root.clone(), [Ok(()), Ok(()), Ok(())]),
        ("good, one of two authorities", signed(params(local), &ours), both, [Ok(()), Ok(()), Ok(())]),
        (
            "wrong host",
            signed(params(&["db.example", "*.db.example"]), &ours),
            root.clone(),
            [Ok(()), Ok(()), Err("for db.example, *.db.example, not for 127.0.0.1")],
        ),
        (
            "no names",
            signed(params(&[]), &ours),
            root.clone(),
            [Ok(()), Ok(()), Err("for no host at all: it has no subjectAltName")],
        ),
        ("expired", signed(expired(local), &ours), root.clone(), [Ok(()), EXPIRED, EXPIRED]),
        ("unknown authority", signed(params(local), &other), root.clone(), [Ok(()), UNKNOWN, UNKNOWN]),
        (
            "signed by itself, unknown",
            self_signed(local, IsCa::NoCa),
            root.clone(),
            [Ok(()), UNKNOWN, UNKNOWN],
        ),
        (
            "signed by itself as an authority, and named",
            Signed { certificate: own_authority.certificate.clone(), key: own_authority.key.clone() },
            pinned(&own_authority, "own-authority.pem"),
            [Ok(()), Ok(()), Ok(())],
        ),
        (
            "signed by itself as a server, and named",
            Signed { certificate: own_leaf.certificate.clone(), key: own_leaf.key.clone() },
            pinned(&own_leaf, "own-leaf.pem"),
            [Ok(()), Ok(()), Ok(())],
        ),
        (
            "signed by itself without a name, and named",
            Signed {
                certificate: nameless_authority.certificate.clone(),
                key: nameless_authority.key.clone(),
            },
            pinned(&nameless_authority, "nameless.pem"),
            [Ok(()), Ok(()), Err("for no host at all")],
        ),
    ];
    for (what, shown, trusted, [require, verify_ca, verify_full]) in cases {
        show(&mut server, &shown, None);
        let to = format!("host=127.0.0.1 port={} user=postgres dbname=postgres", server.port());
        check(&format!("{what}, require"), &format!("{to} sslmode=require"), require).await;
        let with_root = format!("{to} sslrootcert={trusted}");
        check(&format!("{what}, require with a root"), &format!("{with_root} sslmode=require"), verify_ca)
            .await;
        check(&format!("{what}, verify-ca"), &format!("{with_root} sslmode=verify-ca"), verify_ca).await;
        check(&format!("{what}, verify-full"), &format!("{with_root} sslmode=verify-full"), verify_full)
            .await;
        // The operating system knows none of them.
        check(
            &format!("{what}, system"),
            &format!("{to} sslmode=verify-full sslrootcert=system"),
            match what {
                "expired" => EXPIRED,
                _ if what.contains("itself as an authority") || what.contains("without a name") => {
                    Err("an authority's certificate as its own")
                }
                _ => UNKNOWN,
            },
        )
        .await;
    }

    // A name that leads elsewhere: the name counts for the certificate, the address for the connection.
    show(&mut server, &signed(params(&["db.example"]), &ours), None);
    let to = format!("hostaddr=127.0.0.1 port={} user=postgres sslrootcert={root}", server.port());
    check("hostaddr", &format!("{to} host=db.example sslmode=verify-full"), Ok(())).await;
    check("hostaddr", &format!("{to} host=db.other sslmode=verify-full"), Err("not for db.other")).await;

    // Files that are none.
    let to = format!("host=127.0.0.1 port={} user=postgres sslmode=verify-full", server.port());
    let empty = file("empty.pem", "nothing");
    for (option, words) in [
        ("sslrootcert=/nowhere.pem".to_owned(), "No such file"),
        (format!("sslrootcert={empty}"), "no certificate is in it"),
        (format!("sslrootcert={root} sslcert={empty} sslkey={empty}"), "no certificate is in it"),
    ] {
        check(&option, &format!("{to} {option}"), Err(words)).await;
    }
}

#[tokio::test]
async fn client_certificates_and_channel_binding() {
    let password = "pw";
    let options = Options { tcp: true, password: Some(password.to_owned()), ..Options::default() };
    let Some(mut server) = own_server("client_certificates_and_channel_binding", &options) else { return };
    let (ours, other) = (authority("ours"), authority("another"));
    show(&mut server, &signed(params(&["127.0.0.1"]), &ours), Some(&ours.certificate.pem()));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        quoted(&path.to_string_lossy())
    };
    let root = file("root.pem", &ours.certificate.pem());
    let to =
        format!("host=127.0.0.1 port={} user=postgres dbname=postgres sslrootcert={root}", server.port());

    // SCRAM bound to the TLS connection, and what has to happen where there is none.
    check("bound", &format!("{to} password=pw channel_binding=require sslmode=verify-full"), Ok(())).await;
    check("not bound", &format!("{to} password=pw channel_binding=disable sslmode=verify-full"), Ok(()))
        .await;

    // From here on by certificate alone.
    let hba = server.socket_dir().join("data/pg_hba.conf");
    std::fs::write(&hba, "local all all trust\nhostssl all all 127.0.0.1/32 cert\n").unwrap();
    server.restart().unwrap();
    let pair = |name: &str, signed: &Signed| {
        let (cert, key) = (format!("{name}.crt"), format!("{name}.key"));
        format!("sslcert={} sslkey={}", file(&cert, &signed.certificate), file(&key, &signed.key))
    };
    let good = pair("good", &signed(client_certificate("postgres"), &ours));
    let nobody = pair("nobody", &signed(client_certificate("nobody"), &ours));
    let foreign = pair("foreign", &signed(client_certificate("postgres"), &other));
    check("client certificate", &format!("{to} sslmode=verify-full {good}"), Ok(())).await;
    check("foreign", &format!("{to} sslmode=verify-full {foreign}"), Err("does not know the authority"))
        .await;
    for (what, text, words) in [
        ("for another user", format!("{to} sslmode=verify-full {nobody}"), "authentication failed"),
        ("none", format!("{to} sslmode=verify-full"), "valid client certificate"),
        ("no TLS", format!("{to} sslmode=disable"), "the server may want TLS"),
    ] {
        let fault = refused(&text).await;
        assert_eq!(fault.refusal().map(|r| r.code), Some(Code::AuthFailed), "{what}: {fault:?}");
        assert!(format!("{fault:?}").contains(words), "{what}: {fault:?}");
    }
    let (half, _) = good.split_once(' ').unwrap();
    let key = file(
        "locked.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    for (what, text, words) in [
        ("a certificate alone", format!("{to} sslmode=verify-full {half}"), "without sslkey"),
        ("a locked key", format!("{to} sslmode=verify-full {half} sslkey={key}"), "sslkey"),
    ] {
        let fault = refused(&text).await;
        assert_eq!(fault.refusal().map(|r| r.code), Some(Code::TlsFailed), "{what}: {fault:?}");
        assert!(fault.refusal().unwrap().what.contains(words), "{what}: {fault:?}");
    }
    // A password needs SCRAM and TLS where binding is asked for; trust has neither.
    std::fs::write(&hba, "local all all trust\nhostssl all all 127.0.0.1/32 trust\n").unwrap();
    server.restart().unwrap();
    let fault = refused(&format!("{to} sslmode=verify-full channel_binding=require")).await;
    assert_eq!(fault.refusal().map(|r| r.code), Some(Code::AuthFailed), "{fault:?}");
}
