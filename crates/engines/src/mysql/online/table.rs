//! What the catalog says of the table: its columns, the key by which its rows are found, and what stands in the way.

use mysql_async::{Row, Value};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Name, Refusal};

use super::super::link::{self, Link};
use super::super::tables::PREFIX;
use super::super::{Flavour, errors};
use super::binlog::{Kind, Watched};

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    /// `varchar(20)`.
    pub(super) ty: String,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
    pub(super) nullable: bool,
    /// The server makes its value.
    pub(super) generated: bool,
    /// And does not keep it.
    virtual_only: bool,
    /// What it makes it of; empty: it does not.
    pub(super) made_of: String,
    pub(super) auto_increment: bool,
    /// Rows that say nothing of it get a value.
    pub(super) default: bool,
    /// That value is the time as a zone tells it.
    pub(super) clock: bool,
    /// MySQL's own JSON.
    json: bool,
    /// A number or a time.
    plain: bool,
    /// What it can be in a key.
    pub(super) kind: Option<Kind>,
}

impl Column {
    /// Its order is that of its numbers, though it reads as a text.
    pub(super) fn by_number(&self) -> bool {
        matches!(self.kind, Some(Kind::Enum | Kind::Set))
    }

    /// It can be read as a text.
    pub(super) fn text(&self) -> bool {
        self.charset.is_some() || self.json
    }

    /// Two values that are equal are the same: numbers and times. Of texts that depends on the collation, of JSON on
    /// how a number is written.
    pub(super) fn plain(&self) -> bool {
        self.charset.is_none() && self.plain
    }

    /// Two whole numbers are the same key whatever their widths are.
    pub(super) fn whole_number(&self) -> bool {
        matches!(self.kind, Some(Kind::Whole { .. }))
    }

    /// It is kept in UTC and read in the time zone of a session.
    pub(super) fn timestamp(&self) -> bool {
        self.ty.to_ascii_lowercase().starts_with("timestamp")
    }

    /// Both are a SET, and members that both have are in another order.
    pub(super) fn reorders(&self, after: &Column) -> bool {
        let (Some(before), Some(after)) = (self.members(), after.members()) else { return false };
        let common = |of: &[&str], other: &[&str]| -> Vec<String> {
            of.iter().filter(|member| other.contains(member)).map(|member| (*member).to_owned()).collect()
        };
        common(&before, &after) != common(&after, &before)
    }

    /// Those of a SET, in quotes: no member has a comma.
    fn members(&self) -> Option<Vec<&str>> {
        Some(self.ty.strip_prefix("set(")?.strip_suffix(')')?.split(',').collect())
    }

    /// Its type as it stands in a definition.
    pub(super) fn definition(&self) -> String {
        match (&self.charset, &self.collation) {
            (Some(charset), Some(collation)) => {
                format!("{} CHARACTER SET {charset} COLLATE {collation}", self.ty)
            }
            _ => self.ty.clone(),
        }
    }
}

/// Types whose equal values are the same.
const PLAIN: &[&str] = &[
    "tinyint",
    "smallint",
    "mediumint",
    "int",
    "bigint",
    "decimal",
    "float",
    "double",
    "bit",
    "year",
    "date",
    "time",
    "datetime",
    "timestamp",
];

/// A table that can be changed, as far as the table itself decides it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) database: String,
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The columns of the key, by their places in `columns`.
    pub(super) key: Vec<usize>,
    /// The name of the key's index.
    pub(super) index: String,
    /// Columns behind the others that nobody sees: of indexes over expressions.
    hidden: usize,
}

impl Shape {
    /// The key is the primary key: every row image of the log tells it.
    pub(super) fn primary(&self) -> bool {
        self.index == "PRIMARY"
    }

    /// `` `database`.`table` ``.
    pub(super) fn sql(&self) -> Result<String> {
        Ok(Name::qualified(self.database.as_str(), self.name.as_str()).to_mysql()?)
    }

    /// The columns of the key, in its order.
    pub(super) fn key_columns(&self) -> impl Iterator<Item = &Column> {
        self.key.iter().filter_map(|at| self.columns.get(*at))
    }

    /// What of it is followed in the log.
    pub(super) fn watched(&self, marks: &str) -> Watched {
        let kind = |at: &usize| Some((*at, self.columns.get(*at)?.kind.clone()?));
        Watched {
            database: self.database.clone(),
            table: self.name.clone(),
            columns: self.columns.len()..=self.columns.len() + self.hidden,
            key: self.key.iter().filter_map(kind).collect(),
            marks: marks.to_owned(),
            turn: String::new(),
            triggers: Vec::new(),
        }
    }
}

/// What was found: a shape, where the table has a key, and everything that stands in the way.
pub(super) struct Found {
    pub(super) shape: Option<Shape>,
    pub(super) obstacles: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// An index.
struct Index {
    name: String,
    unique: bool,
    /// The names of its columns; `None`: an expression, or the beginning of a value.
    columns: Option<Vec<String>>,
    nullable: bool,
    /// Told not to be used: INVISIBLE on MySQL, IGNORED on MariaDB.
    unused: bool,
}

/// Looks at a table.
pub(super) async fn read(link: &mut Link, database: &str, table: &Name) -> Result<Found> {
    let wanted = table.schema.as_deref().unwrap_or(database);
    let place = || -> Vec<Value> { vec![wanted.into(), table.name.as_str().into()] };
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
    let rows = ask(link, sql, place()).await?;
    let Some(row) = rows.first() else {
        return Err(Refusal::new(Code::NotOnline, format!("there is no table {table}"))
            .cause("it does not exist, or this user may not see it")
            .into());
    };
    let cell = |at| link::text(row, at).unwrap_or_default();
    let (schema, name) = (cell(0), cell(1));
    let (kind, engine) = (cell(2), cell(3));
    let mut obstacles = Vec::new();
    let mut notes = Vec::new();
    if schema != database {
        let why = "what is kept of the change stands beside the table: connect to that database";
        obstacles
            .push(format!("{table} is in the database {schema}, and the connection is to {database}: {why}"));
    }
    if name.starts_with(PREFIX) {
        obstacles.push(format!("{name} is one of Cofferdam's own tables"));
    }
    match kind.as_str() {
        "BASE TABLE" => {}
        "SYSTEM VERSIONED" => {
            obstacles.push(format!(
                "{name} keeps the history of its rows (SYSTEM VERSIONING), and a copy would have none: change it directly"
            ));
            return Ok(Found { shape: None, obstacles, notes });
        }
        other => {
            obstacles.push(format!("{name} is a {}: name a table", other.to_lowercase()));
            return Ok(Found { shape: None, obstacles, notes });
        }
    }
    if !engine.eq_ignore_ascii_case("InnoDB") {
        obstacles.push(format!(
            "{name} is a table of {engine}, which knows no transactions: ALTER TABLE {name} ENGINE = InnoDB first"
        ));
    }
    let columns = columns(link, place(), &name, &mut obstacles).await?;
    foreign_keys(link, &schema, &name, &mut obstacles, &mut notes).await?;
    triggers(link, place(), &name, &mut obstacles).await?;
    let indexes = indexes(link, place()).await?;
    let hidden = hidden(link, place()).await?;
    periods(link, &schema, &name, &mut obstacles).await?;
    let key = key(&name, &columns, &indexes, &mut obstacles);
    let shape = key.map(|(index, key)| Shape { database: schema, name, columns, key, index, hidden });
    Ok(Found { shape, obstacles, notes })
}

async fn ask(link: &mut Link, sql: &str, values: Vec<Value>) -> Result<Vec<Row>> {
    link.rows(sql, values).await.map_err(|e| errors::fault(e, "looking at the table"))
}

async fn columns(
    link: &mut Link,
    place: Vec<Value>,
    table: &str,
    obstacles: &mut Vec<String>,
) -> Result<Vec<Column>> {
    let sql = "SELECT COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME,
                      CHARACTER_OCTET_LENGTH, IS_NULLABLE, EXTRA, ORDINAL_POSITION, COLUMN_DEFAULT,
                      GENERATION_EXPRESSION
               FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    let rows = ask(link, sql, place).await?;
    let places = rows.iter().zip(1..).all(|(row, at)| link::number(row, 8) == Some(at));
    if !places || rows.is_empty() {
        obstacles.push(format!(
            "{table} has columns that this user does not see: grant SELECT on all of it, and where the server makes \
             primary keys by itself, SET GLOBAL show_gipk_in_create_table_and_information_schema = ON"
        ));
    }
    let column = |row: &Row| {
        let cell = |at| link::text(row, at).unwrap_or_default();
        let extra = cell(7).to_ascii_uppercase();
        let octets = link::number(row, 5).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let charset = link::text(row, 3);
        Column {
            kind: Kind::of(
                &cell(1).to_ascii_lowercase(),
                &cell(2).to_ascii_lowercase(),
                charset.as_deref(),
                octets,
            ),
            name: cell(0),
            ty: cell(2),
            charset,
            collation: link::text(row, 4),
            nullable: cell(6) == "YES",
            generated: extra.contains("VIRTUAL") || extra.contains("STORED") || extra.contains("PERSISTENT"),
            virtual_only: extra.contains("VIRTUAL"),
            made_of: cell(10),
            auto_increment: extra.contains("AUTO_INCREMENT"),
            default: link::text(row, 9).is_some(),
            clock: !cell(1).eq_ignore_ascii_case("timestamp") && asks_the_time(&cell(9), &extra),
            json: cell(1).eq_ignore_ascii_case("json"),
            plain: PLAIN.contains(&cell(1).to_ascii_lowercase().as_str()),
        }
    };
    Ok(rows.iter().map(column).collect())
}

/// Whether a default is the time. MySQL says of an expression that it is one, MariaDB quotes what is none.
fn asks_the_time(default: &str, extra: &str) -> bool {
    const WORDS: &[&str] =
        &["current_", "now(", "curdate", "curtime", "localtime", "sysdate", "from_unixtime"];
    let default = default.to_ascii_lowercase();
    let expression =
        extra.contains("DEFAULT_GENERATED") || default.contains('(') && !default.starts_with('\'');
    expression && WORDS.iter().any(|word| default.contains(word))
}

async fn indexes(link: &mut Link, place: Vec<Value>) -> Result<Vec<Index>> {
    let unused = if link.flavour == Flavour::MySql { "IS_VISIBLE = 'NO'" } else { "IGNORED = 'YES'" };
    let sql = format!(
        "SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, NULLABLE, INDEX_TYPE, {unused}
         FROM information_schema.STATISTICS
         WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY INDEX_NAME, SEQ_IN_INDEX"
    );
    let mut all: Vec<Index> = Vec::new();
    for row in ask(link, &sql, place).await? {
        let cell = |at| link::text(&row, at).unwrap_or_default();
        // Of an expression the server tells no column. MariaDB's HASH is a unique index over values that are too long.
        let whole = link::text(&row, 3).is_none() && cell(5) == "BTREE";
        let column = link::text(&row, 2).filter(|_| whole);
        let nullable = cell(4) == "YES";
        let name = cell(0);
        if all.last().is_none_or(|index| index.name != name) {
            let unique = link::number(&row, 1) == Some(0);
            let unused = link::number(&row, 6) == Some(1);
            all.push(Index { name, unique, columns: Some(Vec::new()), nullable: false, unused });
        }
        if let Some(index) = all.last_mut() {
            index.nullable |= nullable;
            index.columns = index.columns.take().zip(column).map(|(mut columns, column)| {
                columns.push(column);
                columns
            });
        }
    }
    Ok(all)
}

/// So many columns stand behind the others, at most: one for each part of an index that is an expression, and on MariaDB
/// one for each unique index over values that are too long.
async fn hidden(link: &mut Link, place: Vec<Value>) -> Result<usize> {
    let sql = "SELECT COUNT(*) FROM information_schema.STATISTICS
               WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND (COLUMN_NAME IS NULL OR INDEX_TYPE = 'HASH')";
    let rows = ask(link, sql, place).await?;
    Ok(rows.first().and_then(|row| link::number(row, 0)).and_then(|n| usize::try_from(n).ok()).unwrap_or(0))
}

/// The key by which rows are found: the primary key, or the first unique one of NOT NULL columns that will do.
fn key(
    table: &str,
    columns: &[Column],
    indexes: &[Index],
    obstacles: &mut Vec<String>,
) -> Option<(String, Vec<usize>)> {
    let mut unfit = Vec::new();
    let primary = |index: &&Index| index.name != "PRIMARY";
    let mut unique: Vec<&Index> = indexes.iter().filter(|index| index.unique).collect();
    unique.sort_by_key(primary);
    for index in unique {
        let Some(names) = &index.columns else {
            unfit.push(format!("{} has an expression or only the beginning of a value", index.name));
            continue;
        };
        if index.unused {
            unfit.push(format!("{} is not to be used (INVISIBLE, IGNORED)", index.name));
            continue;
        }
        if index.nullable {
            unfit.push(format!("{} takes NULL", index.name));
            continue;
        }
        let at = |name: &String| columns.iter().position(|column| column.name == *name);
        let Some(places) = names.iter().map(at).collect::<Option<Vec<_>>>() else { continue };
        let bad = places.iter().filter_map(|at| columns.get(*at)).find_map(|column| {
            if column.kind.is_none() {
                return Some(format!("{} is of the type {}", column.name, column.ty));
            }
            column.virtual_only.then(|| format!("{} is a generated column that is not stored", column.name))
        });
        match bad {
            Some(why) => unfit.push(format!("of {}, {why}", index.name)),
            None => return Some((index.name.clone(), places)),
        }
    }
    let why = if unfit.is_empty() { String::new() } else { format!(" ({})", unfit.join("; ")) };
    obstacles.push(format!(
        "{table} has no key by which its rows can be found{why}: it takes a primary key, or a unique one of NOT NULL \
         columns, of numbers, texts, bytes or times"
    ));
    None
}

async fn foreign_keys(
    link: &mut Link,
    schema: &str,
    table: &str,
    obstacles: &mut Vec<String>,
    notes: &mut Vec<String>,
) -> Result<()> {
    // All in all: tables that this user may not see can refer to it, too. To look past that takes the right PROCESS.
    let (place, known) = (vec![schema.into(), table.into()], referring(link, schema, table).await);
    // Without that right MariaDB opens every table of every database.
    let look = if link.flavour == Flavour::MariaDb && known.is_ok() { OWN } else { ALL };
    let values = if look == OWN { place } else { [place.clone(), place].concat() };
    for row in ask(link, look, values).await? {
        let cell = |at| link::text(&row, at).unwrap_or_default();
        obstacles.push(refers(&cell(0), &format!("{}.{}", cell(1), cell(2)), &cell(3)));
    }
    match known {
        Ok(rows) => {
            for row in rows {
                let cell = |at| link::text(&row, at).unwrap_or_default();
                let (name, child) = (cell(0), format!("{}.{}", cell(1), cell(2)));
                if !obstacles.iter().any(|told| *told == refers(&name, &child, table)) {
                    obstacles.push(refers(&name, &child, table));
                }
            }
        }
        Err(_) => notes.push(
            "foreign keys of tables that this user may not see are not known: that takes the right PROCESS"
                .into(),
        ),
    }
    Ok(())
}

/// Foreign keys of a table, and those that refer to it.
const ALL: &str = "SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, REFERENCED_TABLE_NAME
                   FROM information_schema.REFERENTIAL_CONSTRAINTS
                   WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?
                      OR UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?";
/// Foreign keys of a table.
const OWN: &str = "SELECT CONSTRAINT_NAME, CONSTRAINT_SCHEMA, TABLE_NAME, REFERENCED_TABLE_NAME
                   FROM information_schema.REFERENTIAL_CONSTRAINTS
                   WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?";

fn refers(key: &str, child: &str, parent: &str) -> String {
    format!(
        "the foreign key {key} of {child} refers to {parent}: it would go on referring to the old table, or would have to \
         be added again under a lock; drop it before and add it again afterwards"
    )
}

/// What InnoDB itself knows of foreign keys that refer to a table: their names, databases and tables.
pub(in crate::mysql) async fn referring(
    link: &mut Link,
    schema: &str,
    table: &str,
) -> std::result::Result<Vec<mysql_async::Row>, mysql_async::Error> {
    // On MariaDB they are names of files, in which all but letters and digits is written as @0020.
    let (of, word) = match link.flavour {
        Flavour::MySql => ("INNODB_FOREIGN", "SUBSTRING_INDEX(NAME, '/', AT)"),
        Flavour::MariaDb => (
            "INNODB_SYS_FOREIGN",
            "CONVERT(CONVERT(CAST(SUBSTRING_INDEX(NAME, '/', AT) AS BINARY) USING filename) USING utf8mb4)",
        ),
    };
    let part = |name: &str, at: &str| word.replace("NAME", name).replace("AT", at);
    let sql = format!(
        "SELECT SUBSTRING_INDEX(ID, '/', -1), {}, {} FROM information_schema.{of} WHERE {} = ? AND {} = ?",
        part("FOR_NAME", "1"),
        part("FOR_NAME", "-1"),
        part("REF_NAME", "1"),
        part("REF_NAME", "-1"),
    );
    link.rows(&sql, vec![schema.into(), table.into()]).await
}

async fn triggers(
    link: &mut Link,
    place: Vec<Value>,
    table: &str,
    obstacles: &mut Vec<String>,
) -> Result<()> {
    let sql = "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS
               WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?";
    for row in ask(link, sql, place).await? {
        let name = link::text(&row, 0).unwrap_or_default();
        obstacles.push(format!(
            "{table} has the trigger {name}, which stays with the old table: drop it before and make it again afterwards"
        ));
    }
    Ok(())
}

/// Keys that hold for periods of time are unique in another sense.
async fn periods(link: &mut Link, schema: &str, table: &str, obstacles: &mut Vec<String>) -> Result<()> {
    let place = Name::qualified(schema, table).to_mysql()?;
    if link.flavour == Flavour::MariaDb
        && definition(link, &place).await?.lines().any(|line| line.trim_start().starts_with("PERIOD FOR "))
    {
        obstacles.push(format!("{table} has a PERIOD, which is not carried over: change it directly"));
    }
    Ok(())
}

/// The table's definition, and then what the catalog says of it. Where others change it in between, the definition is the
/// older one: so whoever looks at it again finds it changed, and does not go by columns that are gone or miss new ones.
pub(super) async fn read_defined(link: &mut Link, database: &str, table: &Name) -> Result<(String, Found)> {
    let wanted = table.schema.as_deref().unwrap_or(database);
    let place = Name::qualified(wanted, table.name.as_str()).to_mysql()?;
    let definition = definition(link, &place).await;
    // Says it better where there is none.
    let found = read(link, database, table).await?;
    Ok((definition?, found))
}

/// The table's definition as the server prints it, without the number that moves by itself.
pub(super) async fn definition(link: &mut Link, place: &str) -> Result<String> {
    let rows = link.said(&format!("SHOW CREATE TABLE {place}")).await;
    let rows = rows.map_err(|e| errors::fault(e, "looking at the table"))?;
    let text = rows.first().and_then(|row| link::text(row, 1)).unwrap_or_default();
    let Some((before, behind)) = text.rsplit_once(" AUTO_INCREMENT=") else { return Ok(text) };
    Ok(format!("{before}{}", behind.trim_start_matches(|c: char| c.is_ascii_digit())))
}
