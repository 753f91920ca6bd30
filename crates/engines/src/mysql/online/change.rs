//! One change at work: the shadow table, and the statements that fill it.

use cofferdam_core::fault::Result;
use cofferdam_core::online::{Capture, Online, Part};
use cofferdam_core::{Code, Fault, Name, Refusal};

use super::super::link::{self, Link};
use super::super::options::ConnectOptions;
use super::super::{Flavour, connect, names};
use super::copy::passing;
use super::state::{self, Direction, Places, Sides, crash_at, key_column};
use super::table::{self, Column, Shape};
use super::valve::Valve;
use super::{Ground, plant, refused, settings, triggers};

/// How every connection that reads or writes rows of the change takes values: as they are, or not at all. A zero date and
/// an id of 0 that are there are copied; what does not fit is an error and never shortened. Statements see what was
/// committed when they began, so that `INSERT ... SELECT` locks nothing that it reads.
const SETTINGS: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION', \
     time_zone = '+00:00', foreign_key_checks = 1, unique_checks = 1, lock_wait_timeout = 5, \
     innodb_lock_wait_timeout = 5, group_concat_max_len = 1048576";

/// Modes of the server by which the same words mean something else.
const MODES: &[&str] = &["PIPES_AS_CONCAT", "REAL_AS_FLOAT", "HIGH_NOT_PRECEDENCE"];

/// By which names statements call the table that leads and the one that follows. Under `LOCK TABLES` a name counts as an
/// alias, too, so these are none that a table of the user's can have.
pub(super) const LEADER: &str = "`_cofferdam_t`";
pub(super) const FOLLOWER: &str = "`_cofferdam_s`";

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
    /// Columns of the follower of which the table tells nothing, though people have seen what they hold: a row that is
    /// there keeps what it has. Only on the way back.
    pub(super) kept: Vec<Column>,
    pub(super) valve: Valve,
}

impl Change {
    /// Makes the shadow table with the change applied, and the tables beside it; or goes on with those that are there.
    /// Whoever was at work on the same change with a smaller epoch writes nothing more.
    pub async fn begin(ground: &mut Ground, online: &Online, epoch: i64) -> Result<Self> {
        let findings = ground.examine(&online.table).await?;
        if !findings.obstacles.is_empty() {
            return Err(refused(&online.table, &findings.obstacles));
        }
        let (definition, found) =
            table::read_defined(&mut ground.link, &ground.database, &online.table).await?;
        let Some(shape) = found.shape else { return Err(refused(&online.table, &found.obstacles)) };
        let places = Places::of(&ground.database, online, Direction::Forward)?;
        let source = shape.sql()?;
        let mut link = worker(&ground.options, "create").await?;
        let adopted = passing(async || places.adopt(&mut link, online, &definition, epoch).await).await?;
        let columns = match adopted {
            true => columns(&mut link, &places, &shape, online).await?,
            false => {
                if places.sides(&mut link).await? == Sides::After {
                    return Err(left_over(&places, online));
                }
                discard(&mut link, &places, online, &ground.database).await?;
                match create(&mut link, &places, &shape, &source, online).await {
                    Ok(columns) => {
                        crash_at("online.create.before-commit")?;
                        places.ended(&mut link, Part::Create, epoch).await?;
                        crash_at("online.create.committed")?;
                        columns
                    }
                    Err(fault) => {
                        // Nothing is left of what could not be made.
                        discard(&mut link, &places, online, &ground.database).await?;
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
            kept: Vec::new(),
            valve: Valve::idle(&online.table),
        })
    }

    /// The way back of a change whose tables are swapped: the new table leads, and the old one follows.
    pub(super) async fn back(ground: &mut Ground, online: &Online, epoch: i64) -> Result<Self> {
        let (definition, found) =
            table::read_defined(&mut ground.link, &ground.database, &online.table).await?;
        let Some(shape) = found.shape.filter(|_| found.obstacles.is_empty()) else {
            return Err(refused(&online.table, &found.obstacles));
        };
        // What was set otherwise in the window: rows would be missing.
        let fit = settings::read(&mut ground.link, ground.version, &ground.database, shape.primary()).await?;
        if !fit.obstacles.is_empty() {
            return Err(refused(&online.table, &fit.obstacles));
        }
        let places = Places::of(&ground.database, online, Direction::Back)?;
        let source = shape.sql()?;
        let mut link = worker(&ground.options, "back").await?;
        let old = Name::plain(places.new_name.as_str());
        let old = table::read(&mut link, &ground.database, &old).await?;
        let Some(old) = old.shape else { return Err(refused(&online.table, &old.obstacles)) };
        let (mut columns, mut kept) = (Vec::new(), Vec::new());
        for column in old.columns.iter().filter(|column| !column.generated) {
            match shape.columns.iter().any(|new| new.name == column.name) {
                true => columns.push(names::quoted(&column.name)?.to_string()),
                false => kept.push(column.clone()),
            }
        }
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
            kept,
            valve: Valve::idle(&online.table),
        })
    }

    /// Gives the change up: everything that it made goes.
    pub async fn discard(self) -> Result<()> {
        let mut link = self.worker("discard").await?;
        state::begin(&mut link, &self.places, self.epoch).await?;
        state::rollback(&mut link).await;
        discard(&mut link, &self.places, &self.online, &self.shape.database).await?;
        self.places.forget(&mut link).await
    }

    /// The name of the table that follows.
    pub fn new_table(&self) -> &str {
        &self.places.new_name
    }

    /// A connection for a part of the work.
    pub(super) async fn worker(&self, what: &str) -> Result<Link> {
        worker(&self.options, what).await
    }

    /// `INSERT INTO follower (...) SELECT ... FROM ...`.
    pub(super) fn insert_from(&self, from: &str) -> String {
        let mut values = self.columns_of(LEADER);
        plant::in_values(&mut values);
        let (columns, values) = (self.columns.join(", "), values.join(", "));
        format!("INSERT INTO {} ({columns}) SELECT {values} FROM {from}", self.places.new)
    }

    /// The columns that are copied, on one side.
    pub(super) fn columns_of(&self, side: &str) -> Vec<String> {
        self.columns.iter().map(|column| format!("{side}.{column}")).collect()
    }

    /// The columns of the key, as they are written in SQL.
    pub(super) fn key(&self) -> Result<Vec<String>> {
        self.shape.key_columns().map(|column| Ok(names::quoted(&column.name)?.to_string())).collect()
    }

    /// The leading table under another name, to be read in the order of the key. Left to itself the server may sort the
    /// entries of a smaller index instead, all of them for each chunk.
    pub(super) fn by_key(&self, name: &str) -> Result<String> {
        Ok(format!("{} {name} FORCE INDEX ({})", self.source, names::quoted(&self.shape.index)?))
    }

    /// `side.id = other.k0 AND ...`.
    pub(super) fn same_key(&self, side: &str, other: &str) -> Result<String> {
        let pair =
            |(at, column): (usize, &String)| format!("{side}.{column} = {other}.{}", key_column("k", at));
        Ok(self.key()?.iter().enumerate().map(pair).collect::<Vec<_>>().join(" AND "))
    }
}

pub(super) async fn worker(options: &ConnectOptions, what: &str) -> Result<Link> {
    let mut options = options.clone();
    options.application_name = format!("{} ({what})", options.application_name);
    let mut link = connect::connect(&options).await?.link;
    state::run(&mut link, SETTINGS, "setting up a connection").await?;
    let isolation = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
    state::run(&mut link, isolation, "setting up a connection").await?;
    Ok(link)
}

/// The tables of somebody else's change, or of one whose row is gone.
fn left_over(places: &Places, online: &Online) -> Fault {
    Refusal::new(Code::ChangeInProgress, format!("{} has an old table beside it", online.table))
        .cause(format!("{} is there, and nothing is stored of the change that left it", places.old))
        .help(format!("look at what it holds; if nobody needs it: DROP TABLE {}", places.old))
        .into()
}

/// Removes what the change made, but for its row. The old table, which is there after the swap alone, stays.
pub(super) async fn discard(link: &mut Link, places: &Places, online: &Online, database: &str) -> Result<()> {
    triggers::remove(link, database, places).await?;
    state::run(link, &format!("DROP TABLE IF EXISTS {}", places.shadow), "removing the new table").await?;
    for direction in [Direction::Back, Direction::Forward] {
        Places::of(database, online, direction)?.drop_beside(link).await?;
    }
    Ok(())
}

/// Makes all tables of the change.
async fn create(
    link: &mut Link,
    places: &Places,
    shape: &Shape,
    source: &str,
    online: &Online,
) -> Result<Vec<String>> {
    let (new, columns) = shadow(link, &places.new, &places.new_name, shape, source, online).await?;
    try_swap(link, &places.new, &places.trigger("insert"), shape).await?;
    places.create_mark(link).await?;
    places.create(link, shape).await?;
    Places::of(&shape.database, online, Direction::Back)?.create(link, &new).await?;
    Ok(columns)
}

/// Makes an empty table as the change would have it. Gives its shape and the columns that are copied.
pub(super) async fn shadow(
    link: &mut Link,
    place: &str,
    name: &str,
    shape: &Shape,
    source: &str,
    online: &Online,
) -> Result<(Shape, Vec<String>)> {
    state::run(link, &format!("CREATE TABLE {place} LIKE {source}"), "creating the new table").await?;
    // It means what it means for anybody: a moment that is written in it is one of the server's zone.
    let modes: String = MODES
        .iter()
        .map(|mode| format!(", IF(FIND_IN_SET('{mode}', @@GLOBAL.sql_mode) > 0, ',{mode}', '')"))
        .collect();
    let theirs = format!(
        "SET @cofferdam_mode = @@SESSION.sql_mode, SESSION time_zone = DEFAULT, SESSION sql_mode = CONCAT(@@SESSION.sql_mode{modes})"
    );
    state::run(link, &theirs, "setting up a connection").await?;
    let alter = format!("ALTER TABLE {place} {}", online.clauses);
    let altered = state::run(link, &alter, "trying the change on an empty copy of the table").await;
    let ours = "SET SESSION time_zone = '+00:00', SESSION sql_mode = @cofferdam_mode";
    state::run(link, ours, "setting up a connection").await?;
    altered.map_err(|fault| of_table(fault, name, online))?;
    let new = table::read(link, &shape.database, &Name::plain(name)).await?;
    let Some(read) = new.shape.clone() else { return Err(refused(&online.table, &new.obstacles)) };
    let columns = mapped(link, shape, new, online).await?;
    Ok((read, columns))
}

/// What the server says of the copy is said of the table.
fn of_table(fault: Fault, copy: &str, online: &Online) -> Fault {
    match fault {
        Fault::Refused(mut refusal) if refusal.code == Code::StatementFailed => {
            refusal.what = refusal.what.replace(copy, &online.table.name);
            let table = &online.table;
            refusal
                .help(format!(
                    "the server would refuse ALTER TABLE {table} {} as well: correct it",
                    online.clauses
                ))
                .into()
        }
        other => other,
    }
}

/// Whether we may do what the swap takes is known before anything is copied: it is done to the empty table.
async fn try_swap(link: &mut Link, table: &str, name: &str, shape: &Shape) -> Result<()> {
    let doing = "trying whether a table may be locked, which the swap takes (the right LOCK TABLES)";
    state::run(link, &format!("LOCK TABLES {table} WRITE"), doing).await?;
    state::run(link, "UNLOCK TABLES", doing).await?;
    if link.flavour == Flavour::MySql {
        return Ok(());
    }
    let name = format!("{}.{}", names::quoted(&shape.database)?, names::quoted(name)?);
    let doing = "trying whether a trigger may be made, which the swap takes on MariaDB (the right TRIGGER, and where the \
                 user has not SUPER, log_bin_trust_function_creators = ON)";
    let make = format!("CREATE TRIGGER {name} AFTER INSERT ON {table} FOR EACH ROW SET @cofferdam = 1");
    state::run(link, &make, doing).await?;
    state::run(link, &format!("DROP TRIGGER {name}"), doing).await.map(drop)
}

async fn columns(link: &mut Link, places: &Places, shape: &Shape, online: &Online) -> Result<Vec<String>> {
    let new = table::read(link, &shape.database, &Name::plain(places.new_name.as_str())).await?;
    mapped(link, shape, new, online).await
}

/// Whether the server has the zone in which a change works, so that it takes a DATETIME for the same moment.
async fn in_utc(link: &mut Link) -> Result<bool> {
    let sql = "SELECT @@GLOBAL.time_zone IN ('+00:00', 'UTC') OR @@GLOBAL.time_zone = 'SYSTEM' AND @@system_time_zone = 'UTC'";
    let found = state::rows(link, sql, "asking for the server's time zone").await?;
    Ok(found.first().and_then(|row| link::number(row, 0)) == Some(1))
}

/// The columns that are copied. What would lose values, or leave the rows without a key, is refused.
async fn mapped(link: &mut Link, old: &Shape, new: table::Found, online: &Online) -> Result<Vec<String>> {
    let no = |why: Vec<String>| Err(refused(&online.table, &why));
    if !online.forward.is_empty() || !online.backward.is_empty() {
        return no(vec!["values of one's own for columns are not taken on MySQL and MariaDB yet".into()]);
    }
    if !matches!(online.capture, Capture::Auto) {
        return no(vec![
            "keys are read from the binary log on MySQL and MariaDB: leave --capture out".into(),
        ]);
    }
    if !online.proof.is_whole() {
        return no(vec!["all rows are compared on MySQL and MariaDB: leave out what compares less".into()]);
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
            if before.made_of != after.made_of {
                obstacles.push(format!(
                    "the column {} of the key is computed otherwise: rows would have other keys on both sides",
                    before.name
                ));
            }
        }
    }
    for (before, after) in pairs(old, &new) {
        if before.reorders(after) {
            obstacles.push(format!(
                "the change puts the members of {} into another order: a value of several members reads otherwise then, and \
                 both sides could not be told to be the same",
                before.name
            ));
        }
    }
    let flavour = link.flavour;
    for (before, after) in pairs(old, &new).filter(|(before, after)| before.timestamp() != after.timestamp())
    {
        let why = match flavour {
            Flavour::MariaDb => {
                "for a moment triggers carry rows over on MariaDB, which would convert it in the time zone of each session"
            }
            Flavour::MySql if !in_utc(link).await? => {
                "its values are converted by a time zone, that of a copy is UTC, and that of the server is another"
            }
            Flavour::MySql => continue,
        };
        obstacles.push(format!(
            "the column {} changes between {} and {}: {why}",
            before.name, before.ty, after.ty
        ));
    }
    let of = |shape: &Shape, name: &str| shape.columns.iter().find(|column| column.name == name).cloned();
    // On the way back the ones that are gone now get theirs again.
    let alone = |one: &Shape, other: &Shape| -> Vec<String> {
        let clocks = one.columns.iter().filter(|column| column.clock && of(other, &column.name).is_none());
        clocks.map(|column| column.name.clone()).collect()
    };
    let clocks = [alone(&new, old), alone(old, &new)].concat();
    if !clocks.is_empty() && !in_utc(link).await? {
        obstacles.push(format!(
            "the default of {} is the time of the session's zone, which is UTC for rows that are copied, and the server's \
             zone is another: add it without that default, and set that in a second step",
            clocks.join(", ")
        ));
    }
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
    let lost = losses(old, &new);
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

/// Columns whose values are lost.
pub(super) fn losses(old: &Shape, new: &Shape) -> Vec<String> {
    let there = |name: &str| new.columns.iter().any(|column| column.name == name && !column.generated);
    let lost = old.columns.iter().filter(|column| !column.generated && !there(&column.name));
    lost.map(|column| {
        format!("{}.{}: every value (a column that is renamed counts as dropped)", old.name, column.name)
    })
    .collect()
}

/// Columns that both have.
fn pairs<'a>(old: &'a Shape, new: &'a Shape) -> impl Iterator<Item = (&'a Column, &'a Column)> {
    let same = |before: &'a Column| {
        new.columns.iter().find(|after| after.name == before.name).map(|after| (before, after))
    };
    old.columns.iter().filter_map(same)
}
