//! What of a step outside a transaction is there: looked up in the catalog, before it begins and after a crash.

use cofferdam_core::fault::{Place, Question, Result};
use cofferdam_core::plan::{Probe, Seen, Step, Undo};
use cofferdam_core::{Code, Refusal};

use crate::News;
use crate::drive::{Driver, left_to_the_next};

impl Driver<'_> {
    /// Refuses a step that makes a table, a column or an index that is there before it began. The server would refuse it,
    /// too; but after a crash in between, what somebody else made would pass for its trace, and be dropped to take it back.
    pub(crate) async fn refuse_what_is_there(&mut self, step: &Step) -> Result<()> {
        let makes = match &step.probe {
            Probe::RelationThere { relation } => {
                crate::sql::is_in_one_place(self.session.dialect(), relation)
            }
            Probe::ColumnThere { ty: None, .. } | Probe::IndexOf { there: true, .. } => true,
            _ => false,
        };
        if !makes || !matches!(step.undo, Undo::Acts { .. }) {
            return Ok(());
        }
        match self.session.probe(&step.probe).await.map_err(left_to_the_next)? {
            Seen::Done => Err(Refusal::new(
                Code::StatementFailed,
                format!("{}: it is there already", step.title),
            )
            .cause("somebody else made it: by hand, or with a tool that failed in the middle of the file")
            .help("compare it with the file; if nobody needs it, drop it, then run the same command again")
            .at(Place { path: step.path.clone(), source: None, at: step.at })
            .into()),
            Seen::NotDone | Seen::Partly(_) | Seen::Unclear(_) => Ok(()),
        }
    }

    /// A step that began and of which no end is known: the catalog is asked.
    pub(crate) async fn found_done(&mut self, step: &Step) -> Result<bool> {
        let seen = self.session.probe(&step.probe).await.map_err(left_to_the_next)?;
        let found = match &seen {
            Seen::Done => "it is done",
            Seen::NotDone => "it did not happen",
            Seen::Partly(what) => what.as_str(),
            Seen::Unclear(_) => "the catalog cannot tell",
        };
        self.reporter.tell(&News::Found { step: &step.id, title: &step.title, found: found.to_owned() });
        match seen {
            Seen::Done => Ok(true),
            Seen::NotDone | Seen::Partly(_) => Ok(false),
            Seen::Unclear(question) => {
                let question = Question {
                    what: format!("{}: {}", step.title, question.what),
                    look_at: question.look_at,
                };
                Err(self.stuck(question, None).await)
            }
        }
    }
}
