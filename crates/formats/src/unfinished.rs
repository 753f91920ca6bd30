//! What a tool left unfinished, in words, with what to do in either case.

use cofferdam_core::history::{How, Unfinished};
use cofferdam_core::{Bundle, Code, Refusal};

use crate::format::atlas::statements;
use crate::history::HistoryCodec;

/// The refusal for what `codec` left unfinished. Whether anything of it is in the database is for the catalog to
/// say; this says what the tool recorded, and how it is told each of the two answers.
pub fn unfinished(codec: &HistoryCodec, what: &Unfinished, bundle: &Bundle) -> Refusal {
    let Unfinished { key, at, by, .. } = what;
    let named = if key.starts_with("R:") { key.clone() } else { format!("version {key}") };
    let when = [("", at), ("by ", by)]
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .fold(String::new(), |said, (word, text)| format!("{said} {word}{text}"));
    let refusal = |state: &str| {
        Refusal::new(Code::Unfinished, format!("{named} is {state} in {} of {}", codec.table, codec.id))
    };
    match &what.how {
        How::Failed => {
            let refusal = refusal("marked as failed").cause(format!(
                "{} recorded the failure{when}; statements before the one that failed may be there",
                codec.id
            ));
            match codec.id {
                "flyway" => refusal
                    .help("take back by hand what is there of it, then: flyway repair")
                    .note("flyway repair deletes the row, and the next run applies the file again"),
                _ => refusal
                    .help(format!(
                        "take back by hand what is there of it, then: DELETE FROM {} WHERE version = {key}",
                        codec.table
                    ))
                    .note(format!(
                        "if all of it is there: UPDATE {} SET success = true WHERE version = {key}",
                        codec.table
                    )),
            }
        }
        How::Dirty => {
            let below = bundle
                .migrations
                .iter()
                .filter_map(|m| m.version.as_ref())
                .filter(|version| version.like(key).is_some_and(|dirty| **version < dirty));
            // -1 is what it calls the place before the first one.
            let below = below.max().map_or("-1".to_owned(), |version| version.text.clone());
            refusal("dirty")
                .cause(format!(
                    "{} was on its way up to it, or down to it, and did not say that it ended; where the server rolled the file back, nothing of it is there",
                    codec.id
                ))
                .help(format!("if nothing of version {key} is there: migrate force {below}"))
                .note(format!("if all of version {key} is there: migrate force {key}"))
        }
        How::Partial { applied, total, error, statement, hashes } => {
            let refusal = refusal(&format!("applied in part, {applied} of {total} statements,"));
            let refusal = refusal.cause(format!("the next one failed{when}: {error}: {statement}"));
            let file = bundle.migrations.iter().find(|migration| migration.key() == *key);
            let same = file.map(|file| {
                let done = usize::try_from(*applied).unwrap_or(usize::MAX);
                let all = statements::statements(&file.up.text, None);
                statements::hashes(all.into_iter().take(done)) == *hashes
            });
            let refusal = match same {
                Some(true) => refusal
                    .note(format!("the first {applied} statements of the file are those that are there")),
                Some(false) => refusal.note("what is there is not what the file begins with: it was changed"),
                None => refusal.note("the directory has no file of this version"),
            };
            refusal.help("correct the statement that failed, then: atlas migrate hash && atlas migrate apply, which goes on with it")
        }
    }
}
