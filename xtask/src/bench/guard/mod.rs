//! `guard`: what it costs to be careful: a verified backup beside writers.
//!
//! Each measure has a server and data of its own. What a number should be stands in the `goal:` lines.

mod backup;

use serde_json::{Map, Value, json};

use super::Asked;
use super::online::ground::load_average;
use super::product::Product;

/// One thing that is measured.
struct Measure {
    name: &'static str,
    about: &'static str,
    run: fn(&Asked, &Product) -> Result<Value, String>,
}

/// Every measure.
static MEASURES: &[Measure] =
    &[Measure { name: "backup", about: "a verified backup beside writers", run: backup::run }];

/// The bench's name before the slash of a measure's: `guard/backup`.
pub(super) const NAME: &str = "guard";

/// Seconds of load before it is looked at.
const WARM_UP: f64 = 4.0;
/// Clients that write.
const CLIENTS: usize = 8;

/// Whether `guard/backup` names one of ours.
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
        println!("\nguard/{}: {} (load of the machine before: {before})", measure.name, measure.about);
        // One that cannot be measured here must not hide the others.
        let mut result = (measure.run)(asked, &product).unwrap_or_else(|why| {
            println!("guard/{} is not measured: {why}", measure.name);
            json!({ "failed": why })
        });
        result["load_before"] = json!(before);
        result["load_after"] = json!(load_average());
        results.insert(measure.name.to_owned(), result);
    }
    Ok(Value::Object(results))
}

/// The median of what was measured, with the least and the most, as tables have it.
fn spread(values: &[f64], digits: usize) -> String {
    let (least, median, most) = of_all(values);
    format!("{median:.digits$} ({least:.digits$}-{most:.digits$})")
}

/// The least, the median and the most.
fn of_all(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let of = |percent| super::online::load::percentile(&sorted, percent).unwrap_or(f64::NAN);
    (of(0.0), of(50.0), of(100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bench/guard");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
            .filter(|name| name != "mod")
            .collect();
        files.sort();
        let named: Vec<&str> = MEASURES.iter().map(|measure| measure.name).collect();
        assert_eq!(files, named);
        assert!(knows("guard/backup") && !knows("guard") && !knows("guard/mod") && !knows("backup"));
    }

    #[test]
    fn the_spread_is_of_what_was_measured() {
        assert_eq!(spread(&[3.0, 1.0, 2.0], 1), "2.0 (1.0-3.0)");
        assert!(spread(&[], 0).contains("NaN"));
    }
}
