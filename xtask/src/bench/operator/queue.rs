//! Many at once for a few databases, with real Pods and a real PostgreSQL: one per database at a time, the oldest first.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cofferdam_scratch::{Options, Server, find_or_fetch};
use serde_json::{Value, json};

use super::super::Asked;
use super::super::product::Product;
use super::super::report::{goal, table};
use super::ground::{Ground, Namespace};
use super::objects::{object, side_by_side};
use super::process::Operator;

/// Objects, each of one small migration.
const OBJECTS: usize = 200;

/// The databases that they change, in turns.
const DATABASES: usize = 20;

const PASSWORD: &str = "bench";

/// How long all of them may take.
const ALL: Duration = Duration::from_secs(540);

/// A watch that tells nothing for so long is begun again.
const QUIET: Duration = Duration::from_secs(30);

/// What was seen of the Jobs.
#[derive(Default)]
struct Seen {
    /// By database: the names of the objects in the order in which their Jobs were made.
    order: BTreeMap<usize, Vec<String>>,
    /// By database: Jobs that are at work.
    at_work: BTreeMap<usize, BTreeSet<String>>,
    /// The most that were at work on one database.
    most: usize,
    /// The most that were at work on all of them.
    most_in_all: usize,
    ended: usize,
    /// Those whose Job was seen.
    known: BTreeSet<String>,
    /// How often the watch had to be begun again. What is seen at once then is no longer seen one after the other.
    interruptions: usize,
}

pub(super) fn run(_: &Asked, product: &Product) -> Result<Value, String> {
    let ground = &Ground::new(product)?;
    let namespace = ground.namespace("cofferdam-bench-queue")?;
    let server = server()?;
    let port = door(&ground.host, server.port())?;
    for number in 0..DATABASES {
        server.create_database(&database(number)).map_err(|e| e.to_string())?;
    }
    prepare(&namespace)?;
    let _operator = Operator::start(ground, namespace.name, "queue")?;
    let jobs = format!("{}?watch=1", namespace.path("apis/batch/v1", "jobs"));
    let began = Instant::now();
    let stop = Arc::new(AtomicBool::new(false));
    let (api, asked_to_stop) = (ground.api.way(), stop.clone());
    let watcher = thread::spawn(move || {
        let mut seen = Seen::default();
        // A watch may end at any time; the next one begins with all that there is.
        while seen.ended < OBJECTS && !asked_to_stop.load(Ordering::Relaxed) {
            let watch = api.connect().and_then(|watch| watch.patient(QUIET));
            let ended = watch.and_then(|watch| {
                watch.watch(&jobs, |_, event| {
                    seen.event(event);
                    seen.ended == OBJECTS
                })
            });
            seen.interruptions += usize::from(ended.is_err());
        }
        (seen, began.elapsed())
    });
    let path = namespace.migrations();
    side_by_side(
        OBJECTS,
        |connection, number| {
            let mut new = object(&name(number), &ground.host, &database(number % DATABASES));
            new["spec"]["database"]["port"] = json!(port);
            new["spec"]["database"]["tls"]["mode"] = json!("disable");
            connection.create(&path, &new)
        },
        &ground.api,
    )?;
    while !watcher.is_finished() && began.elapsed() < ALL {
        thread::sleep(Duration::from_millis(200));
    }
    stop.store(true, Ordering::Relaxed);
    let (seen, took) = watcher.join().map_err(|_| "the watch ended before its work".to_owned())?;
    let ages = ages(ground, &namespace)?;
    let fair = seen.order.values().all(|order| order.is_sorted_by_key(|name| ages.get(name)));
    let applied = (0..DATABASES).map(|number| applied(&server, number)).sum::<Result<usize, String>>()?;

    let rows = [
        vec!["until all have ended, s".to_owned(), format!("{:.0}", took.as_secs_f64())],
        vec!["ended".to_owned(), seen.ended.to_string()],
        vec!["applied, by the databases".to_owned(), applied.to_string()],
        vec!["most at once on one database".to_owned(), seen.most.to_string()],
        vec!["most at once".to_owned(), seen.most_in_all.to_string()],
        vec!["interruptions of the watch".to_owned(), seen.interruptions.to_string()],
    ];
    println!("{OBJECTS} objects, {DATABASES} databases\n{}", table(&["what", "measured"], &rows));
    goal("all are applied", applied == OBJECTS);
    goal("one per database at a time", seen.most == 1);
    goal("the oldest first", fair);
    Ok(json!({
        "objects": OBJECTS, "databases": DATABASES, "seconds": took.as_secs_f64(), "ended": seen.ended,
        "applied": applied, "most_on_one": seen.most, "most_in_all": seen.most_in_all, "oldest_first": fair,
    }))
}

impl Seen {
    fn event(&mut self, event: &Value) {
        let job = &event["object"];
        let Some(name) = job["metadata"]["labels"]["cofferdam.dev/migration"].as_str() else { return };
        let Some(database) = number(name).map(|number| number % DATABASES) else { return };
        let conditions = job["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let over = conditions
            .iter()
            .any(|c| c["status"] == "True" && (c["type"] == "Complete" || c["type"] == "Failed"));
        let at_work = self.at_work.entry(database).or_default();
        if self.known.insert(name.to_owned()) {
            self.order.entry(database).or_default().push(name.to_owned());
            at_work.insert(name.to_owned());
            self.most = self.most.max(at_work.len());
            let all = self.at_work.values().map(BTreeSet::len).sum();
            self.most_in_all = self.most_in_all.max(all);
        }
        if over && self.at_work.entry(database).or_default().remove(name) {
            self.ended += 1;
        }
    }
}

fn name(number: usize) -> String {
    format!("change-{number:03}")
}

fn number(name: &str) -> Option<usize> {
    name.strip_prefix("change-")?.parse().ok()
}

fn database(number: usize) -> String {
    format!("shop{number:02}")
}

/// When each object was made, and its name: what the line is ordered by.
fn ages(
    ground: &Ground<'_>,
    namespace: &Namespace<'_>,
) -> Result<BTreeMap<String, (String, String)>, String> {
    let list = ground.api.connect()?.get(&namespace.migrations())?;
    let list: Value = serde_json::from_slice(&list).map_err(|e| e.to_string())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().cloned().unwrap_or_default();
    Ok(items
        .iter()
        .map(|item| {
            let (name, made) =
                (text(&item["metadata"]["name"]), text(&item["metadata"]["creationTimestamp"]));
            (name.clone(), (made, name))
        })
        .collect())
}

fn applied(server: &Server, number: usize) -> Result<usize, String> {
    let rows = server.query(&database(number), "SELECT count(*) FROM cofferdam.history");
    let rows = rows.map_err(|e| e.to_string())?;
    let count = rows.into_iter().next().and_then(|row| row.into_iter().next()?);
    Ok(count.and_then(|count| count.parse().ok()).unwrap_or(0))
}

fn server() -> Result<Server, String> {
    let binaries = find_or_fetch(&mut |_| {}).map_err(|e| e.to_string())?;
    let options = Options { tcp: true, password: Some(PASSWORD.into()), ..Options::default() };
    Server::start(&binaries, &options).map_err(|e| e.to_string())
}

/// A port under which Pods reach a server that listens on the loopback address only.
fn door(host: &str, behind: u16) -> Result<u16, String> {
    let listener = TcpListener::bind((host, 0)).map_err(|e| format!("{host}: {e}"))?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect(("127.0.0.1", behind)) else { continue };
            let _ = join(client, server);
        }
    });
    Ok(port)
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    for (mut from, mut to) in
        [(client.try_clone()?, server.try_clone()?), (server.try_clone()?, client.try_clone()?)]
    {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Ok(())
}

/// What runners need, and the script that all of them apply: one table more each.
fn prepare(namespace: &Namespace<'_>) -> Result<(), String> {
    let rights = "apis/rbac.authorization.k8s.io/v1";
    let account = "cofferdam-runner";
    namespace.create("api/v1", "serviceaccounts", &json!({ "metadata": { "name": account } }))?;
    let rules = json!([
        { "apiGroups": ["cofferdam.dev"], "resources": ["databasemigrations"], "verbs": ["get"] },
        { "apiGroups": ["cofferdam.dev"], "resources": ["databasemigrations/status"], "verbs": ["get", "patch"] },
    ]);
    namespace.create(rights, "roles", &json!({ "metadata": { "name": account }, "rules": rules }))?;
    namespace.create(
        rights,
        "rolebindings",
        &json!({
            "metadata": { "name": account },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account },
            "subjects": [{ "kind": "ServiceAccount", "name": account, "namespace": namespace.name }],
        }),
    )?;
    let login = json!({ "username": "postgres", "password": PASSWORD });
    namespace.create("api/v1", "secrets", &json!({ "metadata": { "name": "db" }, "stringData": login }))?;
    let script = "DO $$ BEGIN EXECUTE format('CREATE TABLE t%s (id int)', txid_current()); END $$;";
    namespace.create(
        "api/v1",
        "configmaps",
        &json!({ "metadata": { "name": "scripts" }, "data": { "1.sql": script } }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, name: &str, over: bool) -> Value {
        let conditions = if over { json!([{ "type": "Complete", "status": "True" }]) } else { json!([]) };
        json!({ "type": kind, "object": {
            "metadata": { "labels": { "cofferdam.dev/migration": name } }, "status": { "conditions": conditions },
        } })
    }

    #[test]
    fn what_is_at_work_is_counted_by_database() {
        let mut seen = Seen::default();
        for (kind, number, over) in
            [("ADDED", 0, false), ("ADDED", 1, false), ("MODIFIED", 0, false), ("MODIFIED", 0, true)]
        {
            seen.event(&event(kind, &name(number), over));
        }
        seen.event(&event("ADDED", &name(DATABASES), false));
        assert_eq!((seen.most, seen.most_in_all, seen.ended), (1, 2, 1));
        seen.event(&event("ADDED", &name(2 * DATABASES), false));
        assert_eq!(seen.most, 2);
        assert_eq!(seen.order[&0], [name(0), name(DATABASES), name(2 * DATABASES)]);
    }
}
