//! Scripts for MongoDB.

use cofferdam_core::Code;
use cofferdam_project::{DatabaseType, gate};

use super::*;

const INSTALL: &str = "projects/e-commerce-api/versions/v1.0.0/new-install/mongodb";

fn tree() -> Tree {
    let mut tree = example();
    remove(&mut tree, &format!("{BELOW}/versions"));
    configure(&mut tree, "type: postgresql", "type: mongodb");
    configure(&mut tree, "upgrades_to: [\"v1.1.0\"]", "upgrades_to: []");
    configure(
        &mut tree,
        "    v1.1.0:\n      upgrades_to: [\"v2.0.0\"]\n      rollback_to: [\"v1.0.0\"]\n",
        "",
    );
    put(
        &mut tree,
        &format!("{INSTALL}/migrations/20260101000000-create-users.js"),
        "module.exports = { async up(db) {} };",
    );
    put(
        &mut tree,
        &format!("{INSTALL}/migrations/20260102000000-add-orders.js"),
        "module.exports = { async up(db) {}, async down(db) {} };",
    );
    put(
        &mut tree,
        &format!("{INSTALL}/rollbacks/20260101000000-rollback-create-users.js"),
        "module.exports = { async up(db) {} };",
    );
    put(&mut tree, &format!("{INSTALL}/validations/20260101000000-validate-create-users.js"), "x");
    put(&mut tree, &format!("{INSTALL}/validations/20260102000000-validate-add-orders.js"), "x");
    tree
}

#[test]
fn a_rollback_is_a_file_or_the_down_of_the_script() {
    let mut tree = tree();
    let verdict = gate(&project(&tree));
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    assert_eq!((verdict.scripts, verdict.with_rollback), (2, 2));
    put(
        &mut tree,
        &format!("{INSTALL}/migrations/20260102000000-add-orders.js"),
        "module.exports = { async up(db) {} };",
    );
    let verdict = gate(&project(&tree));
    let [missing] = verdict.findings.as_slice() else { panic!("{:?}", verdict.findings) };
    assert_eq!(missing.refusal.code, Code::MissingRollback);
    assert!(
        missing.refusal.help.as_deref().unwrap().ends_with("rollbacks/20260102000000-rollback-add-orders.js")
    );
}

#[test]
fn they_run_in_the_order_of_their_moments() {
    let route = project(&tree()).install(&v("v1.0.0"), DatabaseType::Mongodb).unwrap();
    let names: Vec<&str> =
        route.legs[0].stages[0].tasks.iter().map(|task| task.script.description.as_str()).collect();
    assert_eq!(names, ["create users", "add orders"]);
}
