//! Doing what a step says, in a transaction or outside of one.

use std::time::{Duration, Instant};

use mysql_async::{Error, Row};

use cofferdam_core::fault::{Place, Question, Result};
use cofferdam_core::plan::{Act, Step};
use cofferdam_core::{Code, Fault, Limits, Refusal, failpoint};

use super::link::{self, Link};
use super::session::MySqlSession;
use super::watch::{Lookout, Sighting};
use super::{Flavour, connect, errors};
use crate::visible::visible;
use crate::{Ability, Rows, Tick};

/// How many rows of a failed check, and how many warnings, are shown.
const SHOWN_ROWS: usize = 5;

/// Words with which statements begin that commit what is open before they do anything, or end it.
const COMMITTING: &[&str] = &[
    "alter",
    "create",
    "drop",
    "rename",
    "truncate",
    "grant",
    "revoke",
    "install",
    "uninstall",
    "analyze",
    "optimize",
    "repair",
    "check",
    "flush",
    "reset",
    "lock",
    "unlock",
    "begin",
    "start",
    "commit",
    "rollback",
    "xa",
    "cache",
    "change",
    "stop",
    "clone",
    "import",
    "shutdown",
    "restart",
];

/// The statement commits by itself, as its first word says.
pub(super) fn commits_by_itself(sql: &str) -> bool {
    let mut rest = sql.trim_start();
    loop {
        // Of a comment for some versions the text counts, whichever they are.
        let inside = ["/*!", "/*M!"].iter().find_map(|open| rest.strip_prefix(open));
        rest = if let Some(inside) = inside {
            inside.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start()
        } else if let Some(inside) = rest.strip_prefix("/*") {
            inside.split_once("*/").map_or("", |(_, after)| after).trim_start()
        } else if rest.starts_with('#') || rest.starts_with("-- ") {
            rest.split_once('\n').map_or("", |(_, after)| after).trim_start()
        } else {
            break;
        };
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    let word = word.to_ascii_lowercase();
    let behind = behind.trim_start().to_ascii_lowercase();
    match word.as_str() {
        "set" => behind.starts_with("password"),
        "load" => behind.starts_with("index"),
        // A savepoint is no end.
        "rollback" => !behind.starts_with("to"),
        "create" | "drop" => !behind.starts_with("temporary"),
        word => COMMITTING.contains(&word),
    }
}

/// Performs an act under the look-out. `since`: when the locks that it may hold were first taken.
pub(super) async fn watched(
    session: &mut MySqlSession,
    act: &Act,
    step: &Step,
    limits: Limits,
    since: Instant,
) -> Result<()> {
    if session.claim.is_none() {
        return Err(Fault::Bug("a statement was to run without the run lock".into()));
    }
    match act {
        Act::Check { queries } => {
            for query in queries {
                check(&mut session.link, query, step).await?;
            }
            Ok(())
        }
        // No script of these servers has such rows.
        Act::Sql { copy_rows: Some(_), .. } => Err(Fault::Bug("COPY of PostgreSQL stands in a plan".into())),
        Act::Online { change, part } => super::online::perform(session, change, *part).await,
        Act::Park { .. } => Err(Ability::Park.missing(session.link.flavour.name()).into()),
        Act::Sql { sql, .. } | Act::BuildIndex { sql, .. } => {
            let sql = sql.to_string();
            let MySqlSession { link, watch, ticker, stop, .. } = session;
            let Some(watch) = watch.as_mut() else {
                return Err(Fault::Bug("a statement was to run without a look-out".into()));
            };
            let (id, flavour) = (link.id, link.flavour);
            let lookout = Lookout { watch, id, flavour, limits, ticker, stop, since };
            let (result, sighting) = lookout.over(link.run(&sql)).await;
            match result {
                Ok(0) => Ok(()),
                Ok(_) => {
                    session.tell_warnings().await;
                    Ok(())
                }
                Err(e) => Err(failed(e, act, step, limits, &sighting)),
            }
        }
    }
}

/// Performs an act outside of any transaction.
pub(super) async fn outside(session: &mut MySqlSession, act: &Act, step: &Step) -> Result<()> {
    let limits = step.limits;
    connect::lock_wait(&mut session.link, limits.lock_timeout())
        .await
        .map_err(|e| errors::fault(e, &step.title))?;
    let work = watched(session, act, step, limits, Instant::now());
    if failpoint::due("loose.sent") {
        // The statement goes out, and nobody waits for its answer.
        let _ = tokio::time::timeout(Duration::from_millis(100), work).await;
        failpoint::hit("loose.sent");
        return Err(errors::lost("failpoint loose.sent"));
    }
    failpoint::hit("loose.sent");
    work.await.map_err(|fault| answer_lost(fault, &step.title))?;
    if failpoint::hit("loose.performed") {
        return Err(errors::lost("failpoint loose.performed"));
    }
    Ok(())
}

/// Where the connection broke and the statement may have taken effect all the same.
pub(super) fn answer_lost(fault: Fault, doing: &str) -> Fault {
    match fault {
        Fault::Refused(refusal) if refusal.code == Code::ConnectionLost => Fault::Unknown(Question {
            what: format!("{doing}: the connection broke before the answer came"),
            look_at: "run the same command again: it asks the catalog".into(),
        }),
        other => other,
    }
}

async fn check(link: &mut Link, query: &str, step: &Step) -> Result<()> {
    let found = link.some(query, SHOWN_ROWS).await;
    let found = found.map_err(|e| placed(errors::fault(e, "running a check"), query, step))?;
    let found = texts(found);
    if found.rows.is_empty() {
        return Ok(());
    }
    let mut refusal = Refusal::new(Code::CheckFailed, "a check returned rows, and must return none")
        .cause(query.split_whitespace().collect::<Vec<_>>().join(" "))
        .help("correct the data or the migration; each SELECT of a check script must return no row")
        .note(found.columns.join(" | "));
    for row in found.rows {
        let cells: Vec<String> = row.into_iter().map(|c| c.unwrap_or_else(|| "NULL".into())).collect();
        refusal = refusal.note(cells.join(" | "));
    }
    Err(refusal.at(Place { path: step.path.clone(), source: None, at: step.at }).into())
}

fn texts((columns, rows): (Vec<String>, Vec<Row>)) -> Rows {
    let cells = |row: &Row| (0..row.len()).map(|at| link::text(row, at)).collect();
    Rows { columns, rows: rows.iter().map(cells).collect() }
}

/// A query in a transaction that can write nothing. The server reads it as one statement, so that it cannot end that.
pub(super) async fn read_only_rows(
    link: &mut Link,
    query: &str,
    most: usize,
    within: Option<Duration>,
) -> Result<Rows> {
    let simple = |e: Error| errors::fault(e, query);
    let limit = |within: Duration| match link.flavour {
        // 0 would mean: for ever.
        Flavour::MySql => format!("SET SESSION max_execution_time = {}", within.as_millis().max(1)),
        Flavour::MariaDb => {
            format!("SET SESSION max_statement_time = {:.6}", within.as_secs_f64().max(0.000_001))
        }
    };
    let (set, unset) = (within.map(limit), limit_off(link.flavour));
    if let Some(set) = &set {
        link.run(set).await.map_err(simple)?;
    }
    link.run("START TRANSACTION READ ONLY").await.map_err(simple)?;
    let found = link.some(query, most).await;
    let ended = link.run("ROLLBACK").await.map_err(simple);
    if set.is_some() {
        link.run(unset).await.map_err(simple)?;
    }
    let found = found.map_err(|e| {
        let code = errors::code(&e).unwrap_or_default();
        if code == errors::READ_ONLY {
            return Refusal::new(Code::StatementFailed, "a query that must only read writes")
                .cause(shortened(query))
                .into();
        }
        if let Some(within) = within.filter(|_| errors::TOO_LONG.contains(&code)) {
            return Refusal::new(Code::StatementFailed, "a query took too long")
                .cause(format!("it took longer than {} s and was ended", within.as_secs_f64()))
                .into();
        }
        errors::fault(e, query)
    })?;
    ended.map(|_| texts(found))
}

fn limit_off(flavour: Flavour) -> &'static str {
    match flavour {
        Flavour::MySql => "SET SESSION max_execution_time = 0",
        Flavour::MariaDb => "SET SESSION max_statement_time = 0",
    }
}

/// Sorts a failure of our statement by what the look-out saw, and gives it its place.
fn failed(e: Error, act: &Act, step: &Step, limits: Limits, sighting: &Sighting) -> Fault {
    let code = errors::code(&e).unwrap_or_default();
    let again = |mut refusal: Refusal, notes: Vec<String>| {
        refusal.notes.extend(notes);
        Fault::Again { after: Duration::from_millis(100), why: Box::new(refusal) }
    };
    if errors::NO_LOCK.contains(&code) && limits.lock_timeout_ms > 0 {
        let seconds = limits.lock_timeout_ms.div_ceil(1000);
        let refusal = Refusal::new(
            Code::LockNotObtained,
            format!("{} did not get its lock within {seconds} s", step.title),
        )
        .help(
            "end the transaction that holds it, or come back later; nothing queues behind a try for longer",
        );
        return again(refusal, sighting.waited_for.iter().map(|h| format!("held by {h}")).collect());
    }
    if code == errors::KILLED {
        if let Some((holders, waited)) = &sighting.cancelled_for {
            let what = format!(
                "{} was cancelled because {} sessions queued behind it, the longest for {} ms",
                step.title,
                holders.len(),
                waited.as_millis()
            );
            let refusal = Refusal::new(Code::BlockedOthers, what).help(
                "use a form that does not block (cofferdam plan), or a quiet hour with a larger --max-block",
            );
            return again(refusal, holders.iter().map(|h| format!("waited: {h}")).collect());
        }
        if sighting.stopped {
            return Refusal::new(Code::Interrupted, format!("{} was cancelled to stop", step.title))
                .help("run the same command again to go on")
                .into();
        }
    }
    placed(errors::fault(e, &step.title), &act.text(), step)
}

/// Adds where in its file a statement failed.
fn placed(fault: Fault, sql: &str, step: &Step) -> Fault {
    match fault {
        Fault::Refused(mut refusal) => {
            let fits = refusal.place.is_none() && !step.path.is_empty();
            if fits && refusal.code == Code::StatementFailed {
                refusal.place = Some(Place { path: step.path.clone(), source: None, at: step.at });
                refusal.notes.push(format!("statement: {}", shortened(sql)));
            }
            Fault::Refused(refusal)
        }
        other => other,
    }
}

fn shortened(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(160) {
        Some((cut, _)) => format!("{} ...", &line[..cut]),
        None => line,
    }
}

impl MySqlSession {
    /// Passes on what the server said of a statement that it carried out.
    async fn tell_warnings(&mut self) {
        let sql = format!("SHOW WARNINGS LIMIT {SHOWN_ROWS}");
        for row in self.link.said(&sql).await.unwrap_or_default() {
            let (level, message) = (link::text(&row, 0), link::text(&row, 2));
            let (level, message) = (level.unwrap_or_default(), message.unwrap_or_default());
            (self.ticker)(Tick::Notice(format!("{}: {}", visible(&level), visible(&message))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_commits_is_known_by_its_first_word() {
        for sql in [
            "ALTER TABLE t ADD a INT",
            "/* why */ create table t (id int)",
            "/*!50100 DROP TABLE t */",
            "-- a\n# b\nTRUNCATE t",
            "COMMIT",
            "rollback",
            "SET PASSWORD = 'x'",
            "LOCK TABLES t WRITE",
            "BEGIN",
        ] {
            assert!(commits_by_itself(sql), "{sql}");
        }
        for sql in [
            "INSERT INTO t VALUES (1)",
            "update t set a = 1",
            "SET sql_mode = ''",
            "CREATE TEMPORARY TABLE x (id int)",
            "ROLLBACK TO SAVEPOINT a",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "CALL commits()",
            "(SELECT 1)",
            "",
        ] {
            assert!(!commits_by_itself(sql), "{sql}");
        }
    }
}
