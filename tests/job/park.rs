//! `spec.migration.drop: park`: what a statement drops, and what taking it back drops, is put aside.

use serde_json::json;

use crate::pod::Pod;

const ITEMS: &str = "CREATE TABLE items (id int PRIMARY KEY, v text); INSERT INTO items SELECT i, 'v' || i FROM generate_series(1, 500) i";

fn parks(name: &str, sql: &str) -> Pod {
    let mut pod = Pod::new(name);
    pod.bench.query(ITEMS);
    pod.spec["migration"]["drop"] = json!("park");
    pod.spec["migration"]["parkFor"] = json!("14d");
    pod.script("gone", sql);
    pod
}

fn parked(pod: &Pod) -> String {
    pod.one("SELECT count(*) FROM cofferdam.parked WHERE ended_at IS NULL")
}

#[test]
fn what_is_dropped_is_parked_and_comes_back_when_it_is_taken_back() {
    for (name, sql) in
        [("parked_table", "DROP TABLE items;\n"), ("parked_column", "ALTER TABLE items DROP COLUMN v;\n")]
    {
        let mut pod = parks(name, sql);
        // Without the field it is a loss, and lint says so.
        let park = pod.spec["migration"]["drop"].take();
        let time = pod.spec["migration"]["parkFor"].take();
        pod.spec["migration"].as_object_mut().unwrap().retain(|_, value| !value.is_null());
        pod.ends(&[], 4, "Refused", "LintBlocked");
        (pod.spec["migration"]["drop"], pod.spec["migration"]["parkFor"]) = (park, time);
        let outcome = pod.ends(&[], 0, "Succeeded", "MigrationComplete");
        assert_eq!(outcome["toVersion"], format!("{}/gone", name.replace('_', "-")));
        assert_eq!(parked(&pod), "1");
        assert_eq!(pod.one("SELECT (until - parked_at) = interval '14 days' FROM cofferdam.parked"), "t");
        // Whoever looks at the object reads where it is.
        let conditions = pod.status()["conditions"].clone();
        let reversible = conditions.as_array().unwrap().iter().find(|c| c["type"] == "Reversible").unwrap();
        let message = reversible["message"].as_str().unwrap();
        assert!(
            message.contains("is parked as cofferdam_parked_") && message.contains("cofferdam undrop"),
            "{message}"
        );
        pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
        assert_eq!(pod.one("SELECT count(*) FROM items WHERE v = 'v' || id"), "500");
        assert_eq!((parked(&pod), pod.applied()), ("0".into(), vec![]));
        pod.bench.assert_sound();
    }
}

/// Nobody is there who could agree to a loss, and there is none.
#[test]
fn what_the_change_made_is_parked_when_it_is_taken_back() {
    let mut pod = parks("parked_made", "CREATE TABLE notes (id int PRIMARY KEY);\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.bench.query("INSERT INTO notes VALUES (1)");
    let kept = pod.spec["migration"].clone();
    pod.spec["migration"].as_object_mut().unwrap().retain(|key, _| key == "scripts");
    let outcome = pod.ends(&["--work", "rollback"], 7, "Refused", "RollbackUnsafe");
    assert!(outcome["message"].as_str().unwrap().contains("the rows of notes"), "{outcome:#}");
    pod.spec["migration"] = kept;
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!(pod.one("SELECT to_regclass('notes') IS NULL"), "t");
    pod.bench.must(&["undrop", "notes"]);
    assert_eq!(pod.one("SELECT count(*) FROM notes"), "1");
    pod.bench.assert_sound();
}

/// The Pod dies inside of the transaction that parks, on its way there and on its way back.
#[test]
fn a_pod_that_dies_has_parked_all_or_nothing() {
    let pod = parks("parked_death", "DROP TABLE items;\n");
    pod.held(&[], "park.moved").kill();
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(parked(&pod), "1");
    pod.held(&["--work", "rollback"], "undrop.moved").kill();
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!(pod.one("SELECT count(*) FROM items"), "500");
    assert_eq!(parked(&pod), "0");
    pod.bench.assert_sound();
}
