//! The messages of the replication protocol, as bytes.
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

use bytes::{Buf, BufMut, Bytes, BytesMut};

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

use super::Fields;
use crate::postgres::errors::{self, visible};

/// The type of a message, and what it holds.
pub(super) type Message = (u8, Bytes);

/// 2000-01-01, from which PostgreSQL counts, in microseconds since 1970.
const EPOCH: i64 = 946_684_800_000_000;

/// What a slot's stream says.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::postgres) enum Event {
    /// A message of the output plugin.
    Data(Bytes),
    /// Everything that was committed before this position in the write-ahead log was sent. The server may ask for an
    /// answer: without one it takes us for dead.
    Position { position: u64, asked: bool },
}

/// Takes the first whole message from what was read; `None`: there is none yet.
pub(super) fn split(input: &mut BytesMut) -> Result<Option<Message>> {
    let Some([kind, a, b, c, d]) = input.first_chunk::<5>().copied() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if length < 4 {
        return Err(Fault::Bug("a message of the server has no length".into()));
    }
    if input.len() <= length {
        return Ok(None);
    }
    let mut message = input.split_to(1 + length).freeze();
    message.advance(5);
    Ok(Some((kind, message)))
}

/// Reads what is in CopyData.
pub(super) fn event(body: Bytes) -> Result<Event> {
    let mut fields = Fields(body);
    match fields.byte()? {
        // XLogData: where it begins, where it ends, when it was sent.
        b'w' => {
            fields.take(24)?;
            Ok(Event::Data(fields.0))
        }
        // A keepalive: the position, when it was sent, whether to answer.
        b'k' => {
            let position = fields.number()?;
            fields.take(8)?;
            Ok(Event::Position { position, asked: fields.byte()? == 1 })
        }
        other => Err(Fault::Bug(format!("the replication protocol knows no message of type {other}"))),
    }
}

/// A standby status update: written, flushed and applied up to `position`. `now` is in microseconds since 1970.
pub(super) fn status(position: u64, now: i64, ask: bool) -> Vec<u8> {
    let mut out = vec![b'd', 0, 0, 0, 38, b'r'];
    for _ in 0..3 {
        out.put_u64(position);
    }
    out.put_i64(now - EPOCH);
    out.put_u8(ask.into());
    out
}

/// A query in the simple protocol.
pub(super) fn text_query(sql: &str) -> Result<Vec<u8>> {
    let length = u32::try_from(sql.len() + 5).map_err(|_| Fault::Bug("a query is too long".into()))?;
    if sql.contains('\0') {
        return Err(Fault::Bug("a query holds a zero byte".into()));
    }
    Ok([b"Q", &length.to_be_bytes()[..], sql.as_bytes(), b"\0"].concat())
}

/// An ErrorResponse: its severity (`S`), code (`C`), message (`M`) and what else helps.
pub(super) fn server_error(body: &[u8], doing: &str) -> Fault {
    let field = |kind: u8| {
        let found = body.split(|b| *b == 0).find(|f| f.first() == Some(&kind));
        found.map(|f| visible(&String::from_utf8_lossy(&f[1..])))
    };
    let code = field(b'C').unwrap_or_default();
    let message = field(b'M').unwrap_or_default();
    // 57P: the server or an administrator ends the connection. 08: it is broken already.
    let mut refusal = match code.starts_with("57P") || code.starts_with("08") {
        true => match errors::lost(doing) {
            Fault::Refused(refusal) => refusal.cause(message),
            other => return other,
        },
        false => Refusal::new(Code::StatementFailed, format!("{doing}: {message}")),
    };
    for (label, kind) in [("detail", b'D'), ("hint", b'H')] {
        if let Some(text) = field(kind) {
            refusal = refusal.note(format!("{label}: {text}"));
        }
    }
    refusal.note(format!("SQLSTATE {code}")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_whole() {
        let mut input = BytesMut::from(&b"Z\0\0\0\x05Id\0\0\0\x06ab"[..]);
        assert_eq!(split(&mut input).unwrap(), Some((b'Z', Bytes::from_static(b"I"))));
        assert_eq!(split(&mut input).unwrap(), Some((b'd', Bytes::from_static(b"ab"))));
        assert_eq!(split(&mut input).unwrap(), None);
        input.extend_from_slice(b"d\0\0\0\x06a");
        assert_eq!(split(&mut input).unwrap(), None, "its last byte is missing");
        input.extend_from_slice(b"b");
        assert_eq!(split(&mut input).unwrap(), Some((b'd', Bytes::from_static(b"ab"))));
        input.extend_from_slice(b"d\0\0\0\x03");
        assert!(split(&mut input).is_err());
    }

    #[test]
    fn what_a_slot_says_is_read() {
        let data = [&b"w"[..], &[7; 24], b"B123"].concat();
        assert_eq!(event(data.into()).unwrap(), Event::Data(Bytes::from_static(b"B123")));
        let alive = [&b"k"[..], &0x1_6b37_42d8_u64.to_be_bytes(), &[0; 8], &[1]].concat();
        assert_eq!(event(alive.into()).unwrap(), Event::Position { position: 0x1_6b37_42d8, asked: true });
        for wrong in [&b""[..], b"w123", b"k\0\0\0\0\0\0\0\0", b"x"] {
            assert!(event(Bytes::copy_from_slice(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_status_says_one_position_three_times() {
        let sent = status(0x0102, EPOCH + 5, true);
        assert_eq!(sent.len(), 39);
        assert_eq!(sent[..6], *b"d\0\0\0\x26r");
        for at in [6, 14, 22] {
            assert_eq!(sent[at..at + 8], [0, 0, 0, 0, 0, 0, 1, 2]);
        }
        assert_eq!(sent[30..], [0, 0, 0, 0, 0, 0, 0, 5, 1]);
    }

    #[test]
    fn errors_of_the_server_are_sorted() {
        let error = |code: &str| {
            let body = format!("SERROR\0VERROR\0C{code}\0Mthis is\x1b wrong\0Dand why\0\0");
            let Fault::Refused(refusal) = server_error(body.as_bytes(), "reading") else { panic!() };
            refusal
        };
        let in_use = error("55006");
        assert_eq!(in_use.code, Code::StatementFailed);
        assert_eq!(in_use.what, "reading: this is\\u{1b} wrong");
        assert_eq!(in_use.notes, ["detail: and why", "SQLSTATE 55006"]);
        assert_eq!(error("57P01").code, Code::ConnectionLost);
        assert_eq!(error("08006").code, Code::ConnectionLost);
    }

    #[test]
    fn a_query_ends_with_a_zero() {
        assert_eq!(text_query("SET a = 1").unwrap(), b"Q\0\0\0\x0eSET a = 1\0");
        assert!(text_query("a\0b").is_err());
    }
}
