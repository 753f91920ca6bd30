//! Finding a run by what a person types.

use cofferdam_core::{Code, Refusal, Result};
use cofferdam_engines::{Run, Runs, Session};

/// How many runs are listed, and looked through for the beginning of an id.
pub(crate) const LISTED: u32 = 1_000;

/// The run whose id begins with this text.
///
/// # Errors
/// `NoSuchRun` when there is none, or more than one.
pub(crate) async fn find(session: &mut dyn Session, wanted: &str) -> Result<Run> {
    choose(session.runs(Runs::Last(LISTED)).await?, wanted)
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
    use cofferdam_core::plan::{Intent, Plan};
    use cofferdam_core::{Phase, Refusal};
    use cofferdam_engines::Record;
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
            },
            digest: String::new(),
            phase: Phase::Done,
            epoch: 1,
            record: Record::Undone { rank: 1 },
            started_at: String::new(),
            ended_at: None,
            by: String::new(),
        }
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
}
