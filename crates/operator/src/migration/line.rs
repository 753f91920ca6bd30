//! Who comes first, of the objects of one namespace that change the same database: one at a time, the oldest first.
//!
//! The lock in the database keeps runners apart whatever happens here. This keeps hundreds of Pods from waiting for that
//! lock, and is fair. Other namespaces are other people's: what they have in line is neither waited for nor told.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use kube::ResourceExt;
use kube::runtime::reflector::{ObjectRef, Store};

use cofferdam_api::{ConditionType, DatabaseMigration, Phase, Reason, conditions};

use super::{Guarded, check, work};

/// The objects that are known, and who of them begins.
pub struct Line {
    known: Store<Guarded>,
    /// By database: the object that is making its Job. Of two that look at the same moment only one goes on.
    beginning: Mutex<BTreeMap<String, String>>,
    /// Who is to be looked at, because it may be the next.
    wake: UnboundedSender<ObjectRef<Guarded>>,
}

/// An object is making its Job; until this is dropped no other one of the same database does.
pub struct Beginning<'a>(&'a Line, String);

impl Line {
    /// Of the objects in this store.
    pub fn new(known: Store<Guarded>, wake: UnboundedSender<ObjectRef<Guarded>>) -> Self {
        Self { known, beginning: Mutex::default(), wake }
    }

    /// The one directly before it.
    pub fn before(&self, migration: &DatabaseMigration) -> Option<String> {
        let all = self.known.state();
        before(all.iter().filter_map(|object| object.0.as_ref().ok()), migration).map(ResourceExt::name_any)
    }

    /// Whether the object of this name, which has a Job at work on the same database, lets this one pass.
    pub fn passes(&self, name: &str, migration: &DatabaseMigration) -> bool {
        let reference = ObjectRef::new(name).within(&migration.namespace().unwrap_or_default());
        let other = self.known.get(&reference);
        other.is_some_and(|other| other.0.as_ref().is_ok_and(|other| stands_aside(other, migration)))
    }

    /// This one works on its database no more: the oldest that waits for that is looked at.
    pub fn goes_on(&self, migration: &DatabaseMigration) {
        let all = self.known.state();
        let known = all.iter().filter_map(|object| object.0.as_ref().ok());
        if let Some(next) = first(known, migration) {
            let namespace = next.namespace().unwrap_or_default();
            // Nobody listens any more: the operator is about to end.
            let _ = self.wake.unbounded_send(ObjectRef::new(&next.name_any()).within(&namespace));
        }
    }

    /// It is about to make its Job.
    ///
    /// # Errors
    /// The name of the object that is doing so for the same database.
    pub fn begins(&self, migration: &DatabaseMigration) -> Result<Beginning<'_>, String> {
        let database = format!("{} {}", migration.namespace().unwrap_or_default(), work::database(migration));
        let mut beginning = self.beginning.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = beginning.get(&database) {
            return Err(other.clone());
        }
        beginning.insert(database.clone(), migration.name_any());
        Ok(Beginning(self, database))
    }
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        self.0.beginning.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

/// It was begun for this spec once, so that the database may hold a run of its own which only it can end.
pub fn begun(migration: &DatabaseMigration) -> bool {
    let status = migration.status.as_ref();
    status.is_some_and(|s| {
        matches!(s.phase, Some(Phase::Running | Phase::RollingBack))
            && s.observed_generation == migration.metadata.generation
    })
}

/// It wants to begin and has not: it was not looked at yet, or waits for others.
fn waits(object: &DatabaseMigration) -> bool {
    if object.metadata.deletion_timestamp.is_some() || object.spec.suspend || begun(object) {
        return false;
    }
    let status = object.status.as_ref();
    if status.and_then(|s| s.observed_generation) != object.metadata.generation {
        return check::refused(object).is_none();
    }
    status.is_some_and(|s| s.phase == Some(Phase::Pending)) && said(object) == Some(Reason::LockHeldByOther)
}

fn said(object: &DatabaseMigration) -> Option<Reason> {
    let status = object.status.as_ref()?;
    Reason::named(&conditions::find(&status.conditions, ConditionType::Ready)?.reason)
}

fn age(object: &DatabaseMigration) -> (Option<jiff::Timestamp>, String) {
    (object.creation_timestamp().map(|t| t.0), object.name_any())
}

fn same(one: &DatabaseMigration, other: &DatabaseMigration) -> bool {
    one.namespace() == other.namespace()
        && one.uid() != other.uid()
        && work::database(one) == work::database(other)
}

/// The one directly before this in line.
fn before<'a>(
    all: impl Iterator<Item = &'a DatabaseMigration>,
    of: &DatabaseMigration,
) -> Option<&'a DatabaseMigration> {
    let mine = age(of);
    // The digest of the database last: most do not wait.
    all.filter(|object| waits(object) && age(object) < mine && same(object, of)).max_by_key(|o| age(o))
}

/// The first in line, but for this one.
fn first<'a>(
    all: impl Iterator<Item = &'a DatabaseMigration>,
    of: &DatabaseMigration,
) -> Option<&'a DatabaseMigration> {
    all.filter(|object| waits(object) && same(object, of)).min_by_key(|object| age(object))
}

/// An object with a Job at work lets another one pass, because what it waits for may never come and is not what the other
/// one waits for: one bad object must not stop the others.
fn stands_aside(other: &DatabaseMigration, of: &DatabaseMigration) -> bool {
    let status = other.status.as_ref();
    let blocked = status.and_then(|s| s.progress.as_ref()?.blocked_by.as_ref());
    let blocked = blocked.and_then(|by| Reason::named(by.split(':').next()?));
    let apart = work::way(other) != work::way(of);
    match blocked.or_else(|| said(other)) {
        // Its own source.
        Some(
            Reason::SourceNotFound
            | Reason::SourceKeyMissing
            | Reason::ImageNotFound
            | Reason::SourceDirectoryMissing,
        ) => true,
        // Its credentials. With the same ones this one would wait, too.
        Some(Reason::SecretNotFound | Reason::SecretKeyMissing | Reason::ConnectFailed) => apart,
        // The database holds a run of this one, which is to be ended first.
        Some(Reason::LockHeldByOther) => begun(of),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// An object of this age, changed.
    fn object(name: &str, second: u8, change: impl FnOnce(&mut Value)) -> DatabaseMigration {
        let mut value = json!({
            "apiVersion": "cofferdam.dev/v1alpha1",
            "kind": "DatabaseMigration",
            "metadata": {
                "name": name, "namespace": "shop", "uid": format!("u-{name}"), "generation": 1,
                "creationTimestamp": format!("2026-11-21T10:00:{second:02}Z"),
            },
            "spec": {
                "database": {
                    "type": "postgresql", "connectionSecret": "db", "host": "db", "database": "shop",
                },
                "migration": { "scripts": [{ "name": "one", "source": "configmap://migrations/1.sql" }] },
            },
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    /// What the operator and the runner say of it.
    fn status(phase: &str, reason: &str, blocked: Option<&str>) -> Value {
        json!({
            "observedGeneration": 1, "phase": phase,
            "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "",
                "lastTransitionTime": "2026-11-21T10:01:00Z",
            }],
            "progress": blocked.map(|by| json!({ "blockedBy": by })),
        })
    }

    fn saying(phase: &'static str, reason: &'static str) -> impl FnOnce(&mut Value) {
        move |value| value["status"] = status(phase, reason, None)
    }

    #[test]
    fn the_oldest_is_the_first_and_each_waits_for_the_one_before_it() {
        let all = [
            object("c", 3, |_| {}),
            object("b", 2, saying("Pending", "LockHeldByOther")),
            // Made in the same second: the name decides.
            object("a", 2, |_| {}),
            object("d", 4, |_| {}),
        ];
        let name = |found: Option<&DatabaseMigration>| found.map(ResourceExt::name_any);
        for (of, expected) in [(0, Some("b")), (1, Some("a")), (2, None), (3, Some("c"))] {
            assert_eq!(name(before(all.iter(), &all[of])).as_deref(), expected, "{of}");
        }
        assert_eq!(name(first(all.iter(), &all[3])).as_deref(), Some("a"));
        assert_eq!(name(first(all.iter(), &all[2])).as_deref(), Some("b"));
    }

    #[test]
    fn only_who_wants_to_begin_stands_in_line() {
        let young = object("young", 30, |_| {});
        let cases: Vec<(&str, DatabaseMigration, bool)> = vec![
            ("new", object("o", 1, |_| {}), true),
            ("waits", object("o", 1, saying("Pending", "LockHeldByOther")), true),
            ("at work", object("o", 1, saying("Running", "MigrationInProgress")), false),
            ("its Job is made", object("o", 1, saying("Pending", "JobPending")), false),
            ("done", object("o", 1, saying("Succeeded", "MigrationComplete")), false),
            ("waits for another", object("o", 1, saying("Pending", "PreviousNotDone")), false),
            ("suspended", object("o", 1, |o| o["spec"]["suspend"] = json!(true)), false),
            ("refused", object("o", 1, |o| o["spec"]["database"]["type"] = json!("mongodb")), false),
            (
                "goes",
                object("o", 1, |o| o["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:05Z")),
                false,
            ),
            ("elsewhere", object("o", 1, |o| o["metadata"]["namespace"] = json!("billing")), false),
            ("another", object("o", 1, |o| o["spec"]["database"]["database"] = json!("billing")), false),
            (
                "has a new spec",
                object("o", 1, |o| {
                    o["metadata"]["generation"] = json!(2);
                    o["status"] = status("Succeeded", "MigrationComplete", None);
                }),
                true,
            ),
            ("younger", object("o", 40, |_| {}), false),
        ];
        for (about, old, expected) in cases {
            assert_eq!(before([&old].into_iter(), &young).is_some(), expected, "{about}");
        }
    }

    #[test]
    fn the_same_database_has_one_line_however_it_is_written() {
        let mine = object("mine", 9, |_| {});
        let with = |change: &dyn Fn(&mut Value)| object("o", 1, |o| change(&mut o["spec"]["database"]));
        for (about, other, expected) in [
            ("its port", with(&|d| d["port"] = json!(5432)), true),
            ("in full", with(&|d| d["host"] = json!("db.shop.svc.cluster.local")), true),
            ("without the domain", with(&|d| d["host"] = json!("db.shop.svc")), true),
            ("in capitals", with(&|d| d["host"] = json!("DB.shop")), true),
            ("other credentials", with(&|d| d["connectionSecret"] = json!("owner")), true),
            ("another port", with(&|d| d["port"] = json!(5433)), false),
            ("another namespace's", with(&|d| d["host"] = json!("db.billing")), false),
            ("another server", with(&|d| d["host"] = json!("db.example.com")), false),
        ] {
            assert_eq!(same(&other, &mine), expected, "{about}");
        }
        // Where the Secret says which database it is, it is that of the Secret.
        let unsaid = |secret: &str, name| {
            object(name, 1, |o| {
                o["spec"]["database"] = json!({ "type": "postgresql", "connectionSecret": secret });
            })
        };
        assert!(same(&unsaid("db", "a"), &unsaid("db", "b")));
        assert!(!same(&unsaid("db", "a"), &unsaid("other", "b")));
    }

    #[test]
    fn who_waits_for_what_is_his_own_lets_others_pass() {
        let mine = object("mine", 9, |_| {});
        let begun = object("mine", 9, saying("Running", "MigrationInProgress"));
        let apart = object("mine", 9, |o| o["spec"]["database"]["connectionSecret"] = json!("owner"));
        let at_work = |by: &'static str| {
            object("o", 1, move |o| o["status"] = status("Running", "WaitingForBlocker", Some(by)))
        };
        let pending = |reason| object("o", 1, saying("Pending", reason));
        for (other, of, expected) in [
            (pending("SourceNotFound"), &mine, true),
            (pending("SecretNotFound"), &mine, false),
            (pending("SecretNotFound"), &apart, true),
            (pending("JobPending"), &apart, false),
            (pending("QuotaExceeded"), &apart, false),
            (at_work("ConnectFailed: no way to the server"), &mine, false),
            (at_work("ConnectFailed: no way to the server"), &apart, true),
            (at_work("ImageNotFound: x"), &mine, true),
            (at_work("pid 4711 (app) since 12:03:11"), &apart, false),
            (at_work("LockHeldByOther: another run"), &mine, false),
            (at_work("LockHeldByOther: another run"), &begun, true),
        ] {
            assert_eq!(stands_aside(&other, of), expected, "{:?}", other.status);
        }
    }
}
