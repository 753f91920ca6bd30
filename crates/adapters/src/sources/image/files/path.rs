//! Paths of entries.

use super::super::Limits;
use super::super::text::is_plain;
use super::super::trouble::Trouble;
use super::name_as_text;

/// Where an entry lies, seen from the directory that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Outside,
    /// A directory above it, up to the root.
    Above,
    /// The directory itself.
    Here,
    Inside,
}

/// A path from the image's root, without `.` and empty parts.
#[derive(Debug)]
pub(super) struct EntryPath<'a> {
    parts: Vec<&'a [u8]>,
    pub(super) is_absolute: bool,
}

/// What a layer removes from those below it.
#[derive(Debug)]
pub(super) struct Whiteout<'a> {
    pub(super) target: EntryPath<'a>,
    /// Not the target, but all that is in it.
    pub(super) opaque: bool,
}

impl<'a> EntryPath<'a> {
    pub(super) fn read(path: &'a [u8], limits: &Limits) -> Result<Self, Trouble> {
        if path.len() > limits.path_bytes {
            let cause = format!("a path has at most {} bytes", limits.path_bytes);
            return Err(Trouble::entry(path, cause));
        }
        let parts: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        if parts.contains(&b"..".as_slice()) {
            return Err(Trouble::entry(path, "its name leads upwards with `..`"));
        }
        if parts.len() > limits.path_depth {
            let cause = format!("a path has at most {} parts", limits.path_depth);
            return Err(Trouble::entry(path, cause));
        }
        Ok(Self { parts, is_absolute: path.starts_with(b"/") })
    }

    pub(super) fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn place(&self, directory: &[String]) -> Place {
        let mut pairs = self.parts.iter().zip(directory);
        if !pairs.all(|(part, wanted)| *part == wanted.as_bytes()) {
            return Place::Outside;
        }
        match self.parts.len().cmp(&directory.len()) {
            std::cmp::Ordering::Less => Place::Above,
            std::cmp::Ordering::Equal => Place::Here,
            std::cmp::Ordering::Greater => Place::Inside,
        }
    }

    /// A part behind the first `depth` begins with a dot.
    pub(super) fn is_hidden_below(&self, depth: usize) -> bool {
        self.parts.iter().skip(depth).any(|part| part.starts_with(b"."))
    }

    /// What it removes, if it is named as a whiteout: `.wh.NAME` removes NAME beside it, `.wh..wh..opq` all that
    /// is beside it. Other names with `.wh..wh.` are a file system's own and remove nothing.
    pub(super) fn whiteout(&self, typed: &[u8]) -> Result<Option<Whiteout<'a>>, Trouble> {
        let Some((name, above)) = self.parts.split_last() else { return Ok(None) };
        let Some(removed) = name.strip_prefix(b".wh.") else { return Ok(None) };
        let path = |parts: Vec<&'a [u8]>| Self { parts, is_absolute: self.is_absolute };
        match removed {
            b".wh..opq" => Ok(Some(Whiteout { target: path(above.to_vec()), opaque: true })),
            b"" | b"." | b".." => {
                Err(Trouble::entry(typed, "it is named as a whiteout, and removes no name"))
            }
            own if own.starts_with(b".wh.") => Ok(None),
            _ => {
                let parts = above.iter().copied().chain([removed]).collect();
                Ok(Some(Whiteout { target: path(parts), opaque: false }))
            }
        }
    }

    /// Its parts joined by `/`; `typed` is how it is shown if it is no text.
    pub(super) fn text(&self, typed: &[u8]) -> Result<String, Trouble> {
        name_as_text(&self.parts.join(&b'/'), typed)
    }

    /// The directory of a .sql file, where it can be named.
    pub(super) fn parent_of_script(&self) -> Option<String> {
        let (name, above) = self.parts.split_last()?;
        let parent = String::from_utf8(above.join(&b'/')).ok()?;
        let fits = name.ends_with(b".sql") && parent.len() <= 200 && parent.chars().all(is_plain);
        fits.then(|| format!("/{parent}"))
    }
}
