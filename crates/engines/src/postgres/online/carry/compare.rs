//! How columns of both sides are compared: by a hash of each value, fast where that is safe.
//!
//! The hash functions of a type follow its equality, and equal is not identical: `1.0` and `1.00`, `0` and `-0`,
//! `1 day` and `24 hours`, texts under a collation that overlooks case. Such types, and those without a hash function,
//! go through what the server would send to a client.

use cofferdam_core::fault::Result;

use super::blueprint::{Compared, Mapped};
use super::catalog::ident;
use super::columns::Column;
use super::mapping::Pairs;
use super::reading::Reading;

/// Every column that both sides know. `mapped`: the stored columns of the new table.
pub(super) fn compared(
    before: &Reading,
    after: &Reading,
    pairs: &Pairs,
    mapped: &[Mapped],
) -> Result<Vec<Compared>> {
    let mut out = Vec::new();
    for (position, new) in after.columns.iter().enumerate() {
        let Some(left) = wanted(new, before, pairs, mapped)? else { continue };
        let right = format!("n.{}", ident(&new.name)?);
        out.push(Compared {
            name: new.name.clone(),
            left: hash(new, &left, position),
            right: hash(new, &right, position),
        });
    }
    Ok(out)
}

/// Every column of the old table that the new one says something of. `mapped`: the stored columns of the old table.
pub(super) fn compared_back(before: &Reading, mapped: &[Mapped]) -> Result<Vec<Compared>> {
    let mut out = Vec::new();
    for (position, old) in before.columns.iter().enumerate() {
        let Some(column) = mapped.iter().find(|m| m.name == old.name && !m.absent) else { continue };
        let left = format!("o.{}", ident(&old.name)?);
        let right = format!("({})::{}", column.expression, old.ty);
        out.push(Compared {
            name: old.name.clone(),
            left: hash(old, &left, position),
            right: hash(old, &right, position),
        });
    }
    Ok(out)
}

/// The value that the old row asks for, of the new type.
fn wanted(new: &Column, before: &Reading, pairs: &Pairs, mapped: &[Mapped]) -> Result<Option<String>> {
    let old = pairs.from.get(&new.name).and_then(|name| before.column(name));
    if new.stored() {
        let Some(column) = mapped.iter().find(|m| m.name == new.name && !m.absent) else { return Ok(None) };
        let as_it_is = old.is_some_and(|o| o.ty == new.ty) && !pairs.converted(&new.name);
        return Ok(Some(match as_it_is {
            true => column.expression.clone(),
            false => format!("({})::{}", column.expression, new.ty),
        }));
    }
    // A virtual column has no value of its own.
    let (Some(expression), "s") = (&new.default, new.generated.as_str()) else { return Ok(None) };
    if let Some(old) = old.filter(|o| o.ty == new.ty && o.generated == "s" && o.default == new.default) {
        return Ok(Some(format!("o.{}", ident(&old.name)?)));
    }
    // The same is computed from what the columns are to become.
    let mut columns = Vec::new();
    for column in mapped.iter().filter(|m| !m.absent) {
        columns.push(format!("({}) AS {}", column.expression, ident(&column.name)?));
    }
    Ok(Some(format!("(SELECT ({expression})::{} FROM (SELECT {}) t)", new.ty, columns.join(", "))))
}

/// A bigint that is never NULL and stands for the value, of the column's type, at this place of the row.
fn hash(column: &Column, value: &str, position: usize) -> String {
    let null = null_stands_for(position);
    let value = match column.base.as_deref() {
        Some(base) => fast(base, column, value, position),
        None if column.category == "E" => Some(format!("pg_catalog.hashenumextended({value}, {position})")),
        None => None,
    }
    .unwrap_or_else(|| match &column.send {
        Some(send) => array(&format!("{send}({value})"), position),
        None => text(value, position),
    });
    format!("COALESCE({value}, {null})")
}

/// The type's own hash function, where values that it takes for equal are identical.
fn fast(base: &str, column: &Column, value: &str, position: usize) -> Option<String> {
    let function = match base {
        "int2" => "hashint2extended",
        "int4" => "hashint4extended",
        "int8" => "hashint8extended",
        "oid" => "hashoidextended",
        "char" => "hashcharextended",
        "name" => "hashnameextended",
        "uuid" => "uuid_hash_extended",
        "timestamp" => "timestamp_hash_extended",
        "time" => "time_hash_extended",
        "timetz" => "timetz_hash_extended",
        "inet" | "cidr" => "hashinetextended",
        "macaddr" => "hashmacaddrextended",
        "macaddr8" => "hashmacaddr8extended",
        "bool" => {
            return Some(format!("pg_catalog.hashint4extended(({value})::pg_catalog.int4, {position})"));
        }
        "timestamptz" => {
            // Turned into UTC, which loses nothing; its own function is there from version 18 on only.
            let utc = format!("pg_catalog.timezone('0'::pg_catalog.interval, {value})");
            return Some(format!("pg_catalog.timestamp_hash_extended({utc}, {position})"));
        }
        "numeric" => return Some(number(value, position)),
        "text" | "varchar" => return Some(text(value, position)),
        // Of a fixed length all end in as many spaces as they must.
        "bpchar" if column.modifier > 0 => return Some(text(value, position)),
        "bytea" | "date" => return Some(array(value, position)),
        _ => return None,
    };
    Some(format!("pg_catalog.{function}({value}, {position})"))
}

/// Equal numbers that are written with as many digits are identical. The type's own hash knows neither the sign nor
/// what is no number (NaN, the infinities, which have no digits behind the point).
fn number(value: &str, position: usize) -> String {
    let signed = format!("CASE WHEN {value} < 0 THEN {} ELSE {position} END", position + 1_000_000);
    let digits = format!("pg_catalog.hashint4extended(pg_catalog.scale({value}), {position})");
    format!(
        "CASE WHEN pg_catalog.scale({value}) IS NULL THEN {} \
         ELSE pg_catalog.hash_numeric_extended({value}, {signed}) # {digits} END",
        text(value, position)
    )
}

/// Byte by byte, whatever the collation takes for equal.
fn text(value: &str, position: usize) -> String {
    format!("pg_catalog.hashtextextended(({value})::pg_catalog.text COLLATE pg_catalog.\"C\", {position})")
}

/// The hash function of a type that has one that cannot be called by name.
fn array(value: &str, position: usize) -> String {
    format!("pg_catalog.hash_array_extended(ARRAY[{value}], {position})")
}

fn null_stands_for(position: usize) -> i64 {
    let position = i64::try_from(position).unwrap_or(0) + 1;
    position.wrapping_mul(0x1e37_79b9_7f4a_7c15) & i64::MAX
}
