//! What a store's errors mean to the user.

use cofferdam_core::{Code, Fault, Refusal};
use object_store::Error;

/// The beginning of the refusal of a place that cannot be used at all.
pub(super) fn unusable(shown: &str) -> Refusal {
    Refusal::new(Code::BackupUnreachable, format!("{shown} cannot be used for backups"))
        .help("name a folder, or a bucket as s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")
}

/// What a failed request says.
pub(super) fn fault(error: Error, shown: &str) -> Fault {
    let cause = told(&error);
    match &error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            Refusal::new(Code::BackupDenied, format!("{shown} refused the credentials, or may not be written to"))
                .cause(cause)
                .help("set the variables of the credentials (AWS_ACCESS_KEY_ID ...), or give the role the right")
        }
        _ if full(&error) => Refusal::new(Code::BackupFull, format!("{shown} is full"))
            .cause(cause)
            .help("make room there, or name another place with --backup-to; cofferdam backup prune removes old ones"),
        Error::Generic { .. } if closed(&cause) => {
            Refusal::new(Code::BackupDenied, format!("{shown} was reached without valid credentials"))
                .cause(cause)
                .help("set the variables of the credentials (AWS_ACCESS_KEY_ID ...)")
        }
        _ => unusable(shown).cause(cause),
    }
    .into()
}

/// An answer for which the library has no word of its own.
fn closed(cause: &str) -> bool {
    ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "credential", "Credential"]
        .iter()
        .any(|word| cause.contains(word))
}

/// The operating system's own error lies somewhere below.
fn full(error: &Error) -> bool {
    let mut below: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = below {
        if let Some(io) = one.downcast_ref::<std::io::Error>()
            && matches!(
                io.kind(),
                std::io::ErrorKind::StorageFull
                    | std::io::ErrorKind::QuotaExceeded
                    | std::io::ErrorKind::FileTooLarge
            )
        {
            return true;
        }
        below = one.source();
    }
    false
}

/// The message in one line, without what stands behind a `?` in an address: that may be a signature.
fn told(error: &Error) -> String {
    let text = error.to_string();
    let mut out = String::new();
    for word in text.split_whitespace() {
        let shown = match word.split_once('?') {
            Some((before, _)) if before.contains("://") => before,
            _ => word,
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(shown);
        if out.len() > 600 {
            out.push_str(" ...");
            break;
        }
    }
    out
}
