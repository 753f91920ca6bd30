//! What other suites have, too.
#![allow(unreachable_pub, dead_code, clippy::expect_used, reason = "made for suites of their own")]

#[path = "../online/place.rs"]
pub(crate) mod place;
#[path = "../support/post.rs"]
pub(crate) mod post;
#[path = "../notify/receiver.rs"]
pub(crate) mod receiver;
#[path = "../stress/session.rs"]
pub(crate) mod session;
#[path = "../support/mod.rs"]
pub(crate) mod support;
#[path = "../drills/writer.rs"]
pub(crate) mod writer;
