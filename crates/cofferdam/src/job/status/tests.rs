use cofferdam_core::online::{Capture, Examined, Gate};
use cofferdam_core::plan::{Intent, Probe, Undo, Unit};
use cofferdam_core::{Limits, Name, Refusal};
use cofferdam_strategies::{About, online_plan};
use uuid::Uuid;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + second).unwrap()
}

fn object(status: serde_json::Value) -> DatabaseMigration {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "cofferdam.dev/v1alpha1", "kind": "DatabaseMigration",
        "metadata": { "name": "orders", "namespace": "shop", "generation": 3 },
        "spec": {
            "database": { "type": "postgresql", "connectionSecret": "db" }, "migration": { "scripts": [] },
        },
        "status": status,
    }))
    .unwrap()
}

fn online() -> Plan {
    let change = Online {
        table: Name::qualified("public", "t"),
        clauses: "ADD COLUMN x int".into(),
        capture: Capture::Auto,
        gate: Gate::Auto,
        forward: vec![],
        backward: vec![],
        allow_loss: None,
        workers: 0,
        proof: Default::default(),
    };
    let about = About {
        key: "orders/online".into(),
        description: String::new(),
        path: String::new(),
        at: Default::default(),
        limits: Limits::default(),
        server: None,
    };
    online_plan(&change, &Examined::default(), about).unwrap()
}

fn direct(key: &str, steps: usize) -> Plan {
    let steps = (1..=steps).map(|number| cofferdam_core::plan::Step {
        id: number.to_string(),
        phase: Phase::Expanding,
        title: format!("step {number}"),
        act: Act::Sql { sql: "SELECT 1".into(), copy_rows: None },
        probe: Probe::Repeatable,
        undo: Undo::Nothing,
        limits: Limits::default(),
        lock: String::new(),
        blocks: String::new(),
        estimate: String::new(),
        path: String::new(),
        at: Default::default(),
    });
    Plan {
        strategy: "direct".into(),
        key: key.into(),
        description: String::new(),
        intent: Intent::Apply,
        units: vec![Unit { atomic: true, steps: steps.collect() }],
        losses: vec![],
    }
}

fn summary(key: &str, phase: Phase) -> RunSummary {
    RunSummary {
        run: Uuid::now_v7(),
        key: key.into(),
        description: String::new(),
        phase,
        resumed: false,
        steps: 0,
        ms: 0,
        guard: None,
    }
}

fn progress(account: &Account) -> (u32, u32, u8, String) {
    let progress = account.kept().progress.clone().unwrap();
    let number = |n: Option<u32>| n.unwrap();
    (
        number(progress.completed_steps),
        number(progress.total_steps),
        progress.percent.unwrap(),
        progress.summary.unwrap(),
    )
}

#[test]
fn an_online_change_is_told_from_step_to_step() {
    let plan = online();
    let mut account = Account::new(&object(serde_json::Value::Null), false);
    account.begins(&[&plan], at(0));
    // The end of the window is no part of it.
    assert_eq!(progress(&account), (0, 8, 0, "0%".into()));
    account.tell(&News::RunBegan { run: Uuid::now_v7(), plan: &plan, resumed: false }, at(0));
    let steps: Vec<_> = plan.steps().cloned().collect();
    let mut stages = Vec::new();
    for step in steps.iter().take(8) {
        account.tell(&News::StepBegan { step: &step.id, title: &step.title }, at(1));
        let status = account.kept();
        stages.push((status.stage.unwrap(), status.shadow_table.clone().unwrap().sync_status.unwrap()));
        if step.phase == Phase::Copying && step.title.starts_with("copy") {
            let tick = |done| News::Tick(Tick::Progress { doing: "copying rows".into(), done, total: 1_000 });
            account.tell(&tick(0), at(10));
            account.tell(&tick(100), at(11));
            assert_eq!(account.kept().progress.as_ref().unwrap().eta, None);
            account.tell(&tick(250), at(20));
            assert_eq!(progress(&account), (2, 8, 17, "17% 30s".into()));
            assert_eq!(account.kept().progress.as_ref().unwrap().eta, Some(Time(at(50))));
            let table = account.kept().shadow_table.clone().unwrap();
            assert_eq!((table.rows_processed, table.total_rows), (Some(250), Some(1_000)));
        }
        account.tell(&News::StepEnded { step: &step.id, title: &step.title, ms: 1 }, at(30));
    }
    use {Stage as S, SyncStatus as Y};
    assert_eq!(
        stages,
        [
            (S::Expanding, Y::Copying),
            (S::Expanding, Y::Copying),
            (S::Copying, Y::Copying),
            (S::Copying, Y::CatchingUp),
            (S::Verifying, Y::CatchingUp),
            (S::Ready, Y::InSync),
            (S::CuttingOver, Y::InSync),
            (S::Watching, Y::Swapped),
        ]
    );
    account.tell(&News::RunEnded(&summary("orders/online", Phase::Watching)), at(31));
    assert_eq!(progress(&account), (8, 8, 100, "100%".into()));
    assert!(conditions::holds(&account.kept().conditions, ConditionType::Verified, 3));
    assert_eq!(account.kept().current_version.as_deref(), Some("orders/online"));
    account.ends(Some(Stage::Watching), at(930));
    assert_eq!(account.status(at(5_000)).metrics.unwrap().duration, Some(Span::from("15m30s")));
}

#[test]
fn a_run_that_goes_on_counts_what_was_done_before() {
    let (first, second) = (direct("orders/a", 2), direct("orders/b", 2));
    let mut account = Account::new(&object(serde_json::Value::Null), false);
    account.begins(&[&first, &second], at(0));
    account.tell(&News::RunBegan { run: Uuid::now_v7(), plan: &first, resumed: true }, at(0));
    account.tell(&News::StepBegan { step: "2", title: "step 2" }, at(0));
    assert_eq!(progress(&account), (1, 4, 25, "25%".into()));
    account.tell(&News::StepEnded { step: "2", title: "step 2", ms: 1 }, at(0));
    account.tell(&News::RunEnded(&summary("orders/a", Phase::Done)), at(0));
    assert_eq!(progress(&account), (2, 4, 50, "50%".into()));
    // The connection is lost; what is left is planned anew.
    account.begins(&[&second], at(1));
    assert_eq!(progress(&account), (2, 4, 50, "50%".into()));
    assert_eq!(account.start(), Some(at(0)));
    // A run that somebody else left, and that was not counted.
    let foreign = direct("7", 4);
    account.tell(&News::RunBegan { run: Uuid::now_v7(), plan: &foreign, resumed: true }, at(2));
    assert_eq!(progress(&account), (2, 8, 25, "25%".into()));
}

#[test]
fn only_what_the_runner_owns_is_written_and_the_target_stays() {
    let said = serde_json::json!({
        "observedGeneration": 3, "phase": "Running", "database": "d", "desiredVersion": "9", "jobName": "j",
        "history": [{ "runId": "1", "result": "Failed", "reason": "JobFailed" }],
        "target": { "identity": "7/d" }, "startTime": "2025-06-15T15:06:40Z", "completionTime": "2025-06-15T16:06:40Z",
        "progress": { "percent": 4 }, "runId": "2", "shadowTable": { "name": "x" },
        "conditions": [
            { "type": "Ready", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2025-06-15T15:06:40Z" },
            { "type": "Verified", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2025-06-15T15:06:40Z" },
        ],
    });
    let mut account = Account::new(&object(said), false);
    let types = |account: &Account| -> Vec<String> {
        account.kept().conditions.iter().map(|c| c.type_.clone()).collect()
    };
    let status = account.kept();
    assert_eq!(
        (
            status.observed_generation,
            status.phase,
            &status.database,
            &status.job_name,
            &status.desired_version
        ),
        (None, None, &None, &None, &None)
    );
    assert!(status.history.is_empty() && status.progress.is_none());
    assert_eq!(types(&account), ["Verified"]);
    account.reached(Target { identity: "8/other".into(), address: None, server: None });
    assert_eq!(account.target().unwrap().identity, "7/d");
    // The run before it has ended: this one is new.
    account.begins(&[&direct("orders/a", 1)], at(100));
    let status = account.kept();
    assert_eq!((status.start_time.clone(), &status.completion_time), (Some(Time(at(100))), &None));
    assert!(status.run_id.is_none() && status.shadow_table.is_none() && types(&account).is_empty());
}

#[test]
fn what_is_waited_for_is_said_until_it_is_there() {
    let mut account = Account::new(&object(serde_json::Value::Null), false);
    let long = "x".repeat(2_000);
    account.waits(Reason::ConnectFailed, &format!("postgres://u:canary@h/d {long}"), at(0));
    let planned = |account: &Account| {
        let found = conditions::find(&account.kept().conditions, ConditionType::Planned).unwrap();
        (found.status.clone(), found.reason.clone())
    };
    let blocked = account.kept().progress.clone().unwrap().blocked_by.unwrap();
    assert!(blocked.starts_with("ConnectFailed: ") && blocked.chars().count() == TEXT, "{blocked}");
    assert!(!format!("{:?}", account.kept()).contains("canary"));
    assert_eq!(planned(&account), ("False".into(), "ConnectFailed".into()));
    account.judge(ConditionType::Planned, State::True, Reason::MigrationInProgress, "", at(1));
    // A plan that was made is not lost with the connection.
    account.waits(Reason::ConnectFailed, "gone", at(2));
    assert_eq!(planned(&account).0, "True");
    account.goes_on();
    assert_eq!(account.kept().progress.clone().unwrap().blocked_by, None);
}

#[test]
fn a_failure_is_told_and_a_mismatch_is_judged() {
    let plan = online();
    let mut account = Account::new(&object(serde_json::Value::Null), false);
    account.begins(&[&plan], at(0));
    account.tell(&News::RunBegan { run: Uuid::now_v7(), plan: &plan, resumed: false }, at(0));
    let why = Refusal::new(cofferdam_core::Code::Mismatch, "row 7 differs");
    account.tell(&News::Failed { step: "1e", title: "compare", why: &why }, at(1));
    account.tell(&News::StepBegan { step: "undo 1b", title: "log the keys" }, at(1));
    assert_eq!(account.kept().stage, Some(Stage::RollingBack));
    assert_eq!(
        account.kept().progress.clone().unwrap().current_step.as_deref(),
        Some("taking back: log the keys")
    );
    let verified = conditions::find(&account.kept().conditions, ConditionType::Verified).unwrap();
    assert_eq!((verified.status.as_str(), verified.reason.as_str()), ("False", "VerificationMismatch"));
}

#[test]
fn texts_are_cut_between_characters_and_times_rounded() {
    assert_eq!((cut("äbc", 3), cut("äbcd", 3)), ("äbc".to_owned(), "äb…".to_owned()));
    for (seconds, shown) in [
        (0, "0s"),
        (59, "59s"),
        (61, "2m"),
        (3_599, "1h"),
        (5_000, "1h24m"),
        (90_000, "1d1h"),
        (90_001, "1d2h"),
    ] {
        assert_eq!(Span::from(rounded(seconds)).as_str(), shown, "{seconds}");
    }
}
