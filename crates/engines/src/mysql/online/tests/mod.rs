//! Against real servers of both kinds; each test has a database of its own.

mod changing;
mod examining;
mod following;
mod keys;
mod support;
mod visibility;
