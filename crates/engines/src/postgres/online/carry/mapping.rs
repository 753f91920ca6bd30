//! How a row of one table becomes a row of the other.

use std::collections::BTreeMap;

use cofferdam_core::fault::Result;

use super::blueprint::Mapped;
use super::catalog::{ident, literal, qualified};
use super::columns::Column;
use super::reading::Reading;

/// Which column came of which, and by what expression.
#[derive(Debug, Clone, Default)]
pub(super) struct Pairs {
    /// Old names by new ones.
    pub(super) from: BTreeMap<String, String>,
    /// Expressions over `o` for new columns: those of the clauses, and above them those of the user.
    pub(super) forward: BTreeMap<String, String>,
    /// Expressions over `n` for old columns.
    pub(super) backward: BTreeMap<String, String>,
    /// Old columns that the server does not take back without being told the type.
    pub(super) cast_back: BTreeMap<String, String>,
}

impl Pairs {
    /// What an old column is called in the new table.
    pub(super) fn successor(&self, old: &str) -> Option<&str> {
        self.from.iter().find(|(_, o)| *o == old).map(|(n, _)| n.as_str())
    }

    /// A new column gets its values by an expression.
    pub(super) fn converted(&self, new: &str) -> bool {
        self.forward.contains_key(new)
    }
}

/// The stored columns of the new table. `place`: the schema in which it is made.
pub(super) fn forward(before: &Reading, after: &Reading, pairs: &Pairs, place: &str) -> Result<Vec<Mapped>> {
    let mut out = Vec::new();
    for new in after.columns.iter().filter(|c| c.stored()) {
        let old = pairs.from.get(&new.name).and_then(|name| before.column(name));
        let (expression, lossless, absent) = match (pairs.forward.get(&new.name), old) {
            (Some(expression), _) => (expression.clone(), false, false),
            (None, Some(old)) => (format!("o.{}", ident(&old.name)?), loses(old, new).is_none(), false),
            (None, None) => (filling(new, after, place)?, false, true),
        };
        out.push(Mapped { name: new.name.clone(), expression, lossless, absent });
    }
    Ok(out)
}

/// The stored columns of the old table. `apart`: the schema in which it waits.
pub(super) fn backward(before: &Reading, after: &Reading, pairs: &Pairs, apart: &str) -> Result<Vec<Mapped>> {
    let mut out = Vec::new();
    for old in before.columns.iter().filter(|c| c.stored()) {
        let new = pairs.successor(&old.name).and_then(|name| after.column(name));
        let (expression, lossless, absent) = match (pairs.backward.get(&old.name), new) {
            (Some(expression), _) => (expression.clone(), false, false),
            (None, Some(new)) => {
                let plain = format!("n.{}", ident(&new.name)?);
                let lossless = loses(new, old).is_none() && !pairs.converted(&new.name);
                match pairs.cast_back.get(&old.name) {
                    Some(cast) => (cast.clone(), lossless, false),
                    None => (plain, lossless, false),
                }
            }
            (None, None) => (filling(old, before, apart)?, false, true),
        };
        out.push(Mapped { name: old.name.clone(), expression, lossless, absent });
    }
    Ok(out)
}

/// What a row gets that knows nothing of the column.
fn filling(column: &Column, of: &Reading, place: &str) -> Result<String> {
    if let Some(missing) = column.missing_literal()? {
        return Ok(missing);
    }
    let own = of.sequences.iter().find(|s| s.column == column.name);
    let counts = column.default.as_ref().is_none_or(|d| d.starts_with("nextval("));
    if let Some(sequence) = own.filter(|_| counts) {
        // Where the sequence is then: it goes where its table goes.
        let name = literal(&qualified(place, &sequence.name)?)?;
        return Ok(format!("pg_catalog.nextval({name}::pg_catalog.regclass)"));
    }
    Ok(match &column.default {
        Some(default) => format!("({default})"),
        None => format!("NULL::{}", column.ty),
    })
}

/// What values may lose, without an error, when they are assigned to a column of another type. `None`: nothing.
pub(super) fn loses(from: &Column, to: &Column) -> Option<&'static str> {
    let (Some(a), Some(b)) = (from.base.as_deref(), to.base.as_deref()) else { return None };
    const WHOLE: &[&str] = &["int2", "int4", "int8"];
    let digits = "digits behind the point";
    match (a, b) {
        ("numeric", "numeric") => {
            let narrower = scale(to.modifier).is_some_and(|s| scale(from.modifier).is_none_or(|f| f > s));
            narrower.then_some(digits)
        }
        ("timestamp" | "timestamptz" | "time" | "timetz", _) if a == b => (to.modifier >= 0
            && (from.modifier < 0 || from.modifier > to.modifier))
            .then_some("fractions of a second"),
        ("interval", "interval") => {
            (to.modifier != -1 && to.modifier != from.modifier).then_some("fields of the interval")
        }
        (_, "date") if a.starts_with("timestamp") => Some("the time of day"),
        (_, "time" | "timetz") if a.starts_with("timestamp") => Some("the date"),
        ("timetz", "time") => Some("the time zone"),
        ("numeric" | "float4" | "float8", _) if WHOLE.contains(&b) => Some(digits),
        ("float8", "float4") | ("int8" | "numeric", "float8") | ("int4" | "int8" | "numeric", "float4") => {
            Some("digits beyond the type's precision")
        }
        ("float4" | "float8", "numeric") => Some("digits beyond the type's precision"),
        ("json", "jsonb") => Some("spaces, the order of keys and keys that stand twice"),
        _ if WHOLE.contains(&a) && b == "numeric" => None,
        _ => None,
    }
}

/// Digits behind the point of a numeric; `None`: as many as there are.
fn scale(modifier: i32) -> Option<i32> {
    // Eleven bits with a sign from version 15 on, before without one.
    (modifier >= 4).then(|| (((modifier - 4) & 0x7ff) ^ 1024) - 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_read_from_the_modifier() {
        for (precision, digits) in [(10, 2), (38, 0), (5, -3), (1000, 1000)] {
            assert_eq!(scale(((precision << 16) | (digits & 0x7ff)) + 4), Some(digits));
        }
        assert_eq!(scale(-1), None);
    }
}
