//! The safe form: the algorithm and the lock asked for by name.

use cofferdam_core::change::{Change, MySqlClause};
use cofferdam_core::{Action, Facts, TableChange};

use super::super::Flavour;
use super::super::read::says;
use super::{Algorithm, Class, Lock, Server, effect};

/// The statement with the words behind it that make the server refuse it where it would block the table:
/// `ALGORITHM=INSTANT`, `ALGORITHM=INPLACE, LOCK=NONE`, or from MariaDB 11.2 on `ALGORITHM=COPY, LOCK=NONE`. `None` where it already asks, where others would be kept out in
/// any case, and where its form takes no such words. What is a copy is never asked for as anything lighter: a MariaDB 10.11
/// takes `ALGORITHM=INSTANT` for PARTITION BY, ORDER BY and another engine, and copies all the same.
pub fn asked_by_name(change: &Change, facts: Option<&Facts>, server: Server) -> Option<String> {
    let effect = effect(change, facts, server);
    let class = effect.class.filter(|class| class.online() && !effect.unread)?;
    let begins =
        |verb: &str| change.text.get(..verb.len()).is_some_and(|text| text.eq_ignore_ascii_case(verb));
    // `DROP INDEX i ON t` is read as an ALTER TABLE, and takes the words without commas; on MariaDB it takes none.
    let between = match &change.action {
        Action::AlterTable { changes, .. } if begins("alter") => {
            if changes.is_empty() || changes.iter().any(takes_none) {
                return None;
            }
            ", "
        }
        Action::AlterTable { .. } if begins("drop") && server.flavour == Flavour::MySql => " ",
        Action::CreateIndex(_) => " ",
        _ => return None,
    };
    if between == " " && says(&change.text, server.flavour, &["algorithm", "lock"]) {
        return None;
    }
    Some(format!("{}{between}{}", change.text, words(class, server.flavour, between)))
}

/// The words for a class. MySQL takes no LOCK beside INSTANT, which needs none.
fn words(class: Class, flavour: Flavour, between: &str) -> String {
    let algorithm = class.algorithm.word(flavour);
    match class.algorithm {
        Algorithm::Instant => format!("ALGORITHM={algorithm}"),
        _ => format!("ALGORITHM={algorithm}{between}LOCK={}", Lock::None.word()),
    }
}

/// It says already what it asks for, or is about partitions, whose clauses take no others beside them.
fn takes_none(change: &TableChange) -> bool {
    matches!(
        change,
        TableChange::Other { .. }
            | TableChange::MySql(
                MySqlClause::Algorithm { .. } | MySqlClause::Lock { .. } | MySqlClause::Partition { .. }
            )
    )
}
