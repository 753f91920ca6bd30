//! What engines can do, and what not all of them can.

/// What an engine can do beside carrying out statements. What it cannot it refuses, with
/// [`cofferdam_core::Code::NotForThisEngine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// A transaction takes back statements that change the schema. Else these may not stand in a [`crate::Batch`], which
    /// refuses them before anything is done.
    pub transactional_ddl: bool,
    /// An index build that failed leaves an index that is not valid.
    pub invalid_indexes: bool,
    /// [`cofferdam_core::plan::Act::Park`].
    pub parks: bool,
    /// [`crate::Session::copier`].
    pub copies: bool,
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
        parks: true,
        copies: true,
        inspects: true,
        rehearses: true,
    };

    /// Nothing of it.
    pub const NONE: Self = Self {
        transactional_ddl: false,
        invalid_indexes: false,
        parks: false,
        copies: false,
        inspects: false,
        rehearses: false,
    };
}
