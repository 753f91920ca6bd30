//! What keeps a run within its limits: stopping, trying again, and the watch that takes a run back by itself.
//!
//! The watch ([`watch`]) sits beside a run on sessions of its own and only asks; what was seen is kept in [`seen`], and
//! each of [`signals::SIGNALS`] judges it, purely. What it finds is a [`Breach`], which reaches the loop through a
//! [`Recall`]: the loop then takes the run back as it would after a failure, or leaves it to a person.

mod affected;
mod bake;
mod heed;
mod limits;
mod recall;
mod seen;
mod signals;
mod stop;
mod tries;
mod watch;

pub(crate) use heed::recalled;
pub use limits::{Condition, Gauge, Guarding, Outside, Thresholds, Way};
pub use recall::Breach;
pub(crate) use recall::Recall;
pub use seen::{Downtime, Guarded};
pub use signals::{SIGNALS, Signal};
pub use stop::{Stop, StopWhy};
pub(crate) use tries::{Tries, listen_while_claiming, pause};
pub(crate) use watch::Watch;
