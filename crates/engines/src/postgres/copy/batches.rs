//! The stream of a COPY in batches of whole rows, each of which is the stream of a COPY of its own.
//!
//! The formats are those of <https://www.postgresql.org/docs/current/sql-copy.html>: in binary a head, then of each row
//! the number of its fields and each field with its length, then an end; in text a line for each row, in which a line
//! break of a value is written as `\n`.

use bytes::Bytes;
use futures::StreamExt;

use cofferdam_core::backup::Encoding;
use cofferdam_core::fault::Result;

use crate::copy::Rows;

/// Signature, flags and the length of what may follow them.
const HEAD: usize = 19;
/// Nothing is known that could follow them.
const MOST_EXTENSION: usize = 64 * 1024;
/// In place of a number of fields.
const END: [u8; 2] = [0xff, 0xff];

/// A stream while it is cut.
pub(super) struct Batches {
    rows: Rows,
    cutter: Cutter,
    /// Bytes of a batch, at least.
    least: usize,
    /// The beginning of a row whose end has not come.
    begun: Option<Bytes>,
    /// What every batch but the first begins with.
    head: Option<Bytes>,
    ended: bool,
}

/// The pieces of one batch.
pub(super) type Batch = Vec<Bytes>;

impl Batches {
    pub(super) fn new(rows: Rows, encoding: Encoding, least: usize) -> Self {
        Self { rows, cutter: Cutter::new(encoding), least, begun: None, head: None, ended: false }
    }

    /// The next one; the first is given also where there are no rows. The inner error says what is wrong with the stream.
    pub(super) async fn next(&mut self) -> Result<Option<std::result::Result<Batch, &'static str>>> {
        if self.ended {
            return Ok(None);
        }
        let mut batch: Batch = self.head.clone().into_iter().chain(self.begun.take()).collect();
        let mut size = 0;
        while let Some(piece) = self.rows.next().await {
            let mut piece = piece?;
            let cut = match self.cutter.feed(&piece) {
                Ok(cut) => cut,
                Err(why) => return Ok(Some(Err(why))),
            };
            size += piece.len();
            if let Some(at) = cut.filter(|_| size >= self.least) {
                self.begun = Some(piece.split_off(at));
                batch.push(piece);
                self.head = self.cutter.head();
                batch.extend(self.head.as_ref().map(|_| Bytes::from_static(&END)));
                return Ok(Some(Ok(batch)));
            }
            batch.push(piece);
        }
        self.ended = true;
        Ok(Some(self.cutter.end().map(|()| batch)))
    }
}

/// Where in a row a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Head,
    /// At the number of fields of the next row.
    Count,
    /// At the length of a field, with so many left in this row.
    Length {
        fields: u16,
    },
    /// In a field that has so many bytes left.
    Value {
        fields: u16,
        left: usize,
    },
    /// The row that is no row has come.
    End,
}

struct Cutter {
    encoding: Encoding,
    at: At,
    head: Vec<u8>,
    /// A number of which not all bytes have come.
    number: Vec<u8>,
}

impl Cutter {
    fn new(encoding: Encoding) -> Self {
        Self { encoding, at: At::Head, head: Vec::new(), number: Vec::new() }
    }

    /// What a stream of its own begins with.
    fn head(&self) -> Option<Bytes> {
        (self.encoding == Encoding::Binary).then(|| Bytes::copy_from_slice(&self.head))
    }

    /// Reads on; gives where in these bytes the last row ends that does.
    fn feed(&mut self, bytes: &[u8]) -> std::result::Result<Option<usize>, &'static str> {
        if self.encoding != Encoding::Binary {
            return Ok(bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1));
        }
        let (mut at, mut last) = (0, None);
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self.at {
                At::Head => at += self.feed_head(rest)?,
                At::Count => {
                    let (taken, number) = self.number::<2>(rest);
                    at += taken;
                    match number.map(i16::from_be_bytes) {
                        None => {}
                        Some(-1) => self.at = At::End,
                        Some(0) => last = Some(at),
                        Some(count) => {
                            let fields =
                                u16::try_from(count).map_err(|_| "a row has fewer than no fields")?;
                            self.at = At::Length { fields };
                        }
                    }
                }
                At::Length { fields } => {
                    let (taken, number) = self.number::<4>(rest);
                    at += taken;
                    match number.map(i32::from_be_bytes) {
                        None => {}
                        Some(-1 | 0) => self.field_ended(fields, at, &mut last),
                        Some(length) => {
                            let left = usize::try_from(length).map_err(|_| "a value has a length below 0")?;
                            self.at = At::Value { fields, left };
                        }
                    }
                }
                At::Value { fields, left } => {
                    let taken = left.min(rest.len());
                    at += taken;
                    match left - taken {
                        0 => self.field_ended(fields, at, &mut last),
                        left => self.at = At::Value { fields, left },
                    }
                }
                At::End => return Err("something follows the end of the rows"),
            }
        }
        Ok(last)
    }

    fn feed_head(&mut self, bytes: &[u8]) -> std::result::Result<usize, &'static str> {
        let extension = match self.head.get(HEAD - 4..HEAD).map(<[u8; 4]>::try_from) {
            Some(Ok(length)) => usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX),
            _ => 0,
        };
        if extension > MOST_EXTENSION {
            return Err("its head is not that of a COPY in binary");
        }
        let wanted = if self.head.len() < HEAD { HEAD } else { HEAD + extension };
        let taken = bytes.len().min(wanted - self.head.len());
        self.head.extend(&bytes[..taken]);
        let long = self.head.get(HEAD - 4..HEAD).is_some_and(|length| length != [0; 4]);
        if self.head.len() == HEAD && !long || self.head.len() > HEAD && self.head.len() == wanted {
            self.at = At::Count;
        }
        Ok(taken)
    }

    /// How many bytes belong to a number, and the number once all have come.
    fn number<const N: usize>(&mut self, bytes: &[u8]) -> (usize, Option<[u8; N]>) {
        let taken = bytes.len().min(N - self.number.len());
        self.number.extend(&bytes[..taken]);
        let number = <[u8; N]>::try_from(self.number.as_slice()).ok();
        if number.is_some() {
            self.number.clear();
        }
        (taken, number)
    }

    fn field_ended(&mut self, fields: u16, at: usize, last: &mut Option<usize>) {
        self.at = match fields - 1 {
            0 => {
                *last = Some(at);
                At::Count
            }
            fields => At::Length { fields },
        };
    }

    /// The stream is over. One without a byte is for the server to refuse.
    fn end(&self) -> std::result::Result<(), &'static str> {
        let whole = self.encoding != Encoding::Binary || self.at == At::End || self.head.is_empty();
        if whole { Ok(()) } else { Err("the rows end in the midst") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(extension: &[u8]) -> Vec<u8> {
        let length = u32::try_from(extension.len()).unwrap().to_be_bytes();
        [b"PGCOPY\n\xff\r\n\0".as_slice(), &[0; 4], &length, extension].concat()
    }

    fn row(fields: &[Option<&[u8]>]) -> Vec<u8> {
        let mut bytes = i16::try_from(fields.len()).unwrap().to_be_bytes().to_vec();
        for field in fields {
            let length = field.map_or(-1, |field| i32::try_from(field.len()).unwrap());
            bytes.extend(length.to_be_bytes());
            bytes.extend(field.unwrap_or_default());
        }
        bytes
    }

    async fn cut(stream: &[u8], encoding: Encoding, pieces: usize, least: usize) -> Vec<Vec<u8>> {
        let pieces: Vec<_> = stream.chunks(pieces).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut batches = Batches::new(futures::stream::iter(pieces).boxed(), encoding, least);
        let mut found = Vec::new();
        while let Some(batch) = batches.next().await.unwrap() {
            found.push(batch.unwrap().concat());
        }
        found
    }

    #[tokio::test]
    async fn batches_are_streams_whose_rows_are_those_of_the_whole() {
        let rows: Vec<Vec<u8>> = vec![
            row(&[Some(b"one"), None, Some(b"")]),
            row(&[]),
            row(&[None]),
            row(&[Some(&[0xff; 300]), Some(b"\xff\xff")]),
            row(&[Some(b"last")]),
        ];
        for extension in [b"".as_slice(), b"more"] {
            let head = head(extension);
            let whole = [&head[..], &rows.concat(), &END].concat();
            for pieces in [1, 2, 3, 7, 64, 1000] {
                for least in [1, 20, 200, 100_000] {
                    let batches = cut(&whole, Encoding::Binary, pieces, least).await;
                    let mut found: Vec<u8> = Vec::new();
                    for batch in &batches {
                        assert!(batch.starts_with(&head) && batch.ends_with(&END), "{pieces} {least}");
                        found.extend(&batch[head.len()..batch.len() - 2]);
                        // Each is one that could be cut again.
                        let mut again = Cutter::new(Encoding::Binary);
                        again.feed(batch).unwrap();
                        assert_eq!(again.end(), Ok(()));
                    }
                    assert_eq!(found, rows.concat(), "{pieces} {least}");
                    assert_eq!(batches.len() == 1, least == 100_000, "{pieces} {least}");
                }
            }
        }
        let text = b"1\t\\N\n2\ta\\nb\n3\tlast\n";
        for pieces in [1, 5, 100] {
            assert_eq!(cut(text, Encoding::Text, pieces, 1).await.concat(), text);
        }
        assert_eq!(cut(text, Encoding::Text, 5, 1).await.len(), 4);
        assert_eq!(cut(b"", Encoding::Text, 5, 1).await, [b""]);
    }

    #[test]
    fn a_stream_that_is_none_is_not_taken_for_one() {
        let good = [head(b""), row(&[Some(b"one")]), END.to_vec()].concat();
        for (what, bytes, fed) in [
            ("in the midst of a row", good[..good.len() - 4].to_vec(), true),
            ("without its end", good[..good.len() - 2].to_vec(), true),
            ("in its head", good[..10].to_vec(), true),
            ("goes on", [&good[..], b"x"].concat(), false),
            ("a negative length", [head(b""), vec![0, 1, 0xff, 0xff, 0xff, 0xfe]].concat(), false),
            ("a negative count", [head(b""), vec![0xff, 0xfe]].concat(), false),
            ("no head", vec![b'x'; 40], false),
        ] {
            let mut cutter = Cutter::new(Encoding::Binary);
            assert_eq!(cutter.feed(&bytes).is_ok(), fed, "{what}");
            assert!(!fed || cutter.end().is_err(), "{what}");
        }
    }
}
