use cofferdam_core::plan::{Act, Intent, Probe, Step, Unit};
use cofferdam_core::{Limits, MigrationKind, Phase, Script, Span};

use super::*;

fn step(id: &str, title: &str, sql: &str, lock: &str, undo: Undo) -> Step {
    let phase = if matches!(undo, Undo::Impossible { .. }) { Phase::Contracting } else { Phase::Expanding };
    Step {
        id: id.into(),
        phase,
        title: title.into(),
        act: Act::sql(sql),
        probe: Probe::Nothing,
        undo,
        limits: Limits::default(),
        lock: lock.into(),
        blocks: if lock == "ACCESS EXCLUSIVE" { "<10 ms".into() } else { "nothing".into() },
        estimate: "instant".into(),
        path: "migrations/V1.5.0__order_note.sql".into(),
        at: Span { line: 1, ..Span::default() },
    }
}

fn by(sql: &str) -> Undo {
    Undo::Acts { acts: vec![Act::sql(sql)], atomic: true, loses: None }
}

fn plan(key: &str, units: Vec<Unit>) -> Plan {
    Plan {
        strategy: "direct".into(),
        key: key.into(),
        description: "order note".into(),
        intent: Intent::Apply,
        units,
        losses: vec![],
    }
}

fn plans() -> Vec<Plan> {
    let add = step(
        "1",
        "add column orders.note text",
        "ALTER TABLE orders ADD COLUMN note text",
        "ACCESS EXCLUSIVE",
        by("ALTER TABLE \"orders\" DROP COLUMN \"note\""),
    );
    let index = step(
        "2",
        "create index concurrently ix_orders_note",
        "CREATE INDEX CONCURRENTLY ix_orders_note ON orders (note)",
        "SHARE UPDATE EXCLUSIVE",
        by("DROP INDEX CONCURRENTLY \"ix_orders_note\""),
    );
    let drop = step(
        "1",
        "drop column users.legacy",
        "ALTER TABLE users DROP COLUMN legacy",
        "ACCESS EXCLUSIVE",
        Undo::Impossible { why: "the values of users.legacy are gone".into() },
    );
    vec![
        plan(
            "1.5.0",
            vec![Unit { atomic: true, steps: vec![add] }, Unit { atomic: false, steps: vec![index] }],
        ),
        plan("1.6.0", vec![Unit { atomic: true, steps: vec![drop] }]),
    ]
}

fn view(plans: &[Plan]) -> PlanView {
    PlanView {
        database: DatabaseView {
            name: "shop".into(),
            engine: "postgresql".into(),
            server_version: "15.20".into(),
            location: location("postgres://shop:secret@db.prod:5432/shop?sslmode=require"),
            role: "shop".into(),
        },
        from: Some("1.4.0".into()),
        to: Some("1.6.0".into()),
        migrations: plans.iter().map(|p| MigrationPlanView::new(p, None)).collect(),
        findings: vec![],
        unfinished: vec![],
        digest: cofferdam_core::approval::digest(plans),
        approvals: vec![],
    }
}

#[test]
fn the_screen() {
    insta::assert_snapshot!(view(&plans()).text());
}

#[test]
fn the_script() {
    insta::assert_snapshot!(view(&plans()).sql());
}

#[test]
fn nothing_pending_is_one_line() {
    let mut view = view(&[]);
    assert_eq!(view.text(), "nothing to do: shop is at version 1.4.0");
    view.from = None;
    assert_eq!(view.text(), "nothing to do: shop is at version none");
}

#[test]
fn an_undo_script_makes_a_step_reversible() {
    let plan = &plans()[1];
    assert!(!MigrationPlanView::new(plan, None).steps[0].reversible);
    let script = Script::new("migrations/U1.6.0__order_note.sql", "");
    let migration = Migration {
        version: cofferdam_core::bundle::Version::parse("1.6.0"),
        description: String::new(),
        kind: MigrationKind::Versioned,
        up: script.clone(),
        down: Some(script),
        check: None,
        checksum: cofferdam_core::Checksum::Sha256(String::new()),
        no_transaction: false,
    };
    let with = MigrationPlanView::new(plan, Some(&migration));
    assert!(with.steps[0].reversible);
    assert_eq!(with.steps[0].undo, "✔ U1.6.0__order_note.sql");
}

#[test]
fn a_location_has_neither_user_nor_password() {
    assert_eq!(location("postgres://u:p@h/d").as_deref(), Some("h/d"));
    assert_eq!(location("host=h password=p"), None);
    assert_eq!(location("postgres:///d"), None);
}
