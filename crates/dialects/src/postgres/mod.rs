//! PostgreSQL's SQL.

pub mod inverse;
mod lex;
pub mod locks;
mod read;
mod refusal;
pub mod sequence;
mod split;
mod transaction;

pub use read::read;
pub use split::split;
pub use transaction::refuses_transaction;

use crate::Dialect;

/// PostgreSQL, versions 12 to 18 and, as far as the text is not to be understood, any later one.
pub static POSTGRES: Dialect = Dialect { id: "postgresql", split, read };
