//! The way from one version to another.

use cofferdam_core::Code;
use cofferdam_project::{DatabaseType, Leg, LegKind, Route};

use super::*;

const PG: DatabaseType = DatabaseType::Postgresql;

/// `stage:number` of each script in order, with `r` and `v` where it has a rollback and a validation, and `?` for a
/// check of a stage.
fn shown(leg: &Leg) -> String {
    let mut words = Vec::new();
    for run in &leg.stages {
        for task in &run.tasks {
            let (back, proof) = (task.other_way.is_some(), task.validation.is_some());
            let marks = format!("{}{}", if back { "r" } else { "" }, if proof { "v" } else { "" });
            words.push(format!("{}:{}{marks}", run.stage, task.script.digits));
        }
        words.extend(run.checks.iter().map(|check| format!("{}:{}?", run.stage, check.digits)));
    }
    words.join(" ")
}

fn legs(route: &Route) -> Vec<(LegKind, Option<String>, String)> {
    route.legs.iter().map(|leg| (leg.kind, leg.from.as_ref().map(Release::plain), leg.to.plain())).collect()
}

#[test]
fn an_upgrade_runs_its_stages_in_order_each_with_its_proofs() {
    let route = project(&example()).upgrade(&v("v1.0.0"), &v("v1.1.0"), PG).unwrap();
    assert_eq!(legs(&route), [(LegKind::Upgrade, Some("1.0.0".into()), "1.1.0".into())]);
    assert_eq!(
        shown(&route.legs[0]),
        "pre-upgrade:000? schema-changes:001rv schema-changes:002rv post-upgrade:300rv"
    );
    assert!(project(&example()).upgrade(&v("v1.1.0"), &v("1.1.0"), PG).unwrap().legs.is_empty());
}

#[test]
fn an_installation_begins_at_the_nearest_version_that_has_one() {
    let route = project(&example()).install(&v("v1.1.0"), PG).unwrap();
    assert_eq!(
        legs(&route),
        [(LegKind::Install, None, "1.0.0".into()), (LegKind::Upgrade, Some("1.0.0".into()), "1.1.0".into())]
    );
    assert_eq!(shown(&route.legs[0]), "schema:001rv data:100rv indexes:200rv");
}

#[test]
fn a_rollback_runs_the_rollbacks_the_last_first() {
    let route = project(&example()).rollback(&v("v1.1.0"), &v("v1.0.0"), PG).unwrap();
    assert_eq!(legs(&route), [(LegKind::Rollback, Some("1.1.0".into()), "1.0.0".into())]);
    let paths: Vec<&str> = route.legs[0]
        .stages
        .iter()
        .flat_map(|run| &run.tasks)
        .map(|task| task.script.script.path.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(
        paths,
        ["U1.1.0.300__Set_version.sql", "U1.1.0.002__Index_orders.sql", "U1.1.0.001__Add_orders_table.sql"]
    );
}

#[test]
fn what_cannot_be_travelled_is_refused_before_anything_runs() {
    let tree = example();
    let p = project(&tree);
    assert_eq!(p.upgrade(&v("v1.0.0"), &v("v2.0.0"), PG).unwrap_err().code, Code::NoSuchProjectVersion);
    assert_eq!(p.upgrade(&v("v1.1.0"), &v("v1.0.0"), PG).unwrap_err().code, Code::MatrixBackwards);
    assert_eq!(
        p.upgrade(&v("v1.0.0"), &v("v1.1.0"), DatabaseType::Mongodb).unwrap_err().code,
        Code::WrongDatabaseType
    );
    let refused = |change: fn(&mut Tree)| {
        let mut tree = tree.clone();
        change(&mut tree);
        project(&tree)
    };
    let p = refused(|t| remove(t, FROM));
    assert_eq!(p.upgrade(&v("v1.0.0"), &v("v1.1.0"), PG).unwrap_err().code, Code::MissingUpgrade);
    let p = refused(|t| remove(t, &format!("{FROM}/rollback/U1.1.0.001")));
    let refusal = p.rollback(&v("v1.1.0"), &v("v1.0.0"), PG).unwrap_err();
    assert_eq!(refusal.code, Code::MissingRollback);
    assert!(refusal.what.ends_with("V1.1.0.001__Add_orders_table.sql cannot be taken back"), "{refusal}");
    assert_eq!(p.rollback(&v("v1.0.0"), &v("v1.1.0"), PG).unwrap_err().code, Code::MatrixBackwards);
    let p = refused(|t| configure(t, "kind: ProjectConfig", "kind: x"));
    let refusal = p.install(&v("v1.0.0"), PG).unwrap_err();
    assert!(refusal.code == Code::BadProjectConfig && refusal.place.is_some(), "{refusal}");
}
