//! The command line of Cofferdam.

mod args;
mod asking;
mod cli;
mod config;
mod context;
mod demo;
mod files;
mod job;
mod linting;
mod output;
mod plugin;
mod runs;
mod signals;
mod wiring;

fn main() -> std::process::ExitCode {
    cli::main(std::env::args_os().collect())
}
