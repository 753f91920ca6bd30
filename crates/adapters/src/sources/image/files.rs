//! The files of one directory, put together from the layers of an image.
//!
//! What lies outside of the directory is skipped, and counted. At and above the directory it matters only whether
//! there are directories. In it there may be files and directories and nothing else, but a later layer may still
//! remove or replace what an earlier one has; so links and the like are held against an image only at its end.

mod path;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::Bound;

use cofferdam_core::{Code, Refusal};
use cofferdam_formats::File;

use self::path::{EntryPath, Place};
use super::Limits;
use super::archive::{Archive, Entry, Kind};
use super::limits::size;
use super::reference::ImageDirectory;
use super::text::{is_plain, shown};
use super::trouble::{Trouble, hostile};

/// What a node costs besides its name and its bytes; about what the map takes for it.
const NODE_BYTES: u64 = 128;

/// Directories that are named when the wanted one is not there.
const MAX_CANDIDATES: usize = 8;

/// What is at a path.
#[derive(Debug)]
enum Node {
    Directory,
    File(Vec<u8>),
    /// What is neither, and where it leads if it is a link.
    Other(&'static str, String),
}

/// The directory, as the layers read so far leave it.
#[derive(Debug)]
pub(super) struct Files {
    directory: ImageDirectory,
    limits: Limits,
    /// By their paths from the image's root, without a slash before it: the directory, what is in it, and the
    /// directories above it.
    nodes: BTreeMap<String, Node>,
    /// Entries of all layers.
    entries: u64,
    /// Bytes of all nodes ever kept: a layer's own are there beside those that it replaces.
    kept: u64,
    candidates: BTreeSet<String>,
}

/// What a layer does.
#[derive(Default)]
struct Changes {
    /// What it removes from the layers below; `true`: only what is in the directory of this name.
    whiteouts: Vec<(String, bool)>,
    nodes: BTreeMap<String, Node>,
}

impl Files {
    pub(super) fn new(directory: ImageDirectory, limits: Limits) -> Self {
        let (nodes, candidates) = (BTreeMap::new(), BTreeSet::new());
        Self { directory, limits, nodes, entries: 0, kept: 0, candidates }
    }

    /// Puts a layer on top.
    pub(super) fn add_layer<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<(), Trouble> {
        let mut changes = Changes::default();
        while let Some(entry) = archive.next()? {
            self.entries += 1;
            if self.entries > self.limits.entries {
                let cap = format!("its layers have more than {} entries", self.limits.entries);
                return Err(Trouble::cap("the image has too many entries", cap));
            }
            self.read_entry(archive, &entry, &mut changes)?;
        }
        // Unpacked, it would be written to where the link leads.
        if let Some((path, above, kind)) = way_through(&changes.nodes) {
            let cause = format!("it lies in `{above}`, which is {kind} in the same layer");
            return Err(Trouble::entry(path.as_bytes(), cause));
        }
        self.apply(changes);
        Ok(())
    }

    fn read_entry<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        entry: &Entry,
        changes: &mut Changes,
    ) -> Result<(), Trouble> {
        let path = EntryPath::read(&entry.path, &self.limits)?;
        if let Some(whiteout) = path.whiteout(&entry.path)? {
            if self.place(&whiteout.target) == Place::Outside {
                return Ok(());
            }
            if entry.kind != Kind::File {
                return Err(Trouble::entry(&entry.path, "it is named as a whiteout, and is no file"));
            }
            let target = whiteout.target.text(&entry.path)?;
            self.keep(target.len() as u64)?;
            changes.whiteouts.push((target, whiteout.opaque));
            return Ok(());
        }
        if path.is_root() {
            return match entry.kind {
                Kind::Directory => Ok(()),
                _ => Err(Trouble::entry(&entry.path, "it is the root of the image, and no directory")),
            };
        }
        match self.place(&path) {
            Place::Outside => self.note_candidate(&path),
            // As in a directory on this machine, names that begin with a dot are left out.
            Place::Inside if path.is_hidden_below(self.directory.parts().len()) => {}
            _ if path.is_absolute => {
                return Err(Trouble::entry(&entry.path, "its name begins at the root of the machine"));
            }
            place => {
                let text = path.text(&entry.path)?;
                self.keep(text.len() as u64)?;
                let node = self.node(archive, entry, place)?;
                changes.add(text, node, &entry.path)?;
            }
        }
        Ok(())
    }

    fn node<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        entry: &Entry,
        place: Place,
    ) -> Result<Node, Trouble> {
        let link = || shown(&entry.link, 200);
        Ok(match entry.kind {
            Kind::Directory => Node::Directory,
            Kind::File if place != Place::Inside => Node::Other("a file", String::new()),
            Kind::File if entry.mode & 0o6000 != 0 => {
                Node::Other("a program that takes its owner's rights (set-user-id)", String::new())
            }
            Kind::File => {
                if entry.size > self.limits.file_bytes {
                    let what = format!("the file `{}` of the image is too large", shown(&entry.path, 200));
                    let cap = format!("a file of migrations has at most {}", size(self.limits.file_bytes));
                    return Err(Trouble::cap(what, cap));
                }
                self.keep(entry.size)?;
                Node::File(archive.contents(entry.size)?)
            }
            Kind::SymbolicLink => Node::Other("a symbolic link", link()),
            Kind::HardLink => Node::Other("a hard link", link()),
            Kind::CharacterDevice | Kind::BlockDevice => Node::Other("a device", String::new()),
            Kind::Fifo => Node::Other("a pipe", String::new()),
            Kind::Sparse => Node::Other("a sparse file", String::new()),
            Kind::Unknown => Node::Other("of an unknown type", String::new()),
        })
    }

    fn keep(&mut self, bytes: u64) -> Result<(), Trouble> {
        self.kept = self.kept.saturating_add(bytes).saturating_add(NODE_BYTES);
        if self.kept <= self.limits.kept_bytes {
            return Ok(());
        }
        let what = format!("{} holds too much in this image", self.directory);
        let cap = format!("all its layers together may hold {} in it", size(self.limits.kept_bytes));
        Err(Trouble::cap(what, cap))
    }

    fn place(&self, path: &EntryPath) -> Place {
        path.place(self.directory.parts())
    }

    fn note_candidate(&mut self, path: &EntryPath) {
        if self.candidates.len() < MAX_CANDIDATES
            && let Some(parent) = path.parent_of_script()
        {
            self.candidates.insert(parent);
        }
    }

    fn apply(&mut self, changes: Changes) {
        for (target, opaque) in changes.whiteouts {
            self.remove_below(&target);
            if !opaque {
                self.nodes.remove(&target);
            }
        }
        for (path, node) in changes.nodes {
            if !matches!(node, Node::Directory) {
                self.remove_below(&path);
            }
            self.nodes.insert(path, node);
        }
    }

    fn remove_below(&mut self, path: &str) {
        if path.is_empty() {
            self.nodes.clear();
            return;
        }
        // A slash and what sorts right after it: `a/`, not `a-b`.
        let (from, to) = (format!("{path}/"), format!("{path}0"));
        let range = (Bound::Included(from.as_str()), Bound::Excluded(to.as_str()));
        let below: Vec<String> = self.nodes.range::<str, _>(range).map(|(path, _)| path.clone()).collect();
        below.iter().for_each(|path| drop(self.nodes.remove(path)));
    }

    /// The files, sorted by their paths in the directory.
    pub(super) fn finish(mut self, image: &str) -> Result<Vec<File>, Box<Refusal>> {
        let depth = self.directory.parts().len();
        let root = self.directory.parts().join("/");
        for parts in 1..=depth {
            let above = self.directory.parts()[..parts].join("/");
            if let Some(Node::Other(kind, link)) = self.nodes.get(&above) {
                return Err(Box::new(self.in_the_way(&above, kind, link, image)));
            }
        }
        let inside = |path: &str| root.is_empty() || path.strip_prefix(&root).is_some_and(is_below);
        let mut files = Vec::new();
        let mut there = root.is_empty() || self.nodes.contains_key(&root);
        let through =
            way_through(&self.nodes).map(|(path, above, kind)| (path.to_owned(), above.to_owned(), kind));
        for (path, node) in std::mem::take(&mut self.nodes) {
            if !inside(&path) {
                continue;
            }
            there = true;
            match node {
                Node::Directory => {}
                Node::Other(kind, link) => return Err(Box::new(not_read(&path, kind, &link))),
                Node::File(bytes) => {
                    let below = if root.is_empty() { path.as_str() } else { &path[root.len() + 1..] };
                    files.push(File { path: below.to_owned(), bytes });
                }
            }
        }
        if let Some((path, above, kind)) = through {
            let cause = format!("it lies in `{above}`, which is {kind} in an earlier layer");
            return Err(Box::new(hostile(path.as_bytes(), cause)));
        }
        if files.is_empty() {
            return Err(Box::new(self.nothing(there, image)));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn nothing(&self, there: bool, image: &str) -> Refusal {
        let directory = &self.directory;
        let refusal = if there {
            Refusal::new(Code::EmptyDirectory, format!("{directory} holds no file in {image}"))
                .cause("an empty directory is more often a wrong path than a wish")
        } else {
            Refusal::new(Code::ImageNoDirectory, format!("there is no directory {directory} in {image}"))
                .cause("no layer has it, or a later one removed it")
        };
        let mut candidates = self.candidates.iter();
        let Some(first) = candidates.next() else {
            let help = "name the directory that the image's build copies the migrations to: COPY migrations /migrations";
            return refusal.cause("no directory of the image holds .sql files").help(help);
        };
        let refusal = refusal.help(format!("did you mean {first}?"));
        candidates.fold(refusal, |refusal, other| refusal.note(format!("{other} holds .sql files too")))
    }

    /// The directory, or one above it, is none.
    fn in_the_way(&self, path: &str, kind: &str, link: &str, image: &str) -> Refusal {
        let what = if link.is_empty() {
            format!("/{path} in {image} is {kind}")
        } else {
            format!("/{path} in {image} is {kind} to {link}")
        };
        let rest = self.directory.parts()[path.split('/').count()..].join("/");
        let help = match link.starts_with('/') && !rest.is_empty() {
            true => format!("name the directory that it leads to: {}/{rest}", link.trim_end_matches('/')),
            false if link.starts_with('/') => format!("name the directory that it leads to: {link}"),
            false => "name the directory where the files really are".to_owned(),
        };
        Refusal::new(Code::ImageNoDirectory, what)
            .cause("only directories are entered, because a link of an image may lead anywhere")
            .help(help)
    }
}

impl Changes {
    fn add(&mut self, path: String, node: Node, typed: &[u8]) -> Result<(), Trouble> {
        let both_directories = |other: &Node| matches!((other, &node), (Node::Directory, Node::Directory));
        match self.nodes.get(&path) {
            // Builders name a directory once for each thing that they put in it.
            Some(other) if both_directories(other) => Ok(()),
            Some(_) => {
                Err(Trouble::entry(typed, "one layer has it twice, and readers disagree which one counts"))
            }
            None => {
                self.nodes.insert(path, node);
                Ok(())
            }
        }
    }
}

/// A path, what it lies in, and what kind of thing that is, where it is no directory.
fn way_through(nodes: &BTreeMap<String, Node>) -> Option<(&str, &str, &'static str)> {
    nodes.keys().find_map(|path| {
        let mut above = path.match_indices('/').map(|(at, _)| &path[..at]);
        above.find_map(|above| match nodes.get(above)? {
            Node::Directory => None,
            Node::File(_) => Some((path.as_str(), above, "a file")),
            Node::Other(kind, _) => Some((path.as_str(), above, *kind)),
        })
    })
}

fn is_below(rest: &str) -> bool {
    rest.starts_with('/')
}

pub(super) fn not_read(path: &str, kind: &str, link: &str) -> Refusal {
    let leads = if link.is_empty() { String::new() } else { format!(" to {link}") };
    hostile(path.as_bytes(), format!("it is {kind}{leads}, and only files and directories are read"))
}

/// The text of a name that is kept.
pub(super) fn name_as_text(path: &[u8], typed: &[u8]) -> Result<String, Trouble> {
    let refuse = |cause: &str| {
        let what = format!("the name of `{}` in the image cannot be used", shown(typed, 200));
        Err(Trouble::Refused(Box::new(
            Refusal::new(Code::BadFileName, what).cause(cause).help("rename the file"),
        )))
    };
    match std::str::from_utf8(path) {
        Ok(text) if text.chars().all(is_plain) => Ok(text.to_owned()),
        Ok(_) => refuse("it holds control characters"),
        Err(_) => refuse("it is not UTF-8, and the name is recorded as text in the history"),
    }
}
