//! Flyway's callbacks: files that it runs around its own work.

/// An event that a file can be named after: `afterMigrate.sql`, `afterMigrate__note.sql`.
#[derive(Debug, PartialEq, Eq)]
pub struct Callback {
    /// The event's name, as the file's name must begin.
    pub event: &'static str,
    /// A run of Flyway that applies or takes back would run it, so leaving it out would change what happens.
    pub refused: bool,
}

const fn run(event: &'static str) -> Callback {
    Callback { event, refused: true }
}

const fn elsewhere(event: &'static str) -> Callback {
    Callback { event, refused: false }
}

/// All events, by Flyway's manual.
pub static CALLBACKS: &[Callback] = &[
    run("beforeMigrate"),
    run("beforeRepeatables"),
    run("beforeEachMigrate"),
    run("beforeEachMigrateStatement"),
    run("afterEachMigrateStatement"),
    run("afterEachMigrateStatementError"),
    run("afterEachMigrate"),
    run("afterEachMigrateError"),
    run("afterMigrate"),
    run("afterMigrateApplied"),
    run("afterVersioned"),
    run("afterMigrateError"),
    run("beforeUndo"),
    run("beforeEachUndo"),
    run("beforeEachUndoStatement"),
    run("afterEachUndoStatement"),
    run("afterEachUndoStatementError"),
    run("afterEachUndo"),
    run("afterEachUndoError"),
    run("afterUndo"),
    run("afterUndoError"),
    // `migrate` validates first, connects, and may create the schema.
    run("beforeValidate"),
    run("afterValidate"),
    run("afterValidateError"),
    run("beforeConnect"),
    run("afterConnect"),
    run("createSchema"),
    run("beforeCreateSchema"),
    elsewhere("beforeClean"),
    elsewhere("afterClean"),
    elsewhere("afterCleanError"),
    elsewhere("beforeInfo"),
    elsewhere("afterInfo"),
    elsewhere("afterInfoError"),
    elsewhere("beforeBaseline"),
    elsewhere("afterBaseline"),
    elsewhere("afterBaselineError"),
    elsewhere("beforeRepair"),
    elsewhere("afterRepair"),
    elsewhere("afterRepairError"),
];

/// The callback that a file name without `.sql` is for.
pub fn of(stem: &str) -> Option<&'static Callback> {
    let event = stem.split_once("__").map_or(stem, |(event, _)| event);
    CALLBACKS.iter().find(|callback| callback.event == event)
}
