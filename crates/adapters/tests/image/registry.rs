//! Debian's `docker-registry`, with a folder of its own. It ends, and its folder goes, with the value or with the
//! process of the test, even when that is killed: then the pipe to the shell that keeps it closes.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use super::built::{Built, digest};

const PROGRAM: &str = "docker-registry";

const KEEPER: &str = r#"trap '' HUP INT TERM PIPE
"$1" serve "$2/config.yml" </dev/null >"$2/log" 2>&1 &
while read -r _; do :; done
kill -9 $!
wait $!
rm -rf "$2""#;

/// The user of a registry that asks for one, and the hash of the password for htpasswd.
pub(crate) const USER: &str = "reader";
pub(crate) const PASSWORD: &str = "right horse";
const HTPASSWD: &str = "reader:$2b$04$abcdefghijklmnopqrstuuLK4yYxcGJwQr33yKnQTmKjI1WQSUD2K\n";

/// How a registry is reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Access {
    Open,
    Password,
    /// With a certificate of its own, that nobody signed.
    Tls,
}

pub(crate) struct Registry {
    keeper: Child,
    folder: PathBuf,
    /// `127.0.0.1:PORT`.
    pub(crate) host: String,
    login: RegistryAuth,
    /// In PEM, with TLS.
    pub(crate) certificate: Option<Vec<u8>>,
}

impl Registry {
    /// `None`, and the test is noted as skipped, where there is no registry to start.
    pub(crate) fn start(test: &str, access: Access) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|folder| folder.join(PROGRAM).is_file()) {
            cofferdam_scratch::skipped(test, "there is no docker-registry: apt-get install docker-registry");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("cofferdam-registry-").tempdir().unwrap().keep();
        let shown = folder.display();
        let auth = match access {
            Access::Password => format!("auth: {{htpasswd: {{realm: test, path: {shown}/htpasswd}}}}\n"),
            _ => String::new(),
        };
        let mut tls = String::new();
        let certificate = (access == Access::Tls).then(|| {
            let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
            fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
            tls = format!(", tls: {{certificate: {shown}/certificate.pem, key: {shown}/key.pem}}");
            made.cert.pem().into_bytes()
        });
        let config = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {shown}/storage}}}}\n\
             http: {{addr: '127.0.0.1:0'{tls}}}\n{auth}"
        );
        fs::write(folder.join("htpasswd"), HTPASSWD).unwrap();
        fs::write(folder.join("config.yml"), config).unwrap();
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "cofferdam-registry", PROGRAM])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let host = listening(&folder);
        let login = match access {
            Access::Password => RegistryAuth::Basic(USER.to_owned(), PASSWORD.to_owned()),
            _ => RegistryAuth::Anonymous,
        };
        Some(Self { keeper, folder, host, login, certificate })
    }

    /// The name of an image in it.
    pub(crate) fn name(&self, image: &str) -> String {
        format!("{}/{image}", self.host)
    }

    /// Pushes an image and all that it needs.
    pub(crate) async fn push(&self, image: &str, built: &Built) {
        for child in &built.children {
            let repository = image.split(['@', ':']).next().unwrap();
            Box::pin(self.push(&format!("{repository}@{}", child.digest()), child)).await;
        }
        let reference: Reference = self.name(image).parse().unwrap();
        let certificates = self.certificate.iter();
        let config = ClientConfig {
            protocol: if self.certificate.is_some() { ClientProtocol::Https } else { ClientProtocol::Http },
            extra_root_certificates: certificates
                .map(|pem| Certificate { encoding: CertificateEncoding::Pem, data: pem.clone() })
                .collect(),
            ..ClientConfig::default()
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::new(config);
        client.auth(&reference, &self.login, oci_client::RegistryOperation::Push).await.unwrap();
        for blob in &built.blobs {
            client.push_blob(&reference, blob.clone(), &digest(blob)).await.unwrap();
        }
        let kind = built.media_type.parse().unwrap();
        client.push_manifest_raw(&reference, built.bytes.clone(), kind).await.unwrap();
    }

    /// The file in which it stores a part.
    pub(crate) fn stored(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        self.folder.join(format!("storage/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Waits until the log says on which port.
fn listening(folder: &std::path::Path) -> String {
    let began = Instant::now();
    loop {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        if let Some((_, rest)) = log.split_once("listening on ") {
            let host: String = rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
            if rest.len() > host.len() {
                return host;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(120), "the registry did not start: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
