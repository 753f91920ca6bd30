//! Tools whose migrations are not read, told by their marks, so that an error can say by name what to do instead.

use cofferdam_core::{Code, Refusal};

use crate::format::{Format, is_sql};
use crate::tree::{File, Tree};

/// A tool and what shows it.
pub(crate) struct Tool {
    name: &'static str,
    /// What shows it, in words.
    mark: &'static str,
    shows: fn(&File) -> bool,
    /// Why its files are not read.
    cause: &'static str,
    help: &'static str,
}

/// The image does the work, and the database says that it is done.
const CONTAINER: &str = "run the tool itself: spec.migration.container takes its image, and signal the table and column of its version";

static TOOLS: [Tool; 7] = [
    Tool {
        name: "Alembic",
        mark: "a Python file with down_revision",
        shows: |file| file.name().ends_with(".py") && holds(file, "down_revision"),
        cause: "its migrations are Python programs, which only Alembic can run",
        help: "run the tool itself: spec.migration.container takes its image, with signal {table: alembic_version, \
               column: version_num}; for lint: alembic upgrade head --sql > up.sql && cofferdam lint up.sql",
    },
    Tool {
        name: "Rails",
        mark: "a Ruby file with ActiveRecord::Migration",
        shows: |file| file.name().ends_with(".rb") && holds(file, "ActiveRecord::Migration"),
        cause: "its migrations are Ruby programs, which only Rails can run",
        help: CONTAINER,
    },
    Tool {
        name: "migrate-mongo",
        mark: "migrate-mongo-config.js, or a JavaScript file with up and down",
        shows: |file| {
            file.name().starts_with("migrate-mongo-config.")
                || [".js", ".cjs", ".mjs", ".ts"].iter().any(|ending| file.name().ends_with(ending))
                    && file.name().starts_with(|c: char| c.is_ascii_digit())
                    && holds(file, "down(")
        },
        cause: "its migrations are JavaScript programs, which only Node can run",
        help: CONTAINER,
    },
    // Before Prisma, whose migrations have the same names.
    Tool {
        name: "Drizzle 1.0",
        mark: "NAME/snapshot.json beside NAME/migration.sql",
        shows: |file| file.name() == "snapshot.json" && !file.is_top_level(),
        cause: "from 1.0 on Drizzle has no journal, and which order its history has is not settled yet",
        help: "run the tool itself: spec.migration.container takes its image; a directory of Drizzle 0.x is read",
    },
    Tool {
        name: "Prisma",
        mark: "migration_lock.toml, or NAME/migration.sql",
        shows: |file| matches!(file.name(), "migration_lock.toml" | "migration.sql"),
        cause: "its history has states of its own that cannot be kept for it yet",
        help: CONTAINER,
    },
    Tool {
        name: "Liquibase",
        mark: "--liquibase formatted sql, or databaseChangeLog",
        shows: |file| {
            let text = ["--liquibase formatted sql", "-- liquibase formatted sql"];
            let structured = [".xml", ".yaml", ".yml", ".json"];
            is_sql(file.name()) && text.iter().any(|mark| holds(file, mark))
                || structured.iter().any(|ending| file.name().ends_with(ending))
                    && holds(file, "databaseChangeLog")
        },
        cause: "a changelog holds several changesets and conditions, which are not read",
        help: CONTAINER,
    },
    Tool {
        name: "goose",
        mark: "a Go file with goose.AddMigration",
        shows: |file| file.name().ends_with(".go") && holds(file, "goose.AddMigration"),
        cause: "its migrations are Go programs, which have to be built",
        help: CONTAINER,
    },
];

/// The tool that the directory is written for, if it is one of these.
pub(crate) fn tool(tree: &Tree) -> Option<&'static Tool> {
    TOOLS.iter().find(|tool| tree.files.iter().any(tool.shows))
}

impl Tool {
    /// What shows the tool, as a sentence.
    pub(crate) fn sentence(&self, root: &str) -> String {
        format!("{root} is a directory of {}: it has {}", self.name, self.mark)
    }

    /// `near` are the formats that the names of the files only miss.
    pub(crate) fn refusal(&self, root: &str, near: &[&Format]) -> Refusal {
        let refusal = Refusal::new(Code::ToolNotRead, self.sentence(root)).cause(self.cause).help(self.help);
        match near {
            [] => refusal,
            [format, ..] => {
                refusal.note(format!("if it is no such directory: --format {} ({})", format.id, format.title))
            }
        }
    }
}

fn holds(file: &File, mark: &str) -> bool {
    file.bytes.windows(mark.len()).any(|part| part == mark.as_bytes())
}
