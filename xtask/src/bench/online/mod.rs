//! `online`: how fast a table is changed online, and what it costs those who use the table meanwhile.
//!
//! Each measure has a server and data of its own, so that any of them can be run alone: `cargo xtask bench
//! online/whole`. What a number should be stands in the `goal:` lines.

mod application;
pub(super) mod change;
pub(super) mod cutover;
pub(super) mod ground;
pub(super) mod load;
mod memory;
mod repack;
mod restart;
pub(super) mod tables;
mod whole;

use serde_json::{Map, Value, json};

use super::Asked;
use super::product::Product;
use ground::load_average;

/// One thing that is measured.
struct Measure {
    name: &'static str,
    about: &'static str,
    run: fn(&Asked, &Product) -> Result<Value, String>,
}

/// Every measure.
static MEASURES: &[Measure] = &[
    Measure {
        name: "whole",
        about: "from start to swapped, beside a plain ALTER and pg_repack",
        run: whole::run,
    },
    Measure { name: "cutover", about: "how long the table was locked, under load", run: cutover::run },
    Measure { name: "application", about: "what the application notices", run: application::run },
    Measure { name: "memory", about: "the most memory that the program had", run: memory::run },
    Measure { name: "restart", about: "what is done twice after a kill", run: restart::run },
];

/// The bench's name before the slash of a measure's: `online/whole`.
pub(super) const NAME: &str = "online";

/// Whether `online/whole` names one of ours.
pub(super) fn knows(name: &str) -> bool {
    measure_of(name).is_some_and(|wanted| MEASURES.iter().any(|measure| measure.name == wanted))
}

fn measure_of(name: &str) -> Option<&str> {
    name.strip_prefix(NAME)?.strip_prefix('/')
}

pub(super) fn run(asked: &Asked) -> Result<Value, String> {
    let product = Product::ready()?;
    let whole_bench = asked.names.is_empty() || asked.names.iter().any(|name| name == NAME);
    let wanted = |name: &str| whole_bench || asked.names.iter().any(|asked| measure_of(asked) == Some(name));
    let mut results = Map::new();
    results.insert("version".to_owned(), json!(product.version));
    for measure in MEASURES.iter().filter(|measure| wanted(measure.name)) {
        let before = load_average();
        println!("\nonline/{}: {} (load of the machine before: {before})", measure.name, measure.about);
        // One that cannot be measured here must not hide the others.
        let mut result = (measure.run)(asked, &product).unwrap_or_else(|why| {
            println!("online/{} is not measured: {why}", measure.name);
            json!({ "failed": why })
        });
        result["load_before"] = json!(before);
        result["load_after"] = json!(load_average());
        results.insert(measure.name.to_owned(), result);
    }
    Ok(Value::Object(results))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_that_measures_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/online");
        let helpers = ["mod", "change", "ground", "load", "repack", "tables"];
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
            .filter(|name| !helpers.contains(&name.as_str()))
            .collect();
        files.sort();
        let mut named: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        named.sort_unstable();
        assert_eq!(files, named);
    }

    #[test]
    fn a_measure_is_named_behind_the_bench() {
        assert!(knows("online/whole"));
        assert!(!knows("online") && !knows("online/") && !knows("online/speed") && !knows("whole"));
    }
}
