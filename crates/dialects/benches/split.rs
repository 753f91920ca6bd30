//! How long it takes to cut a script into statements, and to read what each of them does.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a bench fails by panicking")]

use std::hint::black_box;

use cofferdam_core::Script;
use cofferdam_dialects::mysql::MYSQL;
use cofferdam_dialects::postgres::POSTGRES;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// What is awkward to cut: quotes of every kind, nested comments, semicolons within.
const AWKWARD: &str = "\
-- one; comment
/* outer; /* inner; */ still; */
CREATE TABLE orders (id bigint PRIMARY KEY, note text DEFAULT 'it''s; here');
INSERT INTO orders VALUES (1, E'a\\';b'), (2, U&'\\0041;');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    NEW.note := $$a; b$$;
    RETURN NEW;
END
$body$;
ALTER TABLE \"odd;name\" ADD COLUMN total numeric(12, 2);
CREATE INDEX CONCURRENTLY orders_note ON orders (note);
";

/// The same for MySQL: delimiters, comments for some versions, backslashes.
const AWKWARD_MYSQL: &str = "\
-- one; comment
# another; one
/*!40101 SET NAMES utf8mb4 */;
CREATE TABLE `orders` (`id` bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, note varchar(20) DEFAULT 'it\\'s; here');
INSERT INTO orders VALUES (1, \"a;b\"), (2, 'c''d;');
DELIMITER //
CREATE TRIGGER touch BEFORE INSERT ON orders FOR EACH ROW
BEGIN
    SET NEW.note = 'a; b';
END//
DELIMITER ;
ALTER TABLE `odd;name` ADD COLUMN total decimal(12, 2) AFTER id, ADD INDEX (total), ALGORITHM=INPLACE, LOCK=NONE;
";

/// A large file of the kind that a dump has.
fn inserts(bytes: usize) -> String {
    let line = format!("INSERT INTO bulk VALUES (1, '{}');\n", "lorem ipsum; ".repeat(40));
    line.repeat(bytes / line.len() + 1)
}

fn benches(criterion: &mut Criterion) {
    let scripts = [
        ("awkward", Script::new("awkward.sql", AWKWARD)),
        ("1 MB", Script::new("bulk.sql", inserts(1_000_000))),
    ];
    let mut group = criterion.benchmark_group("split");
    for (name, script) in &scripts {
        // To refuse a script takes another time than to cut it.
        assert!((POSTGRES.read)(script).is_ok(), "{name}");
        group.throughput(Throughput::Bytes(script.text.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| (POSTGRES.split)(black_box(script))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("read");
    let (name, script) = &scripts[0];
    group.throughput(Throughput::Bytes(script.text.len() as u64));
    group.bench_function(*name, |bencher| bencher.iter(|| (POSTGRES.read)(black_box(script))));
    group.finish();
}

fn mysql(criterion: &mut Criterion) {
    let scripts = [
        ("awkward", Script::new("awkward.sql", AWKWARD_MYSQL)),
        ("1 MB", Script::new("bulk.sql", inserts(1_000_000))),
    ];
    let mut group = criterion.benchmark_group("split MySQL");
    for (name, script) in &scripts {
        assert!((MYSQL.read)(script).is_ok(), "{name}");
        group.throughput(Throughput::Bytes(script.text.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| (MYSQL.split)(black_box(script))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("read MySQL");
    for (name, script) in &scripts {
        group.throughput(Throughput::Bytes(script.text.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| (MYSQL.read)(black_box(script))));
    }
    group.finish();
}

criterion_group!(all, benches, mysql);
criterion_main!(all);
