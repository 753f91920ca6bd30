//! The first act: a migration in steps that do not block, killed half-way, gone on with, and taken back.

use cofferdam_core::{Fault, Result};

use super::child::Child;
use super::half_way::{self, Killed, Left};
use super::scene::{Scene, UNDISTURBED, lasting};

/// What came of it.
#[derive(Debug)]
pub(super) struct Migrated {
    /// None: the step was done before the runner could be killed at it.
    pub(super) killed: Option<Killed>,
    pub(super) left: Option<Left>,
    /// After the way back every column, constraint and index is as before.
    pub(super) restored: bool,
}

/// Parts 3 to 7.
pub(super) async fn play(scene: &mut Scene<'_>) -> Result<Migrated> {
    let (story, stage) = (scene.story, scene.stage);
    let original = stage.database.schema().await?;
    scene.load.start().await?;
    let before = lasting("before", tokio::time::sleep(UNDISTURBED)).await.0;

    story.part(3, "cofferdam apply: version 2 under that load, until it is killed half-way");
    let (apply, ended) = lasting("apply", async {
        let killed = half_way::play(story, stage).await?;
        tokio::time::sleep(UNDISTURBED).await;
        Ok::<_, Fault>(killed)
    })
    .await;
    let (killed, left) = ended?.unzip();
    scene.load.stop().await?;
    scene.ended(&before);
    let writes = scene.ended(&apply);
    story.part(5, &scene.checked("apply").await?);
    story.line(&format!("while it was applied: {writes}"));
    let changed = stage.database.schema().await?;

    scene.load.start().await?;
    story.part(6, "cofferdam rollback --to 1 under the same load");
    let (rollback, ended) = lasting("rollback", async {
        tokio::time::sleep(UNDISTURBED).await;
        let ended = Child::start(stage, &["rollback", "--to", "1"])?.done(story).await;
        tokio::time::sleep(UNDISTURBED).await;
        ended
    })
    .await;
    ended?;
    scene.load.stop().await?;
    let writes = scene.ended(&rollback);
    let check = scene.checked("rollback").await?;
    let restored = original != changed && stage.database.schema().await? == original;
    let not = if restored { "" } else { "NOT " };
    story.part(7, &format!("{check}; the schema is {not}as it was"));
    story.line(&format!("while it was taken back: {writes}"));
    Ok(Migrated { killed, left, restored })
}
