//! The vital signs of a server, as far as it tells them itself.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error};

use cofferdam_core::fault::Result;
use cofferdam_core::{Name, QuotedIdent};

use super::cells::RowCells;
use super::errors;
use crate::vitals::{HostUse, StatementCount, Told, is_about};
use crate::{Vitals, VitalsAsked};

/// More statements about a table than these are not compared.
const MOST: i64 = 500;

pub(super) async fn vitals(client: &Client, asked: &VitalsAsked) -> Result<Vitals> {
    let lag = if asked.lag { Some(lag(client).await?) } else { None };
    let statements = match asked.statements_of.as_slice() {
        [] => None,
        tables => Some(statements(client, tables).await?),
    };
    let host = if asked.host { Some(host(client).await?) } else { None };
    Ok(Vitals { lag, statements, host })
}

/// Without the right to see it the server shows standbys without their state.
async fn lag(client: &Client) -> Result<Told<(Duration, String)>> {
    let sql = "SELECT coalesce(nullif(application_name, ''), client_addr::text, 'standby'), state,
                      coalesce(extract(epoch FROM replay_lag)::float8, 0::float8)
               FROM pg_catalog.pg_stat_replication ORDER BY 3 DESC";
    let rows = client.query_typed(sql, &[]).await.map_err(|e| errors::fault(e, "asking for standbys"))?;
    for row in &rows {
        if row.cell::<Option<String>>(1)?.is_none() {
            return Ok(Err("the role may not see how far standbys are; GRANT pg_monitor to it".into()));
        }
    }
    let Some(worst) = rows.first() else { return Ok(Ok((Duration::ZERO, String::new()))) };
    let seconds = worst.cell::<f64>(2)?.max(0.0);
    Ok(Ok((Duration::from_secs_f64(seconds), worst.cell(0)?)))
}

/// Statements whose text names one of the tables.
async fn statements(client: &Client, tables: &[Name]) -> Result<Told<Vec<StatementCount>>> {
    let sql = "SELECT n.nspname::text, EXISTS (
                   SELECT FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
                   WHERE c.relnamespace = n.oid AND c.relname = 'pg_stat_statements' AND a.attname = 'total_exec_time')
               FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
               WHERE e.extname = 'pg_stat_statements'";
    let found =
        client.query_typed(sql, &[]).await.map_err(|e| errors::fault(e, "looking for an extension"))?;
    let Some(row) = found.first() else {
        return Ok(Err(
            "the extension pg_stat_statements is not there; CREATE EXTENSION pg_stat_statements".into()
        ));
    };
    let schema = QuotedIdent::new(&row.cell::<String>(0)?)?;
    let time = if row.cell(1)? { "total_exec_time" } else { "total_time" };
    let names: Vec<String> = tables.iter().map(|table| table.name.to_lowercase()).collect();
    let sql = format!(
        "SELECT s.query, sum(s.calls)::float8, sum(s.{time})::float8, bool_or(s.hidden)
         FROM (SELECT query, calls, {time}, query = '<insufficient privilege>' AS hidden
               FROM {schema}.pg_stat_statements
               WHERE dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())) s
         WHERE s.hidden OR EXISTS (SELECT FROM unnest($1) t WHERE strpos(lower(s.query), t) > 0)
         GROUP BY s.query ORDER BY 3 DESC LIMIT {MOST}"
    );
    let rows = match client.query_typed(&sql, &[(&names, Type::TEXT_ARRAY)]).await {
        Ok(rows) => rows,
        // Its library is not loaded, or the role may not ask.
        Err(error) if error.as_db_error().is_some() => return Ok(Err(words(&error))),
        Err(error) => return Err(errors::fault(error, "reading pg_stat_statements")),
    };
    let mut statements = Vec::new();
    for row in &rows {
        if row.cell::<Option<bool>>(3)? == Some(true) {
            return Ok(Err(
                "the role may not see the statements of others; GRANT pg_read_all_stats to it".into()
            ));
        }
        let Some(text) = row.cell::<Option<String>>(0)? else { continue };
        if is_about(&text, &names) {
            statements.push(StatementCount { calls: row.cell(1)?, ms: row.cell(2)?, text });
        }
    }
    Ok(Ok(statements))
}

/// What the kernel of the server's machine tells, where the server may read it: the limits of its container, where it
/// has some, or else the whole machine.
async fn host(client: &Client) -> Result<Told<HostUse>> {
    const FILES: &[&str] = &[
        "/sys/fs/cgroup/cpu.max",
        "/sys/fs/cgroup/cpu.stat",
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory.current",
        "/sys/fs/cgroup/memory.stat",
        "/proc/stat",
        "/proc/meminfo",
    ];
    let columns: Vec<String> =
        FILES.iter().map(|path| format!("pg_catalog.pg_read_file('{path}', 0, 8192, true)")).collect();
    let sql =
        format!("SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8, {}", columns.join(", "));
    let rows = match client.query_typed(&sql, &[]).await {
        Ok(rows) => rows,
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            return Ok(Err("the role may not read what the server's kernel tells".into()));
        }
        Err(error) if error.as_db_error().is_some() => return Ok(Err(words(&error))),
        Err(error) => return Err(errors::fault(error, "asking how busy the server is")),
    };
    let Some(row) = rows.first() else { return Ok(Err("the server told nothing".into())) };
    let file = |n: usize| Ok(row.cell::<Option<String>>(n + 1)?.unwrap_or_default());
    let texts: Vec<String> = (0..FILES.len()).map(file).collect::<Result<_>>()?;
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(host_use(row.cell(0)?, &texts).ok_or_else(|| "the server's kernel tells nothing of it".to_owned()))
}

/// Reads the files in their order, at a time in seconds.
fn host_use(now: f64, files: &[&str]) -> Option<HostUse> {
    let [cpu_max, cpu_stat, memory_max, memory_current, memory_stat, stat, meminfo] = files else {
        return None;
    };
    let number = |text: &str| text.trim().parse::<f64>().ok();
    let field = |text: &str, name: &str| {
        text.lines().find_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.trim_start_matches(':').split_whitespace().next().and_then(number)
        })
    };
    let limited = || {
        let mut words = cpu_max.split_whitespace();
        let (quota, period) = (number(words.next()?)?, number(words.next()?)?);
        (quota > 0.0 && period > 0.0).then_some(())?;
        Some((field(cpu_stat, "usage_usec ")?, now * 1_000_000.0 * quota / period))
    };
    let whole = || {
        let line = stat.lines().find(|line| line.starts_with("cpu "))?;
        let times: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(number).collect();
        let of: f64 = times.iter().sum();
        // user nice system idle iowait irq softirq steal
        (times.len() == 8).then(|| (of - times[3] - times[4], of))
    };
    let (busy, of) = limited().or_else(whole)?;
    let in_container = || {
        let (most, used) = (number(memory_max)?, number(memory_current)?);
        let cached = field(memory_stat, "inactive_file ").unwrap_or(0.0);
        (most > 0.0).then(|| (used - cached).max(0.0) / most)
    };
    let of_machine = || {
        let (all, free) = (field(meminfo, "MemTotal")?, field(meminfo, "MemAvailable")?);
        (all > 0.0).then(|| (all - free) / all)
    };
    let memory = in_container().or_else(of_machine)?;
    Some(HostUse { busy, of, memory })
}

fn words(error: &Error) -> String {
    errors::visible(error.as_db_error().map_or("the server refused", |said| said.message()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 1 1 1\n";
    const MEMINFO: &str = "MemTotal:       1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n";

    #[test]
    fn a_container_with_limits_is_measured_against_them_and_else_the_machine_is() {
        let machine = host_use(10.0, &["", "", "", "", "", STAT, MEMINFO]).unwrap();
        assert_eq!(machine, HostUse { busy: 150.0, of: 1_000.0, memory: 0.75 });
        let unlimited = ["max 100000", "usage_usec 5\n", "max", "700", "", STAT, MEMINFO];
        assert_eq!(host_use(10.0, &unlimited), Some(machine));
        let limited = [
            "50000 100000",
            "usage_usec 2000000\nuser_usec 1\n",
            "1000",
            "700",
            "anon 1\ninactive_file 200\n",
            STAT,
            MEMINFO,
        ];
        let half = host_use(10.0, &limited).unwrap();
        assert_eq!(half, HostUse { busy: 2_000_000.0, of: 5_000_000.0, memory: 0.5 });
    }

    #[test]
    fn what_is_not_told_is_no_value() {
        for files in [
            ["", "", "", "", "", "", ""],
            ["", "", "", "", "", "cpu 1 2", MEMINFO],
            ["", "", "", "", "", STAT, "MemTotal: 5 kB"],
            ["", "", "", "", "", "intr 5", MEMINFO],
        ] {
            assert_eq!(host_use(1.0, &files), None, "{files:?}");
        }
    }
}
