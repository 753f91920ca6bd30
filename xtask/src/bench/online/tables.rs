//! Data to measure with.

use super::ground::Ground;

/// The database that the others are copied from.
pub(in crate::bench) const TEMPLATE: &str = "filled";

/// The table, as `--table` takes it.
pub(in crate::bench) const ORDERS: &str = "orders";

/// Rewrites the table: the key and its index get wider.
pub(in crate::bench) const WIDER: &str = "ALTER COLUMN id TYPE bigint";

/// Rows that one statement inserts.
const AT_ONCE: u64 = 500_000;

/// A table of orders, with its key, one more index and statistics: about 195 bytes a row, indexes included.
pub(in crate::bench) fn orders(ground: &Ground<'_>, rows: u64) -> Result<(), String> {
    ground.run("postgres", &[&format!("CREATE DATABASE {TEMPLATE}")])?;
    ground.run(
        TEMPLATE,
        &["CREATE TABLE orders (id integer NOT NULL, customer integer NOT NULL, total numeric(12,2) NOT NULL, \
           placed timestamptz NOT NULL, state text NOT NULL, note text)"],
    )?;
    for from in (0..rows).step_by(usize::try_from(AT_ONCE).unwrap_or(1)) {
        let until = (from + AT_ONCE).min(rows);
        let insert = format!(
            "INSERT INTO orders SELECT i, (i * 7919) % {customers}, (i % 100000) / 100.0, \
             timestamptz '2026-01-01' + i * interval '1 second', (ARRAY['new','paid','sent','back'])[1 + i % 4], \
             'order ' || i || ' of ' || md5(i::text) || md5((i * 3)::text) \
             || right(md5((i * 5)::text), 27) FROM generate_series({low}::bigint, {until}) i",
            customers = (rows / 20).max(1),
            low = from + 1,
        );
        ground.run(TEMPLATE, &[&insert])?;
    }
    ground.run(
        TEMPLATE,
        &[
            "ALTER TABLE orders ADD PRIMARY KEY (id)",
            "CREATE INDEX orders_customer ON orders (customer)",
            "VACUUM (FREEZE, ANALYZE) orders",
        ],
    )
}

/// `782 MB`: a table with its indexes.
pub(in crate::bench) fn size(ground: &Ground<'_>, table: &str) -> Result<String, String> {
    ground.ask(TEMPLATE, &format!("SELECT pg_size_pretty(pg_total_relation_size('{table}'))"))
}

/// The tables of pgbench, with so many accounts; a branch for each 100,000.
pub(in crate::bench) fn accounts(ground: &Ground<'_>, rows: u64) -> Result<(), String> {
    ground.run("postgres", &[&format!("CREATE DATABASE {TEMPLATE}")])?;
    let mut command = ground.client("pgbench")?;
    command.args(["-i", "-q", "-s", &(rows / 100_000).max(1).to_string(), TEMPLATE]);
    crate::machine::output(&mut command).map(|_| ())
}

/// The table that TPC-B-like transactions change in each of them.
pub(in crate::bench) const ACCOUNTS: &str = "pgbench_accounts";

/// The same for [`ACCOUNTS`].
pub(in crate::bench) const WIDER_ACCOUNTS: &str = "ALTER COLUMN aid TYPE bigint";
