//! What is compared before a swap, and what is looked at afterwards.

use crate::{bench, columns, refused};

const WIDER: &[&str] = &["alter", "--table", "orders", "ALTER COLUMN id TYPE bigint"];

fn wider(more: &[&'static str]) -> Vec<&'static str> {
    [WIDER, more].concat()
}

#[test]
fn a_comparison_of_less_than_all_is_said_wherever_the_change_is_shown() {
    let bench = bench("sample");
    bench.query("INSERT INTO orders SELECT i, 'n' || i FROM generate_series(2, 3000) i");
    let words = "the number of all rows, and the values of 10 % of them";
    let shown = bench.must(&wider(&["--sample", "10", "--dry-run", "-o", "json"]));
    assert!(shown.stdout.contains(words), "{}", shown.stdout);
    let done = bench.must(&wider(&["--sample", "10"]));
    assert!(done.stdout.contains(&format!("Compared was {words}")), "{}", done.stdout);
    let plan = bench.one("SELECT plan::text FROM cofferdam.run");
    assert!(plan.contains(words), "the journal's plan says it: {plan}");
    bench.must(&["finalize"]);
    assert_eq!(bench.one("SELECT count(*) FROM orders"), "3000");
    bench.assert_sound();
}

#[test]
fn nothing_is_swapped_without_a_comparison_unless_somebody_says_why() {
    let bench = bench("uncompared");
    refused(&bench, &bench.run(&wider(&["--no-compare"])), 2, "CF3109");
    refused(&bench, &bench.run(&wider(&["--sample", "0"])), 2, "--sample");
    let done = bench.must(&wider(&["--no-compare", "--allow", "no-comparison=a copy of a copy"]));
    assert!(done.stdout.contains("Compared was nothing: a copy of a copy"), "{}", done.stdout);
    bench.must(&["finalize"]);
    let counted =
        bench.must(&["alter", "--table", "orders", "ALTER COLUMN id TYPE numeric", "--no-checksum"]);
    assert!(
        counted.stdout.contains("Compared was the number of all rows, and no values"),
        "{}",
        counted.stdout
    );
}

#[test]
fn what_is_left_not_valid_is_said() {
    let bench = bench("validity");
    bench.file("V1__state.sql", "ALTER TABLE orders ADD CONSTRAINT positive CHECK (id > 1) NOT VALID;\n");
    let done = bench.must(&["apply", "-o", "json"]);
    assert!(done.stdout.contains("constraint positive of orders is NOT VALID"), "{}", done.stdout);
    assert!(done.stderr.contains("VALIDATE CONSTRAINT positive"), "{}", done.stderr);
    bench.query("DELETE FROM orders; ALTER TABLE orders VALIDATE CONSTRAINT positive");
    bench.file("V2__state.sql", "ALTER TABLE orders ADD COLUMN state text;\n");
    assert!(!bench.must(&["apply"]).stderr.contains("NOT VALID"));
}

#[test]
fn a_script_that_validates_takes_the_change_back() {
    let bench = bench("script");
    bench.file(
        "V1__state.sql",
        "ALTER TABLE orders ADD COLUMN state text;\nUPDATE orders SET state = 'lost';\n",
    );
    bench.file("C1__state.sql", "SELECT id FROM orders WHERE state = 'lost';\n");
    let ended = bench.run(&["apply"]);
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    assert_eq!(columns(&bench), "id,note");
    bench.file("C1__state.sql", "SELECT id FROM orders WHERE state <> 'lost';\n");
    bench.must(&["apply"]);
}
