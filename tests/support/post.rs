//! A real mail server, aiosmtpd, which wants TLS and a login and keeps each message: `cargo xtask setup` installs it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The login that it wants.
pub const USER: &str = "user";
pub const PASSWORD: &str = "canary/+=";

/// The mail server; it ends with its standard input, that is, with the test.
pub struct Post {
    child: Child,
    /// With STARTTLS, with TLS, and without.
    pub ports: [u16; 3],
    pub folder: tempfile::TempDir,
    /// The authority of its certificate, as PEM.
    pub authority: String,
}

impl Drop for Post {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The system's Python, which the package of the distribution is for, and then any other.
fn python() -> Option<&'static str> {
    let has = |python: &&str| {
        let asked = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    ["/usr/bin/python3", "python3"].into_iter().find(has)
}

impl Post {
    /// Listens on this address under a certificate for `name`; `starttls`: the port of that kind, 0 for any.
    pub fn start(test: &str, (address, name): (&str, &str), starttls: u16) -> Option<Self> {
        let Some(python) = python() else {
            cofferdam_scratch::skipped(test, "aiosmtpd is not here");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let (authority, cert, key) = certificate(name, folder.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/support/mail_server.py");
        let mut child = Command::new(python)
            .arg(script)
            .args([folder.path(), cert.as_path(), key.as_path()])
            .args([address, &starttls.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Vec<u16> = line.split_whitespace().map(|port| port.parse().unwrap()).collect();
        Some(Self { child, ports: ports.try_into().unwrap(), folder, authority })
    }

    /// What came, in the order of its coming.
    pub fn mails(&self) -> Vec<String> {
        let mail = |number| std::fs::read_to_string(self.folder.path().join(format!("{number}.eml"))).ok();
        (1..100).map_while(mail).collect()
    }
}

/// A certificate for a name or an address: its authority as PEM, and the files of chain and key.
fn certificate(name: &str, folder: &Path) -> (String, PathBuf, PathBuf) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut parameters = rcgen::CertificateParams::new(vec![]).unwrap();
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = parameters.clone().self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(parameters, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let chain =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (cert_file, key_file) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&cert_file, chain.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (authority.pem(), cert_file, key_file)
}
