//! What is known of rows without a look at them, on every engine.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Facts, Table};
use cofferdam_core::fault::Result;

/// What all looks of one command may take together; what is asked after that is not known.
const ALL_LOOKS: Duration = Duration::from_secs(10);

/// Who looks into tables.
#[async_trait]
pub(crate) trait Looker: Send {
    /// The answer to one question that the catalog does not answer. Reads only, and is given up after a short time.
    async fn look(&mut self, facts: &Facts, question: &DataQuestion) -> Result<DataAnswer>;
}

/// One answer for each question, in order. `facts`: those of the tables that are asked about.
pub(crate) async fn answers(
    looker: &mut impl Looker,
    facts: &Facts,
    questions: &[DataQuestion],
) -> Result<Vec<DataAnswer>> {
    let began = Instant::now();
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        answers.push(match proved(facts, question) {
            Some(answer) => answer,
            None if began.elapsed() > ALL_LOOKS => {
                DataAnswer::NotKnown("the looks into other tables took all the time".to_owned())
            }
            None => looker.look(facts, question).await?,
        });
    }
    Ok(answers)
}

/// What is known without a look: the catalog proves it, or there is nothing to look at.
fn proved(facts: &Facts, question: &DataQuestion) -> Option<DataAnswer> {
    let not_known = |why: &str| Some(DataAnswer::NotKnown(why.to_owned()));
    let Some(table) = facts.table(question.table()).filter(|table| table.exists) else {
        return not_known("the table is not there yet");
    };
    if table.has_rows == Some(false) {
        return Some(DataAnswer::No);
    }
    if !matches!(table.kind.as_str(), "table" | "partitioned table" | "materialized view") {
        return not_known("it is no table");
    }
    match question {
        DataQuestion::Nulls { column, .. } => match table.column(column) {
            None => not_known("the column is not there yet"),
            // A share of NULLs is what ANALYZE saw: they may be filled by now.
            Some(known) => (known.has_nulls == Some(false)).then_some(DataAnswer::No),
        },
        DataQuestion::Duplicates { columns, .. } => match columns.iter().all(|c| table.column(c).is_some()) {
            false => not_known("a column is not there yet"),
            true => unique(table, columns).then_some(DataAnswer::No),
        },
        DataQuestion::Orphans { columns, parent, .. } => {
            if !columns.iter().all(|c| table.column(c).is_some()) {
                return not_known("a column is not there yet");
            }
            match facts.table(parent).is_some_and(|parent| parent.exists) {
                true => None,
                false => not_known("the parent is not there yet"),
            }
        }
        // The planner is asked.
        DataQuestion::Changed { .. } => None,
    }
}

/// A valid unique index over these columns, or some of them, is there.
fn unique(table: &Table, columns: &[String]) -> bool {
    table.indexes.iter().any(|index| {
        let fits = !index.columns.is_empty() && index.columns.iter().all(|c| columns.contains(c));
        index.unique && index.valid && !index.partial && fits
    })
}
