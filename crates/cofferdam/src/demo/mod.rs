//! The demonstration.

use cofferdam_core::{Code, Refusal, Result};

/// What the demonstration is asked for.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DemoArgs {
    /// Rows in the largest table
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    pub(crate) rows: u64,
    /// Leave the server running and its files in place
    #[arg(long)]
    pub(crate) keep: bool,
    /// The major version of PostgreSQL to start; else the newest that is found
    #[arg(long, value_name = "MAJOR")]
    pub(crate) pg_version: Option<u32>,
}

/// Runs the demonstration.
pub(crate) async fn run(args: DemoArgs) -> Result<()> {
    let _ = (args.rows, args.keep, args.pg_version);
    Err(Refusal::new(Code::NoServerFound, "this build has no demonstration").into())
}
