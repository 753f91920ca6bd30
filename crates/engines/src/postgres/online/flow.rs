//! Which of the two tables the application writes, which one follows it, and the SQL that follows from that.
//!
//! Before the swap the old table leads and the new one follows; after the swap it is the other way round. Nothing
//! else in the data path knows the direction.

use cofferdam_core::fault::Result;
use cofferdam_core::online::Online;
use cofferdam_core::{Name, QuotedIdent, QuotedLiteral};

use super::carry::Blueprint;

/// The direction in which rows flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the table into its shadow, until the swap.
    Forward,
    /// From the new table into the old one, while the swap can be taken back.
    Back,
}

/// A column of the key by which a row is found on both sides.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The quoted name in the leading table.
    pub(super) source: String,
    /// Its type there, as SQL.
    pub(super) source_type: String,
    /// The quoted name in the following table.
    pub(super) target: String,
    /// Its type there.
    pub(super) target_type: String,
}

/// A column of the following table.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// Its quoted name.
    pub(super) name: String,
    /// Its value, over the alias of the leading table.
    pub(super) value: String,
    /// The leading table has nothing that says it: a row that is there keeps what it has.
    pub(super) kept: bool,
}

/// What the leading table was when the change began.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    /// Its OID.
    pub(super) table: u32,
    /// See [`super::carry::fingerprint_query`].
    pub(super) fingerprint: String,
    /// Its file is looked at, too. Not where a TRUNCATE, which changes the file, is logged only some time after it: a
    /// rewrite by somebody else is then found by the comparison.
    pub(super) node: bool,
}

/// Everything that SQL of the data path is made from.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) direction: Direction,
    /// The leading table, quoted.
    pub(super) source: String,
    /// The following table, quoted.
    pub(super) target: String,
    /// The alias that expressions call a row of the leading table by.
    pub(super) source_alias: &'static str,
    /// The alias of a row of the following table.
    pub(super) target_alias: &'static str,
    pub(super) key: Vec<Key>,
    /// The columns of the following table that are written.
    pub(super) columns: Vec<Column>,
    /// The hash of each column on the leading side and on the following side.
    pub(super) compared: Vec<(String, String)>,
    /// On the way back, the same for rows that were written since the swap; see [`Blueprint::compare_back`].
    pub(super) compared_back: Vec<(String, String)>,
    /// The log of changed keys, quoted.
    pub(super) log: String,
    /// The list of chunks, quoted.
    pub(super) chunk: String,
    /// The fence, quoted.
    pub(super) fence: String,
    /// The name of the slot, as a literal.
    slot: String,
    /// Keys that the following table cannot take, quoted.
    pub(super) quarantine: String,
    /// Before the swap: what must not change of the leading table. Afterwards the table is ours to read by name only.
    pub(super) expected: Option<Expected>,
}

/// An object of the change in one of its two schemas.
pub(super) fn own(schema: &str, name: &str) -> Result<String> {
    Ok(Name { schema: Some(schema.to_owned()), name: name.to_owned() }.to_sql()?)
}

/// A text as an SQL literal.
pub(super) fn literal(text: &str) -> Result<String> {
    Ok(QuotedLiteral::new(text)?.to_string())
}

impl Flow {
    pub(super) fn new(change: &Online, print: &Blueprint, direction: Direction) -> Result<Self> {
        let quoted = |name: &str| QuotedIdent::new(name).map(|q| q.to_string());
        let forward = direction == Direction::Forward;
        let schema = if forward { change.new_schema() } else { change.old_schema() };
        let mut key = Vec::new();
        for k in &print.key {
            let (old, new) = (quoted(&k.name)?, quoted(&k.name)?);
            let (old_type, new_type) = (k.ty.clone(), k.new_ty.clone());
            key.push(if forward {
                Key { source: old, source_type: old_type, target: new, target_type: new_type }
            } else {
                Key { source: new, source_type: new_type, target: old, target_type: old_type }
            });
        }
        let mut columns = Vec::new();
        for column in if forward { &print.columns } else { &print.back } {
            let value = super::plant::in_value(&column.name, column.expression.clone());
            // Before the swap nobody has seen what a new column holds.
            columns.push(Column { name: quoted(&column.name)?, value, kept: column.absent && !forward });
        }
        let compared = print.compare.iter().map(|c| match forward {
            true => (c.left.clone(), c.right.clone()),
            false => (c.right.clone(), c.left.clone()),
        });
        let compared_back = match forward {
            true => Vec::new(),
            false => print.compare_back.iter().map(|c| (c.right.clone(), c.left.clone())).collect(),
        };
        let table = change.table.to_sql()?;
        let follower = if forward { change.shadow() } else { change.old() };
        Ok(Self {
            direction,
            source: table,
            target: follower.to_sql()?,
            source_alias: if forward { "o" } else { "n" },
            target_alias: if forward { "n" } else { "o" },
            key,
            columns,
            compared: compared.collect(),
            compared_back,
            log: own(&schema, LOG)?,
            chunk: own(&schema, CHUNK)?,
            fence: own(&change.new_schema(), FENCE)?,
            slot: literal(&super::logical::name(change))?,
            quarantine: own(&schema, QUARANTINE)?,
            expected: forward.then(|| Expected {
                table: print.table_oid,
                fingerprint: print.fingerprint.clone(),
                node: true,
            }),
        })
    }

    /// The two statements that check, in the snapshot of the transaction, whether everything is as it was. What they
    /// return is read by `worker::checked`. This one locks the fence.
    pub(super) fn fenced(&self, epoch: i64) -> String {
        format!("SELECT epoch FROM {} WHERE epoch = {epoch} FOR SHARE", self.fence)
    }

    /// This one looks at the table, the log and what captures keys.
    pub(super) fn unchanged(&self) -> Result<String> {
        let same = match &self.expected {
            Some(expected) if expected.node => format!(
                "({}), f.node = pg_catalog.pg_relation_filenode({})",
                super::carry::fingerprint_query(expected.table),
                expected.table
            ),
            Some(expected) => format!("({}), true", super::carry::fingerprint_query(expected.table)),
            None => "NULL, true".to_owned(),
        };
        Ok(format!(
            "SELECT EXISTS (SELECT FROM {} WHERE op = 'T'), {same},
                    CASE f.capture WHEN '{SLOT}' THEN EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = {})
                    ELSE f.capture = ({}) END FROM {} f",
            self.log,
            self.slot,
            super::capture::triggers_query(&self.source)?,
            self.fence
        ))
    }

    /// The names of the key's columns as the log and the chunks call them.
    pub(super) fn key_names(&self) -> Vec<String> {
        (1..=self.key.len()).map(|n| format!("k{n}")).collect()
    }

    /// The key of a row of the leading table: `o."id", o."part"`.
    pub(super) fn source_key(&self) -> String {
        let alias = self.source_alias;
        self.key.iter().map(|k| format!("{alias}.{}", k.source)).collect::<Vec<_>>().join(", ")
    }

    /// The key of a row of the following table.
    pub(super) fn target_key(&self) -> String {
        let alias = self.target_alias;
        self.key.iter().map(|k| format!("{alias}.{}", k.target)).collect::<Vec<_>>().join(", ")
    }

    /// The rows of the leading table whose key lies in the range.
    pub(super) fn source_range(&self, range: &Range) -> Result<String> {
        let types: Vec<&str> = self.key.iter().map(|k| k.source_type.as_str()).collect();
        range.condition(&self.source_key(), &types)
    }

    /// The rows of the following table whose key lies in the range.
    pub(super) fn target_range(&self, range: &Range) -> Result<String> {
        let types: Vec<&str> = self.key.iter().map(|k| k.target_type.as_str()).collect();
        range.condition(&self.target_key(), &types)
    }

    /// The rows of the log (alias `l`) whose key lies in the range.
    pub(super) fn log_range(&self, range: &Range) -> Result<String> {
        let names: Vec<String> = self.key_names().iter().map(|k| format!("l.{k}")).collect();
        let types: Vec<&str> = self.key.iter().map(|k| k.source_type.as_str()).collect();
        range.condition(&names.join(", "), &types)
    }

    /// `INSERT INTO target (...) ... SELECT ... FROM source`, ready for a WHERE.
    pub(super) fn insert(&self, from: &str) -> String {
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let values: Vec<&str> = self.columns.iter().map(|c| c.value.as_str()).collect();
        format!(
            "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {from}",
            self.target,
            names.join(", "),
            values.join(", ")
        )
    }
}

/// The log of changed keys.
pub(super) const LOG: &str = "cofferdam log";
/// The list of chunks.
pub(super) const CHUNK: &str = "cofferdam chunk";
/// One row: the epoch of the runner that may write.
pub(super) const FENCE: &str = "cofferdam fence";
/// What the fence says where keys come from the slot, and not from triggers.
pub(super) const SLOT: &str = "slot";
/// Keys that the following table cannot take.
pub(super) const QUARANTINE: &str = "cofferdam quarantine";

/// Keys from `low` to below `high`, as texts by column; `None`: open. The whole space of keys is a list of ranges
/// of which each begins where the one before ends, so that a row that should not be there shows too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) low: Option<Vec<String>>,
    pub(super) high: Option<Vec<String>>,
}

impl Range {
    fn condition(&self, names: &str, types: &[&str]) -> Result<String> {
        let mut parts = Vec::new();
        for (bound, sign) in [(&self.low, ">="), (&self.high, "<")] {
            let Some(bound) = bound else { continue };
            let values = bound
                .iter()
                .zip(types)
                .map(|(value, ty)| Ok(format!("{}::{ty}", literal(value)?)))
                .collect::<Result<Vec<_>>>()?;
            // A single column is written plainly: not every type that has an order has one within a row.
            parts.push(match values.as_slice() {
                [value] => format!("{names} {sign} {value}"),
                _ => format!("({names}) {sign} ({})", values.join(", ")),
            });
        }
        Ok(if parts.is_empty() { "true".into() } else { parts.join(" AND ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_open_where_they_have_no_bound() {
        let range = |low: Option<&[&str]>, high: Option<&[&str]>| Range {
            low: low.map(|v| v.iter().map(|s| (*s).to_owned()).collect()),
            high: high.map(|v| v.iter().map(|s| (*s).to_owned()).collect()),
        };
        let one = |r: Range| r.condition("o.\"id\"", &["integer"]).unwrap();
        assert_eq!(one(range(None, None)), "true");
        assert_eq!(one(range(Some(&["5"]), None)), "o.\"id\" >= '5'::integer");
        assert_eq!(
            one(range(Some(&["5"]), Some(&["9"]))),
            "o.\"id\" >= '5'::integer AND o.\"id\" < '9'::integer"
        );
        assert_eq!(
            range(None, Some(&["1", "o'x"])).condition("a, b", &["integer", "text"]).unwrap(),
            "(a, b) < ('1'::integer, 'o''x'::text)"
        );
    }
}
