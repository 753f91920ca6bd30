//! Rehearsals: what statements are seen to do, and trying them in a transaction that is taken back.

mod look;
mod observe;
mod trial;

pub(super) use observe::{after, before, begin, outside};
pub(super) use trial::try_out;
