//! What holds for any script: its plan obeys the rules of plans, loses no statement, and its way back is a plan too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::HashSet;

use cofferdam_core::history::Applied;
use cofferdam_core::plan::{Act, Intent, Plan, Probe, Undo};
use cofferdam_core::{Code, Phase};
use cofferdam_strategies::{STRATEGIES, back, shadow_table};
use common::Case;
use proptest::prelude::*;

/// Statements that may stand in any order, as far as planning is concerned.
const POOL: &[&str] = &[
    "CREATE TABLE notes (id bigint PRIMARY KEY, text text)",
    "CREATE TABLE IF NOT EXISTS customers (id bigint)",
    "CREATE INDEX notes_text_idx ON notes (text)",
    "CREATE INDEX orders_legacy_idx ON orders (legacy)",
    "CREATE INDEX CONCURRENTLY orders_amount_idx ON orders (amount)",
    "CREATE UNIQUE INDEX ON orders (note)",
    "DROP INDEX orders_note_idx",
    "DROP INDEX CONCURRENTLY orders_gone_idx",
    "ALTER TABLE orders ADD COLUMN place text",
    "ALTER TABLE orders ADD COLUMN code int NOT NULL DEFAULT 7 UNIQUE",
    "ALTER TABLE orders DROP COLUMN legacy",
    "ALTER TABLE orders ALTER COLUMN note SET NOT NULL",
    "ALTER TABLE orders DROP COLUMN note, ALTER COLUMN legacy SET NOT NULL",
    "ALTER TABLE orders ADD CONSTRAINT positive CHECK (amount > 0)",
    "ALTER TABLE orders ADD FOREIGN KEY (customer_id) REFERENCES customers (id)",
    "ALTER TABLE orders ADD CONSTRAINT orders_note_key UNIQUE (note)",
    "ALTER TABLE orders ALTER COLUMN customer_id TYPE text",
    "ALTER TABLE notes RENAME TO remarks",
    "ALTER TABLE notes ALTER COLUMN text SET NOT NULL",
    "DROP TABLE notes",
    "TRUNCATE customers",
    "INSERT INTO notes VALUES (1, 'a')",
    "UPDATE orders SET note = ''",
    "DELETE FROM customers",
    "CREATE OR REPLACE VIEW big AS SELECT * FROM orders",
    "REFRESH MATERIALIZED VIEW totals",
    "VACUUM orders",
    "REINDEX TABLE orders",
    "CALL fill_in()",
    "DO $$ BEGIN PERFORM 1; END $$",
    "SET search_path TO app",
    "SET lock_timeout = '1s'",
    "ALTER TYPE mood ADD VALUE 'calm'",
    "GRANT SELECT ON orders TO reader",
    "ALTER TABLE orders FROBNICATE",
    "COPY customers (id) FROM stdin;\n7\n\\.\n",
];

#[derive(Debug, Clone)]
struct Written {
    statements: Vec<&'static str>,
    frame: bool,
    transaction_none: bool,
    as_written: bool,
    check: bool,
}

fn written() -> impl Strategy<Value = Written> {
    let statements = prop::collection::vec(prop::sample::select(POOL), 0..7);
    // Most scripts have no frame of their own and leave the transaction to us.
    let rarely = || prop::bool::weighted(0.2);
    (statements, rarely(), rarely(), rarely(), any::<bool>()).prop_map(
        |(statements, frame, transaction_none, as_written, check)| Written {
            statements,
            frame,
            transaction_none,
            as_written,
            check,
        },
    )
}

impl Written {
    fn case(&self) -> Case {
        let mut text = String::new();
        if self.transaction_none {
            text += "-- cofferdam:transaction none\n\n";
        }
        if self.frame {
            text += "BEGIN;\n";
        }
        for statement in &self.statements {
            text += statement.trim_end_matches("\\.\n");
            text += if statement.ends_with("\\.\n") { "\\.\n" } else { ";\n" };
        }
        if self.frame {
            text += "COMMIT;\n";
        }
        let mut case = Case::new(&text);
        if self.as_written {
            case = case.with("as written");
        }
        if self.check {
            case = case.with("check SELECT 1 WHERE false");
        }
        case
    }

    fn refusal_fits(&self, code: Code) -> bool {
        match code {
            Code::TransactionInFile => self.frame && self.transaction_none,
            Code::MixedTransaction => !self.transaction_none,
            _ => false,
        }
    }
}

fn applied(case: &Case, plan: &Plan) -> Applied {
    Applied {
        rank: 1,
        key: plan.key.clone(),
        version: Some("7".into()),
        description: String::new(),
        kind: case.migration.kind.into(),
        checksum: None,
        at: String::new(),
        by: String::new(),
        ms: 0,
        run: None,
        bundle: back::bundle(plan, &case.subject()),
        undone_at: None,
    }
}

fn irreversible(plan: &Plan) -> bool {
    plan.steps().any(|s| matches!(s.undo, Undo::Impossible { .. }))
}

/// In the phase of no return, outside of a transaction or in another one than the first such step.
fn splits_after_the_point_of_no_return(plan: &Plan) -> bool {
    let contracting = |unit: &&cofferdam_core::Unit| unit.steps.iter().any(|s| s.phase == Phase::Contracting);
    plan.units.iter().filter(contracting).count() > 1
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_obeys_the_rules(written in written()) {
        let case = written.case();
        let plan = match case.plan() {
            Ok(plan) => plan,
            Err(refusal) => {
                prop_assert!(written.refusal_fits(refusal.code), "{refusal}");
                prop_assert!(refusal.help.is_some() && refusal.place.is_some(), "{refusal:?}");
                return Ok(());
            }
        };
        prop_assert_eq!(plan.clone().checked(), Ok(plan.clone()));
        prop_assert_eq!(plan.intent, Intent::Apply);

        // Each statement has its step, or its steps, in the order of the script; the check comes last.
        let numbers: Vec<usize> = plan
            .steps()
            .filter(|s| s.id != "check")
            .map(|s| s.id.trim_end_matches(char::is_alphabetic).parse().unwrap())
            .collect();
        prop_assert!(numbers.is_sorted());
        prop_assert_eq!(
            numbers.iter().collect::<HashSet<_>>().len(),
            written.statements.len(),
            "{:?}",
            numbers
        );
        let checks: Vec<_> = plan.steps().map(|s| s.id == "check").collect();
        prop_assert_eq!(checks.iter().filter(|c| **c).count(), usize::from(written.check));
        prop_assert!(!written.check || checks.last() == Some(&true));

        // What cannot be taken back commits with everything after it, unless the author wants it otherwise.
        if !written.transaction_none {
            let loose_and_gone = plan.units.iter().any(|u| {
                !u.atomic && u.steps.iter().any(|s| matches!(s.undo, Undo::Impossible { .. }))
            });
            prop_assert!(loose_and_gone || !splits_after_the_point_of_no_return(&plan), "{:#?}", plan);
        }
    }

    #[test]
    fn every_way_back_obeys_the_rules(written in written()) {
        let case = written.case();
        let Ok(plan) = case.plan() else { return Ok(()) };
        let applied = applied(&case, &plan);
        match back::derived_plan(&applied) {
            Ok(back) => {
                prop_assert!(!irreversible(&plan));
                prop_assert_eq!(back.clone().checked(), Ok(back.clone()));
                prop_assert_eq!(back.intent, Intent::Undo);
                // Every act of it is an undo of the plan, and none is there twice.
                let undos: Vec<&Act> = plan
                    .steps()
                    .filter_map(|s| match &s.undo { Undo::Acts { acts, .. } => Some(acts), _ => None })
                    .flatten()
                    .collect();
                prop_assert!(back.steps().all(|s| undos.contains(&&s.act)));
                prop_assert!(back.steps().count() <= undos.len());
            }
            Err(refusal) => {
                prop_assert_eq!(refusal.code, Code::NoWayBack);
                prop_assert!(irreversible(&plan), "{:#?}", plan);
                prop_assert!(applied.bundle.derived.is_empty());
            }
        }
    }
}

#[test]
fn as_written_every_statement_is_itself() {
    for statement in POOL.iter().filter(|s| !s.contains("stdin") && !s.contains("CONCURRENTLY")) {
        let plan = Case::new(&format!("{statement};\n")).with("as written").plan().unwrap();
        let texts: Vec<String> = plan.steps().map(|s| s.act.text()).collect();
        // REINDEX and VACUUM refuse transactions, or not, by themselves.
        assert_eq!(texts, [*statement], "{statement}");
    }
}

#[test]
fn a_statement_of_many_clauses_loses_none() {
    let clauses: Vec<String> = (0..40).map(|n| format!("ADD CONSTRAINT c{n} CHECK (id > {n})")).collect();
    let plan = Case::new(&format!("ALTER TABLE orders {};", clauses.join(", "))).plan().unwrap();
    assert_eq!(plan.steps().count(), 80);
    for n in 0..40 {
        let of = plan.steps().filter(|s| s.act.text().contains(&format!("\"c{n}\""))).count();
        assert_eq!(of, 2, "added and validated: c{n}");
    }
}

#[test]
fn an_unknown_strategy_is_refused_with_those_that_there_are() {
    let case = Case::new("ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);").with("rewrites");
    let refusal = cofferdam_strategies::plan("shadow", &case.subject()).unwrap_err();
    assert_eq!(refusal.code, Code::Usage);
    let help = refusal.help.unwrap();
    for strategy in STRATEGIES {
        assert!(help.contains(strategy.id), "{help}");
        assert_eq!(cofferdam_strategies::plan(strategy.id, &case.subject()).unwrap().strategy, strategy.id);
    }
}

#[test]
fn only_what_may_be_made_online_is_looked_at() {
    let one = "ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);";
    let cases: &[(&str, &[&str], &str, bool)] = &[
        ("auto", &[], one, true),
        ("shadow-table", &[], one, true),
        ("direct", &[], one, false),
        ("auto", &["as written"], one, false),
        ("shadow-table", &["as written"], one, false),
        ("auto", &["created orders"], one, false),
        ("auto", &["repeatable"], one, false),
        ("auto", &[], "ALTER TABLE customers ALTER COLUMN id TYPE integer;", false),
        ("shadow-table", &[], "ALTER TABLE customers ALTER COLUMN id TYPE integer;", true),
        ("auto", &[], "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;", false),
        ("shadow-table", &[], "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;", true),
        ("shadow-table", &[], "ALTER TABLE absent ADD COLUMN x int;", false),
        ("shadow-table", &[], "CREATE INDEX i ON orders (note);", false),
        ("shadow-table", &[], "SELECT 1; ALTER TABLE orders ADD COLUMN x int;", false),
    ];
    for (strategy, options, sql, expected) in cases {
        let case = options.iter().fold(Case::new(&format!("{sql}\n")), |case, option| case.with(option));
        let found = shadow_table::to_examine(strategy, &case.subject());
        assert_eq!(found.is_some(), *expected, "{strategy} {options:?} {sql}");
        if let Some(online) = found {
            assert_eq!(online.table.schema.as_deref(), Some("public"), "{sql}");
        }
    }
}

#[test]
fn each_part_of_an_online_change_is_undone_by_its_opposite() {
    let case = Case::new("ALTER TABLE orders ALTER COLUMN amount TYPE numeric(20, 4);").with("rewrites");
    let plan = case.plan().unwrap();
    assert_eq!(plan.strategy, shadow_table::ID);
    // Whatever is undone is undone by the part's own opposite, and asked for by its own probe.
    for step in plan.steps() {
        let Act::Online { part, .. } = &step.act else { panic!("{step:?}") };
        assert!(matches!(&step.probe, Probe::OnlineDone { part: asked, .. } if asked == part), "{step:?}");
        match (&step.undo, part.opposite()) {
            (Undo::Acts { acts, atomic: false, loses: None }, Some(back)) => {
                assert!(matches!(&acts[..], [Act::Online { part, .. }] if *part == back), "{step:?}");
            }
            (Undo::Nothing, None) => {}
            (Undo::Impossible { .. }, None) => assert_eq!(step.phase, Phase::Contracting),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_file_of_a_strategy_is_in_the_table() {
    // These are what strategies have in common.
    const SHARED: &[&str] = &["back", "clauses", "lib", "mysql", "park", "parts", "title", "transaction"];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let id = name.trim_end_matches(".rs").replace('_', "-");
        assert!(SHARED.contains(&id.as_str()) || STRATEGIES.iter().any(|s| s.id == id), "{name}");
    }
}

#[test]
fn the_way_back_of_the_author_is_planned_as_his_script() {
    let case = Case::new("DROP TABLE customers;");
    let planned = case.plan().unwrap();
    let mut applied = applied(&case, &planned);
    applied.bundle.no_way_back = Some("not asked".into());
    let back = back::scripted_plan(&applied, planned.clone()).unwrap();
    assert_eq!((back.intent, &back.units, &back.key), (Intent::Undo, &planned.units, &applied.key));
}
