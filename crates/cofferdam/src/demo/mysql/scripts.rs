//! The migrations of the shop on MySQL and MariaDB.

use crate::demo::shop::CUSTOMERS;

/// The columns of [`crate::demo::shop::filled`] in SQL, for `n` from 1 on.
pub(in crate::demo) const FILL: &str = "n % 5000 + 1, ELT(n % 4 + 1, 'new', 'paid', 'sent', 'closed'), \
                                        n * 7919 % 100000, 0, NULL";

/// The first migration: the tables, with so many orders.
pub(in crate::demo) fn shop(rows: u32) -> String {
    format!(
        "CREATE TABLE customers (
    id bigint PRIMARY KEY,
    name varchar(40) NOT NULL
);
CREATE TABLE orders (
    id int PRIMARY KEY,
    customer_id bigint NOT NULL,
    status varchar(20),
    amount bigint NOT NULL,
    version bigint NOT NULL,
    last_op bigint,
    KEY orders_customer_idx (customer_id)
);
INSERT INTO customers SELECT n, CONCAT('customer ', n) FROM {};
INSERT INTO orders SELECT n, {FILL} FROM {};
",
        numbers(CUSTOMERS.unsigned_abs()),
        numbers(u64::from(rows))
    )
}

/// A table expression with the numbers from 1 on in column `n`. Neither server has a function for it that both have.
fn numbers(most: u64) -> String {
    const DIGITS: &str = "SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                          UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9";
    let places = 0..most.to_string().len();
    let sum: Vec<String> =
        places.clone().map(|place| format!("{} * p{place}.d", 10_u64.pow(place as u32))).collect();
    let from: Vec<String> = places.map(|place| format!("({DIGITS}) AS p{place}")).collect();
    format!(
        "(SELECT {} AS n FROM {}) AS numbers WHERE n BETWEEN 1 AND {most}",
        sum.join(" + "),
        from.join(", ")
    )
}

/// The change of the second act, as it stands behind `ALTER TABLE orders`.
pub(in crate::demo) const WIDER_KEY: &str = "MODIFY COLUMN id bigint NOT NULL";

/// The second one, written as anybody would write it. Reading the table for the index takes the time.
pub(in crate::demo) const ORDER_NOTES: &str = "ALTER TABLE orders ADD COLUMN note varchar(200);
CREATE INDEX orders_status_idx ON orders (status);
ALTER TABLE orders ADD COLUMN priority int NOT NULL DEFAULT 0;
CREATE TABLE refunds (
    id bigint PRIMARY KEY,
    order_id int NOT NULL,
    amount bigint NOT NULL
);
";
