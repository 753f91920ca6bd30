//! Migration directories of the tools of the field, read as one Bundle.
//!
//! Bytes in, [`Bundle`](cofferdam_core::Bundle) out: nothing here touches a file system or a database. A format
//! is one file in `format/` and its line in [`FORMATS`]; the way in which a tool writes its history is one file
//! in `history/` and its line in [`HISTORIES`]. [`standing()`] compares a bundle with a history.
//! [`tables`] tells whose history a table is.

pub mod beside;
mod cells;
mod foreign;
pub mod format;
mod halves;
pub mod history;
mod late;
mod nearest;
mod script;
pub mod standing;
pub mod tables;
mod tree;
mod unfinished;
mod versions;
pub mod writes;

pub use format::{Confidence, FORMATS, Format, NewFiles, Values, notes, read, read_with};
pub use history::{HISTORIES, HistoryCodec};
pub use late::late;
pub use nearest::nearest;
pub use script::script;
pub use standing::{Options, Row, Standing, State, standing};
pub use tree::{File, Tree};
pub use unfinished::unfinished;
