//! Reads messages of the output plugin `pgoutput`, protocol version 1, and keeps the keys of what changed.
//! <https://www.postgresql.org/docs/current/protocol-logicalrep-message-formats.html>

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

/// Keys that were read and are to be logged.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The values of each column of the key, as texts: equally many of each.
    pub(super) columns: Vec<Vec<String>>,
    /// The bytes of all values.
    pub(super) bytes: usize,
    /// The table was truncated.
    pub(super) truncated: bool,
    /// The transactions that they are of, as numbers of 32 bits.
    pub(super) transactions: Vec<u32>,
}

impl Keys {
    /// There is nothing to log.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0 && !self.truncated
    }

    pub(super) fn count(&self) -> usize {
        self.columns.first().map_or(0, Vec::len)
    }
}

/// Reads what a slot says of one table.
#[derive(Debug)]
pub(super) struct Decoder {
    /// The names of the key's columns.
    key: Vec<String>,
    /// For each column of the relation, which column of the key it is.
    places: Vec<Option<usize>>,
    keys: Keys,
    /// The transaction that is being read.
    transaction: Option<u32>,
    /// Where the last transaction ends that was read whole. To go on from where its commit begins would be to read it
    /// again.
    end: u64,
}

impl Decoder {
    pub(super) fn new(key: Vec<String>) -> Self {
        Self { key, places: Vec::new(), keys: Keys::default(), transaction: None, end: 0 }
    }

    /// What was read since the last call.
    pub(super) fn take(&mut self) -> Keys {
        std::mem::take(&mut self.keys)
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Everything that was committed before this position was read; 0: nothing yet.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Notes that all before this position was sent. It says nothing in the middle of a transaction.
    pub(super) fn position(&mut self, position: u64) {
        if self.transaction.is_none() {
            self.end = self.end.max(position);
        }
    }

    pub(super) fn message(&mut self, data: &[u8]) -> Result<()> {
        let mut reader = Reader { data };
        match reader.byte()? {
            b'B' => {
                reader.skip(16)?;
                self.transaction = Some(u32::try_from(reader.number::<4>()?).unwrap_or(0));
            }
            b'R' => self.relation(&mut reader)?,
            b'I' => {
                reader.skip(5)?;
                let row = self.tuple(&mut reader)?;
                self.changed(row)?;
            }
            b'U' => self.update(&mut reader)?,
            b'D' => {
                reader.skip(5)?;
                let row = self.tuple(&mut reader)?;
                self.changed(row)?;
            }
            b'T' => {
                self.keys.truncated = true;
                self.belongs()?;
            }
            b'C' => {
                reader.skip(9)?;
                self.end = self.end.max(reader.number::<8>()? as u64);
                self.transaction = None;
            }
            _ => {}
        }
        Ok(())
    }

    /// The old key is there if it changed, or if a value of it is kept beside the table; the new row always. Of such
    /// a value the new row does not say what it is where it did not change.
    fn update(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        reader.skip(4)?;
        let mut old = None;
        if matches!(reader.byte()?, b'K' | b'O') {
            old = Some(self.tuple(reader)?);
            reader.skip(1)?;
        }
        let mut new = self.tuple(reader)?;
        if let Some(old) = old {
            for (new, old) in new.iter_mut().zip(&old) {
                if new.is_none() {
                    new.clone_from(old);
                }
            }
            if old != new {
                self.changed(old)?;
            }
        }
        self.changed(new)
    }

    /// One row changed.
    fn changed(&mut self, row: Vec<Option<String>>) -> Result<()> {
        if let Some(missing) = row.iter().position(Option::is_none) {
            let name = self.key.get(missing).map(String::as_str).unwrap_or_default();
            return Err(Fault::Bug(format!("a decoded change lacks column {name}")));
        }
        self.keys.columns.resize_with(self.key.len(), Vec::new);
        for (column, value) in self.keys.columns.iter_mut().zip(row.into_iter().flatten()) {
            self.keys.bytes += value.len();
            column.push(value);
        }
        self.belongs()
    }

    /// Notes which transaction the keys are of.
    fn belongs(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction else {
            return Err(Fault::Bug("a logical slot gave a change outside of a transaction".into()));
        };
        if self.keys.transactions.last() != Some(&transaction) {
            self.keys.transactions.push(transaction);
        }
        Ok(())
    }

    fn relation(&mut self, reader: &mut Reader<'_>) -> Result<()> {
        reader.skip(4)?;
        reader.text()?;
        reader.text()?;
        reader.skip(1)?;
        self.places.clear();
        for _ in 0..reader.number::<2>()? {
            reader.skip(1)?;
            let name = reader.text()?;
            reader.skip(8)?;
            self.places.push(self.key.iter().position(|k| *k == name));
        }
        Ok(())
    }

    /// The values of the key's columns in a row.
    fn tuple(&mut self, reader: &mut Reader<'_>) -> Result<Vec<Option<String>>> {
        let mut key = vec![None; self.key.len()];
        for at in 0..reader.number::<2>()? {
            // Others are NULL, or a large value that did not change.
            if reader.byte()? != b't' {
                continue;
            }
            let length = reader.number::<4>()?;
            let value = reader.take(length)?;
            let place = self.places.get(at).copied().flatten();
            if let Some(cell) = place.and_then(|place| key.get_mut(place)) {
                *cell = Some(String::from_utf8_lossy(value).into_owned());
            }
        }
        Ok(key)
    }
}

struct Reader<'d> {
    data: &'d [u8],
}

impl<'d> Reader<'d> {
    fn take(&mut self, length: usize) -> Result<&'d [u8]> {
        let (taken, rest) = self
            .data
            .split_at_checked(length)
            .ok_or_else(|| Fault::Bug("a message of the logical slot ends too early".into()))?;
        self.data = rest;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<()> {
        self.take(length).map(|_| ())
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A number of so many bytes, the highest first.
    fn number<const BYTES: usize>(&mut self) -> Result<usize> {
        Ok(self.take(BYTES)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    fn text(&mut self) -> Result<String> {
        let length = self.data.iter().position(|b| *b == 0).unwrap_or(self.data.len());
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.skip(1)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation() -> Vec<u8> {
        let mut out = vec![b'R', 0, 0, 0, 9];
        out.extend(b"public\0t\0d\0\x03");
        out.extend(b"\x01shop\0\0\0\0\x17\xff\xff\xff\xff");
        out.extend(b"\x00note\0\0\0\0\x19\xff\xff\xff\xff");
        out.extend(b"\x01id\0\0\0\0\x17\xff\xff\xff\xff");
        out
    }

    fn begin(transaction: u8) -> Vec<u8> {
        [&b"B"[..], &[0; 16], &[0, 0, 0, transaction]].concat()
    }

    fn commit(end: u64) -> Vec<u8> {
        [&b"C"[..], &[0; 9], &end.to_be_bytes(), &[0; 8]].concat()
    }

    /// A row: `shop`, `note`, `id`; `None`: not told.
    fn tuple(values: [Option<&str>; 3]) -> Vec<u8> {
        let mut out = vec![0, 3];
        for value in values {
            match value {
                Some(value) => {
                    out.push(b't');
                    out.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
                    out.extend(value.bytes());
                }
                None => out.push(b'u'),
            }
        }
        out
    }

    fn message(kind: u8, tuples: &[(u8, [Option<&str>; 3])]) -> Vec<u8> {
        let mut out = vec![kind, 0, 0, 0, 9];
        for (kind, values) in tuples {
            out.push(*kind);
            out.extend(tuple(*values));
        }
        out
    }

    fn decoder(messages: &[Vec<u8>]) -> Decoder {
        let mut decoder = Decoder::new(vec!["id".into(), "shop".into()]);
        for one in [&[begin(7), relation()][..], messages].concat() {
            decoder.message(&one).unwrap();
        }
        decoder
    }

    fn keys(messages: &[Vec<u8>]) -> Vec<String> {
        let keys = decoder(messages).take();
        (0..keys.count()).map(|n| format!("{} {}", keys.columns[0][n], keys.columns[1][n])).collect()
    }

    #[test]
    fn keys_of_every_kind_of_change_are_read() {
        let row = [Some("1"), Some("a"), Some("7")];
        let short = [Some("1"), None, Some("7")];
        assert_eq!(keys(&[message(b'I', &[(b'N', row)])]), ["7 1"]);
        assert_eq!(keys(&[message(b'U', &[(b'N', short)])]), ["7 1"]);
        let moved = message(b'U', &[(b'K', short), (b'N', [Some("1"), Some("a"), Some("8")])]);
        assert_eq!(keys(&[moved]), ["7 1", "8 1"]);
        assert_eq!(keys(&[message(b'D', &[(b'K', short)])]), ["7 1"]);
        assert!(keys(&[b"O123".to_vec()]).is_empty());
    }

    #[test]
    fn what_a_new_row_does_not_say_of_its_key_is_in_the_old_one() {
        let update =
            |old: [Option<&str>; 3], new: [Option<&str>; 3]| message(b'U', &[(b'K', old), (b'N', new)]);
        let old = [Some("1"), None, Some("long")];
        assert_eq!(keys(&[update(old, [Some("1"), Some("a"), None])]), ["long 1"]);
        assert_eq!(keys(&[update(old, [Some("2"), Some("a"), None])]), ["long 1", "long 2"]);
        let mut decoder = decoder(&[]);
        assert!(decoder.message(&message(b'U', &[(b'N', [Some("1"), None, None])])).is_err());
    }

    #[test]
    fn transactions_and_positions_are_kept() {
        let row = [Some("1"), None, Some("7")];
        let mut decoder = decoder(&[message(b'I', &[(b'N', row)]), message(b'I', &[(b'N', row)])]);
        decoder.position(900);
        assert_eq!(decoder.end(), 0, "the transaction is not whole");
        assert_eq!(decoder.take().transactions, [7]);
        // Its second part.
        decoder.message(b"T").unwrap();
        decoder.message(&commit(500)).unwrap();
        assert_eq!(decoder.end(), 500);
        for empty in [begin(8), commit(600)] {
            decoder.message(&empty).unwrap();
        }
        let keys = decoder.take();
        assert!(keys.truncated && !keys.is_empty() && keys.count() == 0);
        assert_eq!(keys.transactions, [7], "nothing was changed by the other one");
        decoder.position(700);
        decoder.position(650);
        assert_eq!(decoder.end(), 700);
        assert!(decoder.take().is_empty());
        assert!(decoder.message(b"T").is_err(), "a change of no transaction");
    }

    #[test]
    fn a_message_that_ends_too_early_is_an_error() {
        assert!(Decoder::new(vec![]).message(b"I\0\0").is_err());
        assert!(Decoder::new(vec![]).message(b"").is_err());
    }
}
