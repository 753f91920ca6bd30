//! Beside thousands of objects that have ended: memory, time and writes at rest, a restart, a new object, another leader.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::Asked;
use super::super::product::Product;
use super::super::report::{goal, table};
use super::api::Connection;
use super::ground::{Ground, Namespace, PATIENCE};
use super::objects::{idle, object};
use super::process::Operator;

/// Objects at rest.
const OBJECTS: usize = 10_000;

/// How long it is looked at what rests.
const REST: Duration = Duration::from_secs(60);

/// New objects, one after the other.
const NEW: usize = 100;

/// The time between two of them.
const PAUSE: Duration = Duration::from_millis(150);

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    let ground = &Ground::new(product)?;
    let count = asked.objects.unwrap_or(OBJECTS);
    let namespace = ground.namespace("cofferdam-bench")?;
    namespace.without_pods()?;
    let began = Instant::now();
    idle(&ground.api, &namespace.migrations(), count)?;
    println!("{count} objects made in {} s", began.elapsed().as_secs());

    // The first writes what it has to say about those that are suspended.
    let mut first = Operator::start(ground, namespace.name, "first")?;
    let said = first.until(Instant::now(), PATIENCE, "all are seen", |o| seen(o) >= count as f64)?;
    println!("all seen for the first time after {:.1} s", said.as_secs_f64());
    first.end("TERM")?;

    let began = Instant::now();
    let mut operator = Operator::start(ground, namespace.name, "second")?;
    let restart = operator.until(began, PATIENCE, "all are seen", |o| seen(o) >= count as f64)?;
    println!("restart: all seen after {:.1} s", restart.as_secs_f64());
    let (cpu, writes, used) = rest(ground, &operator)?;
    println!("at rest: {} KiB resident, {cpu:.2} % of a core", used.resident);
    let new = new(ground, &namespace)?;
    let after = operator.used()?;
    let (killed, terminated) = leaders(ground, &namespace, operator)?;

    let mebibytes = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
    let rows = [
        vec!["resident at rest, MiB".to_owned(), mebibytes(used.resident)],
        vec!["most that was resident, MiB".to_owned(), mebibytes(after.peak)],
        vec!["of a core at rest, %".to_owned(), format!("{cpu:.2}")],
        vec!["writes at rest in a minute".to_owned(), writes.values().sum::<u64>().to_string()],
        vec!["restart until all are seen, s".to_owned(), seconds(restart)],
        vec!["new object to its Job, median, ms".to_owned(), milliseconds(new.0)],
        vec!["new object to its Job, p99, ms".to_owned(), milliseconds(new.1)],
        vec!["the other leads and looks after a kill, s".to_owned(), seconds(killed)],
        vec!["the other leads and looks after SIGTERM, s".to_owned(), seconds(terminated)],
    ];
    println!("\n{count} objects\n{}", table(&["what", "measured"], &rows));
    for (resource, number) in &writes {
        println!("written at rest: {resource}: {number}");
    }
    goal("under 200 MiB resident", after.peak < 200 * 1024);
    goal("under 2 % of a core at rest", cpu < 2.0);
    goal("no write at rest but that of the lease", writes.is_empty());
    goal("restart until all are seen under 60 s", restart < Duration::from_secs(60));
    goal("new object to its Job, p99 under 2 s", new.1 < Duration::from_secs(2));
    goal("another leader within 20 s of a kill", killed < Duration::from_secs(20));
    goal("another leader within 5 s of a SIGTERM", terminated < Duration::from_secs(5));
    Ok(json!({
        "objects": count,
        "resident_kib": used.resident,
        "peak_kib": after.peak,
        "cpu_percent": cpu,
        "writes_per_minute": writes,
        "restart_ms": restart.as_secs_f64() * 1000.0,
        "new_to_job_ms": { "median": new.0.as_secs_f64() * 1000.0, "p99": new.1.as_secs_f64() * 1000.0 },
        "leader_after_kill_ms": killed.as_secs_f64() * 1000.0,
        "leader_after_term_ms": terminated.as_secs_f64() * 1000.0,
    }))
}

fn seen(operator: &Operator) -> f64 {
    operator.metric("cofferdam_migrations")
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0}", time.as_secs_f64() * 1000.0)
}

/// Percent of a core, and what was written in a minute by anybody of the kinds that an operator writes.
fn rest(
    ground: &Ground<'_>,
    operator: &Operator,
) -> Result<(f64, BTreeMap<String, u64>, super::process::Used), String> {
    // What was begun by the last looks ends.
    std::thread::sleep(Duration::from_secs(5));
    let before = (operator.used()?, written(ground)?);
    let began = Instant::now();
    std::thread::sleep(REST);
    let took = began.elapsed().as_secs_f64();
    let after = (operator.used()?, written(ground)?);
    let cpu = (after.0.seconds - before.0.seconds) / took * 100.0;
    let since = after.1.into_iter().filter_map(|(resource, number)| {
        let number = number - before.1.get(&resource).copied().unwrap_or(0);
        (number > 0).then_some((resource, number))
    });
    Ok((cpu, since.collect(), after.0))
}

/// What the apiserver counted of writes, by resource. Leases are everybody's, and that of the operator is renewed.
fn written(ground: &Ground<'_>) -> Result<BTreeMap<String, u64>, String> {
    let text = String::from_utf8_lossy(&ground.api.connect()?.get("/metrics")?).into_owned();
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        let Some((resource, number)) = write_of(line) else { continue };
        *all.entry(resource).or_insert(0) += number;
    }
    Ok(all)
}

/// `apiserver_request_total{...,group="batch",...,resource="jobs",...,verb="POST",...} 12`, where it counts writes of a kind
/// that the operator may write.
fn write_of(line: &str) -> Option<(String, u64)> {
    let label = |name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\""))?;
        rest.split('"').next()
    };
    let ours = ["databasemigrations", "migrationapprovals", "jobs", "events", "pods"];
    let writes = ["POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"];
    let (resource, verb) = (label(",resource")?, label("verb")?);
    if !ours.contains(&resource) || !writes.contains(&verb) {
        return None;
    }
    Some((format!("{verb} {resource}"), line.rsplit(' ').next()?.parse::<f64>().ok()? as u64))
}

/// From before an object is sent until its Job is there: the median and p99.
fn new(ground: &Ground<'_>, namespace: &Namespace<'_>) -> Result<(Duration, Duration), String> {
    let (tell, told) = mpsc::channel();
    let jobs = format!("{}?watch=1", namespace.path("apis/batch/v1", "jobs"));
    let watch = ground.api.connect()?;
    // Whatever becomes of this: the watch ends with it, and who waits for the watcher does not wait for ever.
    let _end = watch.end()?;
    let watcher = std::thread::spawn(move || {
        watch.watch(&jobs, |at, event| {
            let name = event["object"]["metadata"]["labels"]["cofferdam.dev/migration"].as_str();
            if let ("ADDED", Some(name)) = (event["type"].as_str().unwrap_or_default(), name) {
                return tell.send((name.to_owned(), at)).is_err();
            }
            false
        })
    });
    let mut connection = ground.api.connect()?;
    let mut began: BTreeMap<String, Instant> = BTreeMap::new();
    let mut took = Vec::new();
    // Once its Job was seen an object goes: it is the new ones that are measured, and not those that wait for Pods. One
    // that goes while it is looked at may have its Job made once more.
    let mut seen =
        |(name, at): (String, Instant), connection: &mut Connection, began: &mut BTreeMap<_, _>| {
            if let Some(began) = began.remove(&name) {
                took.push(at.saturating_duration_since(began));
                connection.delete(&format!("{}/{name}", namespace.migrations()))?;
            }
            Ok::<usize, String>(took.len())
        };
    for number in 0..NEW {
        let name = format!("new-{number:03}");
        let object = object(&name, &format!("new-{number}.example.com"), "shop");
        began.insert(name, Instant::now());
        connection.create(&namespace.migrations(), &object)?;
        std::thread::sleep(PAUSE);
        while let Ok(job) = told.try_recv() {
            seen(job, &mut connection, &mut began)?;
        }
    }
    while let Ok(job) = told.recv_timeout(PATIENCE) {
        if seen(job, &mut connection, &mut began)? == NEW {
            break;
        }
    }
    if took.len() < NEW {
        let watched = if watcher.is_finished() { watcher.join().ok().and_then(Result::err) } else { None };
        return Err(format!("only {} Jobs were made {}", took.len(), watched.unwrap_or_default()));
    }
    took.sort();
    Ok((took[NEW / 2], took[NEW * 99 / 100]))
}

/// How long it takes until the one that waits leads and has looked at something, after a kill and after a SIGTERM.
fn leaders(
    ground: &Ground<'_>,
    namespace: &Namespace<'_>,
    leader: Operator,
) -> Result<(Duration, Duration), String> {
    let looks = |o: &Operator| {
        o.metric("cofferdam_operator_leader") > 0.0 && o.metric("cofferdam_operator_reconciles_total") > 0.0
    };
    let after = |leader: Operator, name: &str, signal: &str| {
        let mut other = Operator::start(ground, namespace.name, name)?;
        // It has seen who leads.
        let up = |o: &Operator| o.metric("cofferdam_operator_up") > 0.0;
        other.until(Instant::now(), PATIENCE, "it is up", up)?;
        std::thread::sleep(Duration::from_secs(4));
        let began = Instant::now();
        leader.end(signal)?;
        let took = other.until(began, PATIENCE, "it leads and looks", looks)?;
        Ok::<_, String>((other, took))
    };
    let (leader, killed) = after(leader, "third", "KILL")?;
    let (_, terminated) = after(leader, "fourth", "TERM")?;
    Ok((killed, terminated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_kind() {
        let line = |verb: &str, resource: &str| {
            format!(
                "apiserver_request_total{{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"batch\",\
                 resource=\"{resource}\",scope=\"resource\",subresource=\"\",verb=\"{verb}\",version=\"v1\"}} 12"
            )
        };
        assert_eq!(write_of(&line("POST", "jobs")), Some(("POST jobs".to_owned(), 12)));
        assert_eq!(write_of(&line("APPLY", "databasemigrations")).map(|(_, n)| n), Some(12));
        for (verb, resource) in [("GET", "jobs"), ("WATCH", "pods"), ("PUT", "leases"), ("PATCH", "nodes")] {
            assert_eq!(write_of(&line(verb, resource)), None, "{verb} {resource}");
        }
    }
}
