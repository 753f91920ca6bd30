//! What a database is made of, what is different between two of them, and the statements that lead from the one to
//! the other.
//!
//! A [`Schema`] is a set of [`Object`]s, each under a [`Key`], as a server described them; the texts in it are the
//! server's own, with all names qualified. [`compare`] says what is different. [`lead`] writes the statements, in an
//! order that the server takes. [`mermaid::er`] draws. Nothing here asks a server.

mod compare;
mod fate;
mod key;
mod lead;
pub mod mermaid;
mod model;
mod order;
mod postgres;
mod script;

pub use compare::{Difference, Leaving, State, compare, level};
pub use key::{Key, Kind};
pub use lead::{Lead, Statement, lead};
pub use model::{
    Attachment, Attribute, Body, Check, Column, Composite, Constraint, Counter, Domain, Extension, Generated,
    Grant, Identity, Index, LeftOut, MaterializedView, Object, Owned, Policy, Routine, Rule, Schema, Table,
    Trigger, View, ViewColumn,
};
pub use order::Deed;
pub use postgres::define;
