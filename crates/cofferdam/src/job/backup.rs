//! What `spec.backup` asks for.

use cofferdam_adapters::backup::{Credentials, Place, Recipients};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};
use cofferdam_runner::backup::{Backups, When};

use super::Job;

/// Before something is destroyed, to the place of the spec.
pub(crate) fn wanted(job: &Job) -> Result<Backups> {
    let Some(backup) = &job.object.spec.backup else { return Ok(Backups::default()) };
    let credentials = match &backup.credentials_secret {
        Some(_) => mounted(job)?,
        None => Credentials::of_environment(),
    };
    let keys: Vec<String> = backup.encrypt_to.iter().map(|key| key.as_str().to_owned()).collect();
    Ok(Backups {
        when: When::Destructive,
        to: Some(Place::open(backup.to.as_str(), &credentials)?),
        recipients: Recipients::of(&keys)?,
        ..Backups::default()
    })
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
