//! What was put aside is dropped for good.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal, failpoint};
use tokio_postgres::error::SqlState;

use super::super::errors;
use super::undrop::remove_schemas;
use super::{Work, look, record, words};

/// Without CASCADE: what was made to depend on it since is evidence that somebody uses it.
pub(super) async fn discard(work: &Work<'_>) -> Result<Vec<String>> {
    let Some(found) = record::live(work).await? else {
        return Ok(vec![format!("{} is not parked any more", work.asked.parking.object)]);
    };
    let kept = &found.kept;
    let mut names = Vec::new();
    // A partition goes with its table.
    for name in kept.kept_in() {
        if look::oid(work, &name).await?.is_some() {
            names.push(name.to_sql()?);
        }
    }
    if !names.is_empty() {
        let sql = format!("DROP TABLE {}", names.join(", "));
        work.attempt(&sql).await.map_err(|(e, sighting)| {
            if e.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
                return Fault::from(
                    Refusal::new(
                        Code::ParkedUsed,
                        format!("{} is not dropped: something uses it", kept.object),
                    )
                    .cause(words(&e))
                    .help(format!("drop that first, or bring it back: cofferdam undrop {}", found.name)),
                );
            }
            work.failed(e, &sql, &sighting)
        })?;
    }
    let notes = remove_schemas(work, kept).await?;
    record::end(work, &found.name, "dropped", &notes).await?;
    if failpoint::hit("discard.dropped") {
        return Err(errors::lost("failpoint discard.dropped"));
    }
    let mut said = vec![format!("{} is dropped for good, from {}", kept.object, found.name)];
    said.extend(notes);
    Ok(said)
}
