//! Tables of the fake that are put aside.

use std::time::Duration;

use cofferdam_core::park::{Deed, Object, Parked, Parking};
use cofferdam_core::{Code, Name, Refusal};

use super::language::Content;
use super::server::Own;
use crate::Batch;

/// Does it.
pub(super) fn perform(
    content: &mut Content,
    own: &mut Own,
    batch: &Batch<'_>,
    parking: &Parking,
    deed: Deed,
) -> Result<(), Box<Refusal>> {
    match deed {
        Deed::Park => park(content, own, batch, parking),
        Deed::Validate => Ok(()),
        Deed::Undrop => {
            let Some((parked, tables)) =
                own.parked.iter_mut().find(|(one, _)| one.label == parking.label && one.is_there())
            else {
                return Err(refused(Code::ParkedGone, format!("{} is not parked", parking.object)));
            };
            if let Some((name, _)) = tables.iter().find(|(name, _)| content.contains_key(name)) {
                return Err(refused(Code::UndropTaken, format!("table {name} is there already")));
            }
            content.extend(tables.drain(..));
            end(parked, "undropped");
            Ok(())
        }
        Deed::Discard => {
            if let Some((parked, tables)) =
                own.parked.iter_mut().find(|(one, _)| one.label == parking.label && one.is_there())
            {
                tables.clear();
                end(parked, "dropped");
            }
            Ok(())
        }
    }
}

fn park(
    content: &mut Content,
    own: &mut Own,
    batch: &Batch<'_>,
    parking: &Parking,
) -> Result<(), Box<Refusal>> {
    let Object::Tables { names, .. } = &parking.object else {
        return Err(refused(Code::NotParkable, "the fake parks tables only".into()));
    };
    let mut tables = Vec::new();
    for name in names.iter().map(Name::to_string) {
        let absent = || refused(Code::StatementFailed, format!("table {name} is not there"));
        let table = content.remove(&name).ok_or_else(absent)?;
        tables.push((name, table));
    }
    // The label means what is parked now.
    for (one, _) in own.parked.iter_mut().filter(|(one, _)| one.label == parking.label && one.is_there()) {
        one.label = format!("{} {}", one.label, one.name);
    }
    let now = jiff::Timestamp::now();
    let name = format!("parked {}", own.parked.len() + 1);
    let parked = Parked {
        kept_in: names.iter().map(|table| Name::qualified(name.clone(), table.name.clone())).collect(),
        name,
        label: parking.label.clone(),
        object: parking.object.clone(),
        run: batch.run.id,
        key: batch.run.plan.key.clone(),
        parked_at: now.to_string(),
        parked_by: batch.run.by.clone(),
        until: (now + Duration::from_secs(parking.keep_seconds)).to_string(),
        expired: parking.keep_seconds == 0,
        bytes: Some(0),
        ended_at: None,
        ended: None,
        notes: Vec::new(),
    };
    own.parked.push((parked, tables));
    Ok(())
}

fn end(parked: &mut Parked, how: &str) {
    parked.ended = Some(how.to_owned());
    parked.ended_at = Some(jiff::Timestamp::now().to_string());
    parked.kept_in.clear();
    parked.bytes = None;
}

fn refused(code: Code, what: String) -> Box<Refusal> {
    Box::new(Refusal::new(code, what))
}
