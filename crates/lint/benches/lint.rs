//! How long every rule together takes over a migration, its text read already.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench fails by panicking")]

use std::collections::BTreeSet;
use std::hint::black_box;

use cofferdam_core::Script;
use cofferdam_dialects::postgres::POSTGRES;
use cofferdam_lint::{Options, lint};
use criterion::{Criterion, criterion_group, criterion_main};

/// A migration with much to find.
const RISKY: &str = "\
ALTER TABLE orders ADD COLUMN total numeric(12, 2) NOT NULL DEFAULT random();
ALTER TABLE orders ALTER COLUMN id TYPE bigint;
ALTER TABLE orders ADD CONSTRAINT orders_customer FOREIGN KEY (customer) REFERENCES customers (id);
ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0);
CREATE INDEX orders_total ON orders (total);
ALTER TABLE orders RENAME COLUMN note TO remark;
ALTER TABLE orders DROP COLUMN old;
UPDATE orders SET total = 0;
DROP TABLE legacy;
VACUUM FULL customers;
";

/// A migration with nothing to find.
const HARMLESS: &str = "\
CREATE TABLE baskets (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, owner bigint NOT NULL);
COMMENT ON TABLE baskets IS 'what is not bought yet';
";

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lint");
    for (name, text) in [("risky", RISKY), ("harmless", HARMLESS)] {
        let script = Script::new(format!("0001_{name}.up.sql"), text);
        let Ok(parsed) = (POSTGRES.read)(&script) else { unreachable!("{name} is refused") };
        let options = Options {
            facts: None,
            created: &BTreeSet::new(),
            only: &[],
            no_transaction: false,
            today: jiff::civil::date(2026, 1, 1),
            server_major: 15,
            naming: &[],
        };
        // A bench over a text in which nothing is found any more would measure something else.
        assert_eq!(lint(&script, &parsed, &options).is_empty(), name == "harmless");
        group.bench_function(name, |bencher| {
            bencher.iter(|| lint(black_box(&script), black_box(&parsed), &options));
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
