//! The bytes of the two events that tell of rows: which columns a table has, and the rows themselves.
//!
//! Only what a key needs is read. Everything else is stepped over by its length, and a row that does not end where its
//! event ends is an error: nothing is guessed.
//!
//! Source: MySQL's "Binary Log" pages of the server's source documentation (`Table_map_event`, `Rows_event`), and the
//! page "Rows_event_v1/v2" of MariaDB's knowledge base.

use super::types::{self, Column};

/// What is wrong with the bytes.
pub(super) type Wrong = String;

/// Bytes from which one takes.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next so many.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Wrong> {
        match self.0.split_at_checked(length) {
            Some((taken, rest)) => {
                self.0 = rest;
                Ok(taken)
            }
            None => Err(format!("it ends {} bytes too early", length - self.0.len())),
        }
    }

    /// A number with its lowest byte first.
    pub(super) fn number(&mut self, length: usize) -> Result<u64, Wrong> {
        Ok(types::low_first(self.take(length)?))
    }

    fn size(&mut self, length: usize) -> Result<usize, Wrong> {
        usize::try_from(self.number(length)?).map_err(|e| e.to_string())
    }

    /// A number whose first byte says how long it is.
    fn packed(&mut self) -> Result<usize, Wrong> {
        match self.size(1)? {
            small @ ..=250 => Ok(small),
            252 => self.size(2),
            253 => self.size(3),
            254 => self.size(8),
            other => Err(format!("{other} is no length")),
        }
    }

    fn name(&mut self) -> Result<&'a [u8], Wrong> {
        let length = self.size(1)?;
        let name = self.take(length)?;
        // Ended by a NUL beside its length.
        self.take(1)?;
        Ok(name)
    }
}

/// Which table the events with a number are about, and what its columns look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map<'a> {
    pub(super) id: u64,
    pub(super) database: &'a [u8],
    pub(super) table: &'a [u8],
    /// The bytes from which [`columns`] are read.
    types: &'a [u8],
    details: &'a [u8],
}

/// Reads a table map.
pub(super) fn map(data: &[u8]) -> Result<Map<'_>, Wrong> {
    let mut bytes = Bytes(data);
    let id = bytes.number(6)?;
    // Flags.
    bytes.take(2)?;
    let (database, table) = (bytes.name()?, bytes.name()?);
    let count = bytes.packed()?;
    let types = bytes.take(count)?;
    let length = bytes.packed()?;
    Ok(Map { id, database, table, types, details: bytes.take(length)? })
}

impl Map<'_> {
    /// What the columns look like in rows.
    pub(super) fn columns(&self) -> Result<Vec<Column>, Wrong> {
        let mut details = Bytes(self.details);
        let columns = self.types.iter().map(|code| Column::read(*code, &mut details));
        let columns = columns.collect::<Result<Vec<_>, Wrong>>()?;
        if details.0.is_empty() { Ok(columns) } else { Err("its columns say more than was read".into()) }
    }
}

/// What an event did to its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Did {
    Insert,
    Update,
    /// As [`Did::Update`], with JSON values of which only the difference is told.
    PartialUpdate,
    Delete,
}

/// What an event with this number did; `None`: it is not about rows. And whether it may hold further details.
pub(super) fn did(event: u8) -> Option<(Did, bool)> {
    Some(match event {
        23 => (Did::Insert, false),
        24 => (Did::Update, false),
        25 => (Did::Delete, false),
        30 => (Did::Insert, true),
        31 => (Did::Update, true),
        32 => (Did::Delete, true),
        39 => (Did::PartialUpdate, true),
        _ => return None,
    })
}

/// An event about rows, its rows not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rows<'a> {
    pub(super) table: u64,
    did: Did,
    count: usize,
    /// Which columns each row before and after the change tells, a bit for each.
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    rows: &'a [u8],
}

/// The number of the table that an event about rows is about.
pub(super) fn table_of(data: &[u8]) -> Result<u64, Wrong> {
    Bytes(data).number(6)
}

/// Reads an event about rows.
pub(super) fn rows(did: Did, detailed: bool, data: &[u8]) -> Result<Rows<'_>, Wrong> {
    let mut bytes = Bytes(data);
    let table = bytes.number(6)?;
    // Flags.
    bytes.take(2)?;
    if detailed {
        // Counts itself.
        let length = bytes.size(2)?;
        bytes.take(length.saturating_sub(2))?;
    }
    let count = bytes.packed()?;
    let bits = count.div_ceil(8);
    let before = if did == Did::Insert { None } else { Some(bytes.take(bits)?) };
    let after = if did == Did::Delete { None } else { Some(bytes.take(bits)?) };
    Ok(Rows { table, did, count, before, after, rows: bytes.0 })
}

fn bit(bits: &[u8], at: usize) -> bool {
    bits.get(at / 8).is_some_and(|byte| byte & (1 << (at % 8)) != 0)
}

/// The bytes of each key column in one image of a row: `None`, the image does not tell it; `Some(None)`, NULL.
type Image<'a> = Vec<Option<Option<&'a [u8]>>>;

impl<'a> Rows<'a> {
    /// The bytes of the key columns before and after each change. A column of the key that the row after an update does
    /// not tell has not changed.
    pub(super) fn keys(&self, columns: &[Column], key: &[usize]) -> Result<Vec<Vec<&'a [u8]>>, Wrong> {
        self.images(columns, key, true)
    }

    /// The bytes of these columns after each change, where the change tells them.
    pub(super) fn after(&self, columns: &[Column], places: &[usize]) -> Result<Vec<Vec<&'a [u8]>>, Wrong> {
        self.images(columns, places, false)
    }

    fn images(&self, columns: &[Column], key: &[usize], with_old: bool) -> Result<Vec<Vec<&'a [u8]>>, Wrong> {
        if self.count != columns.len() {
            return Err(format!("its rows have {} columns and its table {}", self.count, columns.len()));
        }
        let mut bytes = Bytes(self.rows);
        let mut keys = Vec::new();
        while !bytes.0.is_empty() {
            let before = match self.before {
                Some(told) => Some(self.image(&mut bytes, told, false, columns, key)?),
                None => None,
            };
            let after = match self.after {
                Some(told) => {
                    let partial = self.did == Did::PartialUpdate;
                    Some(self.image(&mut bytes, told, partial, columns, key)?)
                }
                None => None,
            };
            let old = before.as_ref().filter(|_| with_old).map(|image| whole(image, None)).transpose()?;
            let new = after.as_ref().map(|image| whole(image, before.as_ref())).transpose()?;
            if new != old {
                keys.extend(new);
            }
            keys.extend(old);
        }
        Ok(keys)
    }

    fn image(
        &self,
        bytes: &mut Bytes<'a>,
        told: &[u8],
        partial: bool,
        columns: &[Column],
        key: &[usize],
    ) -> Result<Image<'a>, Wrong> {
        if partial && bytes.packed()? & 1 != 0 {
            // A bit for each JSON column: whether it is told by its difference. Both kinds begin with their length.
            let json = columns.iter().filter(|column| column.is_json()).count();
            bytes.take(json.div_ceil(8))?;
        }
        let count = (0..columns.len()).filter(|at| bit(told, *at)).count();
        let nulls = bytes.take(count.div_ceil(8))?;
        let mut image: Image<'a> = vec![None; key.len()];
        let present = columns.iter().enumerate().filter(|(at, _)| bit(told, *at));
        for (place, (at, column)) in present.enumerate() {
            let value = if bit(nulls, place) { None } else { Some(column.take(bytes)?) };
            for (slot, _) in image.iter_mut().zip(key).filter(|(_, wanted)| **wanted == at) {
                *slot = Some(value);
            }
        }
        Ok(image)
    }
}

/// Every column of the key, from this image or else from the one before the change.
fn whole<'a>(image: &Image<'a>, before: Option<&Image<'a>>) -> Result<Vec<&'a [u8]>, Wrong> {
    let column = |(at, value): (usize, &Option<Option<&'a [u8]>>)| {
        let value = value.or_else(|| *before?.get(at)?);
        value.ok_or("a row does not tell its key")?.ok_or("a column of the key is NULL")
    };
    image.iter().enumerate().map(column).map(|value| value.map_err(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CREATE TABLE t (id int, c varchar(10))` in database `d`, by hand.
    const MAP: &[u8] = &[7, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, 1, b't', 0, 2, 3, 15, 2, 40, 0, 2];

    #[test]
    fn every_cut_of_an_event_is_an_error_and_no_panic() {
        let whole = map(MAP).unwrap();
        assert_eq!((whole.id, whole.database, whole.table), (7, &b"d"[..], &b"t"[..]));
        let columns = whole.columns().unwrap();
        // An update of row 1, 'ab' to row 2, NULL.
        let event = [7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 3, 3, 0, 1, 0, 0, 0, 2, b'a', b'b', 2, 2, 0, 0, 0];
        let read = |data: &[u8]| {
            let rows = rows(Did::Update, true, data)?;
            rows.keys(&columns, &[0]).map(|keys| keys.into_iter().map(|k| k[0].to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(read(&event).unwrap(), [vec![2, 0, 0, 0], vec![1, 0, 0, 0]]);
        for end in 0..event.len() {
            match read(&event[..end]) {
                Err(_) => {}
                // Without any row it is an event that did nothing.
                Ok(keys) => assert!(keys.is_empty() && end == 13, "{end}: {keys:?}"),
            }
        }
        for end in 0..MAP.len() - 1 {
            assert!(map(&MAP[..end]).and_then(|m| m.columns()).is_err(), "{end}");
        }
        // A byte too many is none of the next row's.
        assert!(read(&[&event[..], &[0]].concat()).is_err());
    }

    #[test]
    fn what_an_image_leaves_out_is_as_before() {
        let columns = map(MAP).unwrap().columns().unwrap();
        // binlog_row_image = MINIMAL: before tells the key, after what changed.
        let event = [7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 2, 1, 2, 0, 1, 0, 0, 0, 0, 1, b'x'];
        let rows = rows(Did::Update, true, &event).unwrap();
        assert_eq!(rows.keys(&columns, &[0]).unwrap(), [vec![&[1, 0, 0, 0][..]]]);
        // The other column is told by neither.
        let why = rows.keys(&columns, &[1]).unwrap_err();
        assert!(why.contains("does not tell its key"), "{why}");
    }
}
