//! The tasks of this repository: `cargo xtask <task>`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its output is for the person at the terminal")]

mod bench;
mod cluster;
mod docs;
mod lanes;
mod machine;
mod mysql;
mod oracle;
mod peers;
mod setup;
mod shelf;
mod stress;
mod test;
mod tidy;

use std::process::ExitCode;

/// What a task ends with: an exit code (0 for done), or a sentence on why it could not be carried out.
type Outcome = Result<u8, String>;

/// A task.
struct Task {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

/// Every task.
static TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "[--require-all] [e2e | interop | backup] [WORD..]",
        about: "Sets up what is needed and runs every test (or those whose name contains a WORD; with e2e only those \
                in a Kubernetes cluster, which is brought up for them and taken down; with interop only those \
                with the tools of others, which are fetched or built for them; with backup only those of backups, with \
                servers of object stores). A test that \
                lacks something is skipped and listed at the end; with --require-all or CI=true it fails",
        run: test::run,
    },
    Task {
        name: "setup",
        arguments: "",
        about: "Only the setting up: as root on Debian or Ubuntu installs the databases that tests need, \
                elsewhere says what is missing",
        run: setup::run,
    },
    Task {
        name: "oracle",
        arguments: "[--all-versions] [--check]",
        about: "Runs every kind of statement on real servers and prints the table of locks from what they do; with \
                --all-versions on each PostgreSQL that can be had, with --check without writing",
        run: oracle::run,
    },
    Task {
        name: "stress",
        arguments: "[--engine postgresql|mysql|mariadb] [--minutes N] [--seed S] [--from STORY]",
        about: "Changes a table under writers of every kind, with kills at random moments, and looks after each \
                step whether a write was lost. A failure names the story; --from that number repeats it",
        run: stress::run,
    },
    Task {
        name: "cluster",
        arguments: "up [--install] | down | status | env [--existing] | with COMMAND..",
        about: "A real Kubernetes of one node on this machine, as root on Debian: `up` starts it, with --install \
                our image and chart too; `env` says how to reach it, with --existing the cluster of KUBECONFIG; \
                `with` has it for the time of one command",
        run: cluster::run,
    },
    Task { name: "tidy", arguments: "", about: "Holds the invariants of ARCHITECTURE.md", run: tidy::run },
    Task {
        name: "docs",
        arguments: "[--check]",
        about: "Writes the generated pages under docs/ anew; with --check only says which are stale",
        run: docs::run,
    },
    Task {
        name: "bench",
        arguments: "[apply] [lint] [memory] [online[/MEASURE]] [--runs N] [--rows N] [--cutovers N] [--json FILE]",
        about: "Measures the release beside the peers (docs/benchmarks.md) and says which goals are reached",
        run: bench::run,
    },
    Task {
        name: "peers",
        arguments: "[NAME..]",
        about: "Fetches or builds the tools that the bench and the tests compare with, into the test cache",
        run: peers::run,
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    let Some(task) = TASKS.iter().find(|task| task.name == name) else {
        eprint!("{}", help());
        // Asked for help or not, nothing was done.
        return ExitCode::from(if matches!(name, "help" | "--help" | "-h") { 0 } else { 2 });
    };
    match (task.run)(&arguments[1..]) {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("xtask {name}: {why}");
            ExitCode::FAILURE
        }
    }
}

fn help() -> String {
    TASKS.iter().fold(String::from("cargo xtask <task>\n"), |text, task| {
        format!("{text}\n{} {}\n    {}\n", task.name, task.arguments, task.about)
    })
}

/// For tasks that take no arguments.
fn no_arguments(arguments: &[String]) -> Result<(), String> {
    match arguments.first() {
        None => Ok(()),
        Some(unexpected) => Err(format!("does not take `{unexpected}`")),
    }
}
