//! An `ALTER TABLE ... DROP COLUMN` that keeps the values.
//!
//! A column that stays in its table under another name is no way: it still stands in `SELECT *`, `COPY` and every
//! `INSERT` without a list of columns, so that an application would write the value of one column into another. So the
//! values are copied, with the key of their rows, into a table among what is parked, in the transaction that drops the
//! column and under the lock that this takes anyway. That is for small tables only.

use serde::{Deserialize, Serialize};

use cofferdam_core::fault::Result;
use cofferdam_core::ident::IdentError;
use cofferdam_core::park::{self, Object, SMALL_BYTES};
use cofferdam_core::{Code, Fault, Name, QuotedIdent, QuotedLiteral, Refusal, failpoint};
use tokio_postgres::types::Type;

use super::super::cells::{AnswerCells, RowCells};
use super::super::errors;
use super::record::{self, Found, Kept, Relation};
use super::undrop::{bytes, remove_schemas};
use super::{Work, look, tables, words};

/// How dropped columns were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Columns {
    /// The key by which values find their rows.
    pub(super) key: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// What went with them: constraints, indexes, statistics. In this order they are made again.
    pub(super) with: Vec<With>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    /// As the server prints it, with `COLLATE` where it is not the type's own.
    pub(super) ty: String,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    pub(super) comment: Option<String>,
    /// Whole statements.
    pub(super) grants: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct With {
    /// "index orders_plan_idx", for people.
    pub(super) what: String,
    /// Makes it again.
    pub(super) sql: String,
    /// It may take long on a large table, and would stop writers.
    pub(super) reads: bool,
}

pub(super) async fn put_aside(work: &Work<'_>) -> Result<Vec<String>> {
    let object = &work.asked.parking.object;
    let Object::Columns { table, columns } = object else {
        return Err(Fault::Bug("tables were to be parked as columns".into()));
    };
    let names = std::slice::from_ref(table);
    let found = tables::found(work, names).await?;
    let members = look::members(work, &found).await?;
    let Some(member) = members.first().filter(|member| !member.temporary) else {
        tables::as_written(work).await?;
        tables::nothing(work, object).await?;
        return Ok(vec![format!("{object}: nothing is parked of a table that is temporary or not there")]);
    };
    tables::lock(work, &members[..1]).await?;
    if tables::found(work, names).await? != found {
        return Err(tables::changed_meanwhile(object));
    }
    let name = member.relation.name.clone();
    let there = numbers(work, member.oid, columns).await?;
    if there.is_empty() {
        tables::as_written(work).await?;
        tables::nothing(work, object).await?;
        return Ok(vec![format!("{object} was not there: nothing is parked")]);
    }
    refuse_kind(work, member, object).await?;
    work.look().await?;
    let kept = Kept {
        object: Object::Columns {
            table: name.clone(),
            columns: there.iter().map(|(_, c)| c.clone()).collect(),
        },
        schemas: Vec::new(),
        relations: vec![Relation { name: name.clone(), top: true, kind: "r".into() }],
        statistics: Vec::new(),
        keys: Vec::new(),
        published: Vec::new(),
        attached: Vec::new(),
        columns: Some(read(work, member.oid, &name, &there).await?),
    };
    work.as_before().await?;
    let kept = tables::with_schemas(work, kept).await?;
    tables::make_schemas(work, &kept).await?;
    copy(work, &kept, &name).await?;
    tables::as_written(work).await?;
    let schema = kept.schemas.first().map(|moved| moved.to.clone()).unwrap_or_default();
    let until = record::write(work, &schema, &kept, &[]).await?;
    if failpoint::hit("park.moved") {
        return Err(errors::lost("failpoint park.moved"));
    }
    Ok(vec![park::told(&kept.object, &schema, &until)])
}

/// The columns that are there, with their numbers.
async fn numbers(work: &Work<'_>, table: u32, columns: &[String]) -> Result<Vec<(i16, String)>> {
    let sql = "SELECT attnum, attname::pg_catalog.text FROM pg_catalog.pg_attribute
               WHERE attrelid OPERATOR(pg_catalog.=) $1 AND NOT attisdropped AND attnum OPERATOR(pg_catalog.>) 0
                 AND attname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($2) ORDER BY 1";
    let rows = work.ask(sql, &[(&table, Type::OID), (&columns, Type::TEXT_ARRAY)]).await?;
    rows.iter().map(|row| Ok((row.cell(0)?, row.cell(1)?))).collect()
}

async fn refuse_kind(work: &Work<'_>, member: &look::Member, object: &Object) -> Result<()> {
    let refused = |cause: String, help: &str| {
        Err(Refusal::new(Code::NotParkable, format!("the values of {object} cannot be parked"))
            .cause(cause)
            .help(help)
            .into())
    };
    let name = &member.relation.name;
    let for_good = "drop it for good: --no-park; a backup can save the table first: --backup-to URL";
    let sql = "SELECT 1 FROM pg_catalog.pg_inherits WHERE $1 OPERATOR(pg_catalog.=) ANY (ARRAY[inhparent, inhrelid])";
    if member.relation.kind != "r" || !work.ask(sql, &[(&member.oid, Type::OID)]).await?.is_empty() {
        return refused(
            format!("{name} is no plain table: it is partitioned, inherits, or is inherited from"),
            for_good,
        );
    }
    let bytes = bytes(work, name).await?;
    if bytes > SMALL_BYTES {
        return refused(
            format!(
                "{name} has {} MB, and more than {} MB are not copied under the lock of DROP COLUMN; kept under another \
                 name the column would still stand in SELECT * and in every INSERT without a list of columns",
                bytes >> 20,
                SMALL_BYTES >> 20
            ),
            "--strategy shadow-table keeps the old table, with the column, until cofferdam finalize; or drop the \
             column for good: --no-park",
        );
    }
    let sql = "SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a
               WHERE a.attrelid OPERATOR(pg_catalog.=) $1 AND a.attname::pg_catalog.text OPERATOR(pg_catalog.=) ANY ($2)
                 AND (a.attidentity OPERATOR(pg_catalog.<>) '' OR a.attgenerated OPERATOR(pg_catalog.<>) ''
                      OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                                 JOIN pg_catalog.pg_class s ON s.oid OPERATOR(pg_catalog.=) d.objid
                                      AND s.relkind OPERATOR(pg_catalog.=) 'S'
                                 WHERE d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                                   AND d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
                                   AND d.refobjid OPERATOR(pg_catalog.=) a.attrelid
                                   AND d.refobjsubid OPERATOR(pg_catalog.=) a.attnum::pg_catalog.int4))";
    let Object::Columns { columns, .. } = object else { return Ok(()) };
    let own = work.ask(sql, &[(&member.oid, Type::OID), (&columns, Type::TEXT_ARRAY)]).await?;
    match own.first() {
        Some(row) => refused(
            format!(
                "{name}.{} is generated, or numbered by a sequence that goes with it",
                row.cell::<String>(0)?
            ),
            for_good,
        ),
        None => Ok(()),
    }
}

/// How the columns are, and what goes with them.
async fn read(work: &Work<'_>, table: u32, name: &Name, there: &[(i16, String)]) -> Result<Columns> {
    let numbers: Vec<i16> = there.iter().map(|(number, _)| *number).collect();
    // The primary key, or another unique index of columns that cannot be NULL, without any of these columns.
    let sql = "SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.at)
               FROM pg_catalog.pg_index i
               CROSS JOIN pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (number, at)
               LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
                    AND a.attnum OPERATOR(pg_catalog.=) k.number AND a.attnotnull
               WHERE i.indrelid OPERATOR(pg_catalog.=) $1 AND i.indisunique AND i.indisvalid AND i.indimmediate
                 AND i.indpred IS NULL AND k.at OPERATOR(pg_catalog.<=) i.indnkeyatts
               GROUP BY i.indexrelid, i.indisprimary
               HAVING pg_catalog.bool_and(a.attnum IS NOT NULL AND NOT k.number OPERATOR(pg_catalog.=) ANY ($2))
               ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1";
    let rows = work.ask(sql, &[(&table, Type::OID), (&numbers, Type::INT2_ARRAY)]).await?;
    let Some(row) = rows.first() else {
        return Err(Refusal::new(Code::NotParkable, format!("values of {name} cannot be parked"))
            .cause("it has no key without these columns by which their values would find their rows again")
            .help("give it a primary key first; or drop the column for good: --no-park")
            .into());
    };
    Ok(Columns {
        key: row.cell(0)?,
        columns: columns(work, table, name, &numbers).await?,
        with: with(work, table, name, &numbers).await?,
    })
}

async fn columns(work: &Work<'_>, table: u32, name: &Name, numbers: &[i16]) -> Result<Vec<Column>> {
    let sql = "SELECT a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod),
                      (SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname)
                       FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
                       WHERE c.oid = a.attcollation AND a.attcollation <> t.typcollation),
                      a.attnotnull,
                      (SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
                       WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum),
                      pg_catalog.col_description(a.attrelid, a.attnum)
               FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
               WHERE a.attrelid = $1 AND a.attnum = ANY ($2) ORDER BY a.attnum";
    let mut columns = Vec::new();
    for row in work.ask(sql, &[(&table, Type::OID), (&numbers, Type::INT2_ARRAY)]).await? {
        let (ty, collation): (String, Option<String>) = (row.cell(1)?, row.cell(2)?);
        columns.push(Column {
            name: row.cell(0)?,
            ty: collation.map_or(ty.clone(), |collation| format!("{ty} COLLATE {collation}")),
            not_null: row.cell(3)?,
            default: row.cell(4)?,
            comment: row.cell(5)?,
            grants: Vec::new(),
        });
    }
    let sql = "SELECT a.attname::pg_catalog.text, g.privilege_type, g.is_grantable, g.grantee = 0,
                      pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text
               FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) g
               WHERE a.attrelid = $1 AND a.attnum = ANY ($2) ORDER BY 1, 2, 5";
    for row in work.ask(sql, &[(&table, Type::OID), (&numbers, Type::INT2_ARRAY)]).await? {
        let (column, right): (String, String) = (row.cell(0)?, row.cell(1)?);
        let role = match row.cell(3)? {
            true => "PUBLIC".to_owned(),
            false => QuotedIdent::new(&row.cell::<String>(4)?)?.to_string(),
        };
        let option = if row.cell(2)? { " WITH GRANT OPTION" } else { "" };
        let quoted = QuotedIdent::new(&column)?;
        if let Some(found) = columns.iter_mut().find(|c| c.name == column) {
            found.grants.push(format!("GRANT {right} ({quoted}) ON {} TO {role}{option}", name.to_sql()?));
        }
    }
    Ok(columns)
}

/// What the server drops with the columns, without being asked.
async fn with(work: &Work<'_>, table: u32, name: &Name, numbers: &[i16]) -> Result<Vec<With>> {
    let sql = "SELECT DISTINCT k.contype::pg_catalog.text, k.conname::pg_catalog.text,
                      pg_catalog.pg_get_constraintdef(k.oid)
               FROM pg_catalog.pg_constraint k
               WHERE k.conrelid = $1 AND k.contype = ANY (ARRAY['c', 'f', 'p', 'u', 'x']::\"char\"[])
                 AND (k.conkey::pg_catalog.int2[] && $2::pg_catalog.int2[]) ORDER BY 1, 2";
    let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 2] =
        [(&table, Type::OID), (&numbers, Type::INT2_ARRAY)];
    let mut with = Vec::new();
    let quoted = name.to_sql()?;
    for row in work.ask(sql, &parameters).await? {
        let (kind, constraint, definition): (String, String, String) =
            (row.cell(0)?, row.cell(1)?, row.cell(2)?);
        with.push(With {
            what: format!("constraint {constraint}"),
            sql: format!(
                "ALTER TABLE {quoted} ADD CONSTRAINT {} {definition}",
                QuotedIdent::new(&constraint)?
            ),
            reads: !definition.ends_with(" NOT VALID") || !matches!(kind.as_str(), "c" | "f"),
        });
    }
    let sql = "SELECT DISTINCT c.relname::pg_catalog.text, pg_catalog.pg_get_indexdef(i.indexrelid)
               FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
               JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.objid = i.indexrelid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                    AND d.refobjid = i.indrelid AND d.refobjsubid = ANY ($2::pg_catalog.int2[]::pg_catalog.int4[])
               WHERE i.indrelid = $1
                 AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid
                                 AND k.conrelid = i.indrelid) ORDER BY 1";
    for row in work.ask(sql, &parameters).await? {
        let (index, definition): (String, String) = (row.cell(0)?, row.cell(1)?);
        with.push(With { what: format!("index {index}"), sql: definition, reads: true });
    }
    let sql = "SELECT stxname::pg_catalog.text, pg_catalog.pg_get_statisticsobjdef(oid)
               FROM pg_catalog.pg_statistic_ext
               WHERE stxrelid = $1 AND stxkeys::pg_catalog.int2[] && $2::pg_catalog.int2[] ORDER BY 1";
    for row in work.ask(sql, &parameters).await? {
        let (statistics, definition): (String, String) = (row.cell(0)?, row.cell(1)?);
        with.push(With { what: format!("statistics {statistics}"), sql: definition, reads: false });
    }
    Ok(with)
}

/// Copies the values, and counts them. Row security would hide rows from the copy: then it fails.
async fn copy(work: &Work<'_>, kept: &Kept, table: &Name) -> Result<()> {
    let Some(columns) = &kept.columns else { return Err(Fault::Bug("no columns are kept".into())) };
    let side = kept.now(table).to_sql()?;
    let table = table.to_sql()?;
    let key = list(columns.key.iter())?;
    let values = list(columns.columns.iter().map(|column| &column.name))?;
    let security: String = work
        .ask("SELECT pg_catalog.current_setting('row_security')", &[])
        .await?
        .first_cell()?
        .unwrap_or_default();
    work.run(&[
        "SET LOCAL row_security = off".into(),
        format!("CREATE TABLE {side} AS SELECT {key}, {values} FROM {table}"),
        format!("ALTER TABLE {side} ADD PRIMARY KEY ({key})"),
    ])
    .await?;
    let sql = format!("SELECT (SELECT count(*) FROM {side}), (SELECT count(*) FROM {table})");
    let rows = work.ask(&sql, &[]).await?;
    let (copied, all): (i64, i64) = match rows.first() {
        Some(row) => (row.cell(0)?, row.cell(1)?),
        None => (0, -1),
    };
    if copied != all {
        return Err(Fault::Bug(format!("{copied} of {all} rows were copied from {table} under its lock")));
    }
    work.run(&[format!("SET LOCAL row_security = {}", QuotedLiteral::new(&security)?)]).await
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> Result<String, IdentError> {
    let quoted: Vec<String> =
        names.map(|name| QuotedIdent::new(name).map(|q| q.to_string())).collect::<Result<_, _>>()?;
    Ok(quoted.join(", "))
}

/// The columns come back as the last ones, with the values of the rows that are still there. Rows that were written
/// since have NULL.
pub(super) async fn undrop(work: &Work<'_>, found: &Found) -> Result<Vec<String>> {
    let kept = &found.kept;
    let (Object::Columns { table, columns: names }, Some(columns)) = (&kept.object, &kept.columns) else {
        return Err(Fault::Bug(format!("{} holds no columns", found.name)));
    };
    let side = kept.now(table);
    let unfit = |why: String| {
        Refusal::new(Code::UndropUnfit, format!("{} cannot be brought back", kept.object))
            .cause(why)
            .help(format!("the values stay in {side} until cofferdam finalize"))
    };
    let Some(oid) = look::oid(work, table).await? else {
        return Err(unfit(format!("{table} is not there any more")).into());
    };
    if look::oid(work, &side).await?.is_none() {
        return Err(Refusal::new(Code::ParkedGone, format!("{} cannot be brought back", kept.object))
            .cause(format!("{side} is not there any more, and Cofferdam did not remove it"))
            .help("a backup may have its rows; cofferdam finalize --parked removes what is left")
            .into());
    }
    let quoted = table.to_sql()?;
    work.run(&[format!("LOCK TABLE {quoted} IN ACCESS EXCLUSIVE MODE")]).await?;
    if let Some((_, there)) = numbers(work, oid, names).await?.first() {
        return Err(Refusal::new(Code::UndropTaken, format!("{} cannot be brought back", kept.object))
            .cause(format!("{table} has another column {there} by now"))
            .help(format!("rename it first: ALTER TABLE {quoted} RENAME COLUMN ..."))
            .into());
    }
    let Some(same) = same_row(work, oid, &columns.key).await? else {
        let key = columns.key.join(", ");
        return Err(unfit(format!(
            "{table} has no unique index over {key} any more, by which rows are found"
        ))
        .into());
    };
    let triggers = triggers(work, oid, &quoted).await?;
    let mut statements = Vec::new();
    for column in &columns.columns {
        statements.push(format!(
            "ALTER TABLE {quoted} ADD COLUMN {} {}",
            QuotedIdent::new(&column.name)?,
            column.ty
        ));
    }
    statements.extend(triggers.iter().map(|(off, _)| off.clone()));
    work.run(&statements).await?;
    if failpoint::hit("undrop.moved") {
        return Err(errors::lost("failpoint undrop.moved"));
    }
    fill(work, (&quoted, &side.to_sql()?), columns, &same).await?;
    work.run(&triggers.into_iter().map(|(_, on)| on).collect::<Vec<_>>()).await?;
    let mut notes = Vec::new();
    let small = bytes(work, table).await? <= SMALL_BYTES;
    for (what, sql, reads) in afterwards(columns, table)? {
        if reads && !small {
            notes.push(format!("{what} is not back, because {table} is large by now: {sql}"));
        } else if let Some(e) = work.may_fail(&sql).await? {
            notes.push(format!("{what} is not back: {}; {sql}", words(&e)));
        }
    }
    work.run(&[format!("DROP TABLE {}", side.to_sql()?)]).await?;
    notes.extend(remove_schemas(work, kept).await?);
    record::end(work, &found.name, "undropped", &notes).await?;
    if failpoint::hit("undrop.done") {
        return Err(errors::lost("failpoint undrop.done"));
    }
    let mut said = vec![format!("{} is back, from {}", kept.object, found.name)];
    said.extend(notes);
    Ok(said)
}

/// The condition by which a row `t` of the table is the row `p` of the copy, with the operators of its unique index;
/// `None`: there is no such index.
async fn same_row(work: &Work<'_>, table: u32, key: &[String]) -> Result<Option<String>> {
    let sql = "SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY k.at),
                      pg_catalog.array_agg(pg_catalog.quote_ident(n.nspname) || '.' || o.oprname ORDER BY k.at)
               FROM pg_catalog.pg_index i
               CROSS JOIN ROWS FROM (pg_catalog.unnest(i.indkey::pg_catalog.int2[]),
                                     pg_catalog.unnest(i.indclass::pg_catalog.oid[]))
                     WITH ORDINALITY AS k (number, class, at)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
               JOIN pg_catalog.pg_opclass c ON c.oid = k.class
               JOIN pg_catalog.pg_amop m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3
                    AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
               JOIN pg_catalog.pg_operator o ON o.oid = m.amopopr
               JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
               WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                 AND i.indnkeyatts = pg_catalog.cardinality($2::pg_catalog.text[]) AND k.at <= i.indnkeyatts
               GROUP BY i.indexrelid";
    for row in work.ask(sql, &[(&table, Type::OID), (&key, Type::TEXT_ARRAY)]).await? {
        let (columns, operators): (Vec<String>, Vec<String>) = (row.cell(0)?, row.cell(1)?);
        if columns.len() != key.len() || !key.iter().all(|column| columns.contains(column)) {
            continue;
        }
        let mut same = Vec::new();
        for (column, operator) in columns.iter().zip(operators) {
            let column = QuotedIdent::new(column)?;
            same.push(format!("t.{column} OPERATOR({operator}) p.{column}"));
        }
        return Ok(Some(same.join(" AND ")));
    }
    Ok(None)
}

/// The application's triggers are not to see that values come back. Statements that put them off and on again.
async fn triggers(work: &Work<'_>, table: u32, quoted: &str) -> Result<Vec<(String, String)>> {
    let sql = "SELECT tgname::pg_catalog.text, tgenabled::pg_catalog.text FROM pg_catalog.pg_trigger
               WHERE tgrelid = $1 AND NOT tgisinternal AND tgenabled <> 'D' ORDER BY 1";
    let mut found = Vec::new();
    for row in work.ask(sql, &[(&table, Type::OID)]).await? {
        let name = QuotedIdent::new(&row.cell::<String>(0)?)?;
        let how = match row.cell::<String>(1)?.as_str() {
            "A" => "ENABLE ALWAYS",
            "R" => "ENABLE REPLICA",
            _ => "ENABLE",
        };
        found.push((
            format!("ALTER TABLE {quoted} DISABLE TRIGGER {name}"),
            format!("ALTER TABLE {quoted} {how} TRIGGER {name}"),
        ));
    }
    Ok(found)
}

/// Brings the values in. Each row of the copy is looked up by the key, so that what it takes depends on the copy and
/// not on how large the table has become.
async fn fill(work: &Work<'_>, (table, side): (&str, &str), columns: &Columns, same: &str) -> Result<()> {
    let mut set = Vec::new();
    for column in &columns.columns {
        let name = QuotedIdent::new(&column.name)?;
        set.push(format!("{name} = p.{name}"));
    }
    let settings = ["row_security", "enable_hashjoin", "enable_mergejoin"];
    let sql = "SELECT pg_catalog.array_agg(pg_catalog.current_setting(s) ORDER BY o)
               FROM pg_catalog.unnest($1::pg_catalog.text[]) WITH ORDINALITY AS u (s, o)";
    let rows = work.ask(sql, &[(&settings.as_slice(), Type::TEXT_ARRAY)]).await?;
    let before: Vec<String> = rows.first_cell()?.unwrap_or_default();
    let mut statements: Vec<String> = settings.iter().map(|name| format!("SET LOCAL {name} = off")).collect();
    statements.push(format!("UPDATE ONLY {table} AS t SET {} FROM {side} AS p WHERE {same}", set.join(", ")));
    for (name, value) in settings.iter().zip(&before) {
        statements.push(format!("SET LOCAL {name} = {}", QuotedLiteral::new(value)?));
    }
    // Its constraints are checked now: a trigger that waits would keep the table from being altered.
    statements.push("SET CONSTRAINTS ALL IMMEDIATE".into());
    work.run(&statements).await
}

/// What the columns had, in the order in which it is made again: what it is, the statement, and whether that reads the
/// table.
fn afterwards(columns: &Columns, table: &Name) -> Result<Vec<(String, String, bool)>> {
    let quoted = table.to_sql()?;
    let mut all = Vec::new();
    for column in &columns.columns {
        let name = QuotedIdent::new(&column.name)?;
        let of = format!("of {table}.{}", column.name);
        if let Some(default) = &column.default {
            let sql = format!("ALTER TABLE {quoted} ALTER COLUMN {name} SET DEFAULT {default}");
            all.push((format!("the default {of}"), sql, false));
        }
        if column.not_null {
            let sql = format!("ALTER TABLE {quoted} ALTER COLUMN {name} SET NOT NULL");
            all.push((format!("NOT NULL {of}"), sql, true));
        }
        if let Some(comment) = &column.comment {
            let sql = format!("COMMENT ON COLUMN {quoted}.{name} IS {}", QuotedLiteral::new(comment)?);
            all.push((format!("the comment {of}"), sql, false));
        }
        all.extend(column.grants.iter().map(|grant| (format!("a right {of}"), grant.clone(), false)));
    }
    all.extend(columns.with.iter().map(|with| (with.what.clone(), with.sql.clone(), with.reads)));
    Ok(all)
}
