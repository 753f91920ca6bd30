//! Rehearsals: the schema as objects, a database that is made of them, and what statements are seen to do.

mod look;
mod observe;
mod sample;
mod schema;
mod stage;
mod trial;

pub(super) use observe::{after, before, begin, outside};
pub(super) use schema::schema;
pub(super) use stage::PostgresStage;
pub(super) use trial::try_out;
