//! Writing the safe form into the files.

use std::path::Path;

use cofferdam_core::bundle::Version;
use cofferdam_core::{Finding, Migration, Result, Script};
use cofferdam_formats::FORMATS;
use cofferdam_lint::Fixed;

use super::between::between;
use super::{Place, Source, Sources};
use crate::files;

/// Begins a file whose statements must each commit by itself.
const DIRECTIVE: &str = "-- cofferdam:transaction none\n";

/// Rewrites what has a safe form, in the files and in `sources`, until nothing is left to rewrite. Returns a
/// line for each file that was written, and for each that was not because there is no place for the new one.
pub(crate) fn fix(sources: &mut Sources, findings: &[Finding]) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let mut added = Vec::new();
    for source in &mut sources.scripts {
        let own: Vec<Finding> = findings.iter().filter(|f| f.path == source.script.path).cloned().collect();
        let Some(fixed) = cofferdam_lint::fix(&source.script, &own) else { continue };
        if !is_whole(&source.script) {
            said.push(format!("not rewritten: {}: it holds more than this script", source.script.path));
            continue;
        }
        match new_file(source, &fixed) {
            NewFile::Needless => {}
            NewFile::At(new) => {
                files::create(Path::new(&new.script.path), &new.script.text)?;
                said.push(format!("wrote {}", new.script.path));
                added.push(*new);
            }
            NewFile::NoRoom(why) => {
                said.push(format!("not rewritten: {}: {why}", source.script.path));
                continue;
            }
        }
        files::replace(Path::new(&source.script.path), &fixed.text)?;
        said.push(format!("rewrote {}", source.script.path));
        source.script = Script::new(source.script.path.clone(), fixed.text);
    }
    sources.scripts.extend(added);
    Ok(said)
}

/// The script is all that its file holds. Of a file that holds the way back, too, only a part was read, and written
/// over it the part would be all that is left.
fn is_whole(script: &Script) -> bool {
    let mark = "\u{feff}";
    let of = |text: &str| Script::new("", text).sha256;
    script.sha256 == of(&script.text) || script.sha256 == of(&format!("{mark}{}", script.text))
}

/// What becomes of the statements that move out of a file.
enum NewFile {
    Needless,
    At(Box<Source>),
    NoRoom(String),
}

fn new_file(source: &Source, fixed: &Fixed) -> NewFile {
    if fixed.moved.is_empty() {
        return NewFile::Needless;
    }
    let Some(place) = &source.place else {
        return NewFile::NoRoom("statements must move to a file of their own; lint its directory".to_owned());
    };
    let Some((version, name_new)) = place.migration.version.as_ref().and_then(|version| {
        let format = FORMATS.iter().find(|f| f.id == place.format)?;
        Some((between(place.format, &version.text, place.next.as_deref())?, format.name_new?))
    }) else {
        return NewFile::NoRoom("there is no version between it and the next one".to_owned());
    };
    let description = format!("{} concurrently", place.migration.description);
    let path = place.directory.join(name_new(&version, &description).up).display().to_string();
    let statements: String = fixed.moved.iter().map(|sql| format!("{};\n", sql.trim_end())).collect();
    let script = Script::new(path, format!("{DIRECTIVE}{statements}"));
    let migration = Migration {
        version: Version::parse(&version),
        description,
        up: script.clone(),
        down: None,
        check: None,
        ..place.migration.clone()
    };
    let next = place.next.clone();
    let place = Place { directory: place.directory.clone(), format: place.format, migration, next };
    NewFile::At(Box::new(Source { script, place: Some(place), no_transaction: false }))
}
