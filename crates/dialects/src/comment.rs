//! Comments, as a splitter finds them.

use std::ops::Range;

/// A comment anywhere in a script.
#[derive(Debug)]
pub(crate) struct Comment {
    /// Its bytes, with `--` or `/*`.
    pub(crate) at: Range<usize>,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
    /// The line on which it ends.
    pub(crate) last_line: usize,
    pub(crate) stands: Stands,
}

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stands {
    /// Before the statement of this index; there may be none any more.
    Before(usize),
    /// Behind a statement, on the line on which that ended.
    Behind,
    /// Between the words of a statement.
    Inside,
}
