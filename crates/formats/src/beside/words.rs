//! What keeps anything from being applied while the two histories differ, in words.

use cofferdam_core::history::Applied;
use cofferdam_core::{Bundle, Code, Name, Refusal};

use super::Difference;
use crate::history::HistoryCodec;
use crate::unfinished::unfinished;

/// How many versions a sentence names before it only counts.
const NAMED: usize = 5;

/// How many keys the journal names before it says only from where to where.
const KEYS: usize = 3;

/// What has to be settled before anything is applied: what the tool left unfinished, and rows of ours that it does not
/// have.
pub fn problems(
    codec: &HistoryCodec,
    table: &Name,
    difference: &Difference,
    bundle: &Bundle,
) -> Vec<Refusal> {
    let mut found: Vec<Refusal> =
        difference.unfinished.iter().map(|what| unfinished(codec, what, bundle)).collect();
    if !difference.ours.is_empty() {
        found.push(
            Refusal::new(
                Code::HistoriesDiffer,
                format!("{} applied here and not in {table} of {}", versions(&difference.ours), codec.id),
            )
            .cause(format!(
                "either {} took back what is not there, or it was never told of it, or its table was changed",
                codec.id
            ))
            .help(format!(
                "cofferdam import shows what the catalog says of each; then cofferdam import --believe own writes the \
                 rows into {table}, and cofferdam import --believe tool marks them as taken back here"
            )),
        );
    }
    found
}

/// `version 3 is`, `versions 3 and 4 are`, `versions 1, 2, 3, 4, 5 and 7 more are`.
pub(crate) fn versions(rows: &[Applied]) -> String {
    let keys: Vec<&str> = rows.iter().take(NAMED).map(|row| row.key.as_str()).collect();
    match (keys.as_slice(), rows.len().saturating_sub(NAMED)) {
        ([one], _) => format!("version {one} is"),
        ([rest @ .., last], 0) => format!("versions {} and {last} are", rest.join(", ")),
        (keys, more) => format!("versions {} and {more} more are", keys.join(", ")),
    }
}

/// `1, 2, 3`, and of more `1 to 7, 5 in all`: for the journal.
pub fn keys(rows: &[Applied]) -> String {
    match rows {
        [first, .., last] if rows.len() > KEYS => {
            format!("{} to {}, {} in all", first.key, last.key, rows.len())
        }
        few => few.iter().map(|row| row.key.as_str()).collect::<Vec<_>>().join(", "),
    }
}
