//! What is looked at before anything is changed: asks what the checks want to know, all of it, and then judges.
//!
//! A failed check refuses before a run exists, as missing rights and lint do: there is nothing to take back, and the
//! journal has no run that never was. A run that was cut off is finished first; the checks are about what comes after.

use std::collections::BTreeSet;
use std::time::Duration;

use cofferdam_adapters::checks::{Asked, Found, Look, MissingRight, Takes, Value, Verdict, always};
use cofferdam_core::facts::Server;
use cofferdam_core::fault::Result;
use cofferdam_core::online::Part;
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Facts, Fault, Name, Plan, Refusal, Script};
use cofferdam_engines::{Session, VitalsAsked};

/// A new table with its indexes, and what is logged meanwhile, needs so many times what the old one has.
const COPY: f64 = 1.2;
/// An index needs at most about so much of its table.
const INDEX: f64 = 0.5;
/// What a query of a check may take before the server ends it: one that waits for a lock must not hold a deployment.
const QUERY: Duration = Duration::from_secs(30);
/// So many rows of a query are read.
const ROWS: usize = 100;

/// How one check ended.
#[derive(Debug, Clone)]
pub struct Checked {
    /// What was asked.
    pub asked: Asked,
    /// How it ended.
    pub verdict: Verdict,
}

/// What the checks are about.
#[derive(Debug, Clone, Default)]
pub struct Ground<'a> {
    /// What is to be carried out; nothing: the database as it is.
    pub plans: Vec<&'a Plan>,
    /// The tables that these are about.
    pub tables: Vec<Name>,
    /// What is known of the server already; `None`: it is asked.
    pub server: Option<&'a Server>,
    /// Bytes that the plans are estimated to need.
    pub needs: u64,
}

impl<'a> Ground<'a> {
    /// These plans, about tables of which these facts are known.
    pub fn new(plans: Vec<&'a Plan>, tables: Vec<Name>, facts: &'a Facts) -> Self {
        let server = Some(&facts.server).filter(|server| !server.engine.is_empty());
        let needs = plans.iter().map(|plan| needs(plan, &tables, facts)).fold(0, u64::saturating_add);
        Self { plans, tables, server, needs }
    }
}

/// Asks what the checks want to know and judges them, in the order of `asked`. Changes nothing.
///
/// # Errors
/// `BadCheck` for a query that is none, and what keeps the database from being asked at all.
pub async fn look(session: &mut dyn Session, asked: &[Asked], ground: &Ground<'_>) -> Result<Vec<Checked>> {
    let dialect = session.dialect();
    asked.iter().try_for_each(|asked| one_query(asked, dialect))?;
    let looks: BTreeSet<Look> = asked.iter().flat_map(|asked| (asked.check.asks)(asked, dialect)).collect();
    let mut found = Found { dialect: dialect.to_owned(), needs: ground.needs, ..Found::default() };
    for look in looks {
        match look {
            Look::Server => {
                found.server = Some(match ground.server {
                    Some(server) => server.clone(),
                    None => session.facts(&[]).await?.server,
                });
            }
            Look::Rights => {
                let missing = session.missing_rights(&ground.plans).await?.into_iter();
                found.missing = missing.map(|m| MissingRight { what: m.what, grant: m.grant }).collect();
            }
            Look::Pooler => found.pooled = session.pooled().await?,
            Look::Lag => {
                let asked = VitalsAsked { lag: true, ..VitalsAsked::default() };
                found.lag = session.vitals(&asked).await?.lag;
            }
            Look::Room => found.room = session.room(&ground.tables).await?,
            Look::Query(query) => {
                let rows = match session.rows_within(&query, ROWS, QUERY).await {
                    Ok(rows) => Ok(rows.rows),
                    // What the server says to this one query. What is wrong with the connection is no answer.
                    Err(Fault::Refused(why))
                        if matches!(why.code, Code::StatementFailed | Code::PermissionMissing) =>
                    {
                        Err(why.cause.unwrap_or(why.what))
                    }
                    Err(fault) => return Err(fault),
                };
                found.rows.insert(query, rows);
            }
        }
    }
    let judged = asked.iter().map(|asked| {
        let verdict = match ((asked.check.judge)(asked, &found), &asked.allow_unread) {
            (Verdict::Unread(why), Some(reason)) => {
                Verdict::Doubtful(format!("{}; allowed: {reason}", why.what))
            }
            (verdict, _) => verdict,
        };
        Checked { asked: asked.clone(), verdict }
    });
    Ok(judged.collect())
}

/// Looks at what is always looked at and at `asked`, and refuses when anything failed, all of it at once. Returns what a
/// person should know of those that passed.
///
/// # Errors
/// The refusal of the one check that failed, or one that names all of them.
pub async fn refuse(session: &mut dyn Session, asked: &[Asked], ground: &Ground<'_>) -> Result<Vec<String>> {
    let mut all = always();
    let others = asked.iter().filter(|asked| asked.check.takes != Takes::Nothing || !is_one_of(&all, asked));
    let others: Vec<Asked> = others.cloned().collect();
    all.extend(others);
    let checked = look(session, &all, ground).await?;
    let mut doubts = Vec::new();
    let mut failed: Vec<(String, Box<Refusal>)> = Vec::new();
    for Checked { asked, verdict } in checked {
        match verdict {
            Verdict::Holds(_) => {}
            Verdict::Doubtful(said) => doubts.push(format!("check {}: {said}", asked.title())),
            Verdict::Fails(why) | Verdict::Unread(why) => failed.push((asked.title(), why)),
        }
    }
    match failed.len() {
        0 => Ok(doubts),
        1 => Err(failed.into_iter().next().map_or_else(
            || Fault::Bug("a failed check is gone".into()),
            |(title, why)| named(&title, *why).into(),
        )),
        _ => Err(together(failed).into()),
    }
}

fn is_one_of(all: &[Asked], asked: &Asked) -> bool {
    all.iter().any(|known| known.check.id == asked.check.id)
}

/// A failure of a check says which check it is; those with codes of their own say so by these.
fn named(title: &str, mut why: Refusal) -> Refusal {
    if matches!(why.code, Code::PreCheckFailed | Code::PreCheckUnread) {
        why.what = format!("check {title}: {}; nothing was changed", why.what);
    }
    why
}

fn together(failed: Vec<(String, Box<Refusal>)>) -> Refusal {
    let unread = failed.iter().all(|(_, why)| why.code == Code::PreCheckUnread);
    let code = if unread { Code::PreCheckUnread } else { Code::PreCheckFailed };
    let titles: Vec<&str> = failed.iter().map(|(title, _)| title.as_str()).collect();
    let refusal = Refusal::new(code, format!("{} checks did not pass; nothing was changed", failed.len()))
        .cause(titles.join(", "))
        .help("the lines below say what helps each; then the same command again");
    failed.into_iter().fold(refusal, |all, (title, why)| {
        let cause = why.cause.as_ref().map(|cause| format!(" ({cause})")).unwrap_or_default();
        let help = why.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
        let all = all.note(format!("{title}: {}{cause}{help}", why.what));
        why.notes.into_iter().fold(all, Refusal::note)
    })
}

/// A query of the user's own is one statement that reads: a second one could end the transaction that keeps it from
/// writing.
fn one_query(asked: &Asked, dialect: &str) -> Result<()> {
    let Value::Sql(sql) = &asked.value else { return Ok(()) };
    let statements = (crate::sql::reader(dialect)?.split)(&Script::new("", sql.clone()))
        .map_or(0, |statements| statements.len());
    let first =
        sql.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
    let reads =
        matches!(first.to_ascii_lowercase().as_str(), "select" | "with" | "values" | "table" | "show");
    if statements == 1 && reads {
        return Ok(());
    }
    Err(Refusal::new(Code::BadCheck, format!("check {} is not one query", asked.title()))
        .cause(format!("{sql:?} is to return one row with one value, and nothing else is to happen"))
        .help("--check custom='SELECT count(*) = 0 FROM ...'")
        .into())
}

/// Bytes that a plan is estimated to need beside what is there: a copy of a table that is changed online, and indexes.
fn needs(plan: &Plan, tables: &[Name], facts: &Facts) -> u64 {
    let heap: u64 = tables.iter().filter_map(|name| facts.table(name)).map(|table| table.bytes).sum();
    let mut bytes = 0.0;
    for step in plan.steps() {
        match &step.act {
            Act::Online { change, part: Part::Create } => {
                let named = tables.iter().filter_map(|name| facts.table(name));
                let of_it = named.filter(|table| table.resolved.as_ref() == Some(&change.table));
                let whole =
                    facts.table(&change.table).into_iter().chain(of_it).map(|t| t.total_bytes()).max();
                bytes += whole.unwrap_or(0) as f64 * COPY;
            }
            Act::BuildIndex { .. } => bytes += heap as f64 * INDEX,
            _ => {}
        }
    }
    bytes as u64
}

#[cfg(test)]
mod tests {
    use cofferdam_adapters::checks::parse;

    use super::*;

    #[test]
    fn only_one_statement_that_reads_is_a_query() {
        for (sql, fine) in [
            ("SELECT true", true),
            ("  with a as (select 1) select true from a", true),
            ("/* why */ SELECT true;", false),
            ("(SELECT true)", true),
            ("SELECT true; COMMIT; DROP TABLE orders", false),
            ("DELETE FROM orders RETURNING true", false),
            ("COMMIT", false),
            ("SELECT 'a", false),
            ("SELECT ';'  = ';'", true),
        ] {
            let asked = parse(&format!("custom={sql}")).unwrap();
            assert_eq!(one_query(&asked, "postgresql").is_ok(), fine, "{sql}");
        }
    }
}
