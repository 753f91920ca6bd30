//! What does not fit, in words.

use cofferdam_core::bundle::Version;
use cofferdam_core::history::Applied;
use cofferdam_core::{Checksum, Code, Migration, Refusal};

use crate::format::flyway::checksum::crc32;
use crate::format::sqlx::sha384_hex;

/// The file is not what was applied.
pub(super) fn checksum_changed(migration: &Migration, applied: &Applied) -> Refusal {
    let recorded = match &applied.checksum {
        Some(Checksum::Atlas { sha256: Some(hex), .. }) => Checksum::Sha256(hex.clone()).to_string(),
        checksum => checksum.as_ref().map_or("none".to_owned(), Checksum::to_string),
    };
    // In the algorithm of the record, so that the two can be compared by eye.
    let now = match applied.checksum {
        Some(Checksum::Sha256(_) | Checksum::Atlas { sha256: Some(_), .. }) => {
            Checksum::Sha256(migration.up.sha256.clone()).to_string()
        }
        Some(Checksum::FlywayCrc32(_)) if !matches!(migration.checksum, Checksum::FlywayCrc32(_)) => {
            Checksum::FlywayCrc32(crc32(&migration.up.text)).to_string()
        }
        Some(Checksum::Sha384(_)) if !matches!(migration.checksum, Checksum::Sha384(_)) => {
            Checksum::Sha384(sha384_hex(migration.up.text.as_bytes())).to_string()
        }
        Some(Checksum::FlywayCrc32(_) | Checksum::Sha384(_) | Checksum::Atlas { .. }) | None => {
            migration.checksum.to_string()
        }
    };
    Refusal::new(Code::ChecksumChanged, format!("{} was changed after it was applied", migration.up.path))
        .cause(format!("applied {} with checksum {recorded}, now it is {now}", when_and_by_whom(applied)))
        .help(
            "put the file back as it was and write a new migration for the change; \
             if the change does not matter: cofferdam repair",
        )
}

/// It was applied and has no file; `newer`: no file has a version as high.
pub(super) fn file_gone(applied: &Applied, newer: bool) -> Refusal {
    let name = match &applied.version {
        Some(version) => format!("version {version} ({})", applied.description),
        None => format!("repeatable migration {:?}", applied.description),
    };
    let refusal = Refusal::new(Code::FileGone, format!("{name} is applied and has no file"));
    let when = when_and_by_whom(applied);
    match newer {
        true => refusal
            .cause(format!("applied {when}, and newer than every file: this directory may be of an older release"))
            .help("use the directory of the release that applied it; if the file was removed on purpose: cofferdam repair"),
        false => refusal
            .cause(format!("applied {when}"))
            .help("restore the file from version control; if it was removed on purpose: cofferdam repair"),
    }
}

/// It is not applied, and `newest` is.
pub(super) fn out_of_order(migration: &Migration, newest: &Version) -> Refusal {
    let version = migration.version.as_ref().map_or("", |version| version.text.as_str());
    Refusal::new(
        Code::OutOfOrder,
        format!("{} comes late: {version} is older than {newest}", migration.up.path),
    )
    .cause(format!("{newest} is applied already, and {version} was written for the schema before it"))
    .help(format!(
        "give the file a version above {newest}, or apply it all the same: cofferdam apply --out-of-order"
    ))
}

fn when_and_by_whom(applied: &Applied) -> String {
    // Not every tool keeps both.
    let by = if applied.by.is_empty() { String::new() } else { format!("by {}", applied.by) };
    match (applied.at.as_str(), by.as_str()) {
        ("", "") => "at a time that the history does not keep".to_owned(),
        ("", by) => by.to_owned(),
        (at, "") => at.to_owned(),
        (at, by) => format!("{at} {by}"),
    }
}

/// It was to be the first, or to come after what a baseline holds now.
pub(super) fn begun_otherwise(migration: &Migration, there: &Applied) -> Refusal {
    Refusal::new(
        Code::BegunOtherwise,
        format!("{} was planned for a database that had nothing applied", migration.up.path),
    )
    .cause(format!("meanwhile {} ({}) was applied {}", there.key, there.description, when_and_by_whom(there)))
    .help("run the same command again: it plans for what is there now")
}
