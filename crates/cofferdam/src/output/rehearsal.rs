//! What a rehearsal saw: screen and document.

use cofferdam_engines::Deed;
use cofferdam_runner::rehearse::{Rehearsal, StepSeen};
use cofferdam_schema::{Difference, State};
use serde::Serialize;

use super::diff::{DifferenceView, lines};
use super::table::Columns;
use crate::rehearsing::Ground;

/// The document of kind `Rehearsal`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RehearsalView {
    database: String,
    /// It may be applied, as far as a rehearsal can tell.
    may_be_applied: bool,
    /// `None`: nothing is pending.
    #[serde(flatten)]
    ground: Option<Ground>,
    #[serde(flatten)]
    found: Rehearsal,
    /// What is other after the way there and back.
    differs: Vec<DifferenceView<State>>,
    /// What is other the second time.
    differs_again: Vec<DifferenceView<State>>,
}

impl RehearsalView {
    /// Nothing is pending.
    pub(crate) fn nothing() -> Self {
        Self::of("", Rehearsal::default(), None)
    }

    /// Of a rehearsal that came to its end.
    pub(crate) fn new(database: &str, found: Rehearsal, ground: Ground) -> Self {
        Self::of(database, found, Some(ground))
    }

    fn of(database: &str, found: Rehearsal, ground: Option<Ground>) -> Self {
        let views = |all: &[Difference]| all.iter().map(|d| DifferenceView::new(d, d.state)).collect();
        Self {
            database: database.to_owned(),
            may_be_applied: found.refuse().is_ok(),
            ground,
            differs: views(&found.differs),
            differs_again: views(&found.differs_again),
            found,
        }
    }

    /// The screen.
    pub(crate) fn text(&self) -> String {
        let Some(ground) = &self.ground else {
            return "nothing is pending: there is nothing to rehearse".into();
        };
        let mut out = format!("{}: rehearsed on {}", self.database, ground.on);
        if let Some(rows) = ground.sampled_rows {
            out += &format!(", with {rows} rows");
        }
        out.push('\n');
        for way in &self.found.ways {
            out += &format!("\n{}\n", way.way.word());
            let mut table =
                Columns::new(&["STEP", "TOOK", "LOCKS", "WRITTEN ANEW", "READ", "WAL", "THE PLAN SAYS"])
                    .indented("  ");
            for step in &way.steps {
                table.row(row(step));
            }
            out += &table.text();
        }
        out.push('\n');
        let steps = || self.found.ways.iter().flat_map(|way| &way.steps);
        for line in steps().flat_map(|step| &step.more) {
            out += &format!("more than the plan says: {line}\n");
        }
        let mut less: Vec<&String> = steps().flat_map(|step| &step.less).collect();
        less.dedup();
        for line in less {
            out += &format!("less than the plan says: {line}\n");
        }
        for (when, differences) in
            [("after there and back", &self.differs), ("the second time", &self.differs_again)]
        {
            out += &differences.iter().map(|one| other(when, one)).collect::<String>();
        }
        for (key, why) in &self.found.no_way_back {
            out += &format!("{key} has no way back: {why}\n");
        }
        if let Some(failure) = &self.found.failed {
            let at = failure.at.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
            out += &format!("failed on the way {}: {at}{}\n", failure.way.word(), failure.what);
            out += &failure.cause.as_ref().map(|cause| format!("  {cause}\n")).unwrap_or_default();
        }
        for missing in &ground.not_carried {
            out += &format!("not in the copy: {}: {}\n", missing.name, missing.why);
        }
        out += match self.may_be_applied {
            true => "it may be applied",
            false => "it must not be applied as it is",
        };
        out
    }
}

fn row(step: &StepSeen) -> [String; 7] {
    let deed = step.deed.as_ref();
    let cell = |of: fn(&Deed) -> String| deed.map_or_else(|| "-".to_owned(), of);
    let plan = match step.lock.is_empty() {
        true => step.estimate.clone(),
        false => format!("{}, {}", step.lock, step.estimate),
    };
    [
        format!("{} {} {}", step.migration, step.step, step.title),
        format!("{} ms", step.ms),
        cell(locks),
        cell(|deed| joined(deed.rewritten.iter().cloned())),
        cell(|deed| joined(deed.read.iter().map(|(table, rows)| format!("{table} {rows}")))),
        cell(|deed| deed.wal_bytes.map_or_else(|| "-".to_owned(), cofferdam_adapters::checks::size)),
        plan,
    ]
}

fn locks(deed: &Deed) -> String {
    if !deed.locks_seen {
        return "too quick to be seen".into();
    }
    joined(deed.locks.iter().map(|(table, lock)| format!("{table} {lock}")))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    let all: Vec<String> = parts.collect();
    if all.is_empty() { "-".to_owned() } else { all.join(", ") }
}

fn other(when: &str, one: &DifferenceView<State>) -> String {
    let how = match one.state {
        State::Removed => "gone",
        State::Added => "left",
        State::Changed => "changed",
    };
    let what = format!("other {when}: {} is {how}\n", one.object);
    match one.state {
        State::Changed => what + &lines("was", one.from.as_deref()) + &lines("is", one.to.as_deref()),
        State::Removed | State::Added => what,
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_runner::rehearse::{Direction, Way};
    use cofferdam_schema::{Key, Kind};

    use super::*;

    #[test]
    fn the_screen() {
        let step = |deed: Option<Deed>, more: &[&str]| StepSeen {
            migration: "2".into(),
            step: "1".into(),
            title: "create index concurrently orders_note".into(),
            lock: "SHARE UPDATE EXCLUSIVE".into(),
            estimate: "about 40 s".into(),
            ms: 12,
            deed,
            more: more.iter().map(|line| (*line).to_owned()).collect(),
            less: Vec::new(),
        };
        let deed = Deed {
            locks: vec![("public.orders".into(), "SHARE".into())],
            locks_seen: true,
            rewritten: vec!["public.orders".into()],
            read: vec![("public.orders".into(), 1000)],
            wal_bytes: Some(81_920),
            ..Deed::default()
        };
        let differs = Difference {
            key: Key::on(Kind::Column, "public", "orders", "note"),
            state: State::Changed,
            from: Some("ALTER TABLE orders ADD COLUMN note text NOT NULL".into()),
            to: Some("ALTER TABLE orders ADD COLUMN note text".into()),
        };
        let found = Rehearsal {
            ways: vec![
                Way { way: Direction::There, steps: vec![step(Some(deed), &["it takes SHARE"])] },
                Way { way: Direction::Back, steps: vec![step(None, &[])] },
            ],
            differs: vec![differs],
            no_way_back: vec![("3".into(), "it is repeatable".into())],
            ..Rehearsal::default()
        };
        let ground = Ground { sampled_rows: Some(1000), ..Ground::transaction() };
        let view = RehearsalView::new("shop", found, ground);
        insta::assert_snapshot!(view.text());
        let document = serde_json::to_value(&view).unwrap();
        assert_eq!(document["mayBeApplied"], false);
        assert_eq!(document["ways"][0]["steps"][0]["deed"]["walBytes"], 81_920);
        assert_eq!(document["sampledRows"], 1000);
        assert_eq!(document["differs"][0]["object"], "column public.orders.note");
        assert!(RehearsalView::nothing().text().starts_with("nothing is pending"));
    }
}
