//! One change at work: the shadow table, and the statements that fill it.

use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::super::link::Link;
use super::super::options::ConnectOptions;
use super::super::{connect, names};
use super::copy::passing;
use super::state::{self, Places, key_column};
use super::table::{self, Shape};
use super::{Ground, refused};

/// How every connection that reads or writes rows of the change takes values: as they are, or not at all. A zero date and
/// an id of 0 that are there are copied; what does not fit is an error and never shortened. Statements see what was
/// committed when they began, so that `INSERT ... SELECT` locks nothing that it reads.
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', \
     time_zone = '+00:00', foreign_key_checks = 1, unique_checks = 1, lock_wait_timeout = 5, \
     innodb_lock_wait_timeout = 5, group_concat_max_len = 1048576";

/// A change whose tables are there.
pub struct Change {
    pub(super) options: ConnectOptions,
    pub(super) version: u32,
    pub(super) online: Online,
    pub(super) places: Places,
    pub(super) epoch: i64,
    pub(super) shape: Shape,
    /// The table's definition when the change began.
    pub(super) definition: String,
    /// The table, as it is written in SQL.
    pub(super) source: String,
    /// The columns that are copied, as they are written in SQL: those of the new table that the old one has, too.
    pub(super) columns: Vec<String>,
}

impl Change {
    /// Makes the shadow table with the change applied, and the tables beside it; or goes on with those that are there.
    /// Whoever was at work on the same change with a smaller epoch writes nothing more.
    pub async fn begin(ground: &mut Ground, online: &Online, epoch: i64) -> Result<Self> {
        let findings = ground.examine(&online.table).await?;
        if !findings.obstacles.is_empty() {
            return Err(refused(&online.table, &findings.obstacles));
        }
        let found = table::read(&mut ground.link, &ground.database, &online.table).await?;
        let Some(shape) = found.shape else { return Err(refused(&online.table, &found.obstacles)) };
        let places = Places::of(&ground.database, online)?;
        let source = shape.sql()?;
        let mut link = worker(&ground.options, "create").await?;
        let definition = table::definition(&mut link, &source).await?;
        let adopted = passing(async || places.adopt(&mut link, online, &definition, epoch).await).await?;
        let columns = match adopted {
            true => columns(&mut link, &places, &shape, online).await?,
            false => {
                places.drop_all(&mut link).await?;
                match create(&mut link, &places, &shape, &source, online).await {
                    Ok(columns) => columns,
                    Err(fault) => {
                        // Nothing is left of what could not be made.
                        places.drop_all(&mut link).await?;
                        places.forget(&mut link).await?;
                        return Err(fault);
                    }
                }
            }
        };
        Ok(Self {
            definition,
            options: ground.options.clone(),
            version: ground.version,
            online: online.clone(),
            places,
            epoch,
            shape,
            source,
            columns,
        })
    }

    /// Gives the change up: everything that it made goes.
    pub async fn discard(self) -> Result<()> {
        let mut link = self.worker("discard").await?;
        state::begin(&mut link, &self.places, self.epoch).await?;
        state::rollback(&mut link).await;
        self.places.drop_all(&mut link).await?;
        self.places.forget(&mut link).await
    }

    /// The name of the shadow table.
    pub fn new_table(&self) -> &str {
        &self.places.new_name
    }

    /// A connection for a part of the work.
    pub(super) async fn worker(&self, what: &str) -> Result<Link> {
        worker(&self.options, what).await
    }

    /// `INSERT INTO shadow (...) SELECT ... FROM table t`, to which a join is added.
    pub(super) fn insert(&self) -> String {
        let from: Vec<String> = self.columns.iter().map(|column| format!("t.{column}")).collect();
        format!(
            "INSERT INTO {} ({}) SELECT {} FROM {} t",
            self.places.new,
            self.columns.join(", "),
            from.join(", "),
            self.source
        )
    }

    /// The columns of the key, as they are written in SQL.
    pub(super) fn key(&self) -> Result<Vec<String>> {
        self.shape.key_columns().map(|column| Ok(names::quoted(&column.name)?.to_string())).collect()
    }

    /// `s.id = l.k0 AND ...`.
    pub(super) fn same_key(&self, side: &str, other: &str) -> Result<String> {
        let pair =
            |(at, column): (usize, &String)| format!("{side}.{column} = {other}.{}", key_column("k", at));
        Ok(self.key()?.iter().enumerate().map(pair).collect::<Vec<_>>().join(" AND "))
    }
}

async fn worker(options: &ConnectOptions, what: &str) -> Result<Link> {
    let mut options = options.clone();
    options.application_name = format!("{} ({what})", options.application_name);
    let mut link = connect::connect(&options).await?.link;
    state::run(&mut link, SETTINGS, "setting up a connection").await?;
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    state::run(&mut link, isolation, "setting up a connection").await?;
    Ok(link)
}

/// Makes all tables of the change. The row says so last.
async fn create(
    link: &mut Link,
    places: &Places,
    shape: &Shape,
    source: &str,
    online: &Online,
) -> Result<Vec<String>> {
    let like = format!("CREATE TABLE {} LIKE {source}", places.new);
    state::run(link, &like, "creating the new table").await?;
    let alter = format!("ALTER TABLE {} {}", places.new, online.clauses);
    state::run(link, &alter, "changing the new table").await?;
    let columns = columns(link, places, shape, online).await?;
    places.create(link, shape).await?;
    places.created(link).await?;
    Ok(columns)
}

async fn columns(link: &mut Link, places: &Places, shape: &Shape, online: &Online) -> Result<Vec<String>> {
    let new = table::read(link, &shape.database, &Name::plain(places.new_name.as_str())).await?;
    mapped(shape, new, online)
}

/// The columns that are copied. What would lose values, or leave the rows without a key, is refused.
fn mapped(old: &Shape, new: table::Found, online: &Online) -> Result<Vec<String>> {
    let no = |why: Vec<String>| Err(refused(&online.table, &why));
    if !online.forward.is_empty() || !online.backward.is_empty() {
        return no(vec!["values of one's own for columns are not taken on MySQL and MariaDB yet".into()]);
    }
    // That it is ours and has no triggers is known.
    let mut obstacles: Vec<String> =
        new.obstacles.into_iter().filter(|why| !why.contains("Cofferdam's own")).collect();
    let Some(new) = new.shape else { return no(obstacles) };
    let key = |shape: &Shape| shape.key_columns().map(|column| column.name.clone()).collect::<Vec<_>>();
    if key(old) != key(&new) {
        obstacles.push(format!(
            "the change takes the key ({}) away, by which rows are found on both sides: keep it for now, and change it \
             in a second step",
            key(old).join(", ")
        ));
    } else {
        for (before, after) in old.key_columns().zip(new.key_columns()) {
            if before.definition() != after.definition() && !(before.whole_number() && after.whole_number()) {
                obstacles.push(format!(
                    "the column {} of the key changes from {} to {}: two keys could become one, or be ordered otherwise",
                    before.name,
                    before.definition(),
                    after.definition()
                ));
            }
        }
    }
    let of = |shape: &Shape, name: &str| shape.columns.iter().find(|column| column.name == name).cloned();
    let mut columns = Vec::new();
    for column in new.columns.iter().filter(|column| !column.generated) {
        match of(old, &column.name) {
            Some(_) => columns.push(names::quoted(&column.name)?.to_string()),
            None if column.nullable || column.default || column.auto_increment => {}
            None => obstacles.push(format!(
                "the new column {} is NOT NULL and has no default, so that the rows that are there have no value for it",
                column.name
            )),
        }
    }
    if !obstacles.is_empty() {
        return no(obstacles);
    }
    let lost: Vec<String> = old
        .columns
        .iter()
        .filter(|column| !column.generated && of(&new, &column.name).is_none_or(|column| column.generated))
        .map(|column| {
            format!("{}.{}: every value (a column that is renamed counts as dropped)", old.name, column.name)
        })
        .collect();
    if !lost.is_empty() && online.allow_loss.is_none() {
        let what = format!("this change of {} would lose values", online.table);
        let refusal =
            Refusal::new(Code::NotOnline, what).help("if that is wanted: --allow data-loss=\"reason\"");
        return Err(lost.into_iter().fold(refusal, Refusal::note).into());
    }
    if columns.is_empty() {
        return Err(Fault::Bug("the new table has no column of the old one".into()));
    }
    Ok(columns)
}
