//! The runner dies, or its connection does, at each place that a change comes by. The same command goes on.

use std::process::Stdio;

use cofferdam_core::failpoint::FAILPOINTS;
use cofferdam_scratch::mysql::Kind;

use super::load::Load;
use super::{FINALIZE, ROLLBACK, ROWS, WIDER, alter, assert_clean, id_type, place};
use crate::site::{Site, server};
use crate::support::{Ended, each, wait};

on_both! {
    killed_at_every_place,
    killed_at_every_place_in_turn_under_load,
    failing_at_every_place_of_the_swap,
}

/// Those that a change on these servers passes: nothing is captured by triggers or a slot, no index is built, and there
/// are no foreign keys.
pub(super) fn points() -> impl Iterator<Item = &'static str> {
    const OTHERS: &[&str] = &["online.slot.", "online.index.", "online.settle.", "online.guard."];
    let names = FAILPOINTS.iter().map(|(name, _)| *name).filter(|name| name.starts_with("online."));
    names.filter(|name| !OTHERS.iter().any(|other| name.starts_with(other)))
}

/// Runs a command with this failpoint armed. Whether it was reached.
pub(super) fn disturbed(site: &Site, arguments: &[&str], armed: &str) -> (bool, Ended) {
    let mark = site.folder.path().join("reached");
    let _ = std::fs::remove_file(&mark);
    let mut command = site.command(arguments);
    command
        .env("COFFERDAM_FAILPOINT", armed)
        .env("COFFERDAM_FAILPOINT_REACHED", &mark)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ended = wait(command.spawn().unwrap());
    (mark.exists(), ended)
}

/// A table with what the way of a change passes: rows are written while it stands before its gate, and in its window.
fn one_way(kind: Kind, point: &str, action: &str, back: bool) -> bool {
    let site = place(kind, "killed").unwrap();
    let mut reached = false;
    let alter = alter(&[], WIDER);
    let end = if back { ROLLBACK } else { FINALIZE };
    let mut expected = ROWS;
    for (step, command) in [alter.as_slice(), end].into_iter().enumerate() {
        let (hit, ended) = disturbed(&site, command, &format!("{point}={action}@1"));
        assert_eq!(hit, ended.code != 0, "{point}={action} {command:?}: {}\n{}", ended.stdout, ended.stderr);
        reached |= hit;
        // Written while nobody is at work.
        site.query(&format!("INSERT INTO t (id, n) VALUES ({}, {step})", 200_000 + step));
        site.query(&format!("UPDATE t SET note = 'step {step}' WHERE id = {}", 10 + step));
        expected += 1;
        if hit {
            let again = site.run(command);
            let over = again.code == 2 && again.stderr.contains("CF2502") || again.code == 0;
            assert!(over, "{point}={action} {command:?} again: {}\n{}", again.stdout, again.stderr);
        }
    }
    let case = format!("{point}={action} back={back}");
    assert_eq!(site.one("SELECT COUNT(*) FROM t"), expected.to_string(), "{case}");
    assert_eq!(site.one("SELECT COUNT(*) FROM t WHERE note IN ('step 0', 'step 1')"), "2", "{case}");
    assert_eq!(id_type(&site), if back { "int" } else { "bigint" }, "{case}");
    assert_clean(&site);
    site.assert_sound();
    reached
}

fn killed_at_every_place(kind: Kind) {
    if server(kind).is_none() {
        return;
    }
    let points: Vec<&str> = points().collect();
    each(&points, ToString::to_string, |point| {
        let reached = [true, false].map(|back| one_way(kind, point, "kill", back));
        assert!(reached.contains(&true), "no change comes by it");
    });
}

/// One and the same change: its runner dies at each place, one after the other, each time further on, while the application
/// writes. So it is on the way back.
fn killed_at_every_place_in_turn_under_load(kind: Kind) {
    let Some(site) = place(kind, "in_turn") else { return };
    let ((), load) = Load::beside(&site, |load| {
        // A command that does not come by the place that is asked for runs to its end.
        let back = ["online.swap.", "online.release.", "online.removed"];
        for (command, ty, places) in
            [(alter(&[], WIDER).as_slice(), "bigint", &["online."][..]), (ROLLBACK, "int", &back[..])]
        {
            load.go_on(20);
            let mut deaths = Vec::new();
            for point in points().filter(|name| places.iter().any(|place| name.starts_with(place))) {
                let (hit, ended) = disturbed(&site, command, &format!("{point}=kill@1"));
                if hit {
                    deaths.push(point);
                    load.go_on(5);
                    continue;
                }
                assert_eq!(ended.code, 0, "{point} {command:?}: {}\n{}", ended.stdout, ended.stderr);
                break;
            }
            // Whatever is left of it, and of what the last one could not print.
            let last = site.run(command);
            let over = last.code == 0 || last.code == 2 && last.stderr.contains("CF2502");
            assert!(over, "{command:?}: {}\n{}", last.stdout, last.stderr);
            assert_eq!(id_type(&site), ty, "{command:?}, died at {deaths:?}");
            assert!(deaths.len() >= 4, "{command:?} died only at {deaths:?}");
        }
        load.go_on(20);
    });
    load.assert_kept(&site);
    assert_clean(&site);
    site.assert_sound();
}

/// The connection breaks, or counts as broken: also where the answer to the RENAME is lost.
fn failing_at_every_place_of_the_swap(kind: Kind) {
    if server(kind).is_none() {
        return;
    }
    let points: Vec<&str> = points().filter(|name| name.starts_with("online.swap.")).collect();
    each(&points, ToString::to_string, |point| assert!(one_way(kind, point, "error", true)));
}
