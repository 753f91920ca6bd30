//! The settings file beside a script: `V1__name.sql.conf`, in the form of Java properties.

use cofferdam_core::{Code, Place, Refusal, Script};

use crate::nearest::nearest;
use crate::script::span;

/// What a settings file says of its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// `executeInTransaction`.
    pub(super) in_transaction: bool,
    /// `placeholderReplacement`.
    pub(super) replaces_placeholders: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { in_transaction: true, replaces_placeholders: true }
    }
}

/// The keys that are read.
const KEYS: [&str; 3] = ["executeInTransaction", "placeholderReplacement", "encoding"];

impl Settings {
    /// Reads a settings file.
    ///
    /// # Errors
    /// `BadDirective` for a key or value that would have an effect in Flyway and has none here.
    pub(super) fn read(file: &Script) -> Result<Self, Box<Refusal>> {
        let mut settings = Self::default();
        let mut offset = 0;
        for line in file.text.split_inclusive('\n') {
            let start = offset;
            offset += line.len();
            let entry = line.trim();
            if entry.is_empty() || entry.starts_with(['#', '!']) {
                continue;
            }
            let (key, value) = entry.split_once(['=', ':']).unwrap_or((entry, ""));
            let (key, value) = (key.trim(), value.trim());
            let read = match key {
                "executeInTransaction" => yes_or_no(value).map(|yes| settings.in_transaction = yes),
                "placeholderReplacement" => yes_or_no(value).map(|yes| settings.replaces_placeholders = yes),
                "encoding" => value.eq_ignore_ascii_case("UTF-8").then_some(()),
                _ => None,
            };
            if read.is_none() {
                let at = span(
                    &file.text,
                    start + line.len() - line.trim_start().len(),
                    start + line.trim_end().len(),
                );
                return Err(Box::new(refusal(file, key, value).at(Place::new(
                    file.path.clone(),
                    file.text.clone(),
                    at,
                ))));
            }
        }
        Ok(settings)
    }
}

fn yes_or_no(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn refusal(file: &Script, key: &str, value: &str) -> Refusal {
    let path = &file.path;
    if !KEYS.contains(&key) {
        let refusal =
            Refusal::new(Code::BadDirective, format!("{path} has the setting {key}, which is not read"))
                .cause(format!("the settings that are read are {}", KEYS.join(", ")));
        return match nearest(key, KEYS) {
            Some(near) => refusal.help(format!("did you mean {near}?")),
            None => refusal.help(format!("remove the line {key} from {path}")),
        };
    }
    let refusal = Refusal::new(Code::BadDirective, format!("{path} sets {key} to {value:?}"));
    match key {
        "encoding" => {
            refusal.cause("scripts are read as UTF-8").help("convert the script to UTF-8 with iconv")
        }
        _ => refusal.cause("it is true or false").help(format!("write {key}=false or remove the line")),
    }
}
