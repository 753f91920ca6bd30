//! Tools whose directories are not read yet, told by their marks, so that an error can say so by name.

use crate::tree::Tree;

/// A tool and what shows it.
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    /// A file's path, or a text in a SQL file.
    pub(crate) mark: &'static str,
    is_file: bool,
}

const fn file(name: &'static str, mark: &'static str) -> Tool {
    Tool { name, mark, is_file: true }
}

const fn text(name: &'static str, mark: &'static str) -> Tool {
    Tool { name, mark, is_file: false }
}

const TOOLS: [Tool; 6] = [
    file("Atlas", "atlas.sum"),
    file("Drizzle", "meta/_journal.json"),
    file("Prisma", "migration_lock.toml"),
    text("goose", "-- +goose Up"),
    text("dbmate", "-- migrate:up"),
    text("Liquibase", "--liquibase formatted sql"),
];

/// The tool that the directory is written for, if it shows.
pub(crate) fn tool(tree: &Tree) -> Option<&'static Tool> {
    let holds = |bytes: &[u8], mark: &str| bytes.windows(mark.len()).any(|part| part == mark.as_bytes());
    TOOLS.iter().find(|tool| match tool.is_file {
        true => tree.file(tool.mark).is_some(),
        false => tree.files.iter().any(|file| file.path.ends_with(".sql") && holds(&file.bytes, tool.mark)),
    })
}
