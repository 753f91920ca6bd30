//! What gates ask: a real Prometheus, and the metrics APIs behind the aggregation layer of the apiserver. What answers
//! for these is a small server of this test and no adapter; rights and routing are the apiserver's own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::cluster::{Cluster, PROMETHEUS_PORT};

/// Values, by the names of metrics.
#[derive(Clone, Default)]
pub(crate) struct Values(Arc<Mutex<HashMap<String, String>>>);

impl Values {
    pub(crate) fn set(&self, metric: &str, value: &str) {
        self.0.lock().unwrap().insert(metric.to_owned(), value.to_owned());
    }

    /// As Prometheus reads them.
    fn text(&self) -> String {
        self.0.lock().unwrap().iter().map(|(name, value)| format!("{name} {value}\n")).collect()
    }

    fn get(&self, metric: &str) -> Option<String> {
        self.0.lock().unwrap().get(metric).cloned()
    }
}

/// Answers requests of one connection: the path gives status and body.
fn serve(stream: impl Read + Write, answer: &dyn Fn(&str) -> (u16, String)) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut first = String::new();
        if stream.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap_or(0) > 2 {
            line.clear();
        }
        let (status, body) = answer(first.split(' ').nth(1).unwrap_or_default());
        let kind = if body.starts_with('{') { "application/json" } else { "text/plain" };
        let head = format!(
            "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// A Prometheus where the operator looks for it, which reads these values every second.
pub(crate) struct Prometheus {
    server: Child,
    _folder: tempfile::TempDir,
    pub(crate) values: Values,
}

impl Prometheus {
    /// `None`: this machine has none.
    pub(crate) fn start(cluster: &Cluster) -> Option<Self> {
        Command::new("prometheus").arg("--version").output().ok()?;
        let values = Values::default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let shown = values.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shown = shown.clone();
                thread::spawn(move || serve(stream, &|_| (200, shown.text())));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: shop, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        std::fs::write(&config, text).unwrap();
        let server = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={}:{PROMETHEUS_PORT}", cluster.host))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Some(Self { server, _folder: folder, values })
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

const APIS: [(&str, &str); 3] = [
    ("custom.metrics.k8s.io", "v1beta2"),
    ("external.metrics.k8s.io", "v1beta1"),
    ("metrics.k8s.io", "v1beta1"),
];

/// The metrics APIs of the cluster, for as long as it lives.
pub(crate) struct MetricsApi {
    cluster: &'static Cluster,
    pub(crate) values: Values,
}

impl MetricsApi {
    /// Its Service is in this namespace.
    pub(crate) fn start(cluster: &'static Cluster, namespace: &str) -> Self {
        let api = Self { cluster, values: Values::default() };
        // A namespace cannot go while an API of the cluster does not answer.
        api.remove();
        let key = rcgen::generate_simple_self_signed(vec!["metrics".to_owned()]).unwrap();
        let secret = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], secret)
            .unwrap();
        let listener = TcpListener::bind((cluster.host.as_str(), 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (config, values) = (Arc::new(config), api.values.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, values) = (config.clone(), values.clone());
                thread::spawn(move || encrypted(stream, config, &|path| answer(cluster, &values, path)));
            }
        });
        api.register(namespace, port);
        api
    }

    fn register(&self, namespace: &str, port: u16) {
        let ports = json!([{ "name": "https", "port": 443, "targetPort": port }]);
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": { "name": "metrics-1", "labels": { "kubernetes.io/service-name": "metrics" } },
            "addressType": "IPv4",
            "endpoints": [{ "addresses": [self.cluster.host], "conditions": { "ready": true } }],
            "ports": [{ "name": "https", "port": port }],
        });
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "metrics" }, "spec": { "ports": ports },
        });
        self.apply(namespace, &service);
        self.apply(namespace, &slice);
        for (group, version) in APIS {
            self.apply(
                namespace,
                &json!({
                    "apiVersion": "apiregistration.k8s.io/v1",
                    "kind": "APIService",
                    "metadata": { "name": format!("{version}.{group}") },
                    "spec": {
                        "group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100,
                        "insecureSkipTLSVerify": true,
                        "service": { "name": "metrics", "namespace": namespace, "port": 443 },
                    },
                }),
            );
            let name = format!("apiservice/{version}.{group}");
            self.cluster.kubectl(&["wait", "--for=condition=Available", "--timeout=60s", &name]);
        }
    }

    fn apply(&self, namespace: &str, object: &Value) {
        let output = self.cluster.try_with(&["--namespace", namespace, "apply"], &object.to_string());
        assert!(output.status.success(), "{}", crate::cluster::text(&output));
    }

    fn remove(&self) {
        for (group, version) in APIS {
            let name = format!("{version}.{group}");
            self.cluster.try_kubectl(&["delete", "apiservice", &name, "--ignore-not-found"]);
        }
    }
}

impl Drop for MetricsApi {
    fn drop(&mut self) {
        self.remove();
    }
}

fn encrypted(stream: TcpStream, config: Arc<ServerConfig>, answer: &dyn Fn(&str) -> (u16, String)) {
    let Ok(connection) = ServerConnection::new(config) else { return };
    serve(StreamOwned::new(connection, stream), answer);
}

/// The names of the Pods that a query asks about.
fn pods(cluster: &Cluster, namespace: &str, query: &str) -> Vec<String> {
    let selector = query.trim_start_matches("labelSelector=").replace("%3D", "=");
    let names = "jsonpath={.items[*].metadata.name}";
    let asked = ["--namespace", namespace, "get", "pods", "--selector", &selector, "--output", names];
    cluster.kubectl(&asked).split_whitespace().map(str::to_owned).collect()
}

/// As an adapter answers: a value for each Pod of the selector, or one of the metric. And as metrics-server does: of each
/// Pod what its container `postgres` uses of processors, under the name `cpu`.
fn answer(cluster: &Cluster, values: &Values, path: &str) -> (u16, String) {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    // The apiserver encodes what it passes on.
    let path = path.replace("%2A", "*");
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let now = jiff::Timestamp::now().to_string();
    let found = |items: Vec<Value>| (200, json!({ "kind": "MetricValueList", "items": items }).to_string());
    match parts[..] {
        ["apis", group, version] => {
            let list = json!({
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/{version}"),
                "resources": [],
            });
            (200, list.to_string())
        }
        ["apis", "custom.metrics.k8s.io", _, "namespaces", namespace, "pods", "*", metric] => {
            let Some(value) = values.get(metric) else { return missing() };
            let item = |pod: &String| {
                let of = json!({ "kind": "Pod", "namespace": namespace, "name": pod });
                json!({ "describedObject": of, "metric": { "name": metric }, "timestamp": now, "value": value })
            };
            found(pods(cluster, namespace, query).iter().map(item).collect())
        }
        ["apis", "external.metrics.k8s.io", _, "namespaces", _, metric] => match values.get(metric) {
            Some(value) => found(vec![json!({ "metricName": metric, "timestamp": now, "value": value })]),
            None => missing(),
        },
        ["apis", "metrics.k8s.io", _, "namespaces", namespace, "pods"] => {
            let Some(cpu) = values.get("cpu") else { return missing() };
            let item = |pod: &String| {
                let containers = json!([{ "name": "postgres", "usage": { "cpu": cpu, "memory": "32Mi" } }]);
                json!({ "metadata": { "name": pod, "namespace": namespace }, "timestamp": now, "containers": containers })
            };
            let items: Vec<Value> = pods(cluster, namespace, query).iter().map(item).collect();
            (200, json!({ "kind": "PodMetricsList", "items": items }).to_string())
        }
        _ => missing(),
    }
}

fn missing() -> (u16, String) {
    let status =
        json!({ "kind": "Status", "status": "Failure", "code": 404, "message": "there is no such metric" });
    (404, status.to_string())
}
