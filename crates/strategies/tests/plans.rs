//! What each migration of `cases/` becomes: the file, with the plan and its way back beside it in `snapshots/`.
//!
//! A case's first lines may say `-- case: OPTION`, see `common::Case::with`; they are not part of the script.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Write;
use std::path::Path;

use cofferdam_core::history::Applied;
use cofferdam_core::plan::{Act, Plan, Step, Undo};
use cofferdam_core::{Probe, Refusal};
use cofferdam_strategies::{back, shadow_table};
use common::Case;

fn cases() -> Vec<(String, Case)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|file| load(&file)).collect()
}

fn load(file: &Path) -> (String, Case) {
    let text = std::fs::read_to_string(file).unwrap();
    let options = text.lines().map_while(|line| line.strip_prefix("-- case: "));
    let script: Vec<&str> = text.lines().skip_while(|line| line.starts_with("-- case: ")).collect();
    let case = options.fold(Case::new(&(script.join("\n") + "\n")), Case::with);
    (file.file_stem().unwrap().to_str().unwrap().to_owned(), case)
}

#[test]
fn migrations_are_planned_as_reviewed() {
    let cases = cases();
    assert!(cases.len() >= 35, "{}", cases.len());
    for (name, case) in cases {
        let mut told = case.migration.up.text.to_string() + "\n";
        match case.plan() {
            Err(refusal) => told += &refused(&refusal),
            Ok(plan) => {
                for why in shadow_table::why(&plan, &case.subject()) {
                    let _ = writeln!(told, "why: {why}");
                }
                told += &planned(&plan);
                told += &way_back(&plan, &case);
                assert_eq!(plan.clone().checked(), Ok(plan), "{name}");
            }
        }
        insta::assert_snapshot!(name, told);
    }
}

fn refused(refusal: &Refusal) -> String {
    let mut told = format!("refused: {refusal}\n");
    if let Some(help) = &refusal.help {
        let _ = writeln!(told, "help: {help}");
    }
    told
}

fn planned(plan: &Plan) -> String {
    let mut told = format!("{} {}: {} units\n", plan.strategy, plan.key, plan.units.len());
    for unit in &plan.units {
        told += if unit.atomic { "together\n" } else { "outside of any transaction\n" };
        for step in &unit.steps {
            told += &one(step);
        }
    }
    told
}

fn one(step: &Step) -> String {
    let mut told = format!("  {} {} | {:?}\n", step.id, step.title, step.phase);
    for line in step.act.text().lines() {
        let _ = writeln!(told, "      {line}");
    }
    if let Act::Sql { copy_rows: Some(rows), .. } = &step.act {
        let _ = writeln!(told, "      rows: {rows:?}");
    }
    let lock = if step.lock.is_empty() { "none" } else { &step.lock };
    let _ = writeln!(told, "    lock: {lock} | blocks: {} | takes: {}", step.blocks, step.estimate);
    if let Probe::OnlineDone { part, .. } = &step.probe {
        let _ = writeln!(told, "    probe: {part:?} was done");
    } else if step.probe != Probe::Nothing {
        let _ = writeln!(told, "    probe: {:?}", step.probe);
    }
    told += &match &step.undo {
        Undo::Nothing => String::new(),
        Undo::Impossible { why } => format!("    no way back: {why}\n"),
        Undo::Acts { acts, atomic, loses } => {
            let acts: Vec<String> = acts.iter().map(Act::text).collect();
            let outside = if *atomic { "" } else { " (outside of any transaction)" };
            let loses = loses.as_ref().map(|l| format!("\n    which loses {l}")).unwrap_or_default();
            format!("    back{outside}: {}{loses}\n", acts.join("; "))
        }
    };
    told
}

/// What is stored to take it back, as the plan that does it.
fn way_back(plan: &Plan, case: &Case) -> String {
    let bundle = back::bundle(plan, &case.subject());
    assert_eq!(bundle.check, case.migration.check);
    let applied = Applied {
        rank: 1,
        key: plan.key.clone(),
        version: case.migration.version.as_ref().map(|v| v.text.clone()),
        description: plan.description.clone(),
        kind: case.migration.kind.into(),
        checksum: Some(case.migration.checksum.clone()),
        at: String::new(),
        by: String::new(),
        ms: 0,
        run: None,
        bundle,
        undone_at: None,
    };
    match back::derived_plan(&applied) {
        Ok(plan) => format!("\nback by {}", planned(&plan)),
        Err(refusal) => format!("\nback is {}", refused(&refusal)),
    }
}
