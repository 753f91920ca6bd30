//! Rows as lines: as `SELECT ... INTO OUTFILE` writes and `LOAD DATA` reads them unless told otherwise.
//! <https://dev.mysql.com/doc/refman/en/load-data.html>
//!
//! Values are parted by tabs, NULL is `\N`, and a backslash stands before what would part or end something.

use bytes::BytesMut;
use futures::StreamExt;
use mysql_async::{Row, Value};

use cofferdam_core::fault::Result;

use super::super::link;
use crate::copy::Rows;

/// Writes a row, as text protocol gave it.
pub(super) fn write(row: &Row, into: &mut BytesMut) {
    for at in 0..row.len() {
        if at > 0 {
            into.extend_from_slice(b"\t");
        }
        match row.as_ref(at) {
            None | Some(Value::NULL) => into.extend_from_slice(b"\\N"),
            Some(Value::Bytes(bytes)) => escape(bytes, into),
            Some(other) => escape(link::shown(other).unwrap_or_default().as_bytes(), into),
        }
    }
    into.extend_from_slice(b"\n");
}

fn escape(bytes: &[u8], into: &mut BytesMut) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\\' | b'\t' | b'\n' | 0)) {
        let (before, behind) = rest.split_at(at);
        into.extend_from_slice(before);
        into.extend_from_slice(match behind.first() {
            Some(b'\t') => b"\\t",
            Some(b'\n') => b"\\n",
            Some(0) => b"\\0",
            _ => b"\\\\",
        });
        rest = behind.get(1..).unwrap_or_default();
    }
    into.extend_from_slice(rest);
}

/// The values of a line; `None`: it is none that [`write`] wrote.
fn read(line: &[u8]) -> Option<Vec<Value>> {
    line.split(|byte| *byte == b'\t').map(value).collect()
}

fn value(field: &[u8]) -> Option<Value> {
    if field == b"\\N" {
        return Some(Value::NULL);
    }
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b't' => b'\t',
                b'n' => b'\n',
                b'0' => 0,
                b'\\' => b'\\',
                _ => return None,
            },
            byte => *byte,
        });
    }
    Some(Value::Bytes(bytes))
}

/// Rows out of a stream of lines.
pub(super) struct Lines {
    rows: Rows,
    /// What came and is not given out.
    left: BytesMut,
    /// So many bytes of it are known to hold no end of a line.
    seen: usize,
}

impl Lines {
    pub(super) fn new(rows: Rows) -> Self {
        Self { rows, left: BytesMut::new(), seen: 0 }
    }

    /// The next row with the length of its line. The inner error says what is wrong with the stream.
    pub(super) async fn next(
        &mut self,
        columns: usize,
    ) -> Result<Option<std::result::Result<(Vec<Value>, usize), &'static str>>> {
        loop {
            let unseen = self.left.get(self.seen..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                let line = self.left.split_to(self.seen + at + 1);
                self.seen = 0;
                let line = line.get(..line.len() - 1).unwrap_or_default();
                let row = read(line).filter(|row| row.len() == columns);
                return Ok(Some(row.map(|row| (row, line.len())).ok_or("a line is no row of the table")));
            }
            self.seen = self.left.len();
            match self.rows.next().await {
                Some(piece) => self.left.extend_from_slice(&piece?),
                None if self.left.is_empty() => return Ok(None),
                None => return Ok(Some(Err("the rows end in the midst of one"))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn lines(bytes: &[u8], pieces: usize) -> Lines {
        let pieces: Vec<_> = bytes.chunks(pieces).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Lines::new(futures::stream::iter(pieces).boxed())
    }

    #[tokio::test]
    async fn what_is_written_is_read_again() {
        let all: Vec<Vec<u8>> = vec![
            b"".to_vec(),
            b"\\N".to_vec(),
            b"a\tb\nc\\d\0e\r".to_vec(),
            (0..=255).collect(),
            b"\\".to_vec(),
        ];
        let mut bytes = BytesMut::new();
        for value in &all {
            escape(value, &mut bytes);
            bytes.extend_from_slice(b"\t\\N\n");
        }
        for pieces in [1, 2, 7, 1000] {
            let mut lines = lines(&bytes, pieces);
            for value in &all {
                let (row, _) = lines.next(2).await.unwrap().unwrap().unwrap();
                assert_eq!(row, [Value::Bytes(value.clone()), Value::NULL], "{pieces}");
            }
            assert!(lines.next(2).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_none_is_not_taken_for_one() {
        for bytes in [&b"1\t2"[..], b"1\t2\t3\n", b"1\n", b"1\t\\x\n", b"1\t\\\n", b"\n"] {
            assert!(lines(bytes, 3).next(2).await.unwrap().unwrap().is_err(), "{bytes:?}");
        }
    }
}
