//! The vital signs of a server, as far as it tells them itself.

use mysql_async::Value;

use cofferdam_core::Name;
use cofferdam_core::fault::Result;

use super::link::{self, Link};
use super::session::MySqlSession;
use super::{errors, replicas};
use crate::vitals::{StatementCount, Told, is_about};
use crate::{Vitals, VitalsAsked};

/// More statements about a table than these are not compared.
const MOST: usize = 500;
/// `performance_schema` counts picoseconds.
const IN_A_MILLISECOND: f64 = 1e9;

pub(super) async fn vitals(session: &mut MySqlSession, asked: &VitalsAsked) -> Result<Vitals> {
    let lag = if asked.lag {
        let MySqlSession { link, version, options, replicas, .. } = &mut *session;
        Some(replicas::lag(link, *version, options, replicas).await?)
    } else {
        None
    };
    let statements = match asked.statements_of.as_slice() {
        [] => None,
        tables => Some(statements(&mut session.link, &session.database, tables).await?),
    };
    let name = session.link.flavour.name();
    let host = asked.host.then(|| {
        Err(format!("{name} tells nothing of its machine; name a Prometheus (prometheusUrl with cpuQuery, memoryQuery)"))
    });
    Ok(Vitals { lag, statements, host })
}

/// Statements of this database whose text names one of the tables.
async fn statements(link: &mut Link, database: &str, tables: &[Name]) -> Result<Told<Vec<StatementCount>>> {
    if let Some(why) = uncounted(link).await? {
        return Ok(Err(why));
    }
    let names: Vec<String> = tables.iter().map(|table| table.name.to_lowercase()).collect();
    let named = vec!["LOCATE(?, LOWER(DIGEST_TEXT)) > 0"; names.len()].join(" OR ");
    let sql = format!(
        "SELECT DIGEST_TEXT, SUM(COUNT_STAR), SUM(SUM_TIMER_WAIT)
         FROM performance_schema.events_statements_summary_by_digest
         WHERE SCHEMA_NAME = ? AND ({named}) GROUP BY DIGEST_TEXT ORDER BY 3 DESC LIMIT {MOST}"
    );
    let mut values: Vec<Value> = vec![database.into()];
    values.extend(names.iter().map(|name| Value::from(name.as_str())));
    let rows = link.rows(&sql, values).await.map_err(|e| errors::fault(e, "reading performance_schema"))?;
    let counted = rows.iter().filter_map(|row| {
        let number = |at| link::text(row, at)?.parse::<f64>().ok();
        let text = link::text(row, 0)?;
        is_about(&text, &names).then_some(StatementCount {
            calls: number(1)?,
            ms: number(2)? / IN_A_MILLISECOND,
            text,
        })
    });
    Ok(Ok(counted.collect()))
}

/// Why the server does not count statements, where it does not, or does not show it to us.
async fn uncounted(link: &mut Link) -> Result<Option<String>> {
    let sql = "SELECT @@performance_schema, (SELECT MIN(ENABLED) FROM performance_schema.setup_consumers
               WHERE NAME IN ('global_instrumentation', 'statements_digest'))";
    let rows = match link.rows(sql, vec![]).await {
        Ok(rows) => rows,
        Err(e) if errors::DENIED.contains(&errors::code(&e).unwrap_or_default()) => {
            let grant =
                "the role may not read performance_schema; GRANT SELECT ON performance_schema.* to it";
            return Ok(Some(grant.into()));
        }
        Err(e) => return Err(errors::fault(e, "asking whether statements are counted")),
    };
    let cell = |at| rows.first().and_then(|row| link::text(row, at)).unwrap_or_default();
    Ok(match (cell(0).as_str(), cell(1).as_str()) {
        ("0" | "OFF", _) => {
            Some("performance_schema is off; it is switched on in the server's option file".into())
        }
        (_, "YES") => None,
        _ => Some(
            "performance_schema does not count statements; UPDATE performance_schema.setup_consumers SET ENABLED = \
             'YES' WHERE NAME IN ('global_instrumentation', 'statements_digest')"
                .into(),
        ),
    })
}
