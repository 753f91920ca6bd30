//! `operator`: what thousands of DatabaseMigrations cost, and how fast something new is begun.
//!
//! On the real cluster of `cargo xtask cluster`, with the operator as a process of this machine, so that the kernel counts
//! its memory and its time. What is installed in the cluster stands still meanwhile.

mod api;
mod ground;
mod idle;
mod objects;
mod process;
mod queue;

use serde_json::{Map, Value, json};

use super::Asked;
use super::product::Product;
use ground::Ground;

/// One thing that is measured.
struct Measure {
    name: &'static str,
    about: &'static str,
    run: fn(&Asked, &Ground<'_>) -> Result<Value, String>,
}

/// Every measure.
static MEASURES: &[Measure] = &[
    Measure { name: "idle", about: "beside thousands that have ended", run: idle::run },
    Measure { name: "queue", about: "200 at once, on 20 databases", run: queue::run },
];

/// The bench's name before the slash of a measure's: `operator/idle`.
pub(super) const NAME: &str = "operator";

/// Whether `operator/idle` names one of ours.
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
    let ground = match Ground::new(&product) {
        Ok(ground) => ground,
        // Not every machine that can be measured on can have a cluster.
        Err(why) => {
            println!("operator is not measured: {why}");
            return Ok(json!({ "version": product.version, "failed": why }));
        }
    };
    let mut results = Map::new();
    results.insert("version".to_owned(), json!(product.version));
    for measure in MEASURES.iter().filter(|measure| wanted(measure.name)) {
        println!("\noperator/{}: {}", measure.name, measure.about);
        // One that cannot be measured here must not hide the others.
        let result = (measure.run)(asked, &ground).unwrap_or_else(|why| {
            println!("operator/{} is not measured: {why}", measure.name);
            json!({ "failed": why })
        });
        results.insert(measure.name.to_owned(), result);
    }
    Ok(Value::Object(results))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_that_measures_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/operator");
        let helpers = ["mod", "api", "ground", "objects", "process"];
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
        assert!(knows("operator/idle") && knows("operator/queue"));
        assert!(!knows("operator") && !knows("operator/") && !knows("operator/speed") && !knows("idle"));
    }
}
