//! Online changes on MySQL and MariaDB: how long they take beside the peers, how much memory, and how long writers wait
//! while the tables change places.

mod cutover;
mod ground;
mod load;
mod peers;
mod whole;

use cofferdam_scratch::mysql::Kind;
use serde_json::{Map, Value, json};

use super::super::Asked;
use super::super::product::Product;

pub(super) fn run(asked: &Asked, product: &Product) -> Result<Value, String> {
    on(asked, product, Kind::MySql)
}

pub(super) fn on(asked: &Asked, product: &Product, kind: Kind) -> Result<Value, String> {
    let mut measured = Map::new();
    for (name, measure) in [("whole", whole::run as Measure), ("cutover", cutover::run)] {
        // One that cannot be measured here must not hide the other.
        let result = measure(asked, product, kind).unwrap_or_else(|why| {
            println!("{name} on {} is not measured: {why}", kind.name());
            json!({ "failed": why })
        });
        measured.insert(name.to_owned(), result);
    }
    Ok(Value::Object(measured))
}

type Measure = fn(&Asked, &Product, Kind) -> Result<Value, String>;
