//! A stdout that does not take what is written to it.

use std::process::{Command, Stdio};

use crate::refusal::document;
use crate::support::{Bench, Ended, wait};

fn bench() -> Bench {
    let bench = Bench::new("output");
    bench.file("V1__a.sql", "CREATE TABLE a (id int);\n").file("V2__b.sql", "CREATE TABLE b (id int);\n");
    bench
}

/// The command with a stdout whose reader has gone.
fn unread(mut command: Command) -> Ended {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    wait(command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap())
}

#[test]
fn a_reader_that_has_gone_ends_no_run_half_way() {
    let bench = bench();
    for arguments in [
        &["plan"][..],
        &["plan", "-o", "json"],
        &["apply", "-v"],
        &["status"],
        &["--help"],
        &["lint", "--rules"],
    ] {
        let done = unread(bench.command(arguments));
        assert_eq!(done.code, 0, "{arguments:?}: {}", done.stderr);
        assert!(!done.stderr.contains("panicked"), "{arguments:?}: {}", done.stderr);
    }
    assert_eq!(bench.history().len(), 2);
    let usage = unread(bench.command(&["aply", "-o", "json"]));
    assert_eq!(usage.code, 2, "{}", usage.stderr);
    bench.assert_sound();
}

/// A stderr without a reader is nobody's reason to stop either.
#[test]
fn a_log_that_nobody_reads_ends_no_run_half_way() {
    let bench = bench();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = bench.command(&["apply", "-vv"]);
    let done = wait(command.stdout(Stdio::null()).stderr(writer).spawn().unwrap());
    assert_eq!(done.code, 0);
    assert_eq!(bench.history().len(), 2);
}

#[test]
fn a_full_disk_is_said() {
    let bench = bench();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = bench.command(&["apply", "-o", "json"]);
    let done = wait(command.stdout(full).stderr(Stdio::piped()).spawn().unwrap());
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("could not be written"), "{}", done.stderr);
    assert_eq!(bench.history().len(), 2, "what was asked for was done all the same");
}

/// Results are one document on stdout, whatever else is said.
#[test]
fn results_are_one_document() {
    let bench = bench();
    for (arguments, kind) in [
        (&["lint", "-vv"][..], "Findings"),
        (&["lint", "--rules"], "Rules"),
        (&["plan", "-v"], "Plan"),
        (&["apply", "--dry-run"], "Plan"),
        (&["apply", "-vv", "--progress", "plain"], "Summary"),
        (&["apply"], "Summary"),
        (&["status"], "Status"),
        (&["history"], "History"),
        (&["validate"], "Validation"),
        (&["rollback", "--dry-run"], "RollbackPlan"),
        (&["rollback", "--yes"], "Summary"),
        (&["version"], "Version"),
    ] {
        let done = bench.must(&[arguments, &["-o", "json"]].concat());
        let document = document(&done.stdout);
        assert_eq!(document["apiVersion"], "cofferdam.dev/v1", "{arguments:?}");
        assert_eq!(document["kind"], kind, "{arguments:?}");
    }
}

/// Progress for programs is a JSON object a line, on stderr.
#[test]
fn progress_for_programs_is_an_object_a_line() {
    let bench = bench();
    let done = bench.must(&["apply", "--progress", "json", "-o", "json"]);
    document(&done.stdout);
    assert!(done.stderr.lines().count() > 2, "{}", done.stderr);
    for line in done.stderr.lines() {
        assert!(document(line).is_object(), "{line}");
    }
}
