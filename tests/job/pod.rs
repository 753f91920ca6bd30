//! A Pod as a test sees it: its mounts, its object, and how it ended.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Bench, Ended, server, until, wait};

/// A table of which a copy takes several chunks.
pub const TABLE: &str = "CREATE TABLE t (id int PRIMARY KEY, note text DEFAULT 'none', pad text);
 INSERT INTO t SELECT i * 10, 'note ' || i, repeat('x', 900) FROM generate_series(1, 5000) i; ANALYZE t";

/// The change that is made of it.
pub const WIDER: &str = "ALTER TABLE t ALTER COLUMN id TYPE bigint;\n";

pub struct Pod {
    pub bench: Bench,
    pub spec: Value,
    /// More of the environment.
    pub variables: Vec<(String, String)>,
    name: String,
    /// Where everything of it lies.
    folder: tempfile::TempDir,
}

/// A process that is ended with its test.
pub struct Held(Option<Child>);

impl Held {
    pub fn signal(&self, name: &str) {
        let id = self.0.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end. Five minutes are no measurement: then it is killed, and has no exit code.
    pub fn end(mut self) -> Ended {
        let child = self.0.take().unwrap();
        let pid = child.id().to_string();
        let (ended, waiting) = std::sync::mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if waiting.recv_timeout(Duration::from_secs(300)) == Err(RecvTimeoutError::Timeout) {
                let _ = Command::new("kill").args(["-KILL", &pid]).status();
            }
        });
        let done = wait(child);
        drop(ended);
        watch.join().unwrap();
        done
    }

    /// As the kernel does it that has no memory left.
    pub fn kill(mut self) {
        let mut child = self.0.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn running(&mut self) -> bool {
        self.0.as_mut().unwrap().try_wait().unwrap().is_none()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Pod {
    pub fn new(name: &str) -> Self {
        let bench = Bench::new(name);
        let (host, port) = (server().host(), server().port());
        Self::at(bench, name, host, port)
    }

    pub fn at(bench: Bench, name: &str, host: &str, port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = &bench.database;
        let spec = json!({
            "database": {
                "type": "postgresql", "connectionSecret": "db", "host": host, "port": port, "database": database,
                "tls": { "mode": "disable" },
            },
            "migration": { "scripts": [] },
        });
        let pod = Self { bench, spec, variables: Vec::new(), name: name.replace('_', "-"), folder };
        for mount in ["database", "scripts", "directory"] {
            std::fs::create_dir_all(pod.mounts().join(mount)).unwrap();
        }
        pod.secret("username", "postgres");
        pod.secret("password", "postgres");
        pod
    }

    /// Another object for the same database.
    pub fn beside(&self, name: &str) -> Self {
        let bench = Bench::of(self.bench.database.clone());
        Self::at(bench, name, server().host(), server().port())
    }

    pub fn mounts(&self) -> PathBuf {
        self.folder.path().join("mounts")
    }

    pub fn secret(&self, key: &str, value: &str) {
        std::fs::write(self.mounts().join("database").join(key), value).unwrap();
    }

    /// A Secret that is mounted in a folder of its own, as it is from now on.
    pub fn mounted(&self, folder: &str, keys: Vec<(String, String)>) {
        let folder = self.mounts().join(folder);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        for (key, value) in keys {
            std::fs::write(folder.join(key), value).unwrap();
        }
    }

    pub fn remove_secret(&self, key: &str) {
        std::fs::remove_file(self.mounts().join("database").join(key)).unwrap();
    }

    /// A script that is mounted, and named in the list.
    pub fn script(&mut self, name: &str, sql: &str) -> &mut Value {
        self.mount(name, sql);
        let list = self.spec["migration"]["scripts"].as_array_mut().unwrap();
        list.push(json!({ "name": name, "source": format!("configmap://scripts/{name}.sql") }));
        list.last_mut().unwrap()
    }

    pub fn mount(&self, name: &str, sql: &str) {
        std::fs::write(self.mounts().join("scripts").join(format!("{name}.sql")), sql).unwrap();
    }

    /// A key of the first ConfigMap of a directory.
    pub fn key(&mut self, name: &str, sql: &str) {
        self.spec["migration"].as_object_mut().unwrap().remove("scripts");
        self.spec["migration"]["configMaps"] = json!([{ "name": "migrations" }]);
        let folder = self.mounts().join("directory/0");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), sql).unwrap();
    }

    pub fn object(&self) -> PathBuf {
        self.folder.path().join("object.yaml")
    }

    /// Writes the object as the spec is now.
    pub fn put(&self) {
        let object = json!({
            "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration",
            "metadata": { "name": self.name, "namespace": "shop", "generation": 1 },
            "spec": self.spec,
        });
        let new = self.folder.path().join("new");
        std::fs::write(&new, object.to_string()).unwrap();
        std::fs::rename(new, self.object()).unwrap();
    }

    pub fn message(&self) -> PathBuf {
        self.folder.path().join("message")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        self.put();
        let _ = std::fs::remove_file(self.message());
        let mut command = self.bench.command(&["runner"]);
        command
            .arg("--object")
            .arg(self.object())
            .arg("--mounts")
            .arg(self.mounts())
            .arg("--termination-log")
            .arg(self.message())
            .args(arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Runs it; it must end so.
    pub fn ends(&self, arguments: &[&str], code: i32, ended: &str, reason: &str) -> Value {
        let done = self.run(arguments);
        let outcome = self.outcome();
        assert_eq!(
            (done.code, outcome["ended"].as_str(), outcome["reason"].as_str()),
            (code, Some(ended), Some(reason)),
            "{arguments:?}\n{outcome:#}\n{}",
            done.stderr
        );
        outcome
    }

    pub fn start(&self, arguments: &[&str]) -> Held {
        self.started(&mut self.command(arguments))
    }

    fn started(&self, command: &mut Command) -> Held {
        Held(Some(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()))
    }

    /// Starts it; it hangs at a failpoint, and is there now.
    pub fn held(&self, arguments: &[&str], failpoint: &str) -> Held {
        let mark = self.folder.path().join("reached");
        let _ = std::fs::remove_file(&mark);
        let mut command = self.command(arguments);
        command
            .env("COFFERDAM_FAILPOINT", format!("{failpoint}=hang@1"))
            .env("COFFERDAM_FAILPOINT_REACHED", &mark);
        let held = std::cell::RefCell::new(self.started(&mut command));
        until(&format!("{failpoint} is reached"), || mark.exists() || !held.borrow_mut().running());
        let held = held.into_inner();
        assert!(mark.exists(), "it ended before {failpoint}: {:?}", held.end());
        held
    }

    /// The status as it was written last.
    pub fn status(&self) -> Value {
        let path = self.folder.path().join("object.yaml.status");
        std::fs::read_to_string(path)
            .ok()
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default()
    }

    /// The message that the Pod ended with.
    pub fn outcome(&self) -> Value {
        let text = std::fs::read_to_string(self.message()).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text:?}"))
    }

    /// Status and reason of a condition.
    pub fn condition(&self, about: &str) -> (String, String) {
        let status = self.status();
        let found = status["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == about);
        let text = |key: &str| found.map_or("", |c| c[key].as_str().unwrap_or_default()).to_owned();
        (text("status"), text("reason"))
    }

    pub fn one(&self, sql: &str) -> String {
        self.bench.one(sql)
    }

    /// The keys in force, in the order of their applying.
    pub fn applied(&self) -> Vec<String> {
        let rows =
            self.bench.query("SELECT key FROM cofferdam.history WHERE undone_at IS NULL ORDER BY rank");
        rows.into_iter().map(|mut row| row.remove(0)).collect()
    }
}
