//! The migrations of the shop on PostgreSQL.

use crate::demo::shop::CUSTOMERS;

/// The columns of [`super::super::shop::filled`] in SQL, for `n` from 1 on.
pub(in crate::demo) const FILL: &str = "n % 5000 + 1, (ARRAY['new', 'paid', 'sent', 'closed'])[n % 4 + 1], \
                               n * 7919 % 100000, 0, NULL::bigint";

/// The first migration: the tables, with so many orders.
pub(in crate::demo) fn shop(rows: u32) -> String {
    format!(
        "CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE orders (
    id integer PRIMARY KEY,
    customer_id bigint NOT NULL,
    status text,
    amount bigint NOT NULL,
    version bigint NOT NULL,
    last_op bigint
);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, {CUSTOMERS}) AS n;
INSERT INTO orders SELECT n, {FILL} FROM generate_series(1::bigint, {rows}) AS n;
CREATE INDEX orders_customer_idx ON orders (customer_id);
"
    )
}

/// The change of the second act, as it stands behind `ALTER TABLE orders`.
pub(in crate::demo) const WIDER_KEY: &str = "ALTER COLUMN id TYPE bigint";

/// The second one, written as anybody would write it; each of these but the first would hold the table up while it is read.
pub(in crate::demo) const ORDER_NOTES: &str = "ALTER TABLE orders ADD COLUMN note text;
CREATE INDEX orders_status_idx ON orders (status);
ALTER TABLE orders ALTER COLUMN status SET NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id);
ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount >= 0);
";
