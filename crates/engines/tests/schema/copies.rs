//! A throw-away database that is made from a schema has that schema.

use super::bench::bench;
use super::cases::{CASES, Case};

#[test]
fn a_copy_of_each_schema_has_all_of_it() {
    let Some(bench) = bench("a_copy_of_each_schema_has_all_of_it") else { return };
    let mut wrong = Vec::new();
    for Case(name, since, both, _, to) in CASES {
        if bench.major() >= *since
            && let Err(why) = bench.copied(&format!("{both};{to}"))
        {
            wrong.push(format!("=== {name}\n{why}\n"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}
