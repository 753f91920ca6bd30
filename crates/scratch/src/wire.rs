//! As much of PostgreSQL's protocol (version 3.0) as it takes to send simple queries over a local socket to a
//! server that trusts us. A driver would be a heavy dependency for "create a database".
//!
//! Source: PostgreSQL documentation, "Frontend/Backend Protocol", sections "Message Flow" and "Message Formats".

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A row: each value as text, `None` for NULL.
pub type Row = Vec<Option<String>>;

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The connection could not be made, or broke.
    #[error("no connection to the server: {0}")]
    Connection(#[from] io::Error),
    /// The server said no.
    #[error("the server says {sqlstate}: {message}")]
    Server {
        /// The five characters of the SQLSTATE.
        sqlstate: String,
        /// Its primary message.
        message: String,
    },
    /// The server speaks of something that this client does not know, such as a password.
    #[error("the server asks for something that this client cannot do: {0}")]
    Unsupported(String),
}

/// A connection.
pub(crate) struct Wire {
    stream: UnixStream,
}

/// No answer for so long means that the server hangs; nothing that is sent here takes a fraction of it.
const PATIENCE: Duration = Duration::from_secs(60);

impl Wire {
    /// Connects through the socket file.
    pub(crate) fn connect(socket: &Path, user: &str, database: &str) -> Result<Self, WireError> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut wire = Self { stream };
        let mut body = 196_608_u32.to_be_bytes().to_vec();
        for text in ["user", user, "database", database, "application_name", "cofferdam scratch", ""] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
        wire.send(None, &body)?;
        wire.until_ready()?;
        Ok(wire)
    }

    /// Runs one or more statements and gives the rows of all of them. An error ends the rest of the text.
    pub(crate) fn query(&mut self, sql: &str) -> Result<Vec<Row>, WireError> {
        let mut body = sql.as_bytes().to_vec();
        body.push(0);
        self.send(Some(b'Q'), &body)?;
        self.until_ready()
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<(), WireError> {
        let mut message: Vec<u8> = kind.into_iter().collect();
        let length = u32::try_from(body.len() + 4).map_err(|_| io::Error::other("a message over 4 GiB"))?;
        message.extend_from_slice(&length.to_be_bytes());
        message.extend_from_slice(body);
        Ok(self.stream.write_all(&message)?)
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>), WireError> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length).saturating_sub(4);
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }

    /// Reads until the server waits for the next query. An error while logging in is followed by nothing.
    fn until_ready(&mut self) -> Result<Vec<Row>, WireError> {
        let mut rows = Vec::new();
        let mut error = None;
        loop {
            let (kind, body) = match self.receive() {
                Ok(message) => message,
                Err(broken) => return Err(error.unwrap_or(broken)),
            };
            match kind {
                b'Z' => return error.map_or(Ok(rows), Err),
                b'D' => rows.push(row(&body)),
                b'E' => error = Some(server_error(&body)),
                b'R' if body != [0; 4] => {
                    return Err(WireError::Unsupported("a password".into()));
                }
                // COPY FROM STDIN: refuse, else both sides wait for each other for ever.
                b'G' => self.send(Some(b'f'), b"no data\0")?,
                // Notices, parameters, the key for cancelling, descriptions, command tags.
                _ => {}
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Without a goodbye the server's log has a line about it; nothing else depends on it.
        let _ = self.send(Some(b'X'), &[]);
    }
}

/// DataRow: the number of values, then each with its length, -1 for NULL.
fn row(body: &[u8]) -> Row {
    let mut row = Row::new();
    let mut rest = body.get(2..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = i32::from_be_bytes(*length);
        let taken = usize::try_from(length).unwrap_or(0).min(after.len());
        let (value, next) = after.split_at(taken);
        row.push((length >= 0).then(|| String::from_utf8_lossy(value).into_owned()));
        rest = next;
    }
    row
}

/// ErrorResponse: fields of a letter and a text that ends with NUL.
fn server_error(body: &[u8]) -> WireError {
    let field = |letter: u8| {
        body.split(|byte| *byte == 0)
            .find(|field| field.first() == Some(&letter))
            .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
            .unwrap_or_default()
    };
    WireError::Server { sqlstate: field(b'C'), message: field(b'M') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_keeps_null_and_empty_apart() {
        let body = [0, 3, 0, 0, 0, 1, b'7', 255, 255, 255, 255, 0, 0, 0, 0];
        assert_eq!(row(&body), [Some("7".to_owned()), None, Some(String::new())]);
    }

    #[test]
    fn a_row_that_is_cut_off_is_no_panic() {
        for length in 0..15 {
            let body = [0, 3, 0, 0, 0, 9, b'7', 0, 0, 0, 1, b'x', 1, 1, 1];
            row(&body[..length]);
        }
    }

    #[test]
    fn an_error_has_its_state_and_message() {
        let text = server_error(b"SFATAL\0C3D000\0Mdatabase \"x\" does not exist\0\0").to_string();
        assert_eq!(text, "the server says 3D000: database \"x\" does not exist");
    }
}
