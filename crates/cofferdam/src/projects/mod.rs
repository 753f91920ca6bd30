//! The multi-project framework on disk and in databases: its gate, its new scripts and its files from templates; what
//! installs, upgrades and rolls back.

mod approve;
mod deploy;
mod flags;
mod gate;
mod metadata;
mod reach;
mod ready;
mod rollback;
mod status;
mod view;
mod write;

pub(crate) use approve::{Approving, approve};
pub(crate) use deploy::{DeployFlags, deploy};
pub(crate) use flags::{OfFlags, release};
pub(crate) use gate::verify;
pub(crate) use ready::Wish;
pub(crate) use rollback::{Back, rollback};
pub(crate) use status::status;
pub(crate) use write::{NewFlags, new};
