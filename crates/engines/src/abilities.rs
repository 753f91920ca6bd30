//! What engines can do, and what not all of them can.

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Refusal};

/// What an engine can do beside carrying out statements. What it cannot it refuses, with
/// [`cofferdam_core::Code::NotForThisEngine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// A transaction takes back statements that change the schema. Else these may not stand in a [`crate::Batch`], which
    /// refuses them before anything is done.
    pub transactional_ddl: bool,
    /// An index build that failed leaves an index that is not valid, and a constraint may be there for new rows alone.
    pub invalid_indexes: bool,
    /// [`crate::Session::examine`], and the parts of an online change.
    pub alters: bool,
    /// [`cofferdam_core::plan::Act::Park`].
    pub parks: bool,
    /// [`crate::Session::copier`].
    pub copies: bool,
    /// [`crate::Copier::whole`].
    pub dumps: bool,
    /// [`crate::Session::inspect`].
    pub inspects: bool,
    /// [`crate::Session::observe`] and [`crate::Session::try_out`].
    pub rehearses: bool,
}

impl Abilities {
    /// All of it.
    pub const ALL: Self = Self {
        transactional_ddl: true,
        invalid_indexes: true,
        alters: true,
        parks: true,
        copies: true,
        dumps: true,
        inspects: true,
        rehearses: true,
    };

    /// Nothing of it.
    pub const NONE: Self = Self {
        transactional_ddl: false,
        invalid_indexes: false,
        alters: false,
        parks: false,
        copies: false,
        dumps: false,
        inspects: false,
        rehearses: false,
    };
}

/// What a command asks for that not every engine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// Online changes.
    Alter,
    /// Parking in place of dropping.
    Park,
    /// Backups.
    Copy,
    /// Backups of a whole database.
    Dump,
    /// Comparison of schemas.
    Inspect,
    /// Rehearsals.
    Rehearse,
}

impl Ability {
    /// Refuses where the engine of this dialect has it not.
    ///
    /// # Errors
    /// `NotForThisEngine`, with what to do in its place.
    pub fn needed(self, of: Abilities, dialect: &str) -> Result<()> {
        let there = match self {
            Ability::Alter => of.alters,
            Ability::Park => of.parks,
            Ability::Copy => of.copies,
            Ability::Dump => of.dumps,
            Ability::Inspect => of.inspects,
            Ability::Rehearse => of.rehearses,
        };
        if there { Ok(()) } else { Err(self.missing(product(dialect)).into()) }
    }

    /// The refusal of a server that has it not, by its name.
    pub fn missing(self, server: &str) -> Refusal {
        let (what, instead) = match self {
            Ability::Alter => (
                "no online change",
                "write the ALTER TABLE as a migration: cofferdam plan shows whether the server does it without \
                 keeping writers out",
            ),
            Ability::Park => {
                ("no parking", "leave --park out, and drop: drop in cofferdam.yaml; a dump saves it")
            }
            Ability::Copy => (
                "no backup",
                "mysqldump --single-transaction (or mariadb-dump) saves the tables; then leave --backup out",
            ),
            Ability::Dump => (
                "no backup of a whole database by the server's own program",
                "--backup always saves the tables that are touched, cofferdam backup saves all of them; mysqldump \
                 --single-transaction --routines --triggers --events (or mariadb-dump) writes the whole",
            ),
            Ability::Inspect => (
                "no comparison of schemas",
                "compare two dumps: mysqldump --no-data (or mariadb-dump --no-data)",
            ),
            Ability::Rehearse => {
                ("no rehearsal", "apply to a copy of the database first: cofferdam apply --url with its name")
            }
        };
        Refusal::new(Code::NotForThisEngine, format!("there is {what} on {server}"))
            .cause("so far Cofferdam does this on PostgreSQL only; nothing was changed")
            .help(instead)
    }
}

/// The name of a server, by the dialect that it speaks: see [`crate::Session::dialect`].
pub fn product(dialect: &str) -> &'static str {
    match dialect {
        "mysql" => "MySQL",
        "mariadb" => "MariaDB",
        _ => "PostgreSQL",
    }
}
