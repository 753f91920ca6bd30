//! Limits of processors and memory of a server that runs in Pods. A small server of the test plays the API of the cluster.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::pod::{Pod, TABLE, WIDER};

/// What the API says of the one Pod.
#[derive(Clone)]
struct Api(Arc<Mutex<Said>>);

struct Said {
    /// Of the container, and how old.
    cpu: &'static str,
    age: i64,
    limit: Value,
    /// The account may look.
    allowed: bool,
}

impl Api {
    /// For the Pod, whose runner finds it by its kubeconfig.
    fn begin(pod: &mut Pod) -> Self {
        let said = Said { cpu: "100m", age: 20, limit: json!({ "cpu": "500m" }), allowed: true };
        let api = Self(Arc::new(Mutex::new(said)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = api.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 8192];
                let read = stream.read(&mut request).unwrap_or(0);
                let head = String::from_utf8_lossy(&request[..read]).into_owned();
                let (status, body) = answering.answer(head.split(' ').nth(1).unwrap_or_default());
                let body = body.to_string();
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        let file = pod.mounts().join("kubeconfig");
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{ "name": "c", "cluster": { "server": format!("http://{address}") } }],
            "contexts": [{ "name": "c", "context": { "cluster": "c", "user": "u" } }],
            "users": [{ "name": "u", "user": {} }],
        });
        std::fs::write(&file, config.to_string()).unwrap();
        pod.variables.push(("KUBECONFIG".to_owned(), file.display().to_string()));
        api
    }

    fn now(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.0.lock().unwrap());
    }

    fn answer(&self, path: &str) -> (u16, Value) {
        let said = self.0.lock().unwrap();
        if !said.allowed && path.contains("/pods") {
            let message = "pods is forbidden: User \"x\" cannot list resource";
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": "Forbidden",
                "code": 403,
            });
            return (403, status);
        }
        let name = json!({ "name": "db-0", "namespace": "shop", "labels": { "app": "db" } });
        let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(said.age);
        match path.split('?').next().unwrap_or_default() {
            "/api/v1/namespaces/shop/pods" => {
                let container = json!({ "name": "postgres", "resources": { "limits": said.limit } });
                let pod = json!({
                    "metadata": name, "spec": { "containers": [container] }, "status": { "phase": "Running" },
                });
                (200, json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [pod] }))
            }
            "/apis/metrics.k8s.io" => (200, json!({ "versions": [{ "version": "v1beta1" }] })),
            "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods" => {
                let containers =
                    json!([{ "name": "postgres", "usage": { "cpu": said.cpu, "memory": "32Mi" } }]);
                let item = json!({ "metadata": name, "timestamp": at.to_string(), "containers": containers });
                (200, json!({ "kind": "PodMetricsList", "items": [item] }))
            }
            _ => (404, json!({ "kind": "Status", "code": 404, "message": "there is no such thing" })),
        }
    }
}

fn limited(name: &str) -> (Pod, Api) {
    let mut pod = Pod::new(name);
    pod.bench.query(TABLE);
    pod.spec["migration"]["strategy"] = json!("shadow-table");
    pod.spec["validation"] = json!({
        "bake": "120s",
        "performanceThresholds": {
            "maxCpuUsage": "50%",
            "serverPods": { "selector": { "matchLabels": { "app": "db" } } },
        },
    });
    pod.script("wider", WIDER);
    let api = Api::begin(&mut pod);
    (pod, api)
}

fn kind(pod: &Pod) -> String {
    pod.one("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'")
}

/// Before anything is changed: nobody is asked in place of the metrics API, and what cannot be read is no pass.
#[test]
fn a_share_that_cannot_be_read_refuses_the_run() {
    let (pod, api) = limited("server_unread");
    for (change, words) in [
        (Box::new(|said: &mut Said| said.allowed = false) as Box<dyn FnOnce(&mut Said)>, "forbidden"),
        (Box::new(|said: &mut Said| said.age = 300), "s old"),
        (Box::new(|said: &mut Said| said.cpu = "a lot"), "is no amount of cpu"),
        (Box::new(|said: &mut Said| said.limit = json!({})), "no limit of cpu"),
    ] {
        api.now(|said| *said = Said { cpu: "100m", age: 20, limit: json!({ "cpu": "500m" }), allowed: true });
        api.now(change);
        let outcome = pod.ends(&[], 2, "Failed", "PreCheckFailed");
        let message = outcome["message"].as_str().unwrap();
        for word in ["maxCpuUsage", "metrics.k8s.io, of Pods with app=db", words] {
            assert!(message.contains(word), "{word}: {message}");
        }
        assert_eq!(kind(&pod), "integer", "{words}");
    }
}

#[test]
fn a_server_that_gets_too_busy_after_the_swap_and_one_that_falls_silent_are_swapped_back() {
    for (name, change, words) in [
        (
            "server_busy",
            (|said: &mut Said| said.cpu = "490m") as fn(&mut Said),
            "of the processors were busy",
        ),
        ("server_silent", |said| said.allowed = false, "has given no value for"),
    ] {
        let (pod, api) = limited(name);
        let bench = pod.bench.database.clone();
        let changing = std::thread::spawn(move || {
            crate::support::until("it is swapped", || {
                let sql = "SELECT 1 FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'id'
                           AND atttypid = 'bigint'::regtype";
                crate::support::server().query(&bench, sql).is_ok_and(|rows| !rows.is_empty())
            });
            api.now(change);
        });
        let outcome = pod.ends(&[], 6, "RolledBack", "RolledBack");
        changing.join().unwrap();
        let message = outcome["message"].as_str().unwrap();
        for word in ["maxCpuUsage 50 %", "metrics.k8s.io, of Pods with app=db", words] {
            assert!(message.contains(word), "{name} {word}: {message}");
        }
        assert_eq!(kind(&pod), "integer");
        pod.bench.assert_sound();
    }
}
