//! What is known of rows without a look at them, on every engine.

use std::time::Duration;

use cofferdam_core::facts::{DataAnswer, DataQuestion, Facts, Table};

/// What all looks of one command may take together; what is asked after that is not known.
pub(crate) const ALL_LOOKS: Duration = Duration::from_secs(10);

/// The answer to what is asked after that.
pub(crate) fn no_time() -> DataAnswer {
    DataAnswer::NotKnown("the looks into other tables took all the time".to_owned())
}

/// What is known without a look: the catalog proves it, or there is nothing to look at.
pub(crate) fn proved(facts: &Facts, question: &DataQuestion) -> Option<DataAnswer> {
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
