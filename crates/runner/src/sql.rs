//! The SQL of a server, by the id of the dialect that it speaks (`Session::dialect`).

use cofferdam_core::fault::Result;
use cofferdam_core::{Fault, Name, QuotedIdent, Script};
use cofferdam_dialects::mysql::Flavour;
use cofferdam_dialects::{Dialect, Parsed};

/// What splits and reads it.
pub(crate) fn reader(dialect: &str) -> Result<&'static Dialect> {
    cofferdam_dialects::dialect(dialect)
        .ok_or_else(|| Fault::Bug(format!("no dialect for {dialect} was compiled in")))
}

/// What the statements of a script do.
pub(crate) fn read(dialect: &str, script: &Script) -> Result<Parsed> {
    (reader(dialect)?.read)(script).map_err(Fault::Refused)
}

/// The name of a table, quoted.
pub(crate) fn table(dialect: &str, name: &Name) -> Result<String> {
    Ok(match Flavour::of(dialect) {
        Some(_) => name.to_mysql()?,
        None => name.to_sql()?,
    })
}

/// The name of a column, quoted.
pub(crate) fn column(dialect: &str, name: &str) -> Result<QuotedIdent> {
    Ok(match Flavour::of(dialect) {
        Some(_) => QuotedIdent::backticked(name)?,
        None => QuotedIdent::new(name)?,
    })
}

/// The name is looked for in one schema only. On PostgreSQL one without a schema may be found in each of the search path,
/// whichever of them a statement would make it in.
pub(crate) fn is_in_one_place(dialect: &str, name: &Name) -> bool {
    name.schema.is_some() || Flavour::of(dialect).is_some()
}
