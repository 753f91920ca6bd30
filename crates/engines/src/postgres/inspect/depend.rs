//! What needs what, as the server keeps it in `pg_depend`.

use std::collections::{BTreeSet, HashMap};

use tokio_postgres::Row;

use cofferdam_core::fault::Result;
use cofferdam_schema::{Body, Key, Kind, Object, Schema};

use super::super::cells::RowCells;

/// Where the server keeps something: the catalog, the number there, and that of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) class: u32,
    pub(super) object: u32,
    pub(super) part: i32,
}

/// Everything that is no part of the server's own. `p` and `x` are other matters.
pub(super) const QUERY: &str =
    "SELECT classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype::text
    FROM pg_depend WHERE deptype IN ('n', 'a', 'i', 'P', 'S', 'e') AND objid >= 16384
      AND (refobjid >= 16384 OR refclassid = 'pg_namespace'::regclass)";

/// Which object is where.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// An address may be that of several: a sequence is itself, and that it goes with a column.
    known: HashMap<Address, Key>,
    attachments: Vec<(Address, Key)>,
    ownerships: HashMap<Address, Key>,
}

impl Addresses {
    pub(super) fn insert(&mut self, address: Address, key: &Key) {
        match key.kind {
            Kind::Attachment => self.attachments.push((address, key.clone())),
            Kind::Ownership => drop(self.ownerships.insert(address, key.clone())),
            _ => drop(self.known.insert(address, key.clone())),
        }
    }

    /// Gives each object what it needs.
    pub(super) fn connect(&self, schema: &mut Schema, rows: &[Row]) -> Result<()> {
        let link = |row: &Row| {
            let from = Address { class: row.cell(0)?, object: row.cell(1)?, part: row.cell(2)? };
            let to = Address { class: row.cell(3)?, object: row.cell(4)?, part: row.cell(5)? };
            let how: String = row.cell(6)?;
            Ok((from, to, how))
        };
        let links: Vec<(Address, Address, String)> = rows.iter().map(link).collect::<Result<_>>()?;
        // The parts of which an object is made inside: an array of a type, the index of a constraint, a view's rule;
        // of a partition's foreign key that of the whole table.
        let of = |hows: &[&str]| -> HashMap<Address, Address> {
            let fits = |(_, _, how): &&(Address, Address, String)| hows.contains(&how.as_str());
            links.iter().filter(fits).map(|(from, to, _)| (*from, *to)).collect()
        };
        let mut inside = of(&["P"]);
        inside.extend(of(&["i", "e"]));
        let resolve = |address: Address| {
            let mut at = address;
            for _ in 0..4 {
                let whole = Address { part: 0, ..at };
                if let Some(key) = self.known.get(&at).or_else(|| self.known.get(&whole)) {
                    return Some(key);
                }
                at = *inside.get(&at).or_else(|| inside.get(&whole))?;
            }
            None
        };
        let mut needs: HashMap<&Key, BTreeSet<&Key>> = HashMap::new();
        for (from, to, how) in links.iter().filter(|(_, _, how)| how != "e") {
            let Some(needed) = resolve(*to) else { continue };
            if how == "a"
                && let Some(ownership) = self.ownerships.get(from)
            {
                needs.entry(ownership).or_default().extend([needed]);
                needs.entry(ownership).or_default().extend(self.known.get(from));
                continue;
            }
            if let Some(key) = resolve(*from).filter(|key| *key != needed) {
                needs.entry(key).or_default().insert(needed);
            }
        }
        let indexes = indexes(schema);
        for (address, key) in &self.attachments {
            needs.entry(key).or_default().extend(resolve(*address));
            needs.entry(key).or_default().extend(attached(schema, &indexes, key));
        }
        let needs: Vec<(Key, BTreeSet<Key>)> =
            needs.into_iter().map(|(key, set)| (key.clone(), set.into_iter().cloned().collect())).collect();
        for (key, needed) in needs {
            if let Some(object) = schema.objects.get_mut(&key) {
                object.needs = needed;
            }
        }
        Ok(())
    }
}

/// What bears the name of an index: itself, or the constraint that it is there for.
fn indexes<'s>(schema: &'s Schema) -> HashMap<(&'s str, &'s str), &'s Key> {
    let with_index = |object: &&Object| match &object.body {
        Body::Index(_) => true,
        Body::Constraint(constraint) => matches!(constraint.sort, 'p' | 'u' | 'x'),
        _ => false,
    };
    let named = |object: &'s Object| ((object.key.schema.as_str(), object.key.name.as_str()), &object.key);
    schema.objects.values().filter(with_index).map(named).collect()
}

/// What an attachment needs: what it leads to, and of a table its indexes, because the server would make them with
/// names of its own.
fn attached<'k>(schema: &'k Schema, indexes: &HashMap<(&str, &str), &'k Key>, key: &Key) -> Vec<&'k Key> {
    let Some(Body::Attachment(it)) = schema.objects.get(key).map(|object| &object.body) else {
        return Vec::new();
    };
    if it.bound.is_none() {
        let table = schema.objects.get_key_value(&Key::on(Kind::Attachment, &key.schema, &key.on, ""));
        let parent = indexes.get(&(it.parent.0.as_str(), it.parent.1.as_str())).copied();
        return parent.into_iter().chain(table.map(|(key, _)| key)).collect();
    }
    let parent = schema.objects.get_key_value(&Key::new(Kind::Table, &it.parent.0, &it.parent.1));
    let own = [Kind::Index, Kind::Constraint].into_iter().flat_map(|kind| {
        let first = Key::on(kind, &key.schema, &key.on, "");
        let same = move |at: &Key| at.kind == kind && at.schema == key.schema && at.on == key.on;
        schema.objects.range(first..).map(|(at, _)| at).take_while(move |at| same(at))
    });
    own.chain(parent.map(|(key, _)| key)).collect()
}
