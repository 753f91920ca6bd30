//! TLS by rustls: whom we trust, who we are, and why it failed.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::ParsedCertificate;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_postgres_rustls::MakeRustlsConnect;

use cofferdam_core::{Code, Refusal};

use super::errors::visible;
use super::options::{ConnectOptions, SslMode};

/// What makes TLS of a connection. For `disable` it is never asked.
pub(super) fn connector(options: &ConnectOptions, mode: SslMode) -> Result<MakeRustlsConnect, Box<Refusal>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier { mode, roots: roots(options, mode)?, provider: provider.clone() };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(&e, "setting up TLS"))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let config = match own_certificate(options, mode)? {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(|e| {
            refused("the client certificate and its key cannot be used").cause(visible(&e.to_string()))
        })?,
    };
    Ok(MakeRustlsConnect::new(config))
}

fn refused(what: impl Into<String>) -> Refusal {
    Refusal::new(Code::TlsFailed, what)
}

/// Authorities, and the certificates as they stand in the file.
#[derive(Debug)]
struct Roots {
    store: RootCertStore,
    pinned: Vec<CertificateDer<'static>>,
}

fn roots(options: &ConnectOptions, mode: SslMode) -> Result<Roots, Box<Refusal>> {
    let mut roots = Roots { store: RootCertStore::empty(), pinned: Vec::new() };
    if matches!(mode, SslMode::Disable | SslMode::Require) {
        return Ok(roots);
    }
    match &options.sslrootcert {
        Some(file) => {
            roots.pinned = certificates(file, "sslrootcert")?;
            for certificate in &roots.pinned {
                roots.store.add(certificate.clone()).map_err(|e| {
                    refused(format!("{} holds a certificate that cannot be used", file.display()))
                        .cause(visible(&e.to_string()))
                })?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.store.add_parsable_certificates(found.certs);
            if roots.store.is_empty() {
                let refusal = refused("the operating system has no certificates of authorities");
                return Err(refusal
                    .help("install ca-certificates, or name the server's authority with sslrootcert=FILE")
                    .into());
            }
        }
    }
    Ok(roots)
}

fn certificates(file: &Path, option: &str) -> Result<Vec<CertificateDer<'static>>, Box<Refusal>> {
    let unreadable = |why: String| {
        refused(format!("{option}: {} cannot be read", file.display()))
            .cause(why)
            .help("a file in PEM form is expected: -----BEGIN CERTIFICATE-----")
    };
    let bytes = std::fs::read(file).map_err(|e| unreadable(e.to_string()))?;
    let all: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|e| unreadable(visible(&e.to_string())))?;
    if all.is_empty() {
        return Err(unreadable("no certificate is in it".to_owned()).into());
    }
    Ok(all)
}

type OwnCertificate = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own_certificate(options: &ConnectOptions, mode: SslMode) -> Result<Option<OwnCertificate>, Box<Refusal>> {
    if mode == SslMode::Disable {
        return Ok(None);
    }
    match (&options.sslcert, &options.sslkey) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => {
            let chain = certificates(cert, "sslcert")?;
            let unreadable =
                |why: String| refused(format!("sslkey: {} cannot be read", key.display())).cause(why);
            let bytes = std::fs::read(key).map_err(|e| unreadable(e.to_string()))?;
            if bytes.windows(9).any(|w| w == b"ENCRYPTED") {
                let refusal = unreadable("the key is protected by a passphrase".to_owned());
                return Err(refusal.help("remove the passphrase: openssl pkey -in KEY -out PLAIN").into());
            }
            let key =
                PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| unreadable(visible(&e.to_string())))?;
            Ok(Some((chain, key)))
        }
        (Some(_), None) => Err(refused("sslcert is given without sslkey").help("add sslkey=FILE").into()),
        (None, Some(_)) => Err(refused("sslkey is given without sslcert").help("add sslcert=FILE").into()),
    }
}

/// Looks at the server's certificate as far as the mode asks.
#[derive(Debug)]
struct Verifier {
    mode: SslMode,
    roots: Roots,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let checked = rustls::client::verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(certificate)?,
            &self.roots.store,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        );
        match checked {
            // A server that signed its own certificate, which is named as the authority: common with PostgreSQL, and
            // as safe as can be. webpki refuses an authority's certificate as a server's, but only after its dates.
            Err(Error::InvalidCertificate(CertificateError::Other(why)))
                if is_authority(&why) && self.roots.pinned.iter().any(|p| p == certificate) =>
            {
                Ok(())
            }
            checked => checked,
        }
    }
}

/// webpki's reason for an authority's certificate that a server uses; it is not part of rustls's own words.
fn is_authority(why: &rustls::OtherError) -> bool {
    why.to_string().contains("CaUsedAsEndEntity")
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if matches!(self.mode, SslMode::VerifyCa | SslMode::VerifyFull) {
            self.chain(certificate, intermediates, now)?;
        }
        if self.mode == SslMode::VerifyFull {
            rustls::client::verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    // Whatever the mode, who answers must hold the key of the certificate that it shows.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why TLS failed, in words.
pub(super) fn failed(e: &Error, doing: &str) -> Refusal {
    const NAME_IT: &str = "name the certificate of the server's authority with sslrootcert=FILE";
    let day = |time: &UnixTime| {
        i64::try_from(time.as_secs())
            .ok()
            .and_then(|s| jiff::Timestamp::from_second(s).ok())
            .map_or_else(|| "a day that cannot be written".to_owned(), |t| t.strftime("%Y-%m-%d").to_string())
    };
    let (cause, help) = match e {
        Error::InvalidCertificate(why) => match why {
            CertificateError::ExpiredContext { not_after, .. } => (
                format!("the server's certificate, or one that it depends on, expired on {}", day(not_after)),
                "renew it on the server",
            ),
            CertificateError::Expired => {
                ("the server's certificate has expired".to_owned(), "renew it on the server")
            }
            CertificateError::NotValidYetContext { not_before, .. } => (
                format!("the server's certificate is valid from {} only", day(not_before)),
                "check the clocks here and there",
            ),
            CertificateError::UnknownIssuer => (
                "the server's certificate is signed by an authority that is not known here".to_owned(),
                NAME_IT,
            ),
            CertificateError::BadSignature => {
                ("the signature of the server's certificate is wrong".to_owned(), NAME_IT)
            }
            CertificateError::NotValidForNameContext { expected, presented } => (
                match names(presented) {
                    None => {
                        "the server's certificate is for no host at all: it has no subjectAltName".to_owned()
                    }
                    Some(names) => {
                        format!("the server's certificate is for {names}, not for {}", expected.to_str())
                    }
                },
                "connect by a name of the certificate, or use sslmode=verify-ca if only the authority matters",
            ),
            CertificateError::Other(why) if is_authority(why) => (
                "the server uses an authority's certificate as its own".to_owned(),
                "name this very certificate with sslrootcert=FILE, or give the server one that an authority signed",
            ),
            why => (
                format!("the server's certificate cannot be accepted: {}", visible(&why.to_string())),
                NAME_IT,
            ),
        },
        Error::AlertReceived(alert) => {
            (alert_words(*alert), "check sslcert and sslkey, and the server's log")
        }
        Error::PeerIncompatible(why) => (
            format!(
                "the server speaks no TLS that is safe enough (1.2 is the least): {}",
                visible(&format!("{why:?}"))
            ),
            "raise ssl_max_protocol_version on the server",
        ),
        Error::InvalidMessage(_) => (
            "what answers does not speak TLS".to_owned(),
            "check that host and port are those of a PostgreSQL server",
        ),
        e => (visible(&e.to_string()), "check the server's log"),
    };
    refused(format!("{doing}: TLS could not be agreed")).cause(cause).help(help)
}

fn alert_words(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => "the server asks for a client certificate".to_owned(),
        AlertDescription::UnknownCA => "the server does not know the authority of our certificate".to_owned(),
        AlertDescription::CertificateExpired => "the server says that our certificate has expired".to_owned(),
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown => "the server does not accept our certificate".to_owned(),
        other => format!("the server ended it: {other:?}"),
    }
}

/// The names in a certificate, out of the verifier's words for them: `DnsName("db.example")`.
fn names(presented: &[String]) -> Option<String> {
    let names: Vec<_> = presented.iter().map(|p| visible(p.split('"').nth(1).unwrap_or(p))).take(5).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
