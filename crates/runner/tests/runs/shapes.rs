//! Plans as text.
//!
//! A unit is `together: STEP; STEP ...` or `alone: STEP` (outside of any transaction). A step is a statement of
//! the fake's language, or `check QUERY`, then what differs from what the statement itself says:
//!
//! | mark | meaning |
//! |---|---|
//! | `<- STATEMENT, STATEMENT` | its way back; without the mark that of the table, column or index it makes |
//! | `!` | there is no way back: from here on the run contracts |
//! | `=` | doing it twice is the same as doing it once |

use cofferdam_core::plan::{Act, Intent, Plan, Probe, Step, Undo, Unit};
use cofferdam_core::{Limits, Name, Phase, Span};

/// What is there before any run.
pub(crate) const BEFORE: &[&str] = &["create table t a b", "insert t 3", "create table empty a"];

/// Plans that end well when nothing disturbs them, over [`BEFORE`].
pub(crate) const SHAPES: &[(&str, &[&str])] = &[
    ("nothing at all", &[]),
    (
        "one transaction",
        &[
            "together: create table n x; add column t.c; nothing made <- nothing unmade; insert n 2 <- nothing gone",
        ],
    ),
    (
        "an index between two transactions",
        &[
            "together: create table n x; add column t.c",
            "alone: create index t.i",
            "together: add column t.d; add column t.e",
        ],
    ),
    (
        "nothing in transactions",
        &[
            "alone: create index t.i",
            "alone: nothing first <- nothing unfirst",
            "alone: create unique index t.j",
            "alone: add column t.c",
            "alone: nothing last <- nothing unlast, nothing unlast again",
        ],
    ),
    ("one index", &["alone: create index t.i"]),
    ("one call", &["alone: nothing called <- nothing uncalled"]),
    (
        "a check in the last transaction",
        &["alone: create index t.i", "together: add column t.c; check select empty"],
    ),
    (
        "a check of its own",
        &["together: add column t.c", "alone: create index t.i", "together: check select empty"],
    ),
    (
        "no way back at the end",
        &[
            "alone: create index t.i",
            "together: add column t.c",
            "together: add column t.d; drop column t.b !",
        ],
    ),
    (
        "no way back, outside of a transaction",
        &[
            "together: add column t.c",
            "alone: nothing gone !",
            "together: add column t.d",
            "alone: create index t.i",
        ],
    ),
    (
        "settings",
        &["alone: set path one", "together: add column t.c; set way two", "alone: create index t.i"],
    ),
    ("done again", &["alone: nothing analysed =", "alone: create index t.i", "alone: nothing vacuumed ="]),
];

/// The plan that the text says, of the migration with this version.
pub(crate) fn plan(version: &str, units: &[&str]) -> Plan {
    let mut phase = Phase::Expanding;
    let mut number = 0;
    let mut unit = |text: &str| {
        let (how, steps) = text.split_once(": ").expect("how the unit commits");
        let steps = steps.split("; ").map(|step| {
            number += 1;
            self::step(number, step, &mut phase, how == "together")
        });
        Unit { atomic: how == "together", steps: steps.collect() }
    };
    let units = units.iter().map(|text| unit(text)).collect();
    let plan = Plan {
        strategy: "direct".into(),
        key: version.into(),
        description: format!("migration {version}"),
        intent: Intent::Apply,
        units,
        losses: Vec::new(),
    };
    plan.checked().expect("a plan")
}

fn step(number: usize, text: &str, phase: &mut Phase, atomic: bool) -> Step {
    let (text, repeatable) = marked(text, " =");
    let (text, final_) = marked(text, " !");
    let (statement, back) = match text.split_once(" <- ") {
        Some((statement, back)) => (statement, Some(back.split(", ").map(str::to_owned).collect())),
        None => (text, opposite(text).map(|back| vec![back])),
    };
    let undo = match back {
        _ if final_ => Undo::Impossible { why: "it is gone".into() },
        None => Undo::Nothing,
        Some(statements) => {
            let loose = !atomic && probe(statement) != Probe::Nothing;
            let acts = statements.into_iter().map(Act::sql).collect();
            Undo::Acts { acts, atomic: !loose, loses: None }
        }
    };
    if statement.starts_with("check ") && *phase == Phase::Expanding {
        *phase = Phase::Verifying;
    }
    if final_ {
        *phase = Phase::Contracting;
    }
    Step {
        id: number.to_string(),
        phase: *phase,
        title: statement.into(),
        act: act(statement, atomic),
        probe: if repeatable { Probe::Repeatable } else { probe(statement) },
        undo,
        limits: Limits { tries: 3, ..Limits::default() },
        lock: String::new(),
        blocks: String::new(),
        estimate: String::new(),
        path: "V1__x.sql".into(),
        at: Span::default(),
    }
}

fn marked<'a>(text: &'a str, mark: &str) -> (&'a str, bool) {
    text.strip_suffix(mark).map_or((text, false), |rest| (rest, true))
}

fn act(statement: &str, atomic: bool) -> Act {
    if let Some(query) = statement.strip_prefix("check ") {
        return Act::Check { queries: vec![query.into()] };
    }
    match probe(statement) {
        Probe::IndexValid { index } if !atomic => Act::BuildIndex { index, sql: statement.into() },
        _ => Act::sql(statement),
    }
}

fn probe(statement: &str) -> Probe {
    let words: Vec<&str> = statement.split(' ').collect();
    let inside = |path: &str| {
        let (table, name) = path.split_once('.').expect("a path");
        (Name::plain(table), name.to_owned())
    };
    match words.as_slice() {
        ["create", "table", table, ..] => Probe::RelationThere { relation: Name::plain(*table) },
        ["create", .., "index", path] => Probe::IndexValid { index: Name::plain(inside(path).1) },
        ["add", "column", path] => {
            let (table, column) = inside(path);
            Probe::ColumnThere { table, column, ty: None }
        }
        ["drop", "column", path] => {
            let (table, column) = inside(path);
            Probe::ColumnAbsent { table, column }
        }
        ["set", ..] => Probe::Session,
        ["check", ..] => Probe::Repeatable,
        _ => Probe::Nothing,
    }
}

fn opposite(statement: &str) -> Option<String> {
    match statement.split(' ').collect::<Vec<_>>().as_slice() {
        ["create", "table", table, ..] => Some(format!("drop table {table}")),
        ["create", .., "index", path] => Some(format!("drop index {path}")),
        ["add", "column", path] => Some(format!("drop column {path}")),
        _ => None,
    }
}

/// What the plan does to the database, in order, when nothing disturbs it.
pub(crate) fn statements(plan: &Plan) -> Vec<String> {
    plan.steps().map(|step| step.act.text()).collect()
}

/// What takes these steps back, the last one first.
pub(crate) fn undos<'a>(steps: impl DoubleEndedIterator<Item = &'a Step>) -> Vec<String> {
    let acts = steps.rev().filter_map(|step| match &step.undo {
        Undo::Acts { acts, .. } => Some(acts),
        _ => None,
    });
    acts.flatten().map(Act::text).collect()
}
