//! Making certificates before they are needed, and taking them into use in an order in which no request is refused.
//!
//! An authority is written down first, then published in the webhook configurations beside the one before, then a
//! certificate is signed with it, and when every replica shows that one, the authority before is published no more.
//! All that is known is in the Secret and the configurations: whoever leads next goes on from there. The Secret and the
//! configurations are written with the version that was read, so of two that think they lead one writes.

use std::time::Duration;

use jiff::Timestamp;

use super::certificates::{Dated, Held, SKEW, trusted};

/// So long after a publication every apiserver knows of it.
pub const SETTLED: Duration = Duration::from_secs(10);
/// So long after a certificate was made every replica shows it.
const TAKEN_UP: Duration = Duration::from_secs(10 * 60);

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// Write a new authority down.
    Authority,
    /// Publish the authorities.
    Publish,
    /// Wait until every apiserver knows the authority.
    Wait,
    /// Sign a certificate.
    Certificate,
    /// Forget the authorities before the newest.
    Forget,
}

/// The next step. `published` is what each of the configurations trusts, `settled` that they have for long enough.
pub fn next(held: &Held, published: &[Vec<Dated>], names: &[String], settled: bool, now: Timestamp) -> Step {
    let Some(newest) = held.authority(now) else { return Step::Authority };
    if published.iter().any(|one| !same(one, &held.authorities)) {
        return Step::Publish;
    }
    let newest = std::slice::from_ref(newest);
    let leaf = held.leaf.as_ref().map(|leaf| &leaf.certificate);
    let signed = |leaf: &Dated| names.iter().all(|name| trusted(leaf, newest, name, now));
    match leaf.filter(|leaf| signed(leaf)) {
        Some(leaf) if leaf.due(now) => Step::Certificate,
        Some(leaf) if held.authorities.len() > 1 && since(leaf, now) > TAKEN_UP => Step::Forget,
        Some(_) => Step::Rest,
        // Another one is shown somewhere: an apiserver that does not know the newest authority would refuse this one.
        None if held.authorities.len() > 1 && !settled => Step::Wait,
        None => Step::Certificate,
    }
}

/// The same ones, in whatever order.
fn same(one: &[Dated], other: &[Dated]) -> bool {
    one.iter().all(|a| other.contains(a)) && other.iter().all(|a| one.contains(a))
}

/// How long ago it was made.
fn since(leaf: &Dated, now: Timestamp) -> Duration {
    let seconds = now.as_second() - leaf.from.as_second();
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0)).saturating_sub(SKEW)
}
