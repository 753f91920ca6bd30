//! Whom we trust, and who we are.

use std::path::Path;

use mysql_async::{ClientIdentity, SslOpts};
use rustls::RootCertStore;

use cofferdam_core::{Code, Refusal};

use super::options::{ConnectOptions, SslMode};

/// What the driver makes TLS of; `None`: there is none.
pub(super) fn options(options: &ConnectOptions) -> Result<Option<SslOpts>, Box<Refusal>> {
    let mode = options.ssl_mode;
    if mode == SslMode::Disabled {
        return Ok(None);
    }
    let mut tls = SslOpts::default()
        .with_danger_accept_invalid_certs(mode == SslMode::Required)
        .with_danger_skip_domain_validation(mode == SslMode::VerifyCa);
    if let Some((certificate, key)) = &options.ssl_own {
        for file in [certificate, key] {
            std::fs::metadata(file).map_err(|e| unreadable(file, &e))?;
        }
        let identity = ClientIdentity::new(certificate.clone().into(), key.clone().into());
        tls = tls.with_client_identity(Some(identity));
    }
    // Where nobody is verified the driver still wants some authority: its own stay.
    if mode != SslMode::Required {
        tls = tls
            .with_disable_built_in_roots(true)
            .with_root_certs(authorities(options)?.into_iter().map(Into::into).collect());
    }
    Ok(Some(tls))
}

fn unreadable(file: &Path, e: &std::io::Error) -> Box<Refusal> {
    let what = format!("{} cannot be read", file.display());
    Box::new(Refusal::new(Code::TlsFailed, what).cause(e.to_string()).help("correct the path, or its rights"))
}

/// Each in PEM or DER.
fn authorities(options: &ConnectOptions) -> Result<Vec<Vec<u8>>, Box<Refusal>> {
    if let Some(file) = &options.ssl_ca {
        return Ok(vec![std::fs::read(file).map_err(|e| unreadable(file, &e))?]);
    }
    let mut fit = RootCertStore::empty();
    // One that cannot be used would make the driver give up on all.
    let usable = rustls_native_certs::load_native_certs().certs.into_iter();
    let usable: Vec<Vec<u8>> =
        usable.filter(|c| fit.add(c.clone()).is_ok()).map(|c| c.as_ref().to_vec()).collect();
    if usable.is_empty() {
        return Err(Box::new(
            Refusal::new(Code::TlsFailed, "the operating system has no certificates of authorities")
                .help("install ca-certificates, or name the server's authority with ssl-ca=FILE"),
        ));
    }
    Ok(usable)
}
