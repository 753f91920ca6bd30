use cofferdam_core::journal::What;
use cofferdam_core::plan::{Intent, Plan};
use cofferdam_core::run::Event;
use cofferdam_engines::Record;
use uuid::Uuid;

use super::*;

const EVIL: &str =
    "x</title></svg><script>alert('canary')</script><img src=x onerror=\"alert(1)\">&\u{202e}\u{0}";

fn run() -> (Run, Vec<Entry>) {
    let plan = Plan {
        strategy: "direct".into(),
        key: EVIL.into(),
        description: EVIL.into(),
        intent: Intent::Apply,
        units: vec![],
        losses: vec![],
    };
    let run = Run {
        id: Uuid::nil(),
        plan: plan.into(),
        digest: "sha256:1".into(),
        phase: Phase::RolledBack,
        epoch: 1,
        record: Record::Nothing,
        started_at: "2026-11-20T10:00:00Z".into(),
        ended_at: None,
        by: format!("{EVIL}@{EVIL} ({EVIL}) [{EVIL}]"),
    };
    let whats = [
        What::Passed {
            from: Phase::Requested,
            on: vec![Event::PlanAccepted, Event::ChecksPassed],
            to: Phase::Expanding,
        },
        What::Began { step: EVIL.into() },
        What::Ended { step: EVIL.into(), how: EVIL.into(), ms: Some(90_000) },
        What::Began { step: "2".into() },
        What::Failed { step: "2".into(), why: EVIL.into() },
        What::Moved { from: Phase::Expanding, on: Event::StepFailed, to: Phase::RollingBack },
        What::Moved { from: Phase::RollingBack, on: Event::Reverted, to: Phase::RolledBack },
    ];
    let mut rows: Vec<Entry> = Vec::new();
    for (what, seq) in whats.into_iter().zip(1..) {
        let previous = rows.last().map(|row| row.hash.clone()).unwrap_or_default();
        let at = format!("2026-11-20T10:0{seq}:00Z");
        rows.push(Entry::chained(seq, run.id, 1, at, EVIL.into(), what, &previous));
    }
    (run, rows)
}

#[test]
fn nothing_of_the_database_becomes_markup_and_nothing_is_loaded() {
    let (run, rows) = run();
    let page = page(EVIL, &run, &rows, EVIL);
    for forbidden in
        ["<script", "<img", "onerror=\"", "href=", "src=\"", "url(", "@import", "\u{202e}", "\u{0}"]
    {
        assert!(!page.contains(forbidden), "{forbidden}: {page}");
    }
    assert_eq!(page.matches("<svg").count(), 1);
    assert_eq!((page.matches("<title>").count(), page.matches("</svg>").count()), (1 + 5, 1));
    assert!(page.contains("&lt;script&gt;alert(&#39;canary&#39;)&lt;/script&gt;"));
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn the_picture_shows_each_phase_and_each_step() {
    let (_, rows) = run();
    let picture = timeline::picture(&rows);
    for name in ["Expanding", "RollingBack", "RolledBack", "step 2"] {
        assert!(picture.contains(name), "{name}: {picture}");
    }
    assert_eq!(picture.matches("<rect").count(), 5);
    assert_eq!(timeline::picture(&[]), "");
    let many: Vec<Entry> = (0..200)
        .map(|n| {
            let what = What::Began { step: n.to_string() };
            Entry::chained(n + 1, Uuid::nil(), 1, "2026-11-20T10:00:00Z".into(), String::new(), what, "")
        })
        .collect();
    assert!(timeline::picture(&many).contains("and 140 more"));
}

#[test]
fn a_row_that_was_changed_is_said() {
    let (run, mut rows) = run();
    assert!(page("d", &run, &rows, "s").contains("each row has the hash"));
    rows[2].who = "somebody else".into();
    assert!(page("d", &run, &rows, "s").contains("it was changed"));
}
