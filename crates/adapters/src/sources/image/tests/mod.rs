//! Layers by hand.

mod caps;
mod entries;
mod mounted;
mod overlay;
mod signed;

use tar::{EntryType, Header};

use super::Limits;
use super::archive::Archive;
use super::files::Files;
use super::trouble::Trouble;
use cofferdam_core::Refusal;
use cofferdam_formats::File;

/// The entries of an archive.
type Entries = Vec<Vec<u8>>;

/// A header with these bytes for a name, which no writer of archives would take.
fn header(path: &str, kind: EntryType, size: u64, link: &str) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    header
}

fn with_contents(header: &Header, contents: &[u8]) -> Vec<u8> {
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(contents);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn entry(path: &str, kind: EntryType, contents: &[u8], link: &str) -> Vec<u8> {
    with_contents(&header(path, kind, contents.len() as u64, link), contents)
}

fn file(path: &str) -> Vec<u8> {
    entry(path, EntryType::Regular, path.as_bytes(), "")
}

fn directory(path: &str) -> Vec<u8> {
    entry(path, EntryType::Directory, b"", "")
}

fn symlink(path: &str, to: &str) -> Vec<u8> {
    entry(path, EntryType::Symlink, b"", to)
}

fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut contents = String::new();
    for (key, value) in records {
        let length = (1..).find(|n: &usize| n.to_string().len() + key.len() + value.len() + 3 == *n).unwrap();
        contents += &format!("{length} {key}={value}\n");
    }
    entry("pax", EntryType::XHeader, contents.as_bytes(), "")
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    [entries.concat(), vec![0; 1024]].concat()
}

/// The files of `directory` from these layers, or the refusal and its text.
fn read(directory: &str, layers: &[Vec<u8>]) -> Result<Vec<File>, String> {
    read_with(directory, layers, Limits::default())
}

fn read_with(directory: &str, layers: &[Vec<u8>], limits: Limits) -> Result<Vec<File>, String> {
    let text = |refusal: Box<Refusal>| {
        assert!(refusal.help.is_some() && refusal.cause.is_some(), "{refusal}");
        format!("{:?} {refusal}", refusal.code)
    };
    let mut files = Files::new(directory.parse().unwrap(), limits);
    for layer in layers {
        files.add_layer(&mut Archive::new(layer.as_slice())).map_err(|trouble| match trouble {
            Trouble::Refused(refusal) | Trouble::TooMuch(refusal) => text(refusal),
            Trouble::Damaged(why) => format!("damaged: {why}"),
        })?;
    }
    files.finish("r.example/app:1").map_err(text)
}

fn paths(files: &[File]) -> Vec<&str> {
    files.iter().map(|file| file.path.as_str()).collect()
}
