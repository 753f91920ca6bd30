//! A directory on this machine.

mod suggest;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cofferdam_core::{Code, Refusal};
use cofferdam_formats::{File, Tree};

/// A larger file is no script but a dump, and a dump belongs to the tool that wrote it.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Reads all files under a directory, sorted by the bytes of their paths.
///
/// Links are followed to files and directories; a directory that is reached twice is read once, so a loop of
/// links ends. Names that begin with a dot are left out, and that is also how a mounted ConfigMap hides its
/// copies.
///
/// # Errors
/// `NoSuchDirectory` with a directory that was probably meant, `EmptyDirectory` when there is no file at all,
/// `UnreadableFile` for what the system refuses, for what is no file (a socket, a link into the void) and for
/// files over [`MAX_FILE_BYTES`], `BadFileName` for names that are not UTF-8.
pub fn read_directory(path: &Path) -> Result<Tree, Box<Refusal>> {
    let root = path.display().to_string();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(Box::new(not_a_directory(path, &root))),
        Err(error) if is_missing(&error) => return Err(Box::new(no_such_directory(path, &root))),
        Err(error) => return Err(Box::new(unreadable(path, &error))),
    }
    let mut walk = Walk { seen: HashSet::new(), files: Vec::new() };
    walk.directory(path, "")?;
    let mut files = walk.files;
    if files.is_empty() {
        return Err(Box::new(
            Refusal::new(Code::EmptyDirectory, format!("{root} holds no file"))
                .cause("an empty directory is more often a wrong path than a wish")
                .help("cofferdam new NAME writes a first migration; --dir names another directory"),
        ));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Tree { root, files })
}

struct Walk {
    /// Directories read, by where they really are.
    seen: HashSet<PathBuf>,
    files: Vec<File>,
}

impl Walk {
    /// Reads a directory; `prefix` is its path below the root, with a `/` behind it.
    fn directory(&mut self, path: &Path, prefix: &str) -> Result<(), Box<Refusal>> {
        let real = fs::canonicalize(path).map_err(|error| unreadable(path, &error))?;
        if !self.seen.insert(real) {
            return Ok(());
        }
        // In order, so that of two ways to one directory it is always the same that counts.
        for name in names(path).map_err(|error| unreadable(path, &error))? {
            if is_hidden(&name) {
                continue;
            }
            let entry = path.join(&name);
            let Some(name) = name.to_str() else { return Err(Box::new(not_utf8(&entry))) };
            let found = fs::metadata(&entry).map_err(|error| unreadable(&entry, &error))?;
            if found.is_dir() {
                self.directory(&entry, &format!("{prefix}{name}/"))?;
            } else if found.is_file() {
                let bytes = contents(&entry, found.len())?;
                self.files.push(File { path: format!("{prefix}{name}"), bytes });
            } else {
                // Not opened: reading a pipe waits for a writer.
                return Err(Box::new(
                    Refusal::new(Code::UnreadableFile, format!("{} is not a file", entry.display()))
                        .cause("it is a pipe, a socket or a device")
                        .help("move it out of the directory of migrations"),
                ));
            }
        }
        Ok(())
    }
}

/// The names in a directory, in order.
fn names(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names)
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// `length`: as the system says. A buffer with room for it and a little more is filled by one call.
fn contents(path: &Path, length: u64) -> Result<Vec<u8>, Box<Refusal>> {
    let expected = usize::try_from(length.min(MAX_FILE_BYTES)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(expected + 64);
    // One byte more than allowed shows a file that is too large, even one that grows while it is read.
    let read = fs::File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(length) if length as u64 > MAX_FILE_BYTES => Err(Box::new(
            Refusal::new(Code::UnreadableFile, format!("{} is too large", path.display()))
                .cause(format!("a file of migrations has at most {} MiB", MAX_FILE_BYTES >> 20))
                .help("load a dump with the tool that wrote it (pg_restore, psql), and move it out of the directory"),
        )),
        Ok(_) => Ok(bytes),
        Err(error) => Err(Box::new(unreadable(path, &error))),
    }
}

/// There is nothing at this path; a file in the middle of it comes to the same.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn no_such_directory(path: &Path, root: &str) -> Refusal {
    let refusal = Refusal::new(Code::NoSuchDirectory, format!("there is no directory {root}"));
    let candidates = suggest::instead_of(path);
    let Some((first, others)) = candidates.split_first() else {
        return refusal
            .cause("nor is there a directory with .sql files near it")
            .help("cofferdam init makes one; --dir names another");
    };
    let refusal = refusal.help(format!("did you mean --dir {first}?"));
    others.iter().fold(refusal, |refusal, other| refusal.note(format!("{other} holds .sql files too")))
}

fn not_a_directory(path: &Path, root: &str) -> Refusal {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Refusal::new(Code::NoSuchDirectory, format!("{root} is not a directory"))
        .cause("the order of migrations comes from all of them, so a directory is read as a whole")
        .help(format!("did you mean --dir {}?", parent.display()))
}

fn not_utf8(path: &Path) -> Refusal {
    Refusal::new(Code::BadFileName, format!("the name of {} is not UTF-8", path.display()))
        .cause("the name is recorded as text in the history")
        .help("rename the file")
}

fn unreadable(path: &Path, error: &io::Error) -> Refusal {
    let shown = path.display();
    let refusal = Refusal::new(Code::UnreadableFile, format!("{shown} cannot be read"));
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    match error.kind() {
        io::ErrorKind::NotFound if is_link => refusal
            .cause("it is a link to something that is not there")
            .help(format!("restore what it points to, or remove it: rm {shown}")),
        _ => refusal.cause(error.to_string()).help(format!("look at its rights and owner: ls -ld {shown}")),
    }
}
