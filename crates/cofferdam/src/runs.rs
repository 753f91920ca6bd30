//! Finding a run by what a person types.

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::{Run, Runs, Session};
use cofferdam_runner::{OpenChange, open_changes};

/// How many runs are listed, and looked through for the beginning of an id.
pub(crate) const LISTED: u32 = 1_000;

/// The run whose id begins with this text.
///
/// # Errors
/// `NoSuchRun` when there is none, or more than one.
pub(crate) async fn find(session: &mut dyn Session, wanted: &str) -> Result<Run> {
    choose(session.runs(Runs::Last(LISTED)).await?, wanted)
}

/// The online change that has begun and is not finished, and whose run or table this is; without a text the only one
/// that there is, of those that fit, which are `that`: "whose tables are swapped".
///
/// # Errors
/// `NoSuchRun` when there is none, or more than one.
pub(crate) async fn open(
    session: &mut dyn Session,
    wanted: Option<&str>,
    (that, fits): (&str, fn(&OpenChange) -> bool),
) -> Result<OpenChange> {
    choose_open(open_changes(session).await?, wanted, that, fits)
}

fn choose_open(
    mut open: Vec<OpenChange>,
    wanted: Option<&str>,
    that: &str,
    fits: fn(&OpenChange) -> bool,
) -> Result<OpenChange> {
    match wanted {
        Some(wanted) => {
            let id = wanted.to_ascii_lowercase();
            open.retain(|one| {
                let table = one.change().map(|change| &change.table);
                one.run.id.to_string().starts_with(&id)
                    || table.is_some_and(|table| table.name == wanted || table.to_string() == wanted)
            });
        }
        None => open.retain(fits),
    }
    let described = |one: &OpenChange| {
        let change = one.change();
        let table = change.map(|change| change.table.to_string()).unwrap_or_default();
        format!("{} {table}: {:?}", one.run.id, one.run.phase)
    };
    match (open.pop(), open.as_slice()) {
        (Some(one), []) => Ok(one),
        (None, _) => {
            let what = match wanted {
                Some(wanted) => format!("no online change of {wanted} is open, and no run begins with it"),
                None => format!("there is no online change {that}"),
            };
            Err(Refusal::new(Code::NoSuchRun, what).help("cofferdam status").into())
        }
        (Some(last), others) => {
            let refusal = Refusal::new(Code::NoSuchRun, "more than one online change is open")
                .help("say which one: its run, or its table");
            let notes = others.iter().chain([&last]).take(5);
            Err(notes.fold(refusal, |r, one| r.note(described(one))).into())
        }
    }
}

fn choose(runs: Vec<Run>, wanted: &str) -> Result<Run> {
    let wanted = wanted.to_ascii_lowercase();
    let mut fitting: Vec<Run> = runs.into_iter().filter(|r| r.id.to_string().starts_with(&wanted)).collect();
    match (fitting.pop(), fitting.as_slice()) {
        (Some(run), []) => Ok(run),
        (None, _) => Err(Refusal::new(Code::NoSuchRun, format!("there is no run {wanted}"))
            .help("cofferdam history --runs")
            .into()),
        (Some(last), others) => {
            let refusal = Refusal::new(Code::NoSuchRun, format!("more than one run begins with {wanted}"))
                .help("type more of its id");
            let notes = others.iter().chain([&last]).take(5);
            Err(notes.fold(refusal, |r, run| r.note(format!("{} {}", run.id, run.plan.key))).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::online::{Capture, Examined, Gate};
    use cofferdam_core::plan::{Intent, Plan};
    use cofferdam_core::{Limits, Name, Online, Phase, Refusal, Span};
    use cofferdam_engines::Record;
    use cofferdam_runner::in_window;
    use cofferdam_strategies::About;
    use uuid::Uuid;

    use super::*;

    fn run(id: &str) -> Run {
        Run {
            id: Uuid::parse_str(id).unwrap(),
            plan: Plan {
                strategy: "direct".into(),
                key: "1".into(),
                description: String::new(),
                intent: Intent::Apply,
                units: vec![],
                losses: vec![],
            }
            .into(),
            digest: String::new(),
            phase: Phase::Done,
            epoch: 1,
            record: Record::Undone { rank: 1 },
            started_at: String::new(),
            ended_at: None,
            by: String::new(),
        }
    }

    fn change(id: &str, table: &str, phase: Phase) -> OpenChange {
        let online = Online {
            table: Name::qualified("public", table),
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
            key: format!("alter {table}"),
            description: String::new(),
            path: String::new(),
            at: Span::default(),
            limits: Limits::default(),
            server: None,
        };
        let plan = cofferdam_strategies::online_plan(&online, &Examined::default(), about).unwrap();
        OpenChange { run: Run { plan: plan.into(), phase, record: Record::Nothing, ..run(id) }, state: None }
    }

    #[test]
    fn the_beginning_of_an_id_is_enough_where_it_is_one() {
        let runs =
            || vec![run("01930000-0000-7000-8000-000000000001"), run("01940000-0000-7000-8000-000000000001")];
        assert!(choose(runs(), "0193").is_ok());
        assert!(choose(runs(), "01930000-0000-7000-8000-000000000001").is_ok());
        let code =
            |wanted| choose(runs(), wanted).unwrap_err().refusal().map(|r: &Refusal| (r.code, r.notes.len()));
        assert_eq!(code("01"), Some((Code::NoSuchRun, 2)));
        assert_eq!(code("02"), Some((Code::NoSuchRun, 0)));
    }

    #[test]
    fn an_open_change_is_found_by_run_by_table_or_because_it_is_the_only_one() {
        let open = || {
            vec![
                change("01930000-0000-7000-8000-000000000001", "orders", Phase::Watching),
                change("01940000-0000-7000-8000-000000000001", "users", Phase::Copying),
            ]
        };
        let found = |wanted: Option<&str>, fits: fn(&OpenChange) -> bool| {
            choose_open(open(), wanted, "that fits", fits).map(|one| one.change().unwrap().table.name.clone())
        };
        for (wanted, expected) in
            [("0193", "orders"), ("orders", "orders"), ("public.users", "users"), ("0194", "users")]
        {
            assert_eq!(found(Some(wanted), |_| false).unwrap(), expected, "{wanted}");
        }
        assert_eq!(found(None, |one| in_window(&one.run)).unwrap(), "orders");
        for (wanted, fits, notes) in [
            (None, (|_| true) as fn(&OpenChange) -> bool, 2),
            (None, |_| false, 0),
            (Some("01"), |_| true, 2),
            (Some("app.orders"), |_| true, 0),
        ] {
            let fault = found(wanted, fits).unwrap_err();
            let refusal = fault.refusal().unwrap();
            assert_eq!((refusal.code, refusal.notes.len()), (Code::NoSuchRun, notes), "{wanted:?}");
        }
    }
}
