//! Closed sets of words, each word with what it means.

/// A closed set, as the schema and the reference page show it.
#[derive(Debug, Clone, Copy)]
pub struct Closed {
    /// The type's name.
    pub name: &'static str,
    /// Each word with a sentence.
    pub words: &'static [(&'static str, &'static str)],
}

/// An enum whose variants are words in JSON. The sentences reach the schema's descriptions and the reference page:
/// the derive of `JsonSchema` would lose them, because a structural schema cannot describe a single value.
macro_rules! closed {
    ($(#[doc = $about:literal])+ pub enum $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
    } $(default $default:ident)?) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// All of them, in the order in which they are declared.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Each word with what it means.
            pub const CLOSED: $crate::closed::Closed = $crate::closed::Closed {
                name: stringify!($name),
                words: &[$(($word, concat!($($doc),+))),+],
            };

            /// The word, as it stands in JSON.
            pub fn word(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }
        }

        $(impl Default for $name {
            fn default() -> Self {
                $name::$default
            }
        })?

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }

        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$($word),+] })
            }
        }
    };
}
pub(crate) use closed;

use crate::{
    approval, checks, cutover, database, migration, reason, rollback, runner, source, status, validation,
};

/// All closed sets of the kinds.
pub static CLOSED: &[Closed] = &[
    approval::Decision::CLOSED,
    checks::MetricSource::CLOSED,
    checks::MetricTargetType::CLOSED,
    checks::Operator::CLOSED,
    checks::Reduce::CLOSED,
    cutover::CutoverMode::CLOSED,
    database::DatabaseType::CLOSED,
    database::TlsMode::CLOSED,
    migration::DeletionPolicy::CLOSED,
    rollback::RollbackStrategy::CLOSED,
    rollback::RollbackTrigger::CLOSED,
    runner::TaintEffect::CLOSED,
    source::DropPolicy::CLOSED,
    source::Format::CLOSED,
    source::HintType::CLOSED,
    source::HistoryMode::CLOSED,
    source::ScriptType::CLOSED,
    source::Strategy::CLOSED,
    status::BakeResult::CLOSED,
    status::Phase::CLOSED,
    status::RunResult::CLOSED,
    status::Stage::CLOSED,
    status::SyncStatus::CLOSED,
    validation::LintLevel::CLOSED,
    validation::PreCheckType::CLOSED,
];

/// The set with exactly these words.
pub fn with_words<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'static Closed> {
    let words: Vec<&str> = words.collect();
    CLOSED.iter().find(|closed| closed.words.iter().map(|(word, _)| *word).eq(words.iter().copied()))
}

/// The conditions and reasons are closed too, but the schema has only their form: an operator that is newer than the
/// schema must be able to report.
pub static OPEN_IN_THE_SCHEMA: &[Closed] = &[crate::conditions::ConditionType::CLOSED, reason::CLOSED];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_word_is_explained_and_no_two_sets_are_alike() {
        let mut seen = HashSet::new();
        for closed in CLOSED.iter().chain(OPEN_IN_THE_SCHEMA) {
            let words: Vec<&str> = closed.words.iter().map(|(word, _)| *word).collect();
            assert_eq!(words.iter().collect::<HashSet<_>>().len(), words.len(), "{}", closed.name);
            for (word, about) in closed.words {
                assert!(
                    about.trim().ends_with('.') && about.trim().len() > 4,
                    "{} {word}: {about}",
                    closed.name
                );
            }
            // Else the schema's descriptions would name the wrong set.
            assert!(seen.insert(words), "{} has the words of another set", closed.name);
        }
    }
}
