//! The flags that every command takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;

/// The flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Common flags")]
pub(crate) struct Common {
    /// The database: postgres://user@host:port/name, or a reference: env:NAME, file:PATH
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Log in to RDS or Aurora of this region by IAM: each connection has a token in place of a password
    #[arg(long, global = true, value_name = "REGION")]
    pub(crate) aws_region: Option<String>,
    /// The directory with the migrations [default: migrations]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// An environment of cofferdam.yaml
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) env: Option<String>,
    /// The directory's format; else it is recognised by the names of its files
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) format: Option<String>,
    /// A value for the placeholder ${NAME} of a directory of Flyway; may be repeated
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = super::ledger::placeholder)]
    pub(crate) placeholder: Vec<(String, String)>,
    /// Where it is kept what is applied [default: both, where the table of the directory's tool is there]
    #[arg(long, global = true, value_enum, value_name = "WHERE")]
    pub(crate) history: Option<super::ledger::Where>,
    /// The tool whose table is kept, where the directory does not say it: goose, golang-migrate, ...
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tool's table, where it has another name or schema: TABLE or SCHEMA.TABLE
    #[arg(long, global = true, value_name = "TABLE", value_parser = super::ledger::table)]
    pub(crate) history_table: Option<cofferdam_core::Name>,
    /// How the result is written to stdout
    #[arg(short, long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    /// How progress is written to stderr
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) progress: Progress,
    /// Colours; NO_COLOR and CLICOLOR_FORCE are heeded too
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) color: Color,
    /// Only errors on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More on stderr: every step
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Stop at the next safe point after this time (exit code 124)
    #[arg(long, global = true, value_name = "DURATION", value_parser = super::duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Agree to what would be asked
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON document.
    Json,
    /// One YAML document.
    Yaml,
    /// For people, with more columns: lists of the cluster only.
    #[value(hide = true)]
    Wide,
    /// Names for other commands: lists of the cluster only.
    #[value(hide = true)]
    Name,
    /// Rows with commas: the audit only.
    #[value(hide = true)]
    Csv,
}

/// How progress is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Progress {
    /// A bar on a terminal, else plain lines.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// Lines.
    Plain,
    /// A JSON object a line.
    Json,
    /// Nothing.
    None,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl From<Color> for anstream::ColorChoice {
    fn from(color: Color) -> Self {
        match color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
    }
}
