//! How far the write-ahead log was read and logged: told by the one who reads it, waited for by others.

use std::time::Duration;

use tokio::sync::watch;

use cofferdam_core::Fault;
use cofferdam_core::fault::Result;

use super::super::Work;

/// So often somebody who waits looks whether to stop.
const LOOK: Duration = Duration::from_millis(200);

/// Where the reading stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody reads, or nobody does any more.
    Off,
    /// The key of every change that was committed before this position is logged.
    At(u64),
}

/// How far the write-ahead log was read, and how far somebody waits for it to be.
#[derive(Debug)]
pub(in crate::postgres::online) struct Position {
    state: watch::Sender<State>,
    wanted: watch::Sender<u64>,
}

impl Default for Position {
    fn default() -> Self {
        Self { state: watch::Sender::new(State::Off), wanted: watch::Sender::new(0) }
    }
}

impl Position {
    /// The log is read from now on, until what is returned is dropped.
    pub(in crate::postgres::online) fn begin(&self) -> Reading<'_> {
        self.state.send_replace(State::At(0));
        Reading(self)
    }

    /// Tells that everything before it is logged.
    pub(super) fn reached(&self, position: u64) {
        self.state.send_if_modified(|state| match state {
            State::At(at) if *at < position => {
                *at = position;
                true
            }
            _ => false,
        });
    }

    /// The position; 0: none yet.
    pub(super) fn at(&self) -> u64 {
        match *self.state.borrow() {
            State::At(at) => at,
            State::Off => 0,
        }
    }

    /// Tells of each further position that is waited for.
    pub(super) fn wishes(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    /// Waits until everything before it is logged.
    pub(super) async fn wait(&self, work: &Work<'_>, position: u64) -> Result<()> {
        let mut state = self.state.subscribe();
        self.wanted.send_if_modified(|wanted| {
            let more = *wanted < position;
            *wanted = position.max(*wanted);
            more
        });
        loop {
            match *state.borrow_and_update() {
                State::At(at) if at >= position => return Ok(()),
                State::At(_) => {}
                State::Off => return Err(Fault::Bug("nobody reads the write-ahead log".into())),
            }
            work.check()?;
            let _ = tokio::time::timeout(LOOK, state.changed()).await;
        }
    }
}

/// The log is read as long as this is there.
pub(in crate::postgres::online) struct Reading<'p>(&'p Position);

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.state.send_replace(State::Off);
    }
}

/// Reads a position as the server writes it: `16/B374D848`.
pub(super) fn parse(text: &str) -> Result<u64> {
    let halves = text.split_once('/').and_then(|(high, low)| {
        Some((u64::from_str_radix(high, 16).ok()?, u64::from(u32::from_str_radix(low, 16).ok()?)))
    });
    match halves {
        Some((high, low)) if high <= u64::from(u32::MAX) => Ok(high << 32 | low),
        _ => Err(Fault::Bug(format!("the server's position in its log cannot be read: {text}"))),
    }
}

/// The same the other way round.
pub(super) fn written(position: u64) -> String {
    format!("{:X}/{:X}", position >> 32, position & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_and_written() {
        for (text, position) in
            [("0/0", 0), ("16/B374D848", 0x16_b374_d848), ("FFFFFFFF/1", 0xffff_ffff_0000_0001)]
        {
            assert_eq!(parse(text).unwrap(), position);
            assert_eq!(written(position), text);
        }
        for wrong in ["", "16", "x/1", "1/100000000", "100000000/1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_position_only_grows_and_ends_with_the_reading() {
        let position = Position::default();
        position.reached(5);
        assert_eq!(*position.state.borrow(), State::Off);
        let reading = position.begin();
        position.reached(5);
        position.reached(4);
        assert_eq!(*position.state.borrow(), State::At(5));
        drop(reading);
        assert_eq!(*position.state.borrow(), State::Off);
    }
}
