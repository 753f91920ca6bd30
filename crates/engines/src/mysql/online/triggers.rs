//! The triggers of a moment: on MariaDB, which refuses `RENAME` under `LOCK TABLES`, they keep the follower the same
//! between the end of that lock and the `RENAME`.
//!
//! They are made under the lock, once nothing is left to be brought over. From then on each write of the application
//! carries its row over in its own transaction, by the statement by which rows are brought over at any time. So it does not
//! matter when the `RENAME` comes, in which order sessions wait for it, or whether somebody dies in between.

use cofferdam_core::fault::Result;

use super::super::link::Link;
use super::super::names;
use super::change::{Change, FOLLOWER, LEADER};
use super::copy::passing;
use super::state::{Places, rows, run};

/// What happens to a row, and which of the row's two sides a trigger has then: the old one, the new one.
const EVENTS: &[(&str, bool, bool)] =
    &[("insert", false, true), ("update", true, true), ("delete", true, false)];

impl Change {
    /// Makes them on the table that leads. The last ones may not come to be: then the first ones are there for a moment,
    /// and no write of the application may fail of that. So none brings rows over before all bring over that rows went;
    /// [`removal`] is the other way round.
    pub(super) async fn carry_by_triggers(&self, link: &mut Link) -> Result<()> {
        for (event, old, new) in EVENTS.iter().rev() {
            let sql = self.trigger(event, *old, *new)?;
            run(link, &sql, "keeping both tables the same until the swap").await?;
        }
        Ok(())
    }

    fn trigger(&self, event: &str, old: bool, new: bool) -> Result<String> {
        let key = self.key()?;
        let at = |table: &str, side: &str| {
            let pair = |column: &String| format!("{table}.{column} = {side}.{column}");
            key.iter().map(pair).collect::<Vec<_>>().join(" AND ")
        };
        let places = &self.places;
        let (mut declare, mut body) = (String::new(), String::new());
        let (mut into, mut from) = (self.columns.clone(), self.columns_of(LEADER));
        if old && new {
            // What the leading table does not tell stays what it was.
            for (at, column) in self.kept.iter().enumerate() {
                declare += &format!("DECLARE cofferdam_{at} {}; ", column.definition());
                into.push(names::quoted(&column.name)?.to_string());
                from.push(format!("cofferdam_{at}"));
            }
            if !self.kept.is_empty() {
                let kept: Vec<String> = (0..self.kept.len()).map(|at| format!("cofferdam_{at}")).collect();
                let columns: Vec<String> =
                    into.iter().skip(self.columns.len()).map(|c| format!("{FOLLOWER}.{c}")).collect();
                body += &format!(
                    "SELECT {} INTO {} FROM {} {FOLLOWER} WHERE {}; ",
                    columns.join(", "),
                    kept.join(", "),
                    places.new,
                    at(FOLLOWER, "OLD")
                );
            }
        }
        if old {
            body += &format!("DELETE FROM {} WHERE {}; ", places.new, at(&places.new, "OLD"));
        }
        if new {
            body += &format!(
                "INSERT INTO {} ({}) SELECT {} FROM {} {LEADER} WHERE {}; ",
                places.new,
                into.join(", "),
                from.join(", "),
                self.source,
                at(LEADER, "NEW")
            );
        }
        let name = names::quoted(&places.trigger(event))?;
        let schema = names::quoted(&self.shape.database)?;
        Ok(format!(
            "CREATE TRIGGER {schema}.{name} AFTER {} ON {} FOR EACH ROW BEGIN {declare}{body}END",
            event.to_uppercase(),
            self.source
        ))
    }
}

/// The names of all of them.
pub(super) fn names_of(places: &Places) -> Vec<String> {
    EVENTS.iter().map(|(event, ..)| places.trigger(event)).collect()
}

/// The statements that remove them, wherever they are.
pub(super) fn removal(database: &str, places: &Places) -> Result<Vec<String>> {
    let schema = names::quoted(database)?;
    let drop = |name: String| Ok(format!("DROP TRIGGER IF EXISTS {schema}.{}", names::quoted(&name)?));
    names_of(places).into_iter().map(drop).collect()
}

/// Removes those that are there. Waits for the table as long as the connection does.
pub(super) async fn remove(link: &mut Link, database: &str, places: &Places) -> Result<()> {
    let doing = "removing what kept both tables the same";
    let names: Vec<String> = names_of(places).iter().map(|name| names::literal(name)).collect();
    // Who may make none may not remove any either: on MariaDB without SUPER that takes log_bin_trust_function_creators.
    let there = format!(
        "SELECT 1 FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = {} AND TRIGGER_NAME IN ({})",
        names::literal(database),
        names.join(", ")
    );
    if rows(link, &there, doing).await?.is_empty() {
        return Ok(());
    }
    for sql in removal(database, places)? {
        passing(async || run(link, &sql, doing).await).await?;
    }
    Ok(())
}
