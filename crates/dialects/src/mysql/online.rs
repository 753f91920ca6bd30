//! What stands in the way of changing a table online, by copying it and following the binary log.
//!
//! The list is data: each obstacle has an id that is never changed, what is wrong, what would be lost without it, and what
//! to do. [`obstacles`] says which of them a table, a server and a change have. What is not known is no pass: a question that
//! nobody could answer is an obstacle of its own, [`NOT_KNOWN`].

use cofferdam_core::change::{ConstraintKind, MySqlClause};
use cofferdam_core::{Action, TableChange};

use super::Flavour;

/// Something that stands in the way.
#[derive(Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// What it is called, kebab-case; never changed.
    pub id: &'static str,
    /// What is so.
    pub what: &'static str,
    /// What would happen to the data.
    pub why: &'static str,
    /// What to do.
    pub instead: &'static str,
}

/// What must be known of a table and its server. `None`: nobody could say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Surroundings {
    /// The binary log is written.
    pub binlog: Option<bool>,
    /// `binlog_format` is ROW.
    pub row_format: Option<bool>,
    /// `binlog_row_image` is FULL, and on MySQL `binlog_row_value_options` is empty.
    pub full_images: Option<bool>,
    /// `binlog_order_commits` is ON; always so on MariaDB.
    pub ordered_commits: Option<bool>,
    /// No transaction of the log is compressed, or the reader of the log takes compressed ones.
    pub readable_transactions: Option<bool>,
    /// We may read the log: REPLICATION SLAVE, and REPLICATION CLIENT or BINLOG MONITOR.
    pub may_replicate: Option<bool>,
    /// We may make triggers on the table, which the swap on MariaDB needs.
    pub may_trigger: Option<bool>,
    /// The table's engine is InnoDB.
    pub innodb: Option<bool>,
    /// It has a key over whole columns of which none may be NULL, and which the change leaves alone.
    pub usable_key: Option<bool>,
    /// A part of that key is a FLOAT or DOUBLE, which compare unequal to what the log says of them.
    pub float_key: Option<bool>,
    /// It has triggers.
    pub triggers: Option<bool>,
    /// Foreign keys lead from it to others.
    pub foreign_keys: Option<bool>,
    /// Foreign keys of others lead to it.
    pub referred_to: Option<bool>,
    /// Its key holds texts whose collation takes different ones for the same.
    pub collated_key: Option<bool>,
    /// It is partitioned, or has system versioning.
    pub history: Option<bool>,
    /// It holds dates that the strict mode refuses, `0000-00-00`.
    pub zero_dates: Option<bool>,
}

macro_rules! obstacle {
    ($id:literal, $what:literal, $why:literal, $instead:literal) => {
        Obstacle { id: $id, what: $what, why: $why, instead: $instead }
    };
}

/// A question that nobody could answer.
pub static NOT_KNOWN: Obstacle = obstacle!(
    "not-known",
    "something that must be known could not be asked",
    "what cannot be read is no pass",
    "give the role the rights to read the server's variables and the table's definition"
);

type Question = fn(&Surroundings) -> Option<bool>;

/// Each obstacle of a table or server with the question whose answer *yes* means that it is there.
static ASKED: &[(Obstacle, Question)] = &[
    (
        obstacle!(
            "binlog-off",
            "the server writes no binary log",
            "writes of the application while the table is copied would be lost",
            "start the server with log_bin, or take the server's own ALTER in a window"
        ),
        |s| s.binlog.map(|yes| !yes),
    ),
    (
        obstacle!(
            "binlog-not-row",
            "binlog_format is not ROW",
            "the log holds statements, from which no row can be told",
            "SET GLOBAL binlog_format = ROW, and wait until no session is left from before"
        ),
        |s| s.row_format.map(|yes| !yes),
    ),
    (
        obstacle!(
            "binlog-not-full",
            "the log does not hold whole rows",
            "columns that an update did not touch would be missing in the copy",
            "SET GLOBAL binlog_row_image = FULL, and binlog_row_value_options = ''"
        ),
        |s| s.full_images.map(|yes| !yes),
    ),
    (
        obstacle!(
            "binlog-unordered",
            "binlog_order_commits is OFF",
            "a row could stand in the log before or after the moment from which others see it, and be missed by the copy",
            "SET GLOBAL binlog_order_commits = ON"
        ),
        |s| s.ordered_commits.map(|yes| !yes),
    ),
    (
        obstacle!(
            "binlog-compressed",
            "the log holds compressed transactions",
            "their rows could not be read, so they would be lost",
            "SET GLOBAL binlog_transaction_compression = OFF (MariaDB: log_bin_compress)"
        ),
        |s| s.readable_transactions.map(|yes| !yes),
    ),
    (
        obstacle!(
            "no-replication-right",
            "the role may not read the binary log",
            "writes while the table is copied could not be followed",
            "GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* (MariaDB: BINLOG MONITOR) to the role"
        ),
        |s| s.may_replicate.map(|yes| !yes),
    ),
    (
        obstacle!(
            "not-innodb",
            "the table's engine is not InnoDB",
            "without transactions a row that was copied could change in the middle",
            "take the server's own ALTER TABLE ... ENGINE = InnoDB first"
        ),
        |s| s.innodb.map(|yes| !yes),
    ),
    (
        obstacle!(
            "no-usable-key",
            "no key of whole columns that cannot be NULL is there before and after the change",
            "a row could not be told from its twin, neither copied in pieces nor corrected nor compared",
            "add a primary key first"
        ),
        |s| s.usable_key.map(|yes| !yes),
    ),
    (
        obstacle!(
            "float-key",
            "the key has a FLOAT or DOUBLE in it",
            "the value that the log holds does not find its row again",
            "add a key over other columns"
        ),
        |s| s.float_key,
    ),
    (
        obstacle!(
            "collated-key",
            "the key holds texts that its collation takes for the same though they differ",
            "two changes of one row would look as if they were of two, and be put in the wrong order",
            "add a numbered key, or give the column a binary collation"
        ),
        |s| s.collated_key,
    ),
    (
        obstacle!(
            "triggers",
            "the table has triggers",
            "they would stay on the old table, and what they do would stop with the swap",
            "drop them for the time of the change, or let the server's own ALTER do it"
        ),
        |s| s.triggers,
    ),
    (
        obstacle!(
            "foreign-keys",
            "foreign keys lead from the table to others",
            "a deletion in the parent cascades within the engine and is not in the log, so the copy would keep the rows",
            "drop the keys, change the table, and add them again with foreign_key_checks = 0 after a look for orphans"
        ),
        |s| s.foreign_keys,
    ),
    (
        obstacle!(
            "referred-to",
            "foreign keys of other tables lead to it",
            "after the swap they would lead to the old table",
            "drop the keys, change the table, and add them again with foreign_key_checks = 0 after a look for orphans"
        ),
        |s| s.referred_to,
    ),
    (
        obstacle!(
            "partitions-or-history",
            "the table is partitioned or has system versioning",
            "its history, or the partition of a row, would not be in the copy",
            "let the server's own ALTER do it in a window"
        ),
        |s| s.history,
    ),
    (
        obstacle!(
            "zero-dates",
            "rows hold dates such as 0000-00-00",
            "in the strict mode that the copy runs in they are refused, and without it they would be changed silently",
            "correct them first: make the column take NULL and set them to it"
        ),
        |s| s.zero_dates,
    ),
];

/// The swap on MariaDB, which cannot rename a table that is locked, needs triggers for a moment.
static NO_TRIGGER_RIGHT: Obstacle = obstacle!(
    "no-trigger-right",
    "the role may not make triggers on the table",
    "MariaDB renames no table under LOCK TABLES, so for a moment triggers keep both tables the same",
    "GRANT TRIGGER on the table to the role; with a binary log also log_bin_trust_function_creators = 1"
);

type Clause = fn(&TableChange) -> bool;

/// Changes that no copy can carry out.
static CLAUSES: &[(Obstacle, Clause)] = &[
    (
        obstacle!(
            "renames-table",
            "the statement renames the table",
            "the swap itself is a rename, and the old table would be found under neither name",
            "rename it in a statement of its own"
        ),
        |change| matches!(change, TableChange::RenameTo { .. } | TableChange::SetSchema { .. }),
    ),
    (
        obstacle!(
            "adds-foreign-key",
            "the statement adds a foreign key",
            "rows are copied in pieces, and a parent that goes meanwhile would make a write of the application fail",
            "add it in a statement of its own, with foreign_key_checks = 0 after a look for orphans"
        ),
        |change| match change {
            TableChange::AddConstraint(c) => matches!(c.kind, ConstraintKind::ForeignKey { .. }),
            TableChange::AddColumn { column, .. } => column.references.is_some(),
            _ => false,
        },
    ),
    (
        obstacle!(
            "partition-upkeep",
            "the statement drops, empties or exchanges partitions",
            "it is about rows and not about their form, and a copy would bring them back",
            "let the server do it: it takes as long as the files of the partition"
        ),
        |change| {
            use cofferdam_core::change::PartitionAction as P;
            matches!(
                change,
                TableChange::MySql(MySqlClause::Partition { action, .. })
                    if !matches!(action, P::By | P::Remove | P::Reorganize | P::Coalesce)
            )
        },
    ),
    (
        obstacle!(
            "tablespace-files",
            "the statement is about the files of the tablespace",
            "a copy has files of its own",
            "let the server do it"
        ),
        |change| matches!(change, TableChange::MySql(MySqlClause::Tablespace { .. })),
    ),
    (
        obstacle!(
            "leaves-innodb",
            "the statement gives the table another engine",
            "without transactions the copy could not be told from a half of it",
            "let the server's own ALTER do it in a window"
        ),
        |change| {
            matches!(change, TableChange::MySql(MySqlClause::Option { name, value })
                if name == "engine" && !value.trim_matches(['\'', '"', '`']).eq_ignore_ascii_case("innodb"))
        },
    ),
    (
        obstacle!(
            "clause-not-understood",
            "a clause of the statement is not understood",
            "which columns of the old table are which of the new one could not be told",
            "write it in another way, or let the server's own ALTER do it"
        ),
        |change| matches!(change, TableChange::Other { .. }),
    ),
];

/// What stands in the way of carrying the statement out online. Empty: nothing does.
pub fn obstacles(action: &Action, around: &Surroundings, flavour: Flavour) -> Vec<&'static Obstacle> {
    let mut all: Vec<&'static Obstacle> = Vec::new();
    let mut asks = |answer: Option<bool>, obstacle: &'static Obstacle| match answer {
        Some(true) => all.push(obstacle),
        Some(false) => {}
        None if all.contains(&&NOT_KNOWN) => {}
        None => all.push(&NOT_KNOWN),
    };
    for (obstacle, question) in ASKED {
        // MariaDB has no such setting: its group commit keeps the order.
        let settled = obstacle.id == "binlog-unordered" && flavour == Flavour::MariaDb;
        asks(if settled { Some(false) } else { question(around) }, obstacle);
    }
    if flavour == Flavour::MariaDb {
        asks(around.may_trigger.map(|yes| !yes), &NO_TRIGGER_RIGHT);
    }
    if let Action::AlterTable { changes, .. } = action {
        for (obstacle, fits) in CLAUSES {
            if changes.iter().any(fits) {
                all.push(obstacle);
            }
        }
    }
    all
}

/// Of these not even an empty copy may be made: the server would carry them out on something else than the copy.
const NOT_TRIED: &[&str] =
    &["renames-table", "partition-upkeep", "tablespace-files", "clause-not-understood"];

/// A copy is made by the names of columns.
static USES_A_NAME_AGAIN: Obstacle = obstacle!(
    "uses-a-name-again",
    "the statement renames a column, and another clause of it is about the old or the new name",
    "rows are copied by the names of columns, so a column would get the values of another one",
    "do it in two steps"
);

/// What stands in the way of trying the statement on an empty copy of its table. Empty: nothing does.
pub fn not_to_be_tried(action: &Action) -> Vec<&'static Obstacle> {
    let Action::AlterTable { changes, .. } = action else { return Vec::new() };
    let listed = CLAUSES.iter().filter(|(obstacle, _)| NOT_TRIED.contains(&obstacle.id));
    let found = listed.filter(|(_, fits)| changes.iter().any(fits)).map(|(obstacle, _)| obstacle);
    found.chain(uses_a_name_again(changes).then_some(&USES_A_NAME_AGAIN)).collect()
}

fn uses_a_name_again(changes: &[TableChange]) -> bool {
    let names = |change: &TableChange| -> Vec<String> {
        let names = match change {
            TableChange::AddColumn { column, .. }
            | TableChange::MySql(MySqlClause::ModifyColumn { column }) => vec![&column.name],
            TableChange::DropColumn { name, .. } => vec![name],
            TableChange::RenameColumn { from, to } => vec![from, to],
            TableChange::MySql(MySqlClause::ChangeColumn { from, column }) => vec![from, &column.name],
            _ => Vec::new(),
        };
        names.into_iter().map(|name| name.to_lowercase()).collect()
    };
    let all: Vec<Vec<String>> = changes.iter().map(names).collect();
    let renames = |names: &[String]| matches!(names, [from, to] if from != to);
    all.iter().enumerate().filter(|(_, names)| renames(names)).any(|(at, names)| {
        all.iter()
            .enumerate()
            .any(|(other, theirs)| other != at && names.iter().any(|name| theirs.contains(name)))
    })
}

/// All obstacles that there are.
pub fn all() -> impl Iterator<Item = &'static Obstacle> {
    let asked = ASKED.iter().map(|(obstacle, _)| obstacle);
    asked
        .chain([&NO_TRIGGER_RIGHT, &NOT_KNOWN, &USES_A_NAME_AGAIN])
        .chain(CLAUSES.iter().map(|(obstacle, _)| obstacle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::read_mysql;

    fn good() -> Surroundings {
        Surroundings {
            binlog: Some(true),
            row_format: Some(true),
            full_images: Some(true),
            ordered_commits: Some(true),
            readable_transactions: Some(true),
            may_replicate: Some(true),
            may_trigger: Some(true),
            innodb: Some(true),
            usable_key: Some(true),
            float_key: Some(false),
            triggers: Some(false),
            foreign_keys: Some(false),
            referred_to: Some(false),
            collated_key: Some(false),
            history: Some(false),
            zero_dates: Some(false),
        }
    }

    fn ids(text: &str, around: &Surroundings, flavour: Flavour) -> Vec<&'static str> {
        let parsed = read_mysql(&cofferdam_core::Script::new("x.sql", text)).unwrap();
        obstacles(&parsed.changes[0].action, around, flavour).iter().map(|o| o.id).collect()
    }

    const PLAIN: &str = "ALTER TABLE t MODIFY c BIGINT";

    #[test]
    fn nothing_stands_in_the_way_of_a_usual_table() {
        for flavour in [Flavour::MySql, Flavour::MariaDb] {
            assert!(ids(PLAIN, &good(), flavour).is_empty());
        }
    }

    #[test]
    fn each_answer_that_is_wrong_is_one_obstacle() {
        type Spoil = fn(&mut Surroundings);
        let wrong: &[(&str, Spoil)] = &[
            ("binlog-off", |s| s.binlog = Some(false)),
            ("binlog-not-row", |s| s.row_format = Some(false)),
            ("binlog-not-full", |s| s.full_images = Some(false)),
            ("binlog-unordered", |s| s.ordered_commits = Some(false)),
            ("binlog-compressed", |s| s.readable_transactions = Some(false)),
            ("no-replication-right", |s| s.may_replicate = Some(false)),
            ("not-innodb", |s| s.innodb = Some(false)),
            ("no-usable-key", |s| s.usable_key = Some(false)),
            ("float-key", |s| s.float_key = Some(true)),
            ("collated-key", |s| s.collated_key = Some(true)),
            ("triggers", |s| s.triggers = Some(true)),
            ("foreign-keys", |s| s.foreign_keys = Some(true)),
            ("referred-to", |s| s.referred_to = Some(true)),
            ("partitions-or-history", |s| s.history = Some(true)),
            ("zero-dates", |s| s.zero_dates = Some(true)),
        ];
        assert_eq!(wrong.len(), ASKED.len());
        for (id, spoil) in wrong {
            let mut around = good();
            spoil(&mut around);
            assert_eq!(ids(PLAIN, &around, Flavour::MySql), [*id]);
        }
        let mut around = good();
        (around.ordered_commits, around.may_trigger) = (None, Some(false));
        assert_eq!(ids(PLAIN, &around, Flavour::MariaDb), ["no-trigger-right"]);
    }

    #[test]
    fn what_nobody_knows_is_no_pass() {
        assert_eq!(ids(PLAIN, &Surroundings::default(), Flavour::MySql), ["not-known"]);
        assert_eq!(ids(PLAIN, &Surroundings { triggers: None, ..good() }, Flavour::MySql), ["not-known"]);
    }

    #[test]
    fn some_clauses_are_no_change_that_a_copy_can_make() {
        for (text, id) in [
            ("ALTER TABLE t RENAME TO u", "renames-table"),
            ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES p (id)", "adds-foreign-key"),
            ("ALTER TABLE t ADD COLUMN a INT REFERENCES p (id)", "adds-foreign-key"),
            ("ALTER TABLE t DROP PARTITION p0", "partition-upkeep"),
            ("ALTER TABLE t IMPORT TABLESPACE", "tablespace-files"),
            ("ALTER TABLE t ENGINE = MyISAM", "leaves-innodb"),
            ("ALTER TABLE t SOMETHING NEW", "clause-not-understood"),
        ] {
            assert_eq!(ids(text, &good(), Flavour::MySql), [id], "{text}");
        }
        for text in [
            "ALTER TABLE t PARTITION BY HASH (id)",
            "ALTER TABLE t ENGINE = InnoDB",
            "ALTER TABLE t DROP COLUMN a",
        ] {
            assert!(ids(text, &good(), Flavour::MySql).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_reaches_beyond_a_copy_is_not_tried_on_one() {
        let tried = |text: &str| {
            let parsed = read_mysql(&cofferdam_core::Script::new("x.sql", text)).unwrap();
            not_to_be_tried(&parsed.changes[0].action).iter().map(|o| o.id).collect::<Vec<_>>()
        };
        for (text, expected) in [
            ("ALTER TABLE t EXCHANGE PARTITION p0 WITH TABLE archive", Some("partition-upkeep")),
            ("ALTER TABLE t TRUNCATE PARTITION p0", Some("partition-upkeep")),
            ("ALTER TABLE t RENAME TO u", Some("renames-table")),
            ("ALTER TABLE t RENAME COLUMN a TO b, ADD COLUMN a int", Some("uses-a-name-again")),
            ("ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a", Some("uses-a-name-again")),
            ("ALTER TABLE t DROP COLUMN a, CHANGE b A int", Some("uses-a-name-again")),
            ("ALTER TABLE t RENAME COLUMN a TO b, ADD COLUMN c int", None),
            ("ALTER TABLE t CHANGE a a bigint, MODIFY b int", None),
            ("ALTER TABLE t PARTITION BY HASH (id)", None),
            ("ALTER TABLE t ENGINE = MyISAM", None),
        ] {
            assert_eq!(tried(text), expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn ids_are_kebab_and_no_two_are_the_same() {
        let ids: Vec<&str> = all().map(|o| o.id).collect();
        let mut once = ids.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), ids.len());
        for obstacle in all() {
            assert!(obstacle.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", obstacle.id);
            assert!(
                [obstacle.what, obstacle.why, obstacle.instead]
                    .iter()
                    .all(|t| !t.is_empty() && !t.ends_with('.'))
            );
        }
    }
}
