//! Benches of several measures. Each can be run alone: `cargo xtask bench online/whole`.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::Asked;
use super::product::Product;

/// One thing that is measured, with data of its own.
pub(super) struct Measure {
    pub(super) name: &'static str,
    /// What it is, in a few words.
    pub(super) about: &'static str,
    pub(super) run: fn(&Asked, &Product) -> Result<Value, String>,
}

/// Whether `online/whole` names one of these measures of the bench `online`.
pub(super) fn knows(bench: &str, measures: &[Measure], asked: &str) -> bool {
    measure_of(bench, asked).is_some_and(|wanted| measures.iter().any(|measure| measure.name == wanted))
}

fn measure_of<'a>(bench: &str, asked: &'a str) -> Option<&'a str> {
    asked.strip_prefix(bench)?.strip_prefix('/')
}

/// Those that are asked for, one after the other. One that cannot be measured here must not hide the others.
pub(super) fn run(bench: &str, measures: &[Measure], asked: &Asked) -> Result<Value, String> {
    let product = Product::ready()?;
    let whole_bench = asked.names.is_empty() || asked.names.iter().any(|name| name == bench);
    let wanted =
        |name: &str| whole_bench || asked.names.iter().any(|asked| measure_of(bench, asked) == Some(name));
    let mut results = Map::new();
    results.insert("version".to_owned(), json!(product.version));
    for measure in measures.iter().filter(|measure| wanted(measure.name)) {
        let before = load_average();
        println!("\n{bench}/{}: {} (load of the machine before: {before})", measure.name, measure.about);
        let mut result = (measure.run)(asked, &product).unwrap_or_else(|why| {
            println!("{bench}/{} is not measured: {why}", measure.name);
            json!({ "failed": why })
        });
        result["load_before"] = json!(before);
        result["load_after"] = json!(load_average());
        results.insert(measure.name.to_owned(), result);
    }
    Ok(Value::Object(results))
}

/// How busy the machine was in the last minute, as the kernel counts.
fn load_average() -> String {
    let text = fs::read_to_string(Path::new("/proc/loadavg")).unwrap_or_default();
    text.split(' ').next().filter(|load| !load.is_empty()).unwrap_or("unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::{BENCHES, What};

    #[test]
    fn every_file_of_a_folder_that_measures_is_in_its_table() {
        for bench in BENCHES {
            let What::Several { measures, helpers } = bench.what else { continue };
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench").join(bench.name);
            let mut files: Vec<String> = std::fs::read_dir(folder)
                .unwrap()
                .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
                .filter(|name| name != "mod" && !helpers.contains(&name.as_str()))
                .collect();
            files.sort();
            let mut named: Vec<&str> = measures.iter().map(|measure| measure.name).collect();
            named.sort_unstable();
            assert_eq!(files, named, "{}", bench.name);
        }
    }
}
