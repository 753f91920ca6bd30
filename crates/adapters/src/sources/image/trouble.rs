//! Why reading a layer ended early.

use std::fmt;
use std::io;

use cofferdam_core::{Code, Refusal};

use super::text::shown;

/// Why a layer is not read to its end.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Its bytes are no archive. Where they are not those that the image names either, that is the better reason.
    Damaged(String),
    /// It is an archive, and holds what is not read.
    Refused(Box<Refusal>),
    /// It is larger than allowed. Nothing more of it is read, not even to see whether its digest is right.
    TooMuch(Box<Refusal>),
}

impl Trouble {
    /// An entry that is not read, with its name and why.
    pub(super) fn entry(path: &[u8], cause: impl Into<String>) -> Self {
        Self::Refused(Box::new(hostile(path, cause)))
    }

    /// A cap that is reached.
    pub(super) fn cap(what: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::TooMuch(Box::new(
            Refusal::new(Code::ImageHostile, what)
                .cause(cause)
                .help("build an image that holds the directory of migrations and little else: FROM scratch, COPY migrations /migrations"),
        ))
    }
}

/// The refusal of one entry.
pub(super) fn hostile(path: &[u8], cause: impl Into<String>) -> Refusal {
    Refusal::new(Code::ImageHostile, format!("the entry `{}` of the image is not read", shown(path, 200)))
        .cause(cause)
        .help("build the image so that the directory holds plain files and directories: COPY migrations /migrations")
}

/// What a counting reader raises when its cap is reached: a [`Trouble::TooMuch`] on its way through a decoder.
#[derive(Debug)]
pub(super) struct CapReached(pub(super) String);

impl fmt::Display for CapReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CapReached {}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<CapReached>()) {
            Some(cap) => Self::cap("the image is too large", cap.0.clone()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Damaged("it ends in the middle".to_owned())
            }
            None => Self::Damaged(error.to_string()),
        }
    }
}
