//! Standbys keep up, and no slot holds the log back.

use std::time::Duration;

use super::{Asked, Check, Found, Look, POSTGRESQL, Rows, Takes, Value, Verdict, rows, size, span};

/// A standby may be so far behind where nobody says, in seconds.
const LAG: f64 = 30.0;
/// So many bytes of log may an idle slot hold back.
const KEPT: u64 = 4_000_000_000;

const STANDBYS: &str =
    "SELECT coalesce(nullif(application_name, ''), client_addr::text, pid::text), state, sync_state,
        extract(epoch FROM replay_lag)::float8::text,
        pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn)::bigint::text
    FROM pg_catalog.pg_stat_replication WHERE application_name !~ '^(pg_basebackup|cofferdam )' ORDER BY 1";
const SLOTS: &str = "SELECT slot_name, active::text, wal_status,
        pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::bigint::text
    FROM pg_catalog.pg_replication_slots WHERE NOT temporary ORDER BY 1";
const WAITED_FOR: &str = "SELECT pg_catalog.current_setting('synchronous_standby_names')
    WHERE pg_catalog.current_setting('synchronous_commit') <> 'off'";

pub(super) static CHECK: Check = Check {
    id: "replication",
    about: "standbys or replicas are at work and at most so far behind (30s), and no slot holds the log back",
    takes: Takes::Age,
    asks: |_, dialect| match dialect {
        POSTGRESQL => [STANDBYS, SLOTS, WAITED_FOR].map(|sql| Look::Query(sql.into())).to_vec(),
        _ => vec![Look::Lag],
    },
    judge: |asked, found| match &found.lag {
        Some(lag) => replicas(most(asked), lag),
        None => judge(asked, found).unwrap_or_else(|unread| unread),
    },
};

fn most(asked: &Asked) -> f64 {
    match asked.value {
        Value::Age(age) => age.as_secs_f64(),
        _ => LAG,
    }
}

/// Of a server that tells nothing but this.
fn replicas(most: f64, lag: &Result<(Duration, String), String>) -> Verdict {
    match lag {
        Err(why) => Verdict::unread(
            "how replication stands is not known",
            why,
            "see to it that each replica can be asked; or --allow replication=\"reason\"",
        ),
        Ok((_, name)) if name.is_empty() => Verdict::Holds("no replica reads the log".into()),
        Ok((lag, name)) if lag.as_secs_f64() > most => Verdict::fails(
            format!("replica {name} is {} behind", span(lag.as_secs_f64())),
            format!("replicas must be at most {} behind", span(most)),
            "wait until it has caught up, then run the same command again",
        ),
        Ok((lag, name)) => {
            Verdict::Holds(format!("replica {name} is the farthest behind, by {}", span(lag.as_secs_f64())))
        }
    }
}

fn judge(asked: &Asked, found: &Found) -> Result<Verdict, Verdict> {
    let what = "how replication stands is not known";
    let [standbys, slots, waited_for] = [STANDBYS, SLOTS, WAITED_FOR].map(|sql| rows(found, sql, what));
    let (standbys, slots, waited_for) = (standbys?, slots?, waited_for?);
    let most = most(asked);
    // Without the right to see it, the server shows that there is a standby and nothing else of it.
    if standbys.iter().any(|row| cell(row, 1).is_none()) {
        return Err(Verdict::unread(
            what,
            "the role may not see the state of standbys",
            "as a superuser: GRANT pg_monitor TO the role; or --allow replication=\"reason\"",
        ));
    }
    let mut wrong = behind(standbys, most);
    wrong.extend(held_back(slots));
    let synchronous = waited_for.first().and_then(|row| cell(row, 0)).unwrap_or_default();
    let answers = standbys.iter().any(|row| matches!(cell(row, 2), Some("sync" | "quorum")));
    if !synchronous.is_empty() && !answers {
        wrong.push(format!("commits wait for a synchronous standby ({synchronous}), and none is there"));
    }
    if wrong.is_empty() {
        let (standbys, slots) = (standbys.len(), slots.len());
        return Ok(Verdict::Holds(format!("{standbys} standbys and {slots} slots, all keep up")));
    }
    Ok(Verdict::fails(
        wrong.join("; "),
        format!("standbys must stream and be at most {} behind, and slots must be read", span(most)),
        "wait until they have caught up, or remove what nobody reads: SELECT pg_drop_replication_slot('NAME')",
    ))
}

fn behind(standbys: &Rows, most: f64) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in standbys {
        let name = cell(row, 0).unwrap_or("a standby");
        let state = cell(row, 1).unwrap_or_default();
        // No lag is told of a standby that has replayed all there is.
        let lag = cell(row, 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        let bytes = cell(row, 4).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        match state {
            // A copy of the server that is being made reads no log.
            "backup" => {}
            "streaming" if lag <= most => {}
            "streaming" => {
                wrong.push(format!("standby {name} is {} ({}) behind", span(lag), size(bytes)));
            }
            other => wrong.push(format!("standby {name} does not stream: {other}")),
        }
    }
    wrong
}

fn held_back(slots: &Rows) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in slots {
        let name = cell(row, 0).unwrap_or_default();
        let kept = cell(row, 3).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        match (cell(row, 2), cell(row, 1)) {
            (Some(status @ ("lost" | "unreserved")), _) => wrong.push(format!("slot {name} is {status}")),
            (_, Some("false" | "f")) if kept > KEPT => {
                wrong.push(format!("nobody reads slot {name}, and it keeps {} of log", size(kept)));
            }
            _ => {}
        }
    }
    wrong
}

fn cell(row: &[Option<String>], at: usize) -> Option<&str> {
    row.get(at).and_then(Option::as_deref)
}

#[cfg(test)]
pub(super) const ASKED: [&str; 3] = [STANDBYS, SLOTS, WAITED_FOR];
