//! Against real servers of both kinds; each test has a database of its own.

mod changing;
mod comparing;
mod examining;
mod following;
mod keys;
mod moving;
pub(super) mod planted;
mod support;
mod swapping;
mod visibility;
