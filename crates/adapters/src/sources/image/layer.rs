//! A layer on its way from the registry's bytes to the files of the directory.

use std::io::{self, BufReader, Read};

use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use tokio::sync::mpsc;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::Limits;
use super::archive::Archive;
use super::files::Files;
use super::limits::size;
use super::manifest::Compression;
use super::trouble::{CapReached, Trouble};

/// The logarithm of the largest window that a zstd layer may need: 32 MiB of memory. Builders use 8 MiB.
const MAX_ZSTD_WINDOW: u32 = 25;

/// Unpacks a layer and puts it on top of the files. Holds no more of it in memory than what is kept, a window of
/// the decoder and a few blocks.
pub(super) fn read_layer<R: Read>(
    packed: R,
    compression: Compression,
    limits: &Limits,
    files: &mut Files,
) -> Result<(), Trouble> {
    let cap = limits.layer_bytes;
    match compression {
        Compression::Plain => files.add_layer(&mut Archive::new(Capped::new(packed, cap))),
        Compression::Gzip => {
            files.add_layer(&mut Archive::new(Capped::new(MultiGzDecoder::new(packed), cap)))
        }
        Compression::Zstd => {
            let mut decoder = ZstdDecoder::new(packed)?;
            decoder.window_log_max(MAX_ZSTD_WINDOW)?;
            files.add_layer(&mut Archive::new(Capped::new(BufReader::new(decoder), cap)))
        }
    }
}

/// A reader that counts, and fails past its cap.
struct Capped<R> {
    reader: R,
    left: u64,
    cap: u64,
}

impl<R> Capped<R> {
    fn new(reader: R, cap: u64) -> Self {
        Self { reader, left: cap, cap }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                let cap = format!("a layer may unpack to {}, and one of it is larger", size(self.cap));
                return Err(io::Error::other(CapReached(cap)));
            }
        }
        Ok(read)
    }
}

/// The chunks of a download as a reader, for the thread that unpacks. Ends where the sender is dropped.
pub(super) struct Chunks {
    receiver: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Chunks {
    pub(super) fn new(receiver: mpsc::Receiver<Bytes>) -> Self {
        Self { receiver, current: Bytes::new() }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(next) => self.current = next,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}
