//! How each tool wants its files, and how it is told to apply them.

use std::ffi::OsString;
use std::path::Path;

use super::samples::create_table;

/// A tool that applies migrations.
pub(super) struct Tool {
    /// As in the table of peers; `cofferdam` for ours.
    pub(super) name: &'static str,
    /// The file of the migration with this number, and what stands in it.
    pub(super) file: fn(usize) -> (String, String),
    /// The arguments that apply all files of a folder to a database.
    pub(super) arguments: fn(&Path, &Place) -> Vec<OsString>,
}

/// Where a database is.
pub(super) struct Place<'a> {
    /// `127.0.0.1:5432/name`.
    pub(super) address: String,
    /// The role; it has no password.
    pub(super) user: &'a str,
}

impl Place<'_> {
    /// Without TLS, for all of them alike: the server has none, and to ask for it is one more round trip.
    fn url(&self) -> String {
        format!("postgres://{}@{}?sslmode=disable", self.user, self.address)
    }
}

/// Every tool.
pub(super) static TOOLS: &[Tool] = &[
    Tool {
        name: "cofferdam",
        file: |number| (format!("{number:04}_t{number}.up.sql"), create_table(number)),
        arguments: |folder, place| {
            let url = place.url();
            vec!["apply".into(), "--yes".into(), "--url".into(), url.into(), "--dir".into(), folder.into()]
        },
    },
    Tool {
        name: "goose",
        file: |number| {
            (format!("{number:05}_t{number}.sql"), format!("-- +goose Up\n{}", create_table(number)))
        },
        arguments: |folder, place| {
            let url = place.url();
            vec!["-dir".into(), folder.into(), "postgres".into(), url.into(), "up".into()]
        },
    },
    Tool {
        name: "golang-migrate",
        file: |number| (format!("{number:06}_t{number}.up.sql"), create_table(number)),
        arguments: |folder, place| {
            vec!["-path".into(), folder.into(), "-database".into(), place.url().into(), "up".into()]
        },
    },
    Tool {
        name: "dbmate",
        file: |number| {
            (
                format!("{:014}_t{number}.sql", 20_260_101_000_000_u64 + number as u64),
                format!("-- migrate:up\n{}-- migrate:down\n", create_table(number)),
            )
        },
        arguments: |folder, place| {
            let url = place.url();
            // Without the copy of the schema that it makes after a change: that runs pg_dump.
            let flags = ["--no-dump-schema", "--url"].map(OsString::from);
            flags.into_iter().chain([url.into(), "-d".into(), folder.into(), "migrate".into()]).collect()
        },
    },
    Tool {
        name: "flyway",
        file: |number| (format!("V{number}__t{number}.sql"), create_table(number)),
        arguments: |folder, place| {
            let mut locations = OsString::from("-locations=filesystem:");
            locations.push(folder);
            let url = format!("-url=jdbc:postgresql://{}?sslmode=disable", place.address);
            vec![url.into(), format!("-user={}", place.user).into(), locations, "migrate".into()]
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{Use, of};

    #[test]
    fn every_measured_peer_is_a_tool_and_files_sort_by_number() {
        for peer in of(Use::Measured) {
            assert!(TOOLS.iter().any(|tool| tool.name == peer.name), "{}", peer.name);
        }
        for tool in TOOLS.iter().filter(|tool| tool.name != "flyway") {
            assert!((tool.file)(9).0 < (tool.file)(10).0, "{}", tool.name);
        }
    }
}
