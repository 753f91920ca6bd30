//! What the quality gate finds.

use cofferdam_core::{Code, Severity};
use cofferdam_formats::Tree;
use cofferdam_project::{Finding, Verdict, gate};

use super::*;

fn verdict(change: impl FnOnce(&mut Tree)) -> Verdict {
    let mut tree = example();
    change(&mut tree);
    gate(&project(&tree))
}

fn errors(verdict: &Verdict) -> Vec<&Finding> {
    verdict.findings.iter().filter(|finding| finding.severity == Severity::Error).collect()
}

fn all(verdict: &Verdict) -> String {
    verdict.findings.iter().map(|f| format!("{:?} {} {}\n", f.severity, f.path, f.refusal)).collect()
}

#[test]
fn the_example_passes_and_its_announced_version_is_told() {
    let verdict = verdict(|_| {});
    assert!(verdict.passed(), "{}", all(&verdict));
    let [announced] = verdict.findings.as_slice() else { panic!("{}", all(&verdict)) };
    assert_eq!((announced.refusal.code, announced.severity), (Code::MatrixOpen, Severity::Warning));
    assert!(announced.refusal.what.contains("v2.0.0"));
    assert_eq!((verdict.scripts, verdict.with_rollback, verdict.with_validation), (6, 6, 6));
}

/// Changes the example in one way and says which one error that is, and what it must tell.
#[test]
fn each_thing_that_is_wrong_is_one_error_of_its_own() {
    type Change = fn(&mut Tree);
    let cases: &[(Change, Code, &str)] = &[
        (
            |t| remove(t, &format!("{FROM}/rollback/U1.1.0.002")),
            Code::MissingRollback,
            "rollback/U1.1.0.002__Index_orders.sql",
        ),
        (
            |t| remove(t, &format!("{FROM}/validation/C1.1.0.001")),
            Code::MissingValidation,
            "validation/C1.1.0.001__Add_orders_table.sql",
        ),
        (
            |t| put(t, &format!("{FROM}/rollback/U1.1.0.301__x.sql"), "SELECT 1;"),
            Code::MissingPair,
            "takes back a script that is not there",
        ),
        (
            |t| put(t, &format!("{FROM}/validation/C1.1.0.301__x.sql"), "SELECT 1;"),
            Code::MissingPair,
            "proves a script that is not there",
        ),
        (
            |t| put(t, &format!("{FROM}/schema-changes/V1.0.0.009__x.sql"), "SELECT 1;"),
            Code::BadScriptName,
            "it lies in the directory of v1.1.0",
        ),
        (
            |t| put(t, &format!("{FROM}/schema-changes/U1.1.0.009__x.sql"), "SELECT 1;"),
            Code::BadScriptName,
            "it is a rollback",
        ),
        (
            |t| put(t, &format!("{FROM}/rollback/V1.1.0.009__x.sql"), "SELECT 1;"),
            Code::BadScriptName,
            "in the directory of rollback",
        ),
        (
            |t| put(t, &format!("{FROM}/schema-change/V1.1.0.009__x.sql"), "SELECT 1;"),
            Code::StrayFile,
            "did you mean schema-changes/?",
        ),
        (
            |t| put(t, &format!("{FROM}/rollback/U1.1.0.001__Add_orders_table.sql"), "-- later\n"),
            Code::EmptyScript,
            "SELECT 1;",
        ),
        (
            |t| put(t, &format!("{FROM}/rollback/U1.1.0.0001__again.sql"), "SELECT 1;"),
            Code::ScriptOrder,
            "both have the number",
        ),
        (
            |t| {
                rename(
                    t,
                    &format!("{FROM}/post-upgrade/V1.1.0.300__Set_version.sql"),
                    &format!("{FROM}/pre-upgrade/V1.1.0.300__Set_version.sql"),
                )
            },
            Code::ScriptOrder,
            "pre-upgrade comes before schema-changes",
        ),
        (
            |t| put(t, &format!("{BELOW}/versions/latest/new-install/postgresql/schema/x.sql"), "SELECT 1;"),
            Code::BadProjectVersion,
            "three numbers",
        ),
        (
            |t| put(t, &format!("{BELOW}/versions/1.1.0/README.md"), "x"),
            Code::BadProjectVersion,
            "are one version",
        ),
        (
            |t| put(t, &format!("{FROM}/schema-changes/x.js"), "x"),
            Code::WrongDatabaseType,
            "has no database of that type",
        ),
        (|t| put(t, &format!("{FROM}/pre-upgrade/C1.1.0.005__x.sql"), "a\0b"), Code::NulByte, "C1.1.0.005"),
        (
            |t| configure(t, "[\"v1.1.0\"]", "[\"v1.1.0\", \"v1.0.5\"]"),
            Code::MatrixOpen,
            "upgrades to v1.0.5, which the project does not have",
        ),
        (
            |t| configure(t, "rollback_to: [\"v1.0.0\"]", "rollback_to: [\"v1.0.0\", v0.9.0]"),
            Code::MatrixOpen,
            "rolls back to v0.9.0",
        ),
        (|t| configure(t, "[\"v2.0.0\"]", "[\"v2.0\"]"), Code::BadProjectVersion, "v2.0"),
        (|t| configure(t, "[\"v2.0.0\"]", "[\"v1.0.0\"]"), Code::MatrixCycle, "v1.1.0 -> v1.0.0 -> v1.1.0"),
        (|t| configure(t, "[\"v2.0.0\"]", "[v1.1.0]"), Code::MatrixCycle, "v1.1.0 -> v1.1.0"),
        (|t| configure(t, "[\"v2.0.0\"]", "[v0.9.0]"), Code::MatrixBackwards, "which is not newer"),
        (
            |t| configure(t, "rollback_to: []", "rollback_to: [v1.2.0]"),
            Code::MatrixBackwards,
            "which is not older",
        ),
        (
            |t| configure(t, "rollback_to: []", "rollback_to: [v1.1.0]"),
            Code::MatrixCycle,
            "rollback_to goes round",
        ),
        (
            |t| configure(t, "rollback_to: [\"v1.0.0\"]", "rollback_to: []"),
            Code::NoRollbackPath,
            "require_rollback",
        ),
        (
            |t| remove(t, &format!("{BELOW}/project-config.yaml")),
            Code::BadProjectConfig,
            "has no project-config.yaml",
        ),
        (
            |t| configure(t, "kind: ProjectConfig", "kind: Config"),
            Code::BadProjectConfig,
            "cannot be understood",
        ),
        (
            |t| configure(t, "name: e-commerce-api", "name: shop"),
            Code::BadProjectConfig,
            "and the directory is e-commerce-api",
        ),
        (
            |t| put(t, &format!("{BELOW}/versions/v0.9.0/README.md"), "Only an announcement."),
            Code::MatrixOpen,
            "has no entry v0.9.0",
        ),
    ];
    for (at, (change, code, says)) in cases.iter().enumerate() {
        let verdict = verdict(*change);
        let text = all(&verdict);
        let found = errors(&verdict);
        assert_eq!(found.len(), 1, "case {at}, {says}:\n{text}");
        assert_eq!(found[0].refusal.code, *code, "case {at}:\n{text}");
        let told = format!("{} {:?} {:?}", found[0].refusal, found[0].refusal.cause, found[0].refusal.help);
        assert!(told.contains(says), "case {at}, {says}: {told}");
        assert!(found[0].path.starts_with("migrations/projects/e-commerce-api/"), "{}", found[0].path);
    }
}

/// These break more than one thing; the codes are told together.
#[test]
fn what_breaks_several_things_is_told_for_each() {
    let codes = |change: fn(&mut Tree)| {
        let mut codes: Vec<_> = errors(&verdict(change)).iter().map(|finding| finding.refusal.code).collect();
        codes.dedup();
        codes
    };
    // The upgrade is gone, so the way back has nothing to take back, and the version is only announced.
    assert_eq!(
        codes(|t| {
            remove(t, FROM);
            put(t, &format!("{BELOW}/versions/v1.1.0/README.md"), "x");
        }),
        [Code::MissingUpgrade]
    );
    // v1.0.0 leads nowhere: nothing gets to v1.1.0, v1.0.0 is a dead end, and its scripts are not allowed.
    let mut left = codes(|t| configure(t, "upgrades_to: [\"v1.1.0\"]", "upgrades_to: []"));
    left.sort_by_key(|code| code.id());
    assert_eq!(left, [Code::MatrixOpen, Code::DeadEnd, Code::NoInstallPath]);
    // Nothing can be installed.
    assert_eq!(
        codes(|t| remove(t, &format!("{BELOW}/versions/v1.0.0/new-install"))),
        [Code::MatrixOpen, Code::NoInstallPath]
    );
    assert_eq!(
        codes(|t| {
            remove(t, &format!("{BELOW}/versions/v1.0.0/new-install"));
            put(t, &format!("{BELOW}/versions/v1.0.0/README.md"), "x");
        }),
        [Code::NoInstallPath]
    );
}

#[test]
fn policies_decide_what_is_missed() {
    let verdict = verdict(|t| {
        configure(t, "require_rollback: true", "require_rollback: false");
        configure(t, "require_validation: true", "require_validation: false");
        configure(t, "rollback_to: [\"v1.0.0\"]", "rollback_to: []");
        remove(t, &format!("{FROM}/rollback/"));
        remove(t, &format!("{FROM}/validation/"));
    });
    assert!(verdict.passed(), "{}", all(&verdict));
    assert_eq!((verdict.scripts, verdict.with_rollback, verdict.with_validation), (6, 3, 3));
}

#[test]
fn a_release_that_changes_nothing_has_a_readme() {
    let verdict = verdict(|t| {
        configure(t, "    v1.1.0:\n", "    v1.1.1: {upgrades_to: [], rollback_to: [v1.1.0]}\n    v1.1.0:\n");
        configure(t, "[\"v2.0.0\"]", "[v1.1.1]");
        put(
            t,
            &format!("{BELOW}/versions/v1.1.1/upgrade/from-v1.1.0/README.md"),
            "The database stays as it is.",
        );
    });
    assert!(verdict.passed() && verdict.findings.is_empty(), "{}", all(&verdict));
}

#[test]
fn where_two_databases_speak_sql_the_directory_says_which() {
    let two = |t: &mut Tree| {
        configure(t, "    primary:\n", "    reports: {type: mysql, name: r}\n    primary:\n");
    };
    let unsaid = verdict(two);
    assert!(errors(&unsaid).iter().all(|f| f.refusal.code == Code::WrongDatabaseType), "{}", all(&unsaid));
    assert_eq!(errors(&unsaid).len(), 10);
    let said = verdict(|t| {
        two(t);
        for file in &mut t.files {
            if let Some(rest) = file.path.strip_prefix(&format!("{FROM}/")) {
                file.path = format!("{FROM}/postgresql/{rest}");
            }
        }
    });
    assert!(said.passed(), "{}", all(&said));
}
