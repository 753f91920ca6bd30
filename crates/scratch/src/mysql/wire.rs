//! As much of MySQL's protocol as it takes to send statements over a local socket as a user without a password.
//!
//! Source: MySQL documentation, "Client/Server Protocol", sections "Connection Phase" and "Text Protocol".

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::{Row, WireError};

/// No answer for so long means that the server hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Long passwords, protocol 4.1, transactions, several statements and results, plugins.
const CAPABILITIES: u32 = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x1_0000 | 0x2_0000 | 0x8_0000;
/// And a database's name follows.
const WITH_DATABASE: u32 = 0x8;
/// utf8mb4.
const CHARSET: u8 = 45;
/// In the status of a result: another one follows.
const MORE: u16 = 0x8;

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    sequence: u8,
}

impl Wire {
    /// Connects through the socket file as `root`.
    pub(super) fn connect(socket: &Path, database: Option<&str>) -> Result<Self, WireError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Self { stream, sequence: 0 };
        // The greeting says nothing that is needed, unless it is an error.
        wire.receive()?;
        let capabilities = CAPABILITIES | if database.is_some() { WITH_DATABASE } else { 0 };
        let mut body = capabilities.to_le_bytes().to_vec();
        body.extend_from_slice(&(1_u32 << 24).to_le_bytes());
        body.push(CHARSET);
        body.extend_from_slice(&[0; 23]);
        body.extend_from_slice(b"root\0");
        // The length of no password.
        body.push(0);
        if let Some(database) = database {
            body.extend_from_slice(database.as_bytes());
            body.push(0);
        }
        body.extend_from_slice(b"mysql_native_password\0");
        wire.send(&body)?;
        match wire.receive()?.first() {
            Some(0) => Ok(wire),
            // It would rather have another plugin, with which no password is no password either.
            Some(0xfe) => {
                wire.send(&[])?;
                match wire.receive()?.first() {
                    Some(0) => Ok(wire),
                    _ => Err(WireError::Unsupported("a password".into())),
                }
            }
            _ => Err(WireError::Unsupported("a login of its own".into())),
        }
    }

    /// For so long an answer is waited for.
    pub(super) fn wait_for(&self, longest: Duration) -> Result<(), WireError> {
        Ok(self.stream.set_read_timeout(Some(longest))?)
    }

    /// Runs statements and gives the rows of all of them. An error ends the rest of the text.
    pub(super) fn query(&mut self, sql: &str) -> Result<Vec<Row>, WireError> {
        self.sequence = 0;
        self.send(&[&[3], sql.as_bytes()].concat())?;
        let mut rows = Vec::new();
        loop {
            let head = self.receive()?;
            let status = match head.first() {
                Some(0) => {
                    let mut at = 1;
                    let _ = (number(&head, &mut at), number(&head, &mut at));
                    status(&head, at)
                }
                Some(0xfb) | None => return Err(WireError::Unsupported("a file of ours".into())),
                Some(_) => self.result(&mut rows)?,
            };
            if status & MORE == 0 {
                return Ok(rows);
            }
        }
    }

    /// Descriptions of columns up to a mark, then rows up to another.
    fn result(&mut self, rows: &mut Vec<Row>) -> Result<u16, WireError> {
        while !is_end(&self.receive()?) {}
        loop {
            let packet = self.receive()?;
            if is_end(&packet) {
                return Ok(status(&packet, 3));
            }
            let (mut row, mut at) = (Row::new(), 0);
            while at < packet.len() {
                row.push(number(&packet, &mut at).map(|length| {
                    let end = (at + length).min(packet.len());
                    let text = String::from_utf8_lossy(&packet[at..end]).into_owned();
                    at = end;
                    text
                }));
            }
            rows.push(row);
        }
    }

    fn send(&mut self, body: &[u8]) -> Result<(), WireError> {
        let length = u32::try_from(body.len()).ok().filter(|length| *length < 0xff_ffff);
        let length = length.ok_or_else(|| io::Error::other("a packet of 16 MiB"))?;
        let [a, b, c, _] = length.to_le_bytes();
        let packet = [&[a, b, c, self.sequence], body].concat();
        self.sequence = self.sequence.wrapping_add(1);
        Ok(self.stream.write_all(&packet)?)
    }

    /// The next packet; one that is an error is one.
    fn receive(&mut self) -> Result<Vec<u8>, WireError> {
        let mut head = [0; 4];
        self.stream.read_exact(&mut head)?;
        let [a, b, c, sequence] = head;
        self.sequence = sequence.wrapping_add(1);
        let mut body = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
        self.stream.read_exact(&mut body)?;
        if body.first() != Some(&0xff) {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(body.get(3..).unwrap_or_default()).into_owned();
        let (sqlstate, message) = match text.strip_prefix('#') {
            Some(rest) if rest.is_char_boundary(5) => (rest[..5].to_owned(), rest[5..].to_owned()),
            _ => ("HY000".to_owned(), text),
        };
        Err(WireError::Server { sqlstate, message })
    }
}

/// The mark after columns and after rows; a row that begins alike is longer.
fn is_end(packet: &[u8]) -> bool {
    packet.first() == Some(&0xfe) && packet.len() < 9
}

fn status(packet: &[u8], at: usize) -> u16 {
    let byte = |at: usize| packet.get(at).copied().unwrap_or(0);
    u16::from_le_bytes([byte(at), byte(at + 1)])
}

/// A number whose first byte says how long it is; `None` is NULL.
fn number(packet: &[u8], at: &mut usize) -> Option<usize> {
    let first = packet.get(*at).copied().unwrap_or(0);
    *at += 1;
    let bytes = match first {
        0xfb => return None,
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        small => return Some(usize::from(small)),
    };
    let mut value = 0;
    for place in 0..bytes {
        value |= usize::from(packet.get(*at + place).copied().unwrap_or(0)) << (8 * place);
    }
    *at += bytes;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_length_that_their_first_byte_says() {
        let read = |bytes: &[u8]| {
            let mut at = 0;
            (number(bytes, &mut at), at)
        };
        assert_eq!(read(&[250]), (Some(250), 1));
        assert_eq!(read(&[0xfb]), (None, 1));
        assert_eq!(read(&[0xfc, 1, 2]), (Some(0x201), 3));
        assert_eq!(read(&[0xfd, 1, 2, 3]), (Some(0x3_0201), 4));
        assert_eq!(read(&[0xfe, 1, 0, 0, 0, 0, 0, 0, 0]), (Some(1), 9));
    }
}
