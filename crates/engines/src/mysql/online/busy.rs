//! Going slower for others: what the server has to do beside a change.

use cofferdam_core::fault::Result;

use super::super::Flavour;
use super::super::link::{self, Link};
use super::state::rows;

/// So many statements may run beside ours: what pt-online-schema-change waits at by default (`--max-load`).
const RUNNING: u64 = 25;
/// So many transactions may wait to be cleared away. A server far behind with that reads old versions of rows all the
/// time, and each row that is copied makes one more.
const HISTORY: u64 = 1_000_000;

/// Why a change of so many connections should go slowly; `None`: for nothing that can be seen. The history is shown on
/// MySQL to who has `PROCESS`, and is not looked at without.
pub(super) async fn busy(link: &mut Link, ours: usize) -> Result<Option<String>> {
    let running = status(link, "Threads_running").await?;
    let history = match link.flavour {
        Flavour::MariaDb => status(link, "Innodb_history_list_length").await?,
        Flavour::MySql => {
            let sql =
                "SELECT `COUNT` FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'";
            let found = link.said(sql).await.unwrap_or_default();
            found.first().and_then(|row| link::number(row, 0)).map(i64::unsigned_abs)
        }
    };
    Ok(reason(running.unwrap_or(0), history.unwrap_or(0), ours))
}

async fn status(link: &mut Link, name: &str) -> Result<Option<u64>> {
    let sql = format!("SHOW GLOBAL STATUS LIKE '{name}'");
    let found = rows(link, &sql, "asking how busy the server is").await?;
    Ok(found.first().and_then(|row| link::text(row, 1)).and_then(|value| value.parse().ok()))
}

fn reason(running: u64, history: u64, ours: usize) -> Option<String> {
    // The one that asks runs, too.
    let others = running.saturating_sub(ours as u64 + 1);
    if others > RUNNING {
        return Some(format!("{others} statements of others run on the server"));
    }
    (history > HISTORY).then(|| format!("the server has {history} transactions to clear away (history list)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_are_counted_without_us() {
        for (running, history, ours, expected) in [
            (1, 0, 0, None),
            (28, 1_000_000, 2, None),
            (29, 0, 2, Some("26 statements of others run on the server")),
            (3, 1_000_001, 2, Some("the server has 1000001 transactions to clear away (history list)")),
        ] {
            assert_eq!(reason(running, history, ours).as_deref(), expected, "{running} {history} {ours}");
        }
    }
}
