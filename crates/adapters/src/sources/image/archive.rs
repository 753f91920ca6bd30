//! Tar archives, read strictly.
//!
//! Readers of tar disagree about odd archives, and an archive that two of them read differently can show one
//! thing to a scanner and another to us. So whatever decides where the next entry begins has to be said once and
//! without contradiction, wherever in the archive it stands; else the archive is refused.

mod pax;

use std::io::{self, Read};

use tar::Header;

use self::pax::Extensions;
use super::trouble::Trouble;

const BLOCK: usize = 512;

/// Extended headers hold a name, or attributes; a larger one is an attack on memory. Go's reader has the same cap.
const MAX_EXTENSION: u64 = 1 << 20;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    SymbolicLink,
    HardLink,
    CharacterDevice,
    BlockDevice,
    Fifo,
    Sparse,
    /// A letter that is not in the standard, or is one of a multi-volume archive.
    Unknown,
}

/// An entry's header, with what extended headers before it say.
#[derive(Debug)]
pub(super) struct Entry {
    /// As the archive has it.
    pub(super) path: Vec<u8>,
    /// Where a link leads.
    pub(super) link: Vec<u8>,
    pub(super) kind: Kind,
    /// Of its contents in the archive.
    pub(super) size: u64,
    /// The bits of its rights.
    pub(super) mode: u32,
}

/// An archive that is read from front to end.
pub(super) struct Archive<R> {
    reader: R,
    /// Of the contents of the current entry, and what fills its last block.
    unread: u64,
    ended: bool,
}

impl<R: Read> Archive<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, unread: 0, ended: false }
    }

    /// The next entry; what is left of the one before is skipped.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, Trouble> {
        self.skip_contents()?;
        let mut extensions = Extensions::default();
        while let Some(header) = self.header()? {
            let size = size_of(&header)?;
            let flag = header.as_bytes()[156];
            match flag {
                b'x' | b'g' | b'L' | b'K' => {
                    if size > MAX_EXTENSION {
                        return Err(Trouble::Damaged(format!("it has an extended header of {size} bytes")));
                    }
                    self.begin_contents(size)?;
                    let contents = self.contents(size)?;
                    self.skip_contents()?;
                    extensions.add(flag, &contents).map_err(Trouble::Damaged)?;
                }
                _ => return self.entry(&header, flag, size, extensions).map(Some),
            }
        }
        if extensions.is_empty() {
            Ok(None)
        } else {
            Err(damaged("an extended header has no entry behind it"))
        }
    }

    /// Reads the contents of the current entry, `size` bytes: the caller has compared it with its caps.
    pub(super) fn contents(&mut self, size: u64) -> Result<Vec<u8>, Trouble> {
        let expected = usize::try_from(size).map_err(|_| damaged("a size is no size"))?;
        // Not all at once: the size is only a claim until the bytes are there.
        let mut bytes = Vec::with_capacity(expected.min(64 << 10));
        let read = self.reader.by_ref().take(size).read_to_end(&mut bytes)?;
        if read < expected {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.unread -= size;
        Ok(bytes)
    }

    fn entry(
        &mut self,
        header: &Header,
        flag: u8,
        size: u64,
        extensions: Extensions,
    ) -> Result<Entry, Trouble> {
        if extensions.size.is_some_and(|other| other != size) {
            return Err(damaged("a header and its extended header say two sizes"));
        }
        let path = extensions.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link =
            extensions.link.unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
        let kind = match flag {
            _ if extensions.sparse => Kind::Sparse,
            // Before POSIX a directory was a file with a slash at its end.
            b'0' | b'\0' | b'7' if path.ends_with(b"/") => Kind::Directory,
            b'0' | b'\0' | b'7' => Kind::File,
            b'1' => Kind::HardLink,
            b'2' => Kind::SymbolicLink,
            b'3' => Kind::CharacterDevice,
            b'4' => Kind::BlockDevice,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            b'S' => Kind::Sparse,
            _ => Kind::Unknown,
        };
        let has_contents = matches!(kind, Kind::File | Kind::Sparse | Kind::Unknown);
        if size > 0 && !has_contents {
            // Some readers skip these bytes, for others the next entry begins here.
            return Err(Trouble::entry(&path, "it has no contents by its type, and has some by its size"));
        }
        if flag == b'S' {
            self.skip_sparse_map(header)?;
        }
        self.begin_contents(size)?;
        let mode = header.mode().map_err(|_| damaged("the rights in a header are no number"))?;
        Ok(Entry { path, link, kind, size, mode })
    }

    /// The next header; `None` at the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, Trouble> {
        if self.ended {
            return Ok(None);
        }
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            self.ended = true;
            return Ok(None);
        }
        if header.as_bytes().iter().all(|byte| *byte == 0) {
            // Two empty blocks end it; what lies behind them is no part of it.
            let mut second = [0; BLOCK];
            if self.block(&mut second)? && second.iter().any(|byte| *byte != 0) {
                return Err(damaged("one empty block stands between entries"));
            }
            self.ended = true;
            return Ok(None);
        }
        let said = header.cksum().map_err(|_| damaged("a header's checksum is no number"))?;
        if said != checksum(header.as_bytes()) {
            return Err(damaged("a header's checksum is wrong"));
        }
        Ok(Some(header))
    }

    /// Fills a block; `false` where the archive ends just before it.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool, Trouble> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(false),
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(true)
    }

    fn begin_contents(&mut self, size: u64) -> Result<(), Trouble> {
        self.unread =
            size.checked_next_multiple_of(BLOCK as u64).ok_or_else(|| damaged("a size is no size"))?;
        Ok(())
    }

    fn skip_contents(&mut self) -> Result<(), Trouble> {
        let skipped = io::copy(&mut self.reader.by_ref().take(self.unread), &mut io::sink())?;
        if skipped < self.unread {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.unread = 0;
        Ok(())
    }

    /// The map of an old GNU sparse file may go on in blocks of its own, before the contents.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), Trouble> {
        let mut goes_on = header.as_bytes()[482] != 0;
        while goes_on {
            let mut block = [0; BLOCK];
            if !self.block(&mut block)? {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            goes_on = block[504] != 0;
        }
        Ok(())
    }
}

fn damaged(why: &str) -> Trouble {
    Trouble::Damaged(why.to_owned())
}

/// Octal digits, or a binary number behind a byte 0x80 that must fit 8 of its 11 bytes.
fn size_of(header: &Header) -> Result<u64, Trouble> {
    let field = header.as_old().size;
    let fits = match field[0] {
        0x80 => field[1..4].iter().all(|byte| *byte == 0),
        // Others with the highest bit set are negative, or larger than anything.
        first => first < 0x80,
    };
    match header.entry_size() {
        Ok(size) if fits => Ok(size),
        _ => Err(damaged("the size in a header is no size")),
    }
}

/// The sum of the header's bytes, with blanks where the sum itself stands.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let with_blanks =
        block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    with_blanks.map(u32::from).sum()
}
