//! What a change would be: the table is looked at, and the clauses are tried on an empty copy of it.

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Examined, Online};
use cofferdam_core::{Code, Fault, Refusal};

use super::super::link;
use super::super::session::MySqlSession;
use super::super::{claim, errors, names, tables};
use super::change::{self, worker};
use super::state::{Direction, Places, rows, run};
use super::{Ground, table};

/// Looks at the table and tries the clauses on an empty copy of it, which is dropped again.
pub(in crate::mysql) async fn examine(session: &mut MySqlSession, change: &Online) -> Result<Examined> {
    let mut ground = Ground::connect(session.options.clone()).await?;
    let findings = ground.examine(&change.table).await?;
    let mut examined = Examined {
        obstacles: findings.obstacles,
        notes: findings.notes,
        key: findings.key,
        ..Examined::default()
    };
    let sql = "SELECT TABLE_ROWS, DATA_LENGTH + INDEX_LENGTH FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let schema = change.table.schema.clone().unwrap_or_else(|| ground.database.clone());
    let values = vec![schema.into(), change.table.name.as_str().into()];
    let sizes = ground.link.rows(sql, values).await;
    let sizes = sizes.map_err(|e| errors::fault(e, "looking at the table"))?;
    let size = |at| sizes.first().and_then(|row| link::number(row, at)).unwrap_or(0).unsigned_abs();
    (examined.rows, examined.bytes) = (size(0), size(1));
    if !examined.obstacles.is_empty() {
        return Ok(examined);
    }
    let found = table::read(&mut ground.link, &ground.database, &change.table).await?;
    let Some(shape) = found.shape else { return Ok(examined) };
    let places = Places::of(&ground.database, change, Direction::Forward)?;
    let mut link = worker(&ground.options, "examine").await?;
    // Another look at the same table waits.
    let lock = claim::lock_name(&ground.database, &format!("try {}", places.id));
    let got = rows(&mut link, &format!("SELECT GET_LOCK('{lock}', 10)"), "looking at the table").await?;
    if got.first().and_then(|row| link::number(row, 0)) != Some(1) {
        return Err(Refusal::new(
            Code::ChangeInProgress,
            format!("another look at {} is under way", change.table),
        )
        .help("try again in a moment")
        .into());
    }
    let name = format!("{}{}_try", tables::PREFIX, places.id);
    let place = format!("{}.{}", names::quoted(&ground.database)?, names::quoted(&name)?);
    let drop_it = format!("DROP TABLE IF EXISTS {place}");
    run(&mut link, &drop_it, "looking at the table").await?;
    let source = shape.sql()?;
    // What would lose values is for a person to agree to, and no obstacle.
    let agreed = Online { allow_loss: Some(String::new()), ..change.clone() };
    let tried = change::shadow(&mut link, &place, &name, &shape, &source, &agreed).await;
    let rewrites = match &tried {
        Ok(_) => {
            run(&mut link, &drop_it, "looking at the table").await?;
            run(&mut link, &format!("CREATE TABLE {place} LIKE {source}"), "looking at the table").await?;
            let online = format!("ALTER TABLE {place} {}, ALGORITHM=INPLACE, LOCK=NONE", change.clauses);
            link.run(&online).await.is_err()
        }
        Err(_) => true,
    };
    run(&mut link, &drop_it, "looking at the table").await?;
    examined.rewrites = rewrites;
    match tried {
        Ok((new, _)) => examined.losses = change::losses(&shape, &new),
        Err(Fault::Refused(refusal)) if refusal.code == Code::NotOnline => {
            examined.obstacles.extend(refusal.notes.iter().cloned());
        }
        Err(fault) => return Err(fault),
    }
    Ok(examined)
}
