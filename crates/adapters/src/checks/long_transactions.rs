//! No transaction has been open for long: it holds locks that a change waits for, and rows that nothing can clean up.

use super::{Asked, Check, Found, Look, POSTGRESQL, Takes, Value, Verdict, rows, span};

/// A transaction may be open for so long where nobody says, in seconds.
const OPEN: f64 = 300.0;

const OTHERS: &str = "SELECT pid::text, usename::text, application_name, state,
        extract(epoch FROM pg_catalog.clock_timestamp() - xact_start)::float8::text,
        (query = '<insufficient privilege>')::text
    FROM pg_catalog.pg_stat_activity
    WHERE datname = pg_catalog.current_database() AND pid <> pg_catalog.pg_backend_pid()
      AND coalesce(backend_type, 'client backend') = 'client backend'
      AND (xact_start IS NOT NULL OR query = '<insufficient privilege>')
    ORDER BY xact_start NULLS LAST";
const PREPARED: &str = "SELECT gid, owner::text,
        extract(epoch FROM pg_catalog.clock_timestamp() - prepared)::float8::text
    FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY prepared";

const INNODB: &str = "SELECT t.trx_mysql_thread_id, p.USER, p.HOST,
        TIMESTAMPDIFF(MICROSECOND, t.trx_started, CONVERT_TZ(UTC_TIMESTAMP(6), '+00:00', 'SYSTEM')) / 1000000
    FROM information_schema.INNODB_TRX AS t
    LEFT JOIN information_schema.PROCESSLIST AS p ON p.ID = t.trx_mysql_thread_id
    WHERE t.trx_mysql_thread_id <> CONNECTION_ID() ORDER BY t.trx_started";

pub(super) static CHECK: Check = Check {
    id: "long-transactions",
    about: "no transaction in this database (MySQL, MariaDB: of this server) has been open for longer than this (5m)",
    takes: Takes::Age,
    asks: |_, dialect| match dialect {
        POSTGRESQL => [OTHERS, PREPARED].map(|sql| Look::Query(sql.into())).to_vec(),
        _ => vec![Look::Query(INNODB.into())],
    },
    judge: |asked, found| match found.rows.contains_key(INNODB) {
        true => innodb(asked, found).unwrap_or_else(|unread| unread),
        false => judge(asked, found).unwrap_or_else(|unread| unread),
    },
};

fn most(asked: &Asked) -> f64 {
    match asked.value {
        Value::Age(age) => age.as_secs_f64(),
        _ => OPEN,
    }
}

fn cell(row: &[Option<String>], at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

fn seconds(text: String) -> f64 {
    text.parse().unwrap_or(0.0)
}

/// On MySQL and MariaDB. A transaction is of no database there, and its times are those of the machine.
fn innodb(asked: &Asked, found: &Found) -> Result<Verdict, Verdict> {
    let rows = match rows(found, INNODB, "how long transactions have been open is not known") {
        Err(Verdict::Unread(mut why)) => {
            why.help = Some(
                "as an administrator: GRANT PROCESS ON *.* TO the user; or --allow long-transactions=\"reason\""
                    .into(),
            );
            return Err(Verdict::Unread(why));
        }
        rows => rows?,
    };
    let most = most(asked);
    let (mut wrong, mut end, mut oldest) = (Vec::new(), Vec::new(), 0.0_f64);
    for row in rows {
        let age = seconds(cell(row, 3));
        oldest = oldest.max(age);
        if age <= most {
            continue;
        }
        match cell(row, 0).as_str() {
            // Prepared for two phases, and its session is gone.
            "0" => {
                wrong.push(format!("a transaction without a session has been open for {}", span(age)));
                end.push("XA RECOVER, then XA ROLLBACK".to_owned());
            }
            id => {
                let (user, host) = (cell(row, 1), cell(row, 2));
                wrong.push(format!(
                    "connection {id} ({user}@{host}) has a transaction open for {}",
                    span(age)
                ));
                end.push(format!("KILL {id}"));
            }
        }
    }
    if wrong.is_empty() {
        return Ok(Verdict::Holds(format!("the oldest has been open for {}", span(oldest))));
    }
    let help = format!("end them in their program, or, where it is gone for good: {}", end.join("; "));
    Ok(Verdict::fails(
        wrong.join("; "),
        format!("no transaction may be open for longer than {}", span(most)),
        help,
    ))
}

fn judge(asked: &Asked, found: &Found) -> Result<Verdict, Verdict> {
    let what = "how long transactions have been open is not known";
    let (others, prepared) = (rows(found, OTHERS, what)?, rows(found, PREPARED, what)?);
    let most = most(asked);
    let mut wrong = Vec::new();
    let mut end = Vec::new();
    let mut hidden = 0;
    let mut oldest = 0.0_f64;
    for row in others {
        if cell(row, 5).starts_with('t') {
            hidden += 1;
            continue;
        }
        let age = seconds(cell(row, 4));
        oldest = oldest.max(age);
        if age > most {
            let (pid, user, application) = (cell(row, 0), cell(row, 1), cell(row, 2));
            let application = if application.is_empty() { application } else { format!(", {application}") };
            wrong.push(format!("pid {pid} ({user}{application}) {} for {}", cell(row, 3), span(age)));
            end.push(format!("SELECT pg_terminate_backend({pid})"));
        }
    }
    for row in prepared {
        let age = seconds(cell(row, 2));
        oldest = oldest.max(age);
        if age > most {
            let (gid, owner) = (cell(row, 0), cell(row, 1));
            wrong.push(format!("transaction {gid:?} of {owner} has been prepared for {}", span(age)));
            end.push(format!("ROLLBACK PREPARED '{}'", gid.replace('\'', "''")));
        }
    }
    if !wrong.is_empty() {
        let help = format!("end them in their program, or, where it is gone for good: {}", end.join("; "));
        let wanted = format!("no transaction may be open for longer than {}", span(most));
        return Ok(Verdict::fails(wrong.join("; "), wanted, help));
    }
    if hidden > 0 {
        return Err(Verdict::unread(
            what,
            format!("the role may not see what {hidden} sessions of others do"),
            "as a superuser: GRANT pg_read_all_stats TO the role; or --allow long-transactions=\"reason\"",
        ));
    }
    Ok(Verdict::Holds(format!("the oldest has been open for {}", span(oldest))))
}

#[cfg(test)]
pub(super) const ASKED_OF_INNODB: &str = INNODB;
#[cfg(test)]
pub(super) const ASKED: [&str; 2] = [OTHERS, PREPARED];
