//! The scripts of each installation and each upgrade: rollbacks, validations, numbers.

use std::collections::BTreeMap;

use cofferdam_core::Code;

use crate::config::{DatabaseType, Policies};
use crate::finding::Finding;
use crate::layout::{Project, Step};
use crate::release::Release;
use crate::script::{Item, Role};

/// What is wrong with the scripts.
pub(super) fn findings(project: &Project, policies: Policies) -> Vec<Finding> {
    let mut findings = Vec::new();
    for edition in project.editions.values() {
        for ((_, kind), step) in &edition.steps {
            findings.extend(numbers(step));
            findings.extend(step.items.iter().filter(|item| item.is_blank(kind.is_sql())).map(blank));
            findings.extend(pairs(step, *kind, &edition.release, policies));
        }
    }
    findings
}

/// A script can be taken back: by a file of its own or, in JavaScript, by its own `down`.
pub(super) fn has_rollback(step: &Step, item: &Item, sql: bool) -> bool {
    step.rollback_of(item).is_some() || (!sql && item.has_down())
}

/// As written by `new`, too: what nobody filled in must not be taken for a rollback or a proof.
fn blank(item: &Item) -> Finding {
    let path = &item.script.path;
    Finding::error(path, Code::EmptyScript, format!("{} does nothing", name(path)))
        .cause("it is empty, or holds comments alone")
        .help("write it; where nothing is to be done, say so with a statement: SELECT 1;")
}

fn pairs(step: &Step, kind: DatabaseType, release: &Release, policies: Policies) -> Vec<Finding> {
    let sql = kind.is_sql();
    let mut findings = Vec::new();
    for item in step.forwards() {
        let path = &item.script.path;
        let file = name(path);
        let beside = |role: Role| {
            format!("{}/{}/{}", step.dir, directory(role, kind, step), file_name(item, role, kind, release))
        };
        if policies.require_rollback && !has_rollback(step, item, sql) {
            let finding = Finding::error(path, Code::MissingRollback, format!("{file} has no rollback"));
            findings.push(finding.help(format!("write {}", beside(Role::Rollback))));
        }
        if policies.require_validation && step.validation_of(item).is_none() {
            let finding = Finding::error(path, Code::MissingValidation, format!("{file} has no validation"));
            findings.push(finding.help(format!("write {}", beside(Role::Validation))));
        }
    }
    let alone = |item: &&Item| {
        // A validation in the directory of a stage proves the stage.
        item.role != Role::Forward
            && item.stage.is_none()
            && !step.forwards().any(|f| f.number == item.number)
    };
    for item in step.items.iter().filter(alone) {
        let path = &item.script.path;
        let what = match item.role {
            Role::Rollback => "takes back",
            Role::Forward | Role::Validation => "proves",
        };
        findings.push(
            Finding::error(
                path,
                Code::MissingPair,
                format!("{} {what} a script that is not there", name(path)),
            )
            .cause(format!("no script of {} has the number {}", step.dir, item.digits))
            .help("restore the script from version control, or correct the number"),
        );
    }
    findings
}

/// The directory of rollbacks or validations of a step: the one that it has, or the usual one.
pub(crate) fn directory(role: Role, kind: DatabaseType, step: &Step) -> String {
    let has = step.items.iter().find(|item| item.role == role && item.stage.is_none());
    let there = has.and_then(|item| {
        let below = item.script.path.strip_prefix(&step.dir)?.strip_prefix('/')?;
        below.rsplit_once('/').map(|(dir, _)| dir.to_owned())
    });
    let install = step.dir.ends_with(&format!("/new-install/{kind}"));
    there.unwrap_or_else(|| match (role, !kind.is_sql() && install) {
        (Role::Validation, false) => "validation".to_owned(),
        (Role::Validation, true) => "validations".to_owned(),
        (_, false) => "rollback".to_owned(),
        (_, true) => "rollbacks".to_owned(),
    })
}

/// The name of what belongs to a script.
pub(crate) fn file_name(item: &Item, role: Role, kind: DatabaseType, release: &Release) -> String {
    let plain = release.plain();
    let digits = &item.digits;
    let joined = |with: &str| item.description.split_whitespace().collect::<Vec<_>>().join(with);
    match (kind.is_sql(), role) {
        (true, Role::Forward) => format!("V{plain}.{digits}__{}.sql", joined("_")),
        (true, Role::Rollback) => format!("U{plain}.{digits}__{}.sql", joined("_")),
        (true, Role::Validation) => format!("C{plain}.{digits}__{}.sql", joined("_")),
        (false, Role::Forward) => format!("{digits}-{}.js", joined("-")),
        (false, Role::Rollback) => format!("{digits}-rollback-{}.js", joined("-")),
        (false, Role::Validation) => format!("{digits}-validate-{}.js", joined("-")),
    }
}

/// Each number once for each role, and those of later stages higher.
fn numbers(step: &Step) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<(Role, u128), &Item> = BTreeMap::new();
    let mut highest: Option<&Item> = None;
    let mut told = None;
    for item in &step.items {
        let path = &item.script.path;
        if let Some(first) = seen.insert((item.role, item.number), item) {
            let other = name(&first.script.path);
            let what = format!("{} and {other} both have the number {}", name(path), item.digits);
            findings.push(
                Finding::error(path, Code::ScriptOrder, what).help("give one of the two a number of its own"),
            );
            continue;
        }
        if item.role != Role::Forward {
            continue;
        }
        if let Some(high) = highest
            && item.number < high.number
        {
            // Once for each stage: its other scripts are renumbered with it.
            if told.replace(item.stage) == Some(item.stage) {
                continue;
            }
            let (stage, earlier) = (stage(item), stage(high));
            findings.push(
                Finding::error(
                    path,
                    Code::ScriptOrder,
                    format!("{} has a lower number than a script that runs before it", name(path)),
                )
                .cause(format!("{} runs first: {earlier} comes before {stage}", name(&high.script.path)))
                .help(format!("give the scripts of {stage} numbers above {}", high.digits)),
            );
            continue;
        }
        highest = Some(item);
    }
    findings
}

/// The last part of a path.
fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn stage(item: &Item) -> &'static str {
    item.stage.map_or("", |stage| stage.dir())
}
