//! The multi-project framework on disk: its gate, its new scripts and its files from templates.

mod gate;
mod write;

pub(crate) use gate::verify;
pub(crate) use write::{NewFlags, new};
