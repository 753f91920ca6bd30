//! The scripts of legs as migrations, and what rides along with each.

use cofferdam_core::bundle::Version;
use cofferdam_core::{Bundle, Checksum, Code, Migration, MigrationKind, Refusal, Script};
use cofferdam_formats::standing;

use super::{NO_SCRIPT, key, names, tail};
use crate::release::Release;
use crate::route::{Leg, Task};
use crate::script::Item;
use crate::stage::Stage;

/// What is to be applied.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// The migrations of all legs, in order.
    pub bundle: Bundle,
    /// One for each migration that something rides along with.
    pub seats: Vec<Seat>,
}

/// What rides along with a migration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seat {
    /// The migration.
    pub key: String,
    /// It is the first of an installation.
    pub begins: bool,
    /// What must hold before it: the checks of stages that have no script.
    pub before: Vec<(Stage, Script)>,
    /// What must hold after it: the checks of the stage that it ends.
    pub after: Vec<(Stage, Script)>,
    /// It is the last of a leg: the version before, and the one that the project now has.
    pub reaches: Option<(Option<Release>, Release)>,
}

/// The scripts of legs as one bundle.
///
/// # Errors
/// `BadProjectVersion` for names that the history cannot hold, which the gate would have found.
pub fn shipment(project: &str, legs: &[Leg]) -> Result<Shipment, Box<Refusal>> {
    let mut shipment = Shipment {
        bundle: Bundle { format: standing::LIST, migrations: Vec::new(), skipped: Vec::new() },
        seats: Vec::new(),
    };
    for leg in legs {
        one(project, leg, &mut shipment)?;
    }
    shipment.seats.retain(|seat| *seat != Seat { key: seat.key.clone(), ..Seat::default() });
    Ok(shipment)
}

fn one(project: &str, leg: &Leg, into: &mut Shipment) -> Result<(), Box<Refusal>> {
    let first = into.seats.len();
    // Checks of a stage without scripts wait for the next script.
    let mut waiting: Vec<(Stage, Script)> = Vec::new();
    for run in &leg.stages {
        for task in &run.tasks {
            into.bundle.migrations.push(migration(project, leg, task)?);
            let key = key(project, leg.from.as_ref(), &leg.to, &tail(task.script.number));
            into.seats.push(Seat { key, before: std::mem::take(&mut waiting), ..Seat::default() });
        }
        let checks = run.checks.iter().map(|item| (run.stage, item.script.clone()));
        match into.seats.last_mut() {
            Some(seat) if !run.tasks.is_empty() => seat.after.extend(checks),
            _ => waiting.extend(checks),
        }
    }
    if into.seats.len() == first {
        into.bundle.migrations.push(no_script(project, leg)?);
        let key = key(project, leg.from.as_ref(), &leg.to, NO_SCRIPT);
        into.seats.push(Seat { key, ..Seat::default() });
    }
    if let Some(seat) = into.seats.get_mut(first) {
        seat.begins = leg.from.is_none();
    }
    if let Some(seat) = into.seats.last_mut() {
        seat.after.extend(waiting);
        seat.reaches = Some((leg.from.clone(), leg.to.clone()));
    }
    Ok(())
}

fn migration(project: &str, leg: &Leg, task: &Task) -> Result<Migration, Box<Refusal>> {
    let item = &task.script;
    let text = |item: &Item| item.script.clone();
    Ok(Migration {
        version: Some(version(project, leg, &tail(item.number))?),
        description: item.description.clone(),
        kind: MigrationKind::Versioned,
        checksum: Checksum::Sha256(item.script.sha256.clone()),
        up: item.script.clone(),
        down: task.other_way.as_ref().filter(|item| !item.is_blank(true)).map(text),
        check: task.validation.as_ref().filter(|item| !item.is_blank(true)).map(text),
        no_transaction: false,
    })
}

/// A release that changes nothing in the database is a row of the history all the same: it is the way back, too.
fn no_script(project: &str, leg: &Leg) -> Result<Migration, Box<Refusal>> {
    let up = Script::new(leg.to.to_string(), format!("-- {} changes nothing in this database\n", leg.to));
    Ok(Migration {
        version: Some(version(project, leg, NO_SCRIPT)?),
        description: format!("{} without scripts", leg.to),
        kind: MigrationKind::Versioned,
        checksum: Checksum::Sha256(up.sha256.clone()),
        up,
        down: None,
        check: None,
        no_transaction: false,
    })
}

fn version(project: &str, leg: &Leg, tail: &str) -> Result<Version, Box<Refusal>> {
    let (list, name) = names(project, leg.from.as_ref(), &leg.to, tail);
    Version::of_list(&list, &name).ok_or_else(|| {
        Box::new(
            Refusal::new(Code::BadProjectVersion, format!("{list}/{name} is no name of a version"))
                .help("write small letters, digits and - in the name of the project"),
        )
    })
}
