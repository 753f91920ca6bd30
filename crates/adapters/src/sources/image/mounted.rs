//! A directory of an image that the kubelet has mounted as an image volume.
//!
//! Who unpacked the image was the node, so layers, whiteouts and digests were its affair; what is in the image still
//! comes from somebody else. A link of it would lead into *this* container, where the credentials of the database are
//! mounted: so none is followed, neither in the directory nor on the way to it.

use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use cofferdam_core::{Code, Refusal};
use cofferdam_formats::{File, Tree};

use super::files::{name_as_text, not_read};
use super::limits::size;
use super::text::shown;
use super::trouble::{Trouble, hostile};
use super::{ImageDirectory, ImageReference, Limits};

/// What was read, and from what exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedImage {
    /// The files of the directory; its root is the directory as it was typed.
    pub tree: Tree,
    /// The digest that the reference names, and that the node pulled.
    pub digest: String,
    /// The image by this digest.
    pub pinned: String,
}

/// Reads the files of a directory of a mounted image, sorted by the bytes of their paths. Names that begin with a dot
/// are left out, and the caps are those of an image that is pulled.
///
/// Hard links are read: some nodes keep all files of all images as such, and they lead nowhere else.
///
/// # Errors
/// `ImageDigest` for a reference without a digest: which image was mounted could not be said. Else as
/// [`read_image`](super::read_image): `ImageHostile`, `ImageNoDirectory`, `EmptyDirectory`, `BadFileName`, and
/// `UnreadableFile` for what this process may not read.
pub fn read_mounted(
    root: &Path,
    reference: &ImageReference,
    directory: &ImageDirectory,
    limits: &Limits,
) -> Result<MountedImage, Box<Refusal>> {
    let Some(digest) = reference.digest() else {
        let what = format!("{reference} is mounted and does not say which image it is");
        return Err(Box::new(
            Refusal::new(Code::ImageDigest, what)
                .cause(
                    "a tag may mean another image tomorrow, and the node does not tell which one it mounted",
                )
                .help("name it by its digest: registry/repository@sha256:<64 hex digits>"),
        ));
    };
    let mut walk = Walk { limits, entries: 0, kept: 0, files: Vec::new() };
    let mut place = root.to_owned();
    let mut way = String::new();
    for part in directory.parts() {
        place.push(part);
        way = format!("{way}/{part}");
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => {}
            Ok(found) => return Err(Box::new(no_directory(&way, &place, &found, reference))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let what = format!("there is no directory {directory} in {reference}");
                return Err(Box::new(
                    Refusal::new(Code::ImageNoDirectory, what)
                        .cause(format!("{way} is not in the image"))
                        .help("name the directory that the image's build copies the migrations to: COPY migrations /migrations"),
                ));
            }
            Err(error) => return Err(Box::new(unreadable(way.as_bytes(), &error))),
        }
    }
    walk.directory(&place, "", directory.parts().len())?;
    let mut files = walk.files;
    if files.is_empty() {
        let what = format!("{directory} holds no file in {reference}");
        return Err(Box::new(
            Refusal::new(Code::EmptyDirectory, what)
                .cause("an empty directory is more often a wrong path than a wish"),
        ));
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(MountedImage {
        tree: Tree { root: directory.to_string(), files },
        digest: digest.to_owned(),
        pinned: reference.pinned(digest),
    })
}

struct Walk<'a> {
    limits: &'a Limits,
    entries: u64,
    kept: u64,
    files: Vec<File>,
}

impl Walk<'_> {
    /// Reads a directory; `prefix` is its path below the wanted one, with a `/` behind it.
    fn directory(&mut self, path: &Path, prefix: &str, depth: usize) -> Result<(), Box<Refusal>> {
        if depth > self.limits.path_depth {
            let cause = format!("a path has at most {} parts", self.limits.path_depth);
            return Err(Box::new(hostile(prefix.as_bytes(), cause)));
        }
        for entry in fs::read_dir(path).map_err(|error| Box::new(unreadable(prefix.as_bytes(), &error)))? {
            let entry = entry.map_err(|error| Box::new(unreadable(prefix.as_bytes(), &error)))?;
            self.entries += 1;
            if self.entries > self.limits.entries {
                let cap = format!("more than {} entries are in the directory", self.limits.entries);
                return Err(refusal(Trouble::cap("the image has too many entries", cap)));
            }
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let typed = [prefix.as_bytes(), name.as_encoded_bytes()].concat();
            if typed.len() > self.limits.path_bytes {
                let cause = format!("a path has at most {} bytes", self.limits.path_bytes);
                return Err(Box::new(hostile(&typed, cause)));
            }
            let text = name_as_text(&typed, &typed).map_err(refusal)?;
            let found =
                fs::symlink_metadata(entry.path()).map_err(|error| Box::new(unreadable(&typed, &error)))?;
            if found.is_dir() {
                self.directory(&entry.path(), &format!("{text}/"), depth + 1)?;
            } else if let Some(kind) = other(&found) {
                return Err(Box::new(not_read(&text, kind, &leads_to(&entry.path()))));
            } else {
                let bytes = self.contents(&entry.path(), &typed, &found)?;
                self.files.push(File { path: text, bytes });
            }
        }
        Ok(())
    }

    fn contents(&mut self, path: &Path, typed: &[u8], found: &Metadata) -> Result<Vec<u8>, Box<Refusal>> {
        let most = self.limits.file_bytes;
        let too_large = || {
            let what = format!("the file `{}` of the image is too large", shown(typed, 200));
            refusal(Trouble::cap(what, format!("a file of migrations has at most {}", size(most))))
        };
        if found.len() > most {
            return Err(too_large());
        }
        let failed = |error: io::Error| Box::new(unreadable(typed, &error));
        let file = fs::File::open(path).map_err(failed)?;
        let opened = file.metadata().map_err(failed)?;
        // An image does not change while it is mounted. Were it another file all the same, it is not read.
        if (opened.dev(), opened.ino()) != (found.dev(), found.ino()) {
            return Err(Box::new(hostile(typed, "it became another file while it was read")));
        }
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most {
            return Err(too_large());
        }
        self.kept = self.kept.saturating_add((bytes.len() + typed.len()) as u64);
        if self.kept > self.limits.kept_bytes {
            let cap =
                format!("all files of the directory may hold {} together", size(self.limits.kept_bytes));
            return Err(refusal(Trouble::cap("the directory holds too much in this image", cap)));
        }
        Ok(bytes)
    }
}

/// What it is, where that is neither a directory nor a file that is read.
fn other(found: &Metadata) -> Option<&'static str> {
    let kind = found.file_type();
    match () {
        () if kind.is_symlink() => Some("a symbolic link"),
        () if kind.is_block_device() || kind.is_char_device() => Some("a device"),
        () if kind.is_fifo() => Some("a pipe"),
        () if kind.is_socket() => Some("a socket"),
        () if !kind.is_file() => Some("of an unknown type"),
        () if found.permissions().mode() & 0o6000 != 0 => {
            Some("a program that takes its owner's rights (set-user-id)")
        }
        () => None,
    }
}

fn leads_to(path: &Path) -> String {
    let target = fs::read_link(path).unwrap_or_default();
    shown(target.as_os_str().as_encoded_bytes(), 200)
}

/// The directory, or one above it, is none.
fn no_directory(way: &str, place: &Path, found: &Metadata, reference: &ImageReference) -> Refusal {
    let kind = other(found).unwrap_or("a file");
    let link = leads_to(place);
    let leads = if link.is_empty() { String::new() } else { format!(" to {link}") };
    Refusal::new(Code::ImageNoDirectory, format!("{way} in {reference} is {kind}{leads}"))
        .cause("only directories are entered, because a link of an image may lead anywhere")
        .help("name the directory where the files really are")
}

fn unreadable(typed: &[u8], error: &io::Error) -> Refusal {
    let what = format!("`{}` of the mounted image cannot be read", shown(typed, 200));
    Refusal::new(Code::UnreadableFile, what)
        .cause(error.to_string())
        .help("let everybody read it in the image's build: COPY --chmod=a+rX migrations /migrations")
}

fn refusal(trouble: Trouble) -> Box<Refusal> {
    match trouble {
        Trouble::Refused(refusal) | Trouble::TooMuch(refusal) => refusal,
        Trouble::Damaged(why) => Box::new(Refusal::new(Code::ImageHostile, why)),
    }
}
