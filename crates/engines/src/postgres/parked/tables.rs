//! A `DROP TABLE` that puts aside.

use cofferdam_core::fault::Result;
use cofferdam_core::ident::with_suffix;
use cofferdam_core::park::{self, Object};
use cofferdam_core::{Code, Fault, Name, QuotedIdent, Refusal, failpoint};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use super::super::cells::{AnswerCells, RowCells};
use super::super::errors;
use super::look::{self, Member};
use super::record::{self, Kept, Moved};
use super::{Work, words};

/// What the names of all such schemas begin with.
const PREFIX: &str = "cofferdam_parked_";

pub(super) async fn put_aside(work: &Work<'_>) -> Result<Vec<String>> {
    let parking = work.asked.parking;
    let Object::Tables { names, cascade } = &parking.object else {
        return Err(Fault::Bug("columns were to be parked as tables".into()));
    };
    let found = found(work, names).await?;
    if found.is_empty() {
        // IF EXISTS, or an error: the server says which.
        as_written(work).await?;
        nothing(work, &parking.object).await?;
        return Ok(vec![format!("{} was not there: nothing is parked", parking.object)]);
    }
    let before = look::members(work, &found).await?;
    lock(work, &before).await?;
    if self::found(work, names).await? != found {
        return Err(changed_meanwhile(&parking.object));
    }
    try_it(work, &before, *cascade).await?;
    if failpoint::hit("park.tried") {
        return Err(errors::lost("failpoint park.tried"));
    }
    work.look().await?;
    let members = look::members(work, &found).await?;
    let (temporary, staying): (Vec<Member>, Vec<Member>) =
        members.into_iter().partition(|member| member.temporary);
    refuse(&staying)?;
    let oids: Vec<u32> = staying.iter().map(|member| member.oid).collect();
    let kept = Kept {
        object: Object::Tables {
            names: staying.iter().filter(|m| m.relation.top).map(|m| m.relation.name.clone()).collect(),
            cascade: false,
        },
        schemas: Vec::new(),
        keys: look::keys(work, &oids).await?,
        statistics: look::statistics(work, &oids).await?,
        published: look::published(work, &oids).await?,
        attached: look::attached(work, &oids).await?,
        relations: staying.into_iter().map(|member| member.relation).collect(),
        columns: None,
    };
    let inherited = look::inherited_keys(work, &oids).await?;
    let everything = look::of_all_tables(work).await?;
    work.as_before().await?;
    let mut statements = Vec::new();
    for member in temporary.iter().filter(|member| member.relation.top) {
        statements.push(format!("DROP TABLE {}", member.relation.name.to_sql()?));
    }
    if kept.relations.is_empty() {
        work.run(&statements).await?;
        nothing(work, &parking.object).await?;
        return Ok(vec![format!("{} was temporary: nothing is parked", parking.object)]);
    }
    let kept = with_schemas(work, kept).await?;
    make_schemas(work, &kept).await?;
    statements.extend(moving(&kept, &inherited)?);
    work.run(&statements).await?;
    let name = kept.schemas.first().map(|moved| moved.to.clone()).unwrap_or_default();
    let notes: Vec<String> = everything
        .iter()
        .map(|publication| {
            format!(
                "publication {publication} is for all tables: a subscriber that refreshes it needs schema {name} too, \
                 until that is dropped for good"
            )
        })
        .collect();
    let until = record::write(work, &name, &kept, &notes).await?;
    if failpoint::hit("park.moved") {
        return Err(errors::lost("failpoint park.moved"));
    }
    let mut said = vec![park::told(&kept.object, &name, &until)];
    said.extend(notes);
    Ok(said)
}

/// A row for what was not there, so that its way back knows that there is nothing to bring.
pub(super) async fn nothing(work: &Work<'_>, object: &Object) -> Result<()> {
    let kept = Kept {
        object: object.clone(),
        schemas: Vec::new(),
        relations: Vec::new(),
        statistics: Vec::new(),
        keys: Vec::new(),
        published: Vec::new(),
        attached: Vec::new(),
        columns: None,
    };
    let run = work.asked.run.map(|run| run.id.simple().to_string()).unwrap_or_default();
    record::write_nothing(work, &format!("nothing {run} {}", work.asked.parking.label), &kept).await
}

/// Performs the statement as it is written.
pub(super) async fn as_written(work: &Work<'_>) -> Result<()> {
    let sql = &work.asked.parking.sql;
    work.attempt(sql).await.map_err(|(e, sighting)| work.failed(e, sql, &sighting))
}

/// What the names mean now, as the statement would find it.
pub(super) async fn found(work: &Work<'_>, names: &[Name]) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for name in names {
        found.extend(look::oid(work, name).await?);
    }
    Ok(found)
}

/// Takes the locks that the DROP would take. Where we may not, the DROP says why in its own words.
pub(super) async fn lock(work: &Work<'_>, members: &[Member]) -> Result<()> {
    let tops = members.iter().filter(|m| m.relation.top && matches!(m.relation.kind.as_str(), "r" | "p"));
    let tables = tops.map(|m| m.relation.name.to_sql()).collect::<Result<Vec<_>, _>>()?;
    if tables.is_empty() {
        return Ok(());
    }
    let sql = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
    work.may_fail(&sql).await.map(drop)
}

/// Tries the DROP and rolls it back: what the server refuses is refused in its own words. With CASCADE it is tried
/// without, because what would go along could not be brought back.
async fn try_it(work: &Work<'_>, members: &[Member], cascade: bool) -> Result<()> {
    let sql = if cascade {
        let tops = members.iter().filter(|member| member.relation.top);
        let names = tops.map(|m| m.relation.name.to_sql()).collect::<Result<Vec<_>, _>>()?;
        format!("DROP TABLE {}", names.join(", "))
    } else {
        work.asked.parking.sql.to_string()
    };
    work.run(&["SAVEPOINT cofferdam_try".into()]).await?;
    if let Err((e, sighting)) = work.attempt(&sql).await {
        if cascade && e.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST) {
            return Err(takes_more(&work.asked.parking.object, &e).into());
        }
        return Err(work.failed(e, &work.asked.parking.sql, &sighting));
    }
    work.run(&["ROLLBACK TO SAVEPOINT cofferdam_try".into(), "RELEASE SAVEPOINT cofferdam_try".into()]).await
}

fn takes_more(object: &Object, e: &Error) -> Refusal {
    Refusal::new(Code::ParkTakesMore, format!("CASCADE would drop more than {object}"))
        .cause(words(e))
        .help("drop what depends on it by its name first, in the same script, then the table without CASCADE")
}

fn refuse(members: &[Member]) -> Result<()> {
    for member in members {
        let name = &member.relation.name;
        if member.inherits {
            return Err(Refusal::new(Code::NotParkable, format!("{name} cannot be parked"))
                .cause("it is a child of another table by INHERITS, and its rows are shown there")
                .help(format!(
                    "ALTER TABLE {name} NO INHERIT ... in a migration before; or drop it for good: --no-park"
                ))
                .into());
        }
    }
    Ok(())
}

pub(super) fn changed_meanwhile(object: &Object) -> Fault {
    Fault::Again {
        after: std::time::Duration::from_millis(100),
        why: Box::new(Refusal::new(
            Code::LockNotObtained,
            format!("{object} was renamed or made anew while its lock was waited for"),
        )),
    }
}

/// Gives every schema that something comes from a new one.
pub(super) async fn with_schemas(work: &Work<'_>, kept: Kept) -> Result<Kept> {
    let first = kept.relations.iter().find(|r| r.top).map(|r| r.name.name.clone()).unwrap_or_default();
    let mut froms: Vec<String> = Vec::new();
    let names = kept.relations.iter().map(|r| &r.name).chain(&kept.statistics);
    for schema in names.filter_map(|name| name.schema.clone()) {
        if !froms.contains(&schema) {
            froms.push(schema);
        }
    }
    let sql = "SELECT pg_catalog.to_char(pg_catalog.clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD')";
    let day: String = work.ask(sql, &[]).await?.first_cell()?.unwrap_or_default();
    for number in 1..1000 {
        let schemas: Vec<Moved> = froms
            .iter()
            .enumerate()
            .map(|(index, from)| Moved { from: from.clone(), to: named(&day, &first, number, index) })
            .collect();
        let names: Vec<String> = schemas.iter().map(|moved| moved.to.clone()).collect();
        if look::schemas(work, &names).await?.is_empty() && !was_used(work, &names).await? {
            return Ok(Kept { schemas, ..kept });
        }
    }
    Err(Refusal::new(
        Code::NotParkable,
        format!("there is no name left for {first} among what is parked today"),
    )
    .help("cofferdam finalize --expired, or come back tomorrow")
    .into())
}

/// `cofferdam_parked_20261122_orders`, the second of the day with `_2` behind it; `_in2` is for the second schema that
/// the objects of one statement come from.
fn named(day: &str, table: &str, number: usize, schema: usize) -> String {
    let mut suffix = String::new();
    if number > 1 {
        suffix += &format!("_{number}");
    }
    if schema > 0 {
        suffix += &format!("_in{}", schema + 1);
    }
    with_suffix(&format!("{PREFIX}{day}_{table}"), &suffix)
}

/// Names are never used twice, so that the journal speaks of one thing.
async fn was_used(work: &Work<'_>, names: &[String]) -> Result<bool> {
    let role = record::ourselves(work).await?;
    let mut used = record::there(work.client()).await?;
    if used {
        let sql = "SELECT 1 FROM cofferdam.parked WHERE name OPERATOR(pg_catalog.=) ANY ($1)";
        used = !work.ask(sql, &[(&names, Type::TEXT_ARRAY)]).await?.is_empty();
    }
    record::themselves(work, role).await?;
    Ok(used)
}

/// Makes the schemas, and takes away what default privileges gave to others.
pub(super) async fn make_schemas(work: &Work<'_>, kept: &Kept) -> Result<()> {
    for moved in &kept.schemas {
        let schema = QuotedIdent::new(&moved.to)?;
        work.run(&[format!("CREATE SCHEMA {schema}")]).await?;
        let sql = "SELECT DISTINCT a.grantee OPERATOR(pg_catalog.=) 0,
                          pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text
                   FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a
                   WHERE n.nspname::pg_catalog.text OPERATOR(pg_catalog.=) $1
                     AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner";
        let mut revokes = Vec::new();
        for row in work.ask(sql, &[(&moved.to, Type::TEXT)]).await? {
            let role = match row.cell(0)? {
                true => "PUBLIC".to_owned(),
                false => QuotedIdent::new(&row.cell::<String>(1)?)?.to_string(),
            };
            revokes.push(format!("REVOKE ALL ON SCHEMA {schema} FROM {role}"));
        }
        work.run(&revokes).await?;
    }
    Ok(())
}

/// The statements that put the tables aside.
fn moving(kept: &Kept, inherited: &[(Name, String)]) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for one in &kept.published {
        let publication = QuotedIdent::new(&one.publication)?;
        statements.push(format!("ALTER PUBLICATION {publication} DROP TABLE ONLY {}", one.table.to_sql()?));
    }
    for one in &kept.attached {
        let (parent, partition) = (one.parent.to_sql()?, one.partition.to_sql()?);
        statements.push(format!("ALTER TABLE {parent} DETACH PARTITION {partition}"));
    }
    for (table, key) in inherited {
        let key = QuotedIdent::new(key)?;
        statements.push(format!("ALTER TABLE {} DROP CONSTRAINT IF EXISTS {key}", table.to_sql()?));
    }
    for key in &kept.keys {
        let name = QuotedIdent::new(&key.name)?;
        statements.push(format!("ALTER TABLE {} DROP CONSTRAINT {name}", key.table.to_sql()?));
    }
    for (kind, name) in things(kept) {
        statements.push(move_of(kind, name, &kept.now(name))?);
    }
    Ok(statements)
}

/// Everything that moves from schema to schema, and what it is for `ALTER`.
pub(super) fn things(kept: &Kept) -> impl Iterator<Item = (&'static str, &Name)> {
    let tables = kept.relations.iter().map(|relation| ("TABLE", &relation.name));
    tables.chain(kept.statistics.iter().map(|name| ("STATISTICS", name)))
}

pub(super) fn move_of(kind: &str, from: &Name, to: &Name) -> Result<String> {
    let schema = QuotedIdent::new(to.schema.as_deref().unwrap_or_default())?;
    Ok(format!("ALTER {kind} {} SET SCHEMA {schema}", from.to_sql()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        assert_eq!(named("20261122", "orders", 1, 0), "cofferdam_parked_20261122_orders");
        assert_eq!(named("20261122", "orders", 2, 1), "cofferdam_parked_20261122_orders_2_in2");
        let long = "é".repeat(31);
        let names: std::collections::HashSet<String> =
            [(1, 0), (2, 0), (1, 1), (2, 1)].map(|(n, s)| named("20261122", &long, n, s)).into();
        assert_eq!(names.len(), 4);
        assert!(names.iter().all(|name| name.len() <= 63 && QuotedIdent::new(name).is_ok()));
    }
}
