//! What the spec wants watched, and what becomes of a run that breaches it.

use serde_json::json;

use crate::pod::{Pod, TABLE, WIDER};

fn overruns(name: &str) -> Pod {
    let mut pod = Pod::new(name);
    pod.bench.query(TABLE);
    pod.spec["migration"]["strategy"] = json!("shadow-table");
    pod.spec["cutover"] = json!({ "mode": "manual" });
    pod.spec["validation"] =
        json!({ "performanceThresholds": { "maxMigrationTime": "3s", "maxDowntime": "30s" } });
    pod.script("wider", WIDER);
    pod
}

#[test]
fn a_run_that_overruns_is_taken_back() {
    let pod = overruns("overruns");
    let outcome = pod.ends(&[], 6, "RolledBack", "DeadlineExceeded");
    assert!(
        outcome["message"].as_str().unwrap().contains("maxMigrationTime 3.0 s: the run began"),
        "{outcome:#}"
    );
    assert_eq!(pod.status()["stage"], "RolledBack");
    pod.bench.assert_sound();
}

#[test]
fn without_automatic_rollback_a_person_decides() {
    let mut pod = overruns("overruns_waits");
    pod.spec["rollback"] = json!({ "automatic": false });
    let outcome = pod.ends(&[], 7, "Stuck", "PostCheckFailed");
    assert!(outcome["message"].as_str().unwrap().contains("cofferdam rollback"), "{outcome:#}");
    assert_eq!(pod.one("SELECT count(*) FROM cofferdam.run WHERE ended_at IS NULL"), "1");
}

/// At the end of the script that it is about: a row takes that script back, and what came before stays.
#[test]
fn a_validation_script_takes_its_script_back() {
    let mut pod = Pod::new("validated");
    pod.script("first", "CREATE TABLE a (id int);\n");
    pod.script("second", "INSERT INTO a VALUES (1), (-1);\n");
    pod.script("valid", "SELECT id FROM a WHERE id < 0;\n")["type"] = json!("validation");
    let outcome = pod.ends(&[], 6, "RolledBack", "RolledBack");
    assert!(outcome["message"].as_str().unwrap().contains("-1"), "{outcome:#}");
    assert_eq!(pod.applied(), ["validated/first"]);
    assert_eq!(pod.one("SELECT count(*) FROM a"), "0");
    pod.mount("valid", "SELECT id FROM a WHERE id < -5;\n");
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    assert_eq!(pod.applied(), ["validated/first", "validated/second"]);
    pod.bench.assert_sound();
}

/// After the swap: taken back where the spec names the condition, and else left to a person.
#[test]
fn a_check_that_breaks_after_the_swap_is_heeded_as_the_spec_says() {
    for (name, conditions, exit, ended, reason) in [
        ("checked", json!(["check-failed"]), 6, "RolledBack", "RolledBack"),
        ("checked_waits", json!(["timeout", "data-corruption"]), 7, "Stuck", "PostCheckFailed"),
    ] {
        let mut pod = Pod::new(name);
        pod.bench.query(TABLE);
        pod.spec["migration"]["strategy"] = json!("shadow-table");
        pod.spec["validation"] = json!({ "bake": "120s" });
        pod.spec["rollback"] = json!({ "conditions": conditions });
        pod.script("wider", WIDER);
        // It holds at the end of the script, and no more once somebody made this table.
        pod.script("valid", "SELECT 1 FROM pg_class WHERE relname = 'broken';\n")["type"] =
            json!("validation");
        let bench = pod.bench.database.clone();
        let breaker = std::thread::spawn(move || {
            crate::support::until("it is watched", || {
                let checked = "SELECT 1 FROM cofferdam.journal
                               WHERE entry::jsonb @> '{\"what\": \"ended\", \"step\": \"check\"}'";
                crate::support::server().query(&bench, checked).is_ok_and(|rows| !rows.is_empty())
            });
            crate::support::server().query(&bench, "CREATE TABLE broken (id int)").unwrap();
        });
        let outcome = pod.ends(&[], exit, ended, reason);
        breaker.join().unwrap();
        assert!(outcome["message"].as_str().unwrap().contains("relname = 'broken'"), "{name}: {outcome:#}");
    }
}
