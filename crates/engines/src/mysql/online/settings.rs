//! Whether the server writes down in its binary log what an online change needs.

use std::collections::BTreeMap;

use cofferdam_core::fault::Result;

use super::super::link::{self, Link};
use super::super::{Flavour, errors};
use super::binlog;

/// What a server's settings and its state say, by name.
type Settings = BTreeMap<String, String>;

/// Settings that decide.
const NAMES: &[&str] = &[
    "log_bin",
    "binlog_format",
    "binlog_row_image",
    "binlog_order_commits",
    "log_bin_compress",
    "server_id",
    "log_slave_updates",
    "log_replica_updates",
    "wsrep_on",
    "group_replication_single_primary_mode",
    "binlog_expire_logs_seconds",
    "expire_logs_days",
    "binlog_transaction_compression",
];

/// What the settings say.
pub(super) struct Fit {
    /// Why the log will not do; each says what would.
    pub(super) obstacles: Vec<String>,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// Asks the server. `primary`: rows are found by the primary key.
pub(super) async fn read(link: &mut Link, version: u32, database: &str, primary: bool) -> Result<Fit> {
    let doing = "asking for the settings of the binary log";
    let names = NAMES.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
    let mut settings = Settings::new();
    for sql in [
        format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})"),
        "SHOW GLOBAL STATUS WHERE Variable_name = 'Slave_running'".to_owned(),
    ] {
        for row in link.said(&sql).await.map_err(|e| errors::fault(e, doing))? {
            let cell = |at| link::text(&row, at).unwrap_or_default();
            settings.insert(cell(0).to_ascii_lowercase(), cell(1));
        }
    }
    let mut fit = judge(link.flavour, &settings, primary);
    if settings.get("log_bin").is_some_and(|on| on == "ON")
        && let Some(ending) = binlog::ending(link, version).await?
    {
        let named = |list: &[String]| list.iter().any(|name| name.eq_ignore_ascii_case(database));
        if !ending.only.is_empty() && !named(&ending.only) || named(&ending.without) {
            fit.obstacles.push(format!(
                "the server leaves {database} out of its binary log (binlog_do_db, binlog_ignore_db): take the setting \
                 out and restart it"
            ));
        }
    }
    Ok(fit)
}

/// Judges what was read. What is not there is as the server has it by default.
fn judge(flavour: Flavour, settings: &Settings, primary: bool) -> Fit {
    let says = |name: &str, value: &str| settings.get(name).is_some_and(|is| is.eq_ignore_ascii_case(value));
    let value = |name: &str| settings.get(name).map(String::as_str).unwrap_or_default();
    let mut obstacles = Vec::new();
    let mut add = |it_is: bool, why: String| {
        if it_is {
            obstacles.push(why);
        }
    };
    let logged = says("log_bin", "ON");
    add(
        !logged,
        "the server writes no binary log: start it with log_bin = NAME and binlog_format = ROW".into(),
    );
    let format = value("binlog_format");
    add(
        logged && !format.is_empty() && !says("binlog_format", "ROW"),
        format!(
            "binlog_format is {format}, so that statements stand in the log in place of the rows that they changed: SET \
             GLOBAL binlog_format = ROW, and let every session connect anew"
        ),
    );
    let image = value("binlog_row_image");
    add(
        logged && !image.is_empty() && !says("binlog_row_image", "FULL") && !primary,
        format!(
            "binlog_row_image is {image}, and the table has no primary key, so that the log need not tell which row was \
             changed: SET GLOBAL binlog_row_image = FULL, and let every session connect anew"
        ),
    );
    add(
        says("binlog_order_commits", "OFF"),
        "binlog_order_commits is OFF, so that the log may tell of a row long before the row can be seen: SET GLOBAL \
         binlog_order_commits = ON"
            .into(),
    );
    add(
        says("log_bin_compress", "ON"),
        "log_bin_compress is ON, whose events are not read: SET GLOBAL log_bin_compress = OFF".into(),
    );
    add(
        logged && says("server_id", "0"),
        "server_id is 0, with which a server gives its log to nobody: SET GLOBAL server_id to a number of its own".into(),
    );
    let replica = match flavour {
        Flavour::MySql => true,
        Flavour::MariaDb => says("slave_running", "ON"),
    };
    add(
        logged && replica && (says("log_slave_updates", "OFF") || says("log_replica_updates", "OFF")),
        "the server does not log what it receives from another one (log_replica_updates, MariaDB: log_slave_updates, is \
         OFF): connect to the primary, or switch it on and restart the server"
            .into(),
    );
    add(
        says("wsrep_on", "ON"),
        "the server is a node of a Galera cluster, whose nodes order commits otherwise than one server's log does: this \
         is not proved there"
            .into(),
    );
    add(
        says("group_replication_single_primary_mode", "OFF"),
        "the server belongs to a group of several primaries (group_replication_single_primary_mode = OFF), which all \
         write: this is not proved there"
            .into(),
    );
    Fit { obstacles, notes: notes(settings) }
}

fn notes(settings: &Settings) -> Vec<String> {
    let seconds = settings.get("binlog_expire_logs_seconds").and_then(|n| n.parse::<u64>().ok());
    let days = settings.get("expire_logs_days").and_then(|n| n.parse::<f64>().ok());
    let keeps = seconds.filter(|n| *n > 0).or(days.filter(|n| *n > 0.0).map(|days| (days * 86_400.0) as u64));
    let mut notes = Vec::new();
    if let Some(keeps) = keeps.filter(|keeps| *keeps < 86_400) {
        notes.push(format!(
            "the server removes its binary log after {} hours: a change that is interrupted for longer begins anew",
            keeps / 3600
        ));
    }
    if settings.get("binlog_transaction_compression").is_some_and(|on| on == "ON") {
        notes.push(
            "binlog_transaction_compression is ON: each transaction is unpacked in memory as a whole"
                .to_owned(),
        );
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_by_which_rows_would_be_missing_is_named() {
        let sound =
            [("log_bin", "ON"), ("binlog_format", "ROW"), ("binlog_row_image", "FULL"), ("server_id", "1")];
        let with = |changed: &[(&str, &str)]| -> Settings {
            sound
                .iter()
                .chain(changed)
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        use Flavour::{MariaDb, MySql};
        assert!(judge(MySql, &with(&[]), false).obstacles.is_empty());
        for (flavour, changed, primary, word) in [
            (MySql, &[("log_bin", "OFF")][..], true, "no binary log"),
            (MySql, &[("binlog_format", "STATEMENT")], true, "binlog_format is STATEMENT"),
            (MariaDb, &[("binlog_format", "MIXED")], true, "binlog_format is MIXED"),
            (MySql, &[("binlog_row_image", "MINIMAL")], false, "binlog_row_image is MINIMAL"),
            (MySql, &[("binlog_row_image", "MINIMAL")], true, ""),
            (MariaDb, &[("binlog_row_image", "FULL_NODUP")], false, "FULL_NODUP"),
            (MySql, &[("binlog_order_commits", "OFF")], true, "binlog_order_commits"),
            (MariaDb, &[("log_bin_compress", "ON")], true, "log_bin_compress"),
            (MySql, &[("server_id", "0")], true, "server_id"),
            (MySql, &[("log_replica_updates", "OFF")], true, "log_replica_updates"),
            (MariaDb, &[("log_slave_updates", "OFF"), ("slave_running", "OFF")], true, ""),
            (MariaDb, &[("log_slave_updates", "OFF"), ("slave_running", "ON")], true, "log_slave_updates"),
            (MariaDb, &[("wsrep_on", "ON")], true, "Galera"),
            (MySql, &[("group_replication_single_primary_mode", "OFF")], true, "several primaries"),
        ] {
            let found = judge(flavour, &with(changed), primary).obstacles;
            match word {
                "" => assert!(found.is_empty(), "{changed:?}: {found:?}"),
                word => assert!(found.len() == 1 && found[0].contains(word), "{changed:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_log_that_is_kept_for_less_than_a_day_is_told_of() {
        let settings = |name: &str, value: &str| Settings::from([(name.to_owned(), value.to_owned())]);
        for (name, value, told) in [
            ("binlog_expire_logs_seconds", "3600", true),
            ("binlog_expire_logs_seconds", "2592000", false),
            ("binlog_expire_logs_seconds", "0", false),
            ("expire_logs_days", "0.500000", true),
            ("expire_logs_days", "10", false),
        ] {
            assert_eq!(notes(&settings(name, value)).len(), usize::from(told), "{name} {value}");
        }
    }
}
