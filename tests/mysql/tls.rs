//! TLS against real servers with certificates of the test's own: each mode, and whom it lets in.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cofferdam_core::Code;
use cofferdam_scratch::mysql::{Kind, Options, Server};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use crate::site::{Site, own_server};

on_both! {
    the_modes_let_in_whom_they_should,
    a_certificate_that_has_expired,
    a_certificate_of_our_own,
    a_server_that_speaks_no_tls,
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority(name: &str) -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap().pem();
    Authority { certificate, issuer: Issuer::new(params, key) }
}

/// Certificate and key in files that the server, which runs as somebody else, can read.
fn signed(folder: &Path, name: &str, params: CertificateParams, by: &Authority) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &by.issuer).unwrap().pem();
    (
        write(folder, &format!("{name}.crt"), &certificate),
        write(folder, &format!("{name}.key"), &key.serialize_pem()),
    )
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

/// For the address, and not for the name `localhost`.
fn of_address() -> CertificateParams {
    CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap()
}

/// A server with a certificate of this authority, which takes nobody in without TLS, and a database.
fn guarded(kind: Kind, folder: &Path, params: CertificateParams, by: &Authority) -> Option<(Server, String)> {
    let (certificate, key) = signed(folder, "server", params, by);
    let authority = write(folder, "clients.crt", &by.certificate);
    let settings = [
        ("ssl_cert", certificate),
        ("ssl_key", key),
        ("ssl_ca", authority),
        ("require_secure_transport", "ON".into()),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value)).to_vec();
    let server = own_server(kind, &Options { settings, ..Options::default() })?;
    let url = server.create_database("shop").unwrap();
    Some((server, url))
}

/// How a connection must end.
enum End<'a> {
    /// In TLS.
    In,
    /// Refused with this code and these words.
    Out(Code, &'a str),
}

#[track_caller]
fn check(site: &Site, url: &str, end: End<'_>) {
    let ended = site.at(url, &["doctor"]);
    match end {
        End::In => {
            assert_eq!(ended.code, 0, "{url}: {}\n{}", ended.stdout, ended.stderr);
            assert!(ended.stdout.contains("TLSv1."), "{url}: {}", ended.stdout);
            let applied = site.at(url, &["apply"]);
            assert_eq!(applied.code, 0, "{url}: {}", applied.stderr);
        }
        End::Out(code, words) => {
            let refused = site.at(url, &["apply"]);
            let said = &refused.stderr;
            assert_eq!(refused.code, i32::from(code.exit()), "{url}: {said}");
            assert!(said.contains(&format!("error[{}]", code.id())) && said.contains(words), "{url}: {said}");
            assert!(said.contains("help: "), "{url}: {said}");
        }
    }
}

const T: (&str, &str) = ("V1__t.sql", "CREATE TABLE t (id int PRIMARY KEY);\n");

fn the_modes_let_in_whom_they_should(kind: Kind) {
    let Some(site) = Site::with(kind, "modes", &[T]) else { return };
    let (ours, other) = (authority("ours"), authority("another"));
    let folder = tempfile::tempdir().unwrap();
    let Some((_server, url)) = guarded(kind, folder.path(), of_address(), &ours) else { return };
    let (ours, other) = (
        write(folder.path(), "ours.crt", &ours.certificate),
        write(folder.path(), "other.crt", &other.certificate),
    );
    let named = url.replace("127.0.0.1", "localhost");
    let with = |url: &str, options: &str| format!("{url}?{options}");
    // To a loopback address nothing is encrypted unless it is asked for, and this server takes only what is. MariaDB says
    // no more than that the login is refused.
    let plain = || match kind {
        Kind::MySql => End::Out(Code::TlsFailed, "ssl-mode=verify-identity"),
        Kind::MariaDb => End::Out(Code::AuthFailed, "ssl-mode"),
    };
    check(&site, &url, plain());
    check(&site, &with(&url, "ssl-mode=disabled"), plain());
    check(&site, &with(&url, "ssl-mode=required"), End::In);
    check(&site, &with(&url, &format!("ssl-mode=verify-ca&ssl-ca={ours}")), End::In);
    // The driver looks at the name in this mode, too.
    check(
        &site,
        &with(&named, &format!("ssl-mode=verify-ca&ssl-ca={ours}")),
        End::Out(Code::TlsFailed, "certificate"),
    );
    check(
        &site,
        &with(&url, &format!("ssl-mode=verify-ca&ssl-ca={other}")),
        End::Out(Code::TlsFailed, "certificate"),
    );
    check(&site, &with(&url, &format!("ssl-mode=verify-identity&ssl-ca={ours}")), End::In);
    // An authority that is named is asked for, also on a loopback address.
    check(&site, &with(&url, &format!("ssl-ca={ours}")), End::In);
    check(&site, &with(&url, &format!("ssl-ca={other}")), End::Out(Code::TlsFailed, "certificate"));
    check(&site, &with(&named, &format!("ssl-ca={ours}")), End::Out(Code::TlsFailed, "certificate"));
    // The operating system knows nothing of it.
    check(&site, &with(&url, "ssl-mode=verify-identity"), End::Out(Code::TlsFailed, "ssl-ca"));
    check(&site, &with(&url, "ssl-ca=/nonexistent.crt"), End::Out(Code::TlsFailed, "/nonexistent.crt"));
    let no_pem = write(folder.path(), "no.crt", "not a certificate");
    check(&site, &with(&url, &format!("ssl-ca={no_pem}")), End::Out(Code::TlsFailed, "ssl-ca"));
}

fn a_certificate_that_has_expired(kind: Kind) {
    let Some(site) = Site::with(kind, "expired", &[T]) else { return };
    let ours = authority("ours");
    let folder = tempfile::tempdir().unwrap();
    let mut params = of_address();
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 3, 4);
    let Some((_server, url)) = guarded(kind, folder.path(), params, &ours) else { return };
    let file = write(folder.path(), "ours.crt", &ours.certificate);
    for mode in ["verify-ca", "verify-identity"] {
        let url = format!("{url}?ssl-mode={mode}&ssl-ca={file}");
        check(&site, &url, End::Out(Code::TlsFailed, "certificate"));
    }
    check(&site, &format!("{url}?ssl-mode=required"), End::In);
}

/// An account that wants a certificate of its client, and a password beside it.
fn a_certificate_of_our_own(kind: Kind) {
    let Some(site) = Site::with(kind, "client", &[T]) else { return };
    let ours = authority("ours");
    let folder = tempfile::tempdir().unwrap();
    let Some((server, url)) = guarded(kind, folder.path(), of_address(), &ours) else { return };
    server
        .query(
            None,
            "CREATE USER 'worker'@'127.0.0.1' IDENTIFIED BY 'kanarie' REQUIRE X509;
             GRANT ALL ON shop.* TO 'worker'@'127.0.0.1'",
        )
        .unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "worker");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let (certificate, key) = signed(folder.path(), "worker", params, &ours);
    let file = write(folder.path(), "ours.crt", &ours.certificate);
    let url = format!("{}?ssl-ca={file}", url.replace("root@", "worker:kanarie@"));
    check(&site, &url, End::Out(Code::AuthFailed, "worker"));
    let own = format!("{url}&ssl-cert={certificate}&ssl-key={key}");
    check(&site, &own, End::In);
    check(&site, &own.replace(":kanarie@", ":wrong@"), End::Out(Code::AuthFailed, "worker"));
    let gone = own.replace(&key, "/nonexistent.key");
    check(&site, &gone, End::Out(Code::TlsFailed, "/nonexistent.key"));
}

fn a_server_that_speaks_no_tls(kind: Kind) {
    let Some(site) = Site::with(kind, "plain", &[T]) else { return };
    // MariaDB 10.11 speaks none unless it has a certificate; MySQL makes one for itself.
    let settings = match kind {
        Kind::MySql => vec![("tls_version".to_owned(), String::new())],
        Kind::MariaDb => Vec::new(),
    };
    let Some(server) = own_server(kind, &Options { settings, ..Options::default() }) else { return };
    let url = server.create_database("shop").unwrap();
    for mode in ["required", "verify-ca", "verify-identity"] {
        check(&site, &format!("{url}?ssl-mode={mode}"), End::Out(Code::TlsFailed, "no TLS"));
    }
    let ended = site.at(&url, &["doctor"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stdout.contains("not encrypted") && ended.stdout.contains("ssl-mode"), "{}", ended.stdout);
}
