//! DatabaseMigrations in a cluster: screens and documents of the plugin of kubectl.

pub(crate) mod age;
pub(crate) mod describe;
pub(crate) mod list;
pub(crate) mod plan;
pub(crate) mod status;
pub(crate) mod verify;
