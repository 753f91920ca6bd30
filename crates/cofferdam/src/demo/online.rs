//! The second act: the type of a primary key is changed online. Killed in the middle of the copy and of the
//! comparison, gone on with, swapped, and swapped back with everything that was written since.

use cofferdam_core::online::Part;
use cofferdam_core::{Fault, Result};
use serde::Serialize;

use super::child::Child;
use super::middle::{Far, Kill, look, reached};
use super::scene::{Scene, UNDISTURBED, lasting};
use super::shop::WIDE;

/// What came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OnlineView {
    pub(super) table: &'static str,
    pub(super) clauses: &'static str,
    /// Those that were meant, also those that came too late.
    pub(super) kills: Vec<Kill>,
    /// The key's type before, after the swap, and after the swap back, as the catalog said it.
    pub(super) key_types: Vec<String>,
    /// What there still was of the change at the end.
    pub(super) left_behind: Vec<String>,
    /// At the end every column, constraint and index is as before.
    pub(super) schema_restored: bool,
}

impl OnlineView {
    /// The key was changed and is what it was, and nothing of the change is left.
    pub(super) fn is_clean(&self) -> bool {
        let changed = matches!(&self.key_types[..], [before, swapped, after]
            if before != WIDE && swapped == WIDE && after == before);
        changed && self.left_behind.is_empty() && self.schema_restored
    }

    /// In a sentence.
    pub(super) fn words(&self) -> String {
        let kills: Vec<String> = self.kills.iter().map(Kill::short).collect();
        let types = self.key_types.join(" -> ");
        format!("{}.id {types} online; {}; {}", self.table, kills.join(", "), self.end())
    }

    fn end(&self) -> String {
        match (self.left_behind.is_empty(), self.schema_restored) {
            (true, true) => "nothing of the change is left".to_owned(),
            (true, false) => "the schema is NOT as it was".to_owned(),
            (false, _) => format!("LEFT BEHIND: {}", self.left_behind.join(", ")),
        }
    }
}

/// Parts 8 to 13.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<OnlineView> {
    let (story, stage) = (scene.story, scene.stage);
    let database = &stage.database;
    let original = database.schema().await?;
    let before = database.key_type().await?;
    scene.load.start().await?;
    let (alter, ended) = lasting("alter", async {
        let kills = alter(scene).await?;
        tokio::time::sleep(UNDISTURBED).await;
        Ok::<_, Fault>(kills)
    })
    .await;
    let kills = ended?;
    scene.load.stop().await?;
    let writes = scene.ended(&alter);
    let swapped = database.key_type().await?;
    let check = scene.checked("alter").await?;
    story.part(11, &format!("{check}; orders.id was {before} and is {swapped}"));
    story.line(&format!("while it was changed: {writes}"));

    scene.load.start().await?;
    story.part(12, "cofferdam rollback under the same load: swapped back, with what was written since");
    let (back, ended) = lasting("swap-back", async {
        tokio::time::sleep(UNDISTURBED).await;
        let ended = Child::start(stage, &["rollback"])?.done(story).await;
        tokio::time::sleep(UNDISTURBED).await;
        ended
    })
    .await;
    ended?;
    scene.load.stop().await?;
    let writes = scene.ended(&back);
    let check = scene.checked("swap-back").await?;
    let after = database.key_type().await?;
    let view = OnlineView {
        table: "orders",
        clauses: database.wider_key(),
        kills,
        key_types: vec![before, swapped, after],
        left_behind: database.left_behind().await?,
        schema_restored: database.schema().await? == original,
    };
    story.part(13, &format!("{check}; orders.id is {}, {}", view.key_types[2], view.end()));
    story.line(&format!("while it was taken back: {writes}"));
    Ok(view)
}

/// Parts 8 to 10: changes the key, killed in the middle of each of two parts and started again.
async fn alter(scene: &Scene<'_>) -> Result<Vec<Kill>> {
    let (story, stage, rows) = (scene.story, scene.stage, scene.args.rows);
    let clauses = stage.database.wider_key();
    // What a person would type.
    let alter = ["alter", "--table", "orders", clauses];
    story.part(8, &format!("cofferdam alter --table orders '{clauses}' under the same load"));
    let mut runner = Child::start(stage, &alter)?;
    let mut kills = Vec::new();
    for (number, part) in (9..).zip([Part::Copy, Part::Compare]) {
        // None: the command has ended. Whether well, is seen below.
        let far = runner.told_while(story, reached(&stage.url, part, rows)).await.transpose()?;
        let kill = match far {
            Some(far @ Far::Amid(_)) => {
                runner.kill(story).await?;
                // What is not written down can be seen no more.
                let far = far.max(look(&stage.database, part, rows).await?);
                runner = Child::start(stage, &alter)?;
                Kill::new(part, far)
            }
            _ => Kill::new(part, Far::Over),
        };
        story.line(&kill.words());
        story.part(number, if kill.happened() { "the same command again" } else { "it goes on" });
        kills.push(kill);
    }
    runner.done(story).await?;
    Ok(kills)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> OnlineView {
        OnlineView {
            table: "orders",
            clauses: "ALTER COLUMN id TYPE bigint",
            kills: vec![Kill::new(Part::Copy, Far::Amid(33)), Kill::new(Part::Compare, Far::Over)],
            key_types: ["integer", "bigint", "integer"].map(str::to_owned).into(),
            left_behind: Vec::new(),
            schema_restored: true,
        }
    }

    #[test]
    fn it_is_clean_where_the_key_was_changed_and_nothing_is_left() {
        assert!(view().is_clean(), "a kill that came too late is no fault");
        let types = |types: [&str; 3]| OnlineView { key_types: types.map(str::to_owned).into(), ..view() };
        for bad in [
            types(["integer", "integer", "integer"]),
            types(["integer", "bigint", "bigint"]),
            OnlineView { left_behind: vec!["schema cofferdam_new_86a1".to_owned()], ..view() },
            OnlineView { schema_restored: false, ..view() },
        ] {
            assert!(!bad.is_clean(), "{bad:?}");
        }
    }

    #[test]
    fn it_is_a_sentence() {
        assert_eq!(
            view().words(),
            "orders.id integer -> bigint -> integer online; copy killed at 33 %, comparison done before it could be \
             killed; nothing of the change is left"
        );
        let left = vec!["schema cofferdam_new_86a1".to_owned()];
        let words = OnlineView { left_behind: left, ..view() }.words();
        assert!(words.ends_with("; LEFT BEHIND: schema cofferdam_new_86a1"), "{words}");
    }
}
