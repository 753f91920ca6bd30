//! An API that refuses, breaks, forgets, and tells of the past. The operator is a process of this machine behind a door at
//! which it goes wrong; the runners reach the API itself.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{Operator, still};
use crate::namespace::Namespace;
use crate::proxy::{Fault, Proxy};

const KIND: &str = "/databasemigrations";

/// An operator that is started again when it ends, as the kubelet does it.
struct Kept<'a> {
    here: &'a Namespace,
    folder: &'a Path,
    kubeconfig: String,
    operator: Operator,
    restarts: usize,
}

impl<'a> Kept<'a> {
    fn new(here: &'a Namespace, folder: &'a Path, proxy: &Proxy) -> Self {
        let kubeconfig = proxy.kubeconfig.to_str().unwrap().to_owned();
        let operator = Operator::start(here, "faulty", &folder.join("log"), &[("KUBECONFIG", &kubeconfig)]);
        Self { here, folder, kubeconfig, operator, restarts: 0 }
    }

    fn until(&mut self, what: &str, mut so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !so() {
            if self.operator.ended() {
                let more = [("KUBECONFIG", self.kubeconfig.as_str())];
                self.operator = Operator::start(self.here, "faulty", &self.folder.join("log"), &more);
                self.restarts += 1;
            }
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            let patience = began.elapsed() < Duration::from_secs(120);
            assert!(patience, "waited in vain until {what}\n{}\n{}", log(), self.here.story());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn until_ready(&mut self, name: &str) {
        let here = self.here;
        self.until(&format!("{name} is Ready"), || {
            let path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
            here.kubectl(&["get", "dbm", name, "--output", path]) == "True"
        });
    }
}

fn object(here: &Namespace, name: &str, key: &str) -> Value {
    let mut object = here.manifest(&[key], |_| {});
    object["metadata"]["name"] = json!(name);
    object
}

fn uid(here: &Namespace, name: &str) -> String {
    here.kubectl(&["get", "dbm", name, "--output", "jsonpath={.metadata.uid}"])
}

/// The UIDs that the Jobs of this name belong to.
fn owners(here: &Namespace, name: &str) -> String {
    let path = "jsonpath={.items[*].metadata.ownerReferences[0].uid}";
    let of_it = format!("cofferdam.dev/migration={name}");
    here.kubectl(&["get", "jobs", "--selector", &of_it, "--output", path])
}

#[test]
fn an_api_that_refuses_forgets_and_tells_of_the_past_changes_nothing() {
    let Some(here) = Namespace::alone("e2e-api") else { return };
    let _back = still(&here);
    let folder = TempDir::new().unwrap();
    let proxy = Proxy::new(here.cluster, folder.path());
    here.secret();
    here.scripts(&[
        ("a", "CREATE TABLE a (id int)"),
        ("b", "CREATE TABLE b (id int); SELECT pg_sleep(4)"),
        ("c", "CREATE TABLE c (id int)"),
        ("d", "CREATE TABLE d (id int)"),
    ]);
    let mut kept = Kept::new(&here, folder.path(), &proxy);

    // Each kind of write is refused or lost some times: nothing is done twice, and nobody starts the operator again.
    let mut left = [("PATCH", "/status", 3), ("POST", "/jobs", 3), ("POST", "/events", 2)];
    proxy.fails(move |method, path| {
        let (_, _, left) = left.iter_mut().find(|(m, p, n)| *n > 0 && method == *m && path.contains(p))?;
        *left -= 1;
        Some(match left {
            2 => Fault::Refuse(409, "Conflict"),
            1 => Fault::Lose,
            _ => Fault::Refuse(500, "InternalError"),
        })
    });
    here.apply(&object(&here, "a", "a"));
    kept.until_ready("a");
    // Once the Job was made and its answer lost, it is not made again.
    let faults = proxy.works();
    assert!(faults >= 6, "{faults}");
    assert_eq!(kept.restarts, 0);
    assert_eq!(owners(&here, "a"), uid(&here, "a"));

    // Nobody is answered while a run is at work: it goes on, and its end is seen afterwards.
    here.apply(&object(&here, "b", "b"));
    kept.until("its Job is there", || !owners(&here, "b").is_empty());
    proxy.cut();
    let mut number = 0;
    proxy.fails(move |_, _| {
        number += 1;
        Some(match number % 3 {
            0 => Fault::Break,
            1 => Fault::Refuse(429, "TooManyRequests"),
            _ => Fault::Refuse(503, "ServiceUnavailable"),
        })
    });
    kept.until("it is applied all the same", || {
        let applied = "SELECT count(*) FROM cofferdam.history WHERE version = 'b/b'";
        here.database.one(applied) == "1" && proxy.faults() > 10
    });
    // Longer than a lease that is not renewed.
    let began = Instant::now();
    kept.until("the lease is lost", || began.elapsed() > Duration::from_secs(16));
    assert!(proxy.works() > 10);
    kept.until_ready("b");
    assert_eq!(owners(&here, "b"), uid(&here, "b"));

    // A deletion that nobody heard of, because the watches were cut and what they asked to go on from is not known: the
    // new object of that name is another one.
    let mut first = object(&here, "c", "c");
    first["spec"]["suspend"] = json!(true);
    here.apply(&first);
    kept.until("it is suspended", || {
        here.kubectl(&["get", "dbm", "c", "--output", "jsonpath={.status.conditions[*].reason}"])
            .contains("Suspended")
    });
    let old = uid(&here, "c");
    proxy.fails(|_, path| path.contains(KIND).then_some(Fault::Break));
    proxy.cut();
    here.kubectl(&["delete", "dbm", "c", "--wait"]);
    here.apply(&object(&here, "c", "c"));
    let mut gone = 0;
    proxy.fails(move |_, path| {
        let watch = path.contains(KIND) && path.contains("watch=");
        gone += usize::from(watch);
        (watch && gone <= 2).then_some(Fault::Gone)
    });
    kept.until_ready("c");
    assert!(proxy.works() >= 2);
    assert_ne!(uid(&here, "c"), old);
    assert_eq!(owners(&here, "c"), uid(&here, "c"));

    // A list of the past: in it is an object that was deleted since, and whose name another one has.
    let mut first = object(&here, "d", "not-there");
    first["spec"]["suspend"] = json!(true);
    here.apply(&first);
    kept.until("it is suspended", || {
        here.kubectl(&["get", "dbm", "d", "--output", "jsonpath={.status.conditions[*].reason}"])
            .contains("Suspended")
    });
    let path = format!("/apis/cofferdam.dev/v1alpha1/namespaces/{}{KIND}", here.name);
    let mut past: Value = serde_json::from_str(&here.kubectl(&["get", "--raw", &path])).unwrap();
    for item in past["items"].as_array_mut().unwrap() {
        // As it was before it was looked at: there is something to do.
        if item["metadata"]["name"] == "d" {
            item["spec"]["suspend"] = json!(false);
            item.as_object_mut().unwrap().remove("status");
        }
    }
    let past = past.to_string().into_bytes();
    here.kubectl(&["delete", "dbm", "d", "--wait"]);
    here.apply(&object(&here, "d", "d"));
    kept.until_ready("d");
    let as_it_is = || here.kubectl(&["get", "dbm", "d", "--output", "jsonpath={.metadata.uid} {.status}"]);
    let (before, mut told) = (as_it_is(), 0);
    proxy.fails(move |_, path| {
        let ours = path.contains(KIND) && !path.contains("watch=") && !path.contains("/databasemigrations/");
        if ours {
            told += 1;
            return (told == 1).then(|| Fault::Past(past.clone()));
        }
        (told == 0 && path.contains(KIND) && path.contains("watch=")).then_some(Fault::Gone)
    });
    proxy.cut();
    kept.until("it was told of the past", || proxy.faults() >= 2);
    // What is applied after it is done, so the past was looked at and is over.
    here.scripts(&[("e", "CREATE TABLE e (id int)")]);
    here.apply(&object(&here, "e", "e"));
    kept.until_ready("e");
    proxy.works();
    assert_eq!(as_it_is(), before);
    assert_eq!(owners(&here, "d"), uid(&here, "d"));
    assert_eq!(here.database.one("SELECT count(*) FROM cofferdam.run"), "5");
}
