//! The command line of Cofferdam.

mod args;
mod asking;
mod beside;
mod carry;
mod cli;
mod comparing;
mod config;
mod context;
mod demo;
mod figures;
mod files;
mod job;
mod linting;
mod logins;
mod output;
mod plugin;
mod projects;
mod rehearsing;
mod runs;
mod signals;
mod spans;
mod telling;
mod throwaway;
mod wiring;

fn main() -> std::process::ExitCode {
    cli::main(std::env::args_os().collect())
}
