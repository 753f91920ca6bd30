//! `lint`: how long it takes, and how much memory. Each measure can be run alone: `cargo xtask bench lint/live`.

mod live;
mod offline;

use serde_json::{Map, Value, json};

use super::Asked;
use super::product::Product;

/// One thing that is measured.
struct Measure {
    name: &'static str,
    run: fn(&Asked, &Product) -> Result<Value, String>,
}

/// Every measure.
static MEASURES: &[Measure] =
    &[Measure { name: "offline", run: offline::run }, Measure { name: "live", run: live::run }];

/// The bench's name before the slash of a measure's.
pub(super) const NAME: &str = "lint";

/// Whether `lint/live` names one of ours.
pub(super) fn knows(name: &str) -> bool {
    measure_of(name).is_some_and(|wanted| MEASURES.iter().any(|measure| measure.name == wanted))
}

fn measure_of(name: &str) -> Option<&str> {
    name.strip_prefix(NAME)?.strip_prefix('/')
}

/// Nothing wrong, or errors found: both are an answer.
const ANSWERED: &[i32] = &[0, 4];

pub(super) fn run(asked: &Asked) -> Result<Value, String> {
    let product = Product::ready()?;
    let all = asked.names.is_empty() || asked.names.iter().any(|name| name == NAME);
    let wanted = |name: &str| all || asked.names.iter().any(|asked| measure_of(asked) == Some(name));
    let mut results = Map::new();
    results.insert("version".to_owned(), json!(product.version));
    for measure in MEASURES.iter().filter(|measure| wanted(measure.name)) {
        results.insert(measure.name.to_owned(), (measure.run)(asked, &product)?);
    }
    Ok(Value::Object(results))
}
