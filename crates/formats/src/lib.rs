//! Migration directories of the tools of the field, read as one Bundle.
//!
//! Bytes in, [`Bundle`](cofferdam_core::Bundle) out: nothing here touches a file system or a database. A format
//! is one file in `format/` and its line in [`FORMATS`]; the way in which a tool writes its history is one file
//! in `history/` and its line in [`HISTORIES`]. [`standing()`] compares a bundle with a history.

mod foreign;
pub mod format;
pub mod history;
mod nearest;
mod script;
pub mod standing;
mod tree;
mod versions;

pub use format::{Confidence, FORMATS, Format, NewFiles, read};
pub use history::{HISTORIES, HistoryCodec};
pub use nearest::nearest;
pub use script::script;
pub use standing::{Options, Row, Standing, State, standing};
pub use tree::{File, Tree};
