//! What is applied, what is pending, and what does not fit: a bundle beside a history.
//!
//! As Flyway decides it, with five exceptions, each because it is safer. An applied migration without a file
//! is a problem even if it is newer than every file (Flyway lets it pass as "future"): the directory may be that
//! of an older release. Repeatable migrations wait when a target leaves later versions out (Flyway runs them):
//! they are written for the newest schema. A changed description alone is no problem (Flyway stops): what was
//! run is the same. A baseline migration that was edited after it was applied is a problem (Flyway does not look), and
//! one above the target is not run (Flyway runs it).

mod checkpoint;
mod problem;

use std::collections::{BTreeMap, BTreeSet};

use cofferdam_core::bundle::Version;
use cofferdam_core::history::{Applied, AppliedKind};
use cofferdam_core::{Bundle, Checksum, Migration, MigrationKind, Refusal};
use serde::Serialize;

pub use checkpoint::begun_otherwise;

use crate::format::flyway::checksum::crc32;
use crate::format::sqlx::sha384_hex;

/// The format of a bundle that is a list of named scripts and no directory.
pub const LIST: &str = "list";

/// What the user allows and asks for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Versions older than the newest applied one may still be applied.
    pub out_of_order: bool,
    /// Versions above this one are left alone.
    pub target: Option<Version>,
}

/// The outcome of a comparison.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Everything there is, by version: the files, and what was applied and has no file. Repeatable ones last.
    pub rows: Vec<Row>,
    /// Indexes into [`Bundle::migrations`], in the order in which to apply them.
    pub pending: Vec<usize>,
    /// All that does not fit: `ChecksumChanged`, `FileGone`, `OutOfOrder`. Nothing is to be applied while there
    /// is one.
    pub problems: Vec<Refusal>,
}

/// One migration: its file, what the history says of it, or both.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// As [`Migration::key`] of the file, or as the history has it.
    pub key: String,
    /// The version as written; `None` of a repeatable one.
    pub version: Option<String>,
    /// What it is for.
    pub description: String,
    /// `sql`, `repeatable` or `baseline`.
    pub kind: String,
    /// How it stands.
    pub state: State,
    /// The last row of the history about it, taken back or not.
    pub applied: Option<Applied>,
    /// A way back is known: stored with the applied version, or in the directory.
    pub undo: bool,
}

/// How a migration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// In force, and the file is the same.
    Applied,
    /// To be applied. A repeatable one may have been applied before, with another text.
    Pending,
    /// In force, but the file is no longer the same.
    ChecksumChanged,
    /// In force, but there is no file.
    FileGone,
    /// Not applied, and older than one that is.
    OutOfOrder,
    /// Taken back, and there is no file to apply again.
    Undone,
    /// Not above the baseline: taken as there.
    Ignored,
    /// Not applied, and above the target; or a repeatable one that waits for versions above the target.
    AboveTarget,
}

impl State {
    /// As it is shown: `checksum changed`.
    pub fn words(self) -> &'static str {
        match self {
            State::Applied => "applied",
            State::Pending => "pending",
            State::ChecksumChanged => "checksum changed",
            State::FileGone => "file gone",
            State::OutOfOrder => "out of order",
            State::Undone => "undone",
            State::Ignored => "ignored",
            State::AboveTarget => "above target",
        }
    }
}

/// Compares what is in the directory with what was applied.
pub fn standing(bundle: &Bundle, history: &[Applied], options: &Options) -> Standing {
    let order = Order::of(bundle);
    let options = &Options {
        target: options.target.as_ref().and_then(|target| order.version(&target.text)),
        ..options.clone()
    };
    let history = History::sort(history, order);
    // Of a baseline that a script made, the script is the row.
    let has_file = |baseline: &Applied| {
        let of_it = |migration| history.last_about(migration).is_some_and(|last| last.rank == baseline.rank);
        bundle.migrations.iter().any(of_it)
    };
    let mut rows = Vec::new();
    let mut pending = Vec::new();
    let mut problems = Vec::new();
    if let Some(baseline) = history.baseline.filter(|baseline| !has_file(baseline)) {
        let gone = baseline.is_scripted_baseline() && !is_of_another(baseline, bundle);
        if gone {
            problems.push(problem::file_gone(baseline, is_newer_than_all(baseline, bundle)));
        }
        rows.push(Row::of_history(baseline, if gone { State::FileGone } else { State::Applied }));
    }

    let waits = bundle.migrations.iter().any(|migration| is_above(migration, options));
    let without_file = history.without_file(bundle);
    let start = checkpoint::start(bundle, history.newest.is_none(), options.target.as_ref(), |migration| {
        history.last_about(migration).is_some_and(Applied::in_force)
    });
    let mut sums = Sums::new(without_file.iter().any(|applied| applied.in_force()));
    for (index, migration) in bundle.migrations.iter().enumerate() {
        let last = history.last_about(migration);
        let mut state = match migration.kind {
            _ if !last.is_some_and(Applied::in_force) && start.leaves_out(migration) => State::Ignored,
            MigrationKind::Versioned | MigrationKind::Checkpoint | MigrationKind::Baseline => {
                history.state_of_versioned(migration, last, options)
            }
            MigrationKind::Repeatable => state_of_repeatable(migration, last, waits),
        };
        if !sums.tell(last, state) {
            state = State::Applied;
        }
        match (state, last) {
            (State::Pending, _) => pending.push(index),
            (State::ChecksumChanged, Some(applied)) => {
                problems.push(problem::checksum_changed(migration, applied))
            }
            (State::OutOfOrder, _) => {
                problems
                    .extend(history.newest.as_ref().map(|newest| problem::out_of_order(migration, newest)));
            }
            _ => {}
        }
        rows.push(Row::of_file(migration, last, state));
    }
    for applied in without_file {
        let state =
            match (applied.in_force(), history.below_baseline(applied) || is_of_another(applied, bundle)) {
                (false, _) => State::Undone,
                (true, true) => State::Applied,
                (true, false) => State::FileGone,
            };
        if state == State::FileGone {
            problems.push(problem::file_gone(applied, is_newer_than_all(applied, bundle)));
        }
        rows.push(Row::of_history(applied, state));
    }
    rows.sort_by_cached_key(|row| row.place(order));
    Standing { rows, pending, problems }
}

/// How versions of a directory are compared, and so those of its history.
#[derive(Clone, Copy)]
struct Order<'b>(Option<&'b Version>);

impl<'b> Order<'b> {
    fn of(bundle: &'b Bundle) -> Self {
        Order(bundle.migrations.iter().find_map(|migration| migration.version.as_ref()))
    }

    fn version(self, text: &str) -> Option<Version> {
        self.0.map_or_else(|| Version::parse(text), |one| one.like(text))
    }

    fn of_applied(self, applied: &Applied) -> Option<Version> {
        applied.version.as_deref().and_then(|text| self.version(text))
    }
}

/// What the sums of Atlas tell. Each covers the files before it, too, so one that differs says something of its own
/// file only where all those were there when it was written and are as they were.
struct Sums {
    told: bool,
    highest_rank: i64,
}

impl Sums {
    /// `gone`: a file that was applied is not there any more.
    fn new(gone: bool) -> Self {
        Self { told: !gone, highest_rank: 0 }
    }

    /// Takes the next file. False where its checksum differs and that says nothing.
    fn tell(&mut self, last: Option<&Applied>, state: State) -> bool {
        let in_force = last.filter(|applied| applied.in_force());
        let said = self.told && in_force.is_none_or(|applied| applied.rank > self.highest_rank);
        let only_sum = matches!(
            in_force.and_then(|applied| applied.checksum.as_ref()),
            Some(Checksum::Atlas { sha256: None, .. })
        );
        let differs = state == State::ChecksumChanged;
        self.highest_rank = in_force.map_or(self.highest_rank, |applied| applied.rank.max(self.highest_rank));
        // A file that was not there then, or that is not what it was, is in every sum that follows.
        self.told &= !differs && (in_force.is_some() || state == State::Ignored);
        !(differs && only_sum && !said)
    }
}

/// The history, sorted for look-ups. Of several rows about one migration the last counts.
struct History<'h> {
    order: Order<'h>,
    versioned: BTreeMap<Version, &'h Applied>,
    repeatable: BTreeMap<&'h str, &'h Applied>,
    /// Rows whose version no format of today can read.
    unreadable: Vec<&'h Applied>,
    /// The baseline in force, the highest if there are several.
    baseline: Option<&'h Applied>,
    baseline_version: Option<Version>,
    /// The newest version in force, the baseline's included.
    newest: Option<Version>,
}

impl<'h> History<'h> {
    fn sort(history: &'h [Applied], order: Order<'h>) -> Self {
        let mut by_rank: Vec<_> = history.iter().collect();
        by_rank.sort_by_key(|applied| applied.rank);
        let mut sorted = History {
            order,
            versioned: BTreeMap::new(),
            repeatable: BTreeMap::new(),
            unreadable: Vec::new(),
            baseline: None,
            baseline_version: None,
            newest: None,
        };
        for applied in by_rank {
            match (applied.kind, order.of_applied(applied)) {
                (AppliedKind::Repeatable, _) => drop(sorted.repeatable.insert(&applied.key, applied)),
                (AppliedKind::Versioned, Some(version)) => drop(sorted.versioned.insert(version, applied)),
                (AppliedKind::Baseline, Some(version)) => {
                    if applied.in_force() && sorted.baseline_version.as_ref() <= Some(&version) {
                        (sorted.baseline, sorted.baseline_version) = (Some(applied), Some(version));
                    }
                }
                (AppliedKind::Versioned | AppliedKind::Baseline, None) => sorted.unreadable.push(applied),
            }
        }
        let in_force = sorted
            .versioned
            .iter()
            .filter(|(version, applied)| applied.in_force() && !version.is_listed())
            .map(|(version, _)| version);
        sorted.newest = in_force.chain(&sorted.baseline_version).max().cloned();
        sorted
    }

    fn last_about(&self, migration: &Migration) -> Option<&'h Applied> {
        match &migration.version {
            version @ Some(_) if migration.kind == MigrationKind::Baseline => {
                self.baseline.filter(|baseline| {
                    baseline.is_scripted_baseline() && self.baseline_version.as_ref() == version.as_ref()
                })
            }
            Some(version) => self.versioned.get(version).copied(),
            None => self.repeatable.get(migration.key().as_str()).copied(),
        }
    }

    fn state_of_versioned(&self, migration: &Migration, last: Option<&Applied>, options: &Options) -> State {
        let version = migration.version.as_ref();
        let below_baseline = self.baseline_version.is_some() && version <= self.baseline_version.as_ref();
        let is_covered = below_baseline && migration.kind != MigrationKind::Baseline;
        match last.filter(|applied| applied.in_force()) {
            Some(applied) if is_covered || same(migration, applied) => State::Applied,
            Some(_) => State::ChecksumChanged,
            None if below_baseline => State::Ignored,
            None if is_above(migration, options) => State::AboveTarget,
            None if version.is_some_and(Version::is_listed) => State::Pending,
            None if !options.out_of_order && version < self.newest.as_ref() => State::OutOfOrder,
            None => State::Pending,
        }
    }

    fn below_baseline(&self, applied: &Applied) -> bool {
        self.order.of_applied(applied).is_some_and(|version| Some(version) <= self.baseline_version)
    }

    /// The last row about each migration that the bundle does not have.
    fn without_file(&self, bundle: &Bundle) -> Vec<&'h Applied> {
        let versions: BTreeSet<_> = bundle.migrations.iter().filter_map(|m| m.version.as_ref()).collect();
        let keys: BTreeSet<_> = bundle.migrations.iter().map(Migration::key).collect();
        let versioned = self.versioned.iter().filter(|(version, _)| !versions.contains(version));
        let repeatable = self.repeatable.iter().filter(|(key, _)| !keys.contains(**key));
        versioned
            .map(|(_, applied)| *applied)
            .chain(self.unreadable.iter().copied())
            .chain(repeatable.map(|(_, applied)| *applied))
            .collect()
    }
}

/// The row is that of a script of a list, or the bundle is such a list: neither is complete without the other, so that
/// nothing is missing. A script that its list does not name any more was applied, and that is all.
fn is_of_another(applied: &Applied, bundle: &Bundle) -> bool {
    bundle.format == LIST || Order::of(bundle).of_applied(applied).is_some_and(|version| version.is_listed())
}

fn state_of_repeatable(migration: &Migration, last: Option<&Applied>, waits: bool) -> State {
    match last.filter(|applied| applied.in_force()) {
        Some(applied) if same(migration, applied) => State::Applied,
        _ if waits => State::AboveTarget,
        _ => State::Pending,
    }
}

fn is_above(migration: &Migration, options: &Options) -> bool {
    match (&migration.version, &options.target) {
        (Some(version), Some(target)) => version > target,
        _ => false,
    }
}

fn is_newer_than_all(applied: &Applied, bundle: &Bundle) -> bool {
    let newest = bundle.migrations.iter().filter_map(|migration| migration.version.as_ref()).max();
    Order::of(bundle).of_applied(applied).is_some_and(|version| Some(&version) > newest)
}

/// The file is what was applied, by the algorithm that the history has. A row without a checksum says nothing.
fn same(migration: &Migration, applied: &Applied) -> bool {
    match (&applied.checksum, &migration.checksum) {
        (None, _) => true,
        (Some(Checksum::Sha256(hex)), _) => *hex == migration.up.sha256,
        (Some(Checksum::FlywayCrc32(crc)), Checksum::FlywayCrc32(file)) => crc == file,
        (Some(Checksum::FlywayCrc32(crc)), _) => *crc == crc32(&migration.up.text),
        (Some(Checksum::Sha384(hex)), Checksum::Sha384(file)) => hex == file,
        (Some(Checksum::Sha384(hex)), _) => *hex == sha384_hex(migration.up.text.as_bytes()),
        (Some(Checksum::Atlas { sha256: Some(hex), .. }), _) => *hex == migration.up.sha256,
        (Some(Checksum::Atlas { sum, .. }), Checksum::Atlas { sum: file, .. }) => sum == file,
        // A sum is one of a directory, so that without its directory there is nothing to compare.
        (Some(Checksum::Atlas { .. }), _) => true,
    }
}

impl Row {
    fn of_file(migration: &Migration, last: Option<&Applied>, state: State) -> Self {
        Row {
            key: migration.key(),
            version: migration.version.as_ref().map(|version| version.text.clone()),
            description: migration.description.clone(),
            kind: match migration.kind {
                MigrationKind::Versioned | MigrationKind::Checkpoint => "sql",
                MigrationKind::Repeatable => "repeatable",
                MigrationKind::Baseline => "baseline",
            }
            .to_owned(),
            state,
            applied: last.cloned(),
            undo: migration.down.is_some() || last.is_some_and(way_back_is_stored),
        }
    }

    fn of_history(applied: &Applied, state: State) -> Self {
        Row {
            key: applied.key.clone(),
            version: applied.version.clone(),
            description: applied.description.clone(),
            kind: match applied.kind {
                AppliedKind::Versioned => "sql",
                AppliedKind::Repeatable => "repeatable",
                AppliedKind::Baseline => "baseline",
            }
            .to_owned(),
            state,
            applied: Some(applied.clone()),
            undo: way_back_is_stored(applied),
        }
    }

    /// By version, a baseline before the file with its version; then what has no readable version; then
    /// repeatable ones. Equal ones stay as they are, so that repeatable ones keep the order of their bundle.
    fn place(&self, order: Order<'_>) -> impl Ord + use<> {
        let version = self.version.as_deref().and_then(|text| order.version(text));
        (self.kind == "repeatable", version.is_none(), version, self.kind != "baseline")
    }
}

fn way_back_is_stored(applied: &Applied) -> bool {
    // A baseline is where every way back ends.
    applied.kind != AppliedKind::Baseline
        && (applied.bundle.down.is_some() || !applied.bundle.derived.is_empty())
}
