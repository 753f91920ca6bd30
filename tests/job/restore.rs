//! `spec.backup` to a real S3 server, and a way back that restores from there.

use serde_json::json;

use crate::pod::Pod;
use crate::store::{IDENTITY, Kind, PUBLIC, Store};

const ITEMS: &str = "CREATE TABLE items (id int PRIMARY KEY, v text); INSERT INTO items SELECT i, 'v' || i FROM generate_series(1, 500) i";
const GONE: &str = "-- cofferdam:allow drop-table reason=\"a test\"\nDROP TABLE items;\n";

/// A Pod whose spec names the store, with its Secrets mounted.
fn backed_up(name: &str, store: &Store) -> Pod {
    let mut pod = Pod::new(name);
    pod.bench.query(ITEMS);
    pod.script("made", "CREATE TABLE made (id int);\n");
    pod.script("gone", GONE);
    pod.spec["backup"] = json!({ "to": store.url(), "credentialsSecret": "bucket", "encryptTo": PUBLIC });
    pod.mounted("backup", store.variables());
    pod
}

fn rows(pod: &Pod) -> String {
    pod.one("SELECT count(*) FROM items WHERE v = 'v' || id")
}

#[test]
fn what_was_dropped_comes_back_from_the_bucket_where_the_spec_says_so() {
    let Some(store) = Store::start(Kind::S3, "what_was_dropped_comes_back_from_the_bucket") else { return };
    let mut pod = backed_up("restored", &store);
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    let backup = pod.status()["backupInfo"].clone();
    assert_eq!(backup["verified"], true, "{backup:#}");
    assert!(backup["location"].as_str().unwrap().starts_with("s3://backups/shop/nightly/"), "{backup:#}");
    assert_eq!(pod.condition("BackedUp").0, "True");
    // Nobody said that a rollback may restore.
    let outcome = pod.ends(&["--work", "rollback"], 1, "Refused", "RollbackUnsafe");
    let message = outcome["message"].as_str().unwrap();
    assert!(message.contains("spec.backup.restoreOnRollback"), "{message}");
    assert_eq!(pod.applied(), ["restored/made", "restored/gone"]);
    pod.spec["backup"]["restoreOnRollback"] = json!(true);
    // It is encrypted, and the key is not there.
    let locked = pod.ends(&["--work", "rollback"], 1, "Refused", "BackupFailed");
    assert!(locked["message"].as_str().unwrap().contains("identitySecretRef"), "{locked:#}");
    assert_eq!(pod.one("SELECT to_regclass('items') IS NULL"), "t");
    pod.spec["backup"]["identitySecretRef"] = json!({ "name": "key", "key": "key.txt" });
    pod.mounted("backup-identity", vec![("identity".into(), IDENTITY.into())]);
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!((rows(&pod), pod.applied()), ("500".into(), vec![]));
    // What a backup does not have is written down: nobody was there to be shown it.
    let noted = "SELECT count(*) FROM cofferdam.journal WHERE entry->>'text' LIKE 'not in it: %items%'";
    assert_eq!(pod.one(noted), "2");
    pod.bench.assert_sound();
}

/// What the spec agrees to is what a backup does not have, and nothing else.
#[test]
fn a_loss_of_another_step_is_not_agreed_to_by_that() {
    let Some(store) = Store::start(Kind::S3, "a_loss_of_another_step_is_not_agreed_to") else { return };
    let mut pod = backed_up("restored_not", &store);
    pod.spec["backup"].as_object_mut().unwrap().remove("encryptTo");
    pod.spec["backup"]["restoreOnRollback"] = json!(true);
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
    pod.bench.query("INSERT INTO made VALUES (1)");
    let outcome = pod.ends(&["--work", "rollback"], 7, "Refused", "RollbackUnsafe");
    assert!(outcome["message"].as_str().unwrap().contains("the rows of made"), "{outcome:#}");
    assert_eq!(pod.one("SELECT to_regclass('items') IS NULL"), "t");
    pod.bench.query("DELETE FROM made");
    // The Pod dies once the table is there, before anything says so.
    pod.held(&["--work", "rollback"], "backup.restored").kill();
    assert_eq!(pod.applied().len(), 2);
    pod.ends(&["--work", "rollback"], 0, "Succeeded", "RolledBack");
    assert_eq!((rows(&pod), pod.applied()), ("500".into(), vec![]));
    pod.bench.assert_sound();
}

/// What is wrong with the bucket refuses the run before anything is changed, and goes by itself once it is corrected.
#[test]
fn a_bucket_that_cannot_be_used_refuses_the_run() {
    let Some(store) = Store::start(Kind::S3, "a_bucket_that_cannot_be_used_refuses_the_run") else { return };
    let mut pod = backed_up("unbacked", &store);
    pod.mounted("backup", store.wrong_key());
    let outcome = pod.ends(&[], 1, "Refused", "BackupFailed");
    assert!(!outcome.to_string().contains("canary"), "{outcome:#}");
    pod.mounted("backup", store.variables());
    pod.spec["backup"]["to"] = json!(store.in_bucket("nowhere"));
    pod.ends(&[], 1, "Refused", "BackupFailed");
    pod.spec["backup"]["to"] = json!(store.url());
    store.down();
    pod.ends(&[], 1, "Refused", "BackupFailed");
    assert_eq!((rows(&pod), pod.one("SELECT to_regclass('made') IS NULL")), ("500".into(), "t".into()));
    store.up();
    pod.ends(&[], 0, "Succeeded", "MigrationComplete");
}
