//! A tool's history beside Cofferdam's own: what one of the two has and the other has not.
//!
//! Both are written in one transaction, so that they differ only where somebody else wrote one of them: the tool went
//! on, or took something back, or Cofferdam kept its own history alone for a while. What the tool applied is taken
//! over. What it says that it took back counts as taken back. A row of ours that is simply not there is no such
//! word: the table may have been emptied or be of another day, and to apply a migration once more because of that
//! could run it on data that it has changed already. That is for a person to say.

mod choice;
mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::bundle::Version;
use cofferdam_core::history::{Applied, AppliedKind, RollbackBundle, Unfinished};
use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Script};

pub use choice::{Choice, Wanted, choose};
pub use words::{keys, problems};

use crate::history::{History, HistoryCodec};

/// What differs between a tool's history and Cofferdam's own.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// In force there and not here, by the tool's rank.
    pub theirs: Vec<Applied>,
    /// In force here and not there, and nothing there says that it was taken back.
    pub ours: Vec<Applied>,
    /// In force here; the tool says that it took it back. With the moment, as the tool has it.
    pub taken_back: Vec<(Applied, String)>,
    /// In force in both, with different checksums: ours, and theirs.
    pub drift: Vec<(Applied, Applied)>,
    /// In force in both.
    pub agreed: usize,
    /// What the tool left unfinished.
    pub unfinished: Vec<Unfinished>,
}

impl Difference {
    /// The two say the same.
    pub fn is_none(&self) -> bool {
        self.theirs.is_empty() && self.ours.is_empty() && self.taken_back.is_empty() && self.drift.is_empty()
    }
}

/// What a migration is known by in both.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Version(Version),
    Text(String),
}

/// How versions are compared: as the directory does it, or, without one, as numbers.
struct Order<'b>(Option<&'b Version>);

impl<'b> Order<'b> {
    fn of(bundle: &'b Bundle) -> Self {
        Order(bundle.migrations.iter().find_map(|migration| migration.version.as_ref()))
    }

    fn version(&self, text: &str) -> Option<Version> {
        self.0.map_or_else(|| Version::parse(text), |one| one.like(text))
    }

    fn of_applied(&self, applied: &Applied) -> Option<Version> {
        applied.version.as_deref().and_then(|text| self.version(text))
    }

    fn identity(&self, applied: &Applied) -> Identity {
        match self.of_applied(applied) {
            Some(version) => Identity::Version(version),
            None => Identity::Text(applied.key.clone()),
        }
    }

    /// Each run of the tool of what this is about stands in our own history, in the same order; then there are more of
    /// ours, because the last texts are not the same. By the texts, and not by the moments: not every tool keeps those in
    /// one time zone.
    fn runs_known(&self, own: &[Applied], about: &Applied, theirs: &History) -> bool {
        let identity = self.identity(about);
        let runs = |row: &&Applied| row.kind == AppliedKind::Repeatable && self.identity(row) == identity;
        let mut here = own.iter().filter(|row| runs(row));
        theirs.applied.iter().filter(runs).all(|there| here.any(|row| row.checksum == there.checksum))
    }
}

/// The directory with what only the history knows beside its files: a tool that keeps how far it got needs to know what
/// lies below, also where the directory is that of an older release.
pub fn with_history<'b>(bundle: &'b Bundle, own: &[Applied]) -> Cow<'b, Bundle> {
    let order = Order::of(bundle);
    let known: BTreeSet<&Version> = bundle.migrations.iter().filter_map(|m| m.version.as_ref()).collect();
    let in_force = own.iter().filter(|applied| applied.in_force() && applied.kind == AppliedKind::Versioned);
    let mut added: BTreeMap<Version, Migration> = BTreeMap::new();
    for applied in in_force {
        let Some(version) = order.of_applied(applied).filter(|version| !version.is_listed()) else {
            continue;
        };
        if !known.contains(&version) {
            added.insert(version.clone(), without_file(applied, version));
        }
    }
    if added.is_empty() {
        return Cow::Borrowed(bundle);
    }
    let mut whole = bundle.clone();
    whole.migrations.extend(added.into_values());
    whole.migrations.sort_by(|one, other| match (&one.version, &other.version) {
        (Some(one), Some(other)) => one.cmp(other),
        (Some(_), None) => std::cmp::Ordering::Less,
        (None, Some(_)) => std::cmp::Ordering::Greater,
        (None, None) => std::cmp::Ordering::Equal,
    });
    Cow::Owned(whole)
}

fn without_file(applied: &Applied, version: Version) -> Migration {
    Migration {
        version: Some(version),
        description: applied.description.clone(),
        kind: MigrationKind::Versioned,
        up: Script::new("", ""),
        down: None,
        check: None,
        checksum: applied.checksum.clone().unwrap_or(Checksum::Sha256(String::new())),
        no_transaction: false,
    }
}

/// Compares the two. `own` is by rank.
pub fn difference(codec: &HistoryCodec, bundle: &Bundle, own: &[Applied], theirs: &History) -> Difference {
    let order = Order::of(bundle);
    let mut here: BTreeMap<Identity, &Applied> = BTreeMap::new();
    for applied in own {
        here.insert(order.identity(applied), applied);
    }
    here.retain(|_, applied| applied.in_force());
    let mut there: BTreeMap<Identity, &Applied> = BTreeMap::new();
    for applied in &theirs.applied {
        there.insert(order.identity(applied), applied);
    }
    let baseline = |rows: &mut dyn Iterator<Item = &Applied>| {
        rows.filter(|a| a.in_force() && a.kind == AppliedKind::Baseline)
            .filter_map(|a| order.of_applied(a))
            .max()
    };
    let baseline_here = baseline(&mut own.iter());
    let baseline_there = baseline(&mut theirs.applied.iter());
    let newest_here = here.values().filter_map(|a| order.of_applied(a)).filter(|v| !v.is_listed()).max();
    let is_mark = codec.id == "golang-migrate";

    let mut found = Difference { unfinished: theirs.unfinished.clone(), ..Difference::default() };
    for applied in theirs.applied.iter().filter(|applied| applied.in_force()) {
        let version = order.of_applied(applied);
        let in_baseline = version.is_some() && baseline_here.is_some() && version <= baseline_here;
        match here.get(&order.identity(applied)) {
            Some(ours) => {
                found.agreed += 1;
                if differ(ours, applied) {
                    let is_last = there.get(&order.identity(applied)).is_some_and(|l| l.rank == applied.rank);
                    match applied.kind {
                        // Of an earlier text: what counts is the last.
                        AppliedKind::Repeatable if !is_last => {}
                        // What the tool ran is known here, and ours came after it.
                        AppliedKind::Repeatable if order.runs_known(own, applied, theirs) => {
                            found.ours.push((*ours).clone());
                        }
                        // The tool ran it again, with another text.
                        AppliedKind::Repeatable => found.theirs.push(applied.clone()),
                        _ => found.drift.push(((*ours).clone(), applied.clone())),
                    }
                }
            }
            None if in_baseline => {}
            // Its one row says nothing of a file that came late: it passes over that.
            None if is_mark && version < newest_here => {}
            None => found.theirs.push(applied.clone()),
        }
    }
    for ours in own.iter().filter(|applied| applied.in_force()) {
        let identity = order.identity(ours);
        let version = order.of_applied(ours);
        let is_listed = version.as_ref().is_some_and(Version::is_listed);
        let in_baseline = version.is_some() && baseline_there.is_some() && version <= baseline_there;
        let is_last = here.get(&identity).is_some_and(|last| last.rank == ours.rank);
        let declared = ours.kind == AppliedKind::Baseline && !ours.is_scripted_baseline();
        if is_listed || in_baseline || declared || !is_last {
            continue;
        }
        let unfinished = |one: &Unfinished| one.key == ours.key;
        match there.get(&identity) {
            Some(row) if row.in_force() => {}
            Some(row) => found.taken_back.push((ours.clone(), row.undone_at.clone().unwrap_or_default())),
            None if theirs.unfinished.iter().any(unfinished) => {}
            // Not every tool has repeatable ones.
            None if ours.kind == AppliedKind::Repeatable && codec.id != "flyway" => {}
            None => found.ours.push(ours.clone()),
        }
    }
    found
}

/// Of the same algorithm, and not the same. Of the sum of Atlas only the file's own hash is kept here.
fn differ(ours: &Applied, theirs: &Applied) -> bool {
    match (&ours.checksum, &theirs.checksum) {
        (Some(Checksum::FlywayCrc32(one)), Some(Checksum::FlywayCrc32(other))) => one != other,
        (Some(Checksum::Sha256(one)), Some(Checksum::Sha256(other))) => one != other,
        (Some(Checksum::Sha384(one)), Some(Checksum::Sha384(other))) => one != other,
        (Some(Checksum::Atlas { sum: one, sha256: None }), Some(Checksum::Atlas { sum: other, .. })) => {
            one != other
        }
        _ => false,
    }
}

/// The history that counts: ours, with what the tool did since.
pub fn merged(own: Vec<Applied>, difference: &Difference) -> Vec<Applied> {
    let mut all = own;
    let taken_back: BTreeMap<i64, &String> =
        difference.taken_back.iter().map(|(ours, at)| (ours.rank, at)).collect();
    for row in &mut all {
        if let Some(at) = taken_back.get(&row.rank) {
            row.undone_at = Some((*at).clone());
        }
    }
    let last = all.iter().map(|applied| applied.rank).max().unwrap_or(0);
    all.extend((last + 1..).zip(&difference.theirs).map(|(rank, theirs)| Applied { rank, ..theirs.clone() }));
    all
}

/// A row of the tool's as it is taken over into Cofferdam's history: with the way back and the check of its file, and
/// with a checksum where the tool keeps none. `rank` is that of our history, `now` stands where the tool keeps no
/// moment.
pub fn taken_over(
    codec: &HistoryCodec,
    theirs: &Applied,
    file: Option<&Migration>,
    rank: i64,
    now: &str,
) -> Applied {
    let checksum = match (&theirs.checksum, file.map(|file| &file.checksum)) {
        // Of Atlas only its sum is known, and that covers the files before it, too: where it is the file's, the file
        // is what was applied.
        (Some(Checksum::Atlas { sum, .. }), Some(file @ Checksum::Atlas { sum: now, .. })) if sum == now => {
            Some(file.clone())
        }
        (Some(checksum), _) => Some(checksum.clone()),
        (None, file) if theirs.kind != AppliedKind::Baseline => file.cloned(),
        (None, _) => None,
    };
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    Applied {
        rank,
        key: file.map_or_else(|| theirs.key.clone(), Migration::key),
        version: file
            .and_then(|file| file.version.as_ref())
            .map_or_else(|| theirs.version.clone(), |version| Some(version.text.clone())),
        description: or(&theirs.description, file.map_or("", |file| &file.description)),
        checksum,
        at: or(&theirs.at, now),
        by: or(&theirs.by, codec.id),
        bundle: RollbackBundle {
            down: file.and_then(|file| file.down.clone()),
            check: file.and_then(|file| file.check.clone()),
            kept_in: Some(codec.id.to_owned()),
            ..RollbackBundle::default()
        },
        run: None,
        undone_at: None,
        ..theirs.clone()
    }
}

/// The migrations of a directory, found by rows of a history.
pub struct Files<'b> {
    order: Order<'b>,
    /// Baselines apart: one may have the version of another migration.
    by_identity: BTreeMap<(bool, Identity), &'b Migration>,
}

impl<'b> Files<'b> {
    /// Those of this directory.
    pub fn of(bundle: &'b Bundle) -> Self {
        let identity = |migration: &'b Migration| {
            let identity = match &migration.version {
                Some(version) => Identity::Version(version.clone()),
                None => Identity::Text(migration.key()),
            };
            (migration.kind == MigrationKind::Baseline, identity)
        };
        let by_identity =
            bundle.migrations.iter().map(|migration| (identity(migration), migration)).collect();
        Self { order: Order::of(bundle), by_identity }
    }

    /// The one that the row is about.
    pub fn about(&self, applied: &Applied) -> Option<&'b Migration> {
        let identity = (applied.kind == AppliedKind::Baseline, self.order.identity(applied));
        self.by_identity.get(&identity).copied()
    }
}

#[cfg(test)]
mod tests;
