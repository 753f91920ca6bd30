//! What `spec.backup` asks for.

use cofferdam_adapters::backup::{Credentials, Keys, Place, Recipients};
use cofferdam_api::rollback::Backup;
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};
use cofferdam_runner::backup::{Backups, Restoring, When};

use super::Job;

/// Before something is destroyed, to the place of the spec.
pub(crate) fn wanted(job: &Job) -> Result<Backups> {
    let Some(backup) = &job.object.spec.backup else { return Ok(Backups::default()) };
    let credentials = credentials(job, backup)?;
    let keys: Vec<String> = backup.encrypt_to.iter().map(|key| key.as_str().to_owned()).collect();
    Ok(Backups {
        when: When::Destructive,
        to: Some(Place::open(backup.to.as_str(), &credentials)?),
        recipients: Recipients::of(&keys)?,
        ..Backups::default()
    })
}

/// What a rollback may restore, and with what: nothing, where the spec does not say that it may.
pub(crate) fn restoring(job: &Job) -> Result<Option<Restoring>> {
    let Some(backup) = job.object.spec.backup.as_ref().filter(|backup| backup.restore_on_rollback) else {
        return Ok(None);
    };
    let keys = match &backup.identity_secret_ref {
        Some(_) => {
            let path = job.folders.identity.join("identity");
            let text = std::fs::read_to_string(&path).map_err(|error| {
                Refusal::new(Code::BackupLocked, "the key of spec.backup.identitySecretRef cannot be read")
                    .cause(error.to_string())
                    .help("its value is the identity of age: a line that begins with AGE-SECRET-KEY-")
            })?;
            Keys::of(&text)?
        }
        None => Keys::default(),
    };
    Ok(Some(Restoring { credentials: credentials(job, backup)?, keys, agreed: true }))
}

fn credentials(job: &Job, backup: &Backup) -> Result<Credentials> {
    match &backup.credentials_secret {
        Some(_) => mounted(job),
        None => Ok(Credentials::of_environment()),
    }
}

/// A file for each variable; what the kubelet keeps beside begins with two points.
fn mounted(job: &Job) -> Result<Credentials> {
    let folder = &job.folders.backup;
    let unreadable = |error: std::io::Error| {
        Refusal::new(Code::BackupDenied, "the Secret of spec.backup.credentialsSecret cannot be read")
            .cause(error.to_string())
            .help("its keys are the names of the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY")
    };
    let mut values = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let value = std::fs::read_to_string(entry.path()).map_err(unreadable)?;
        values.push((name, value.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(Credentials::of(values))
}
