//! The tables of the demonstration, what is in them at the beginning, and the changes that are made to them.

/// How many customers there are.
pub(super) const CUSTOMERS: i64 = 5_000;

/// The first orders are everybody's: all writers raise their version. Every other order has one writer.
pub(super) const SHARED: i64 = 8;

/// What an order's status can be.
pub(super) const STATUSES: [&str; 4] = ["new", "paid", "sent", "closed"];

/// What the key of the orders is, as the catalog says it, and what it becomes online.
pub(super) const KEY_TYPES: [&str; 2] = ["integer", "bigint"];

/// The change of the second act, as it stands behind `ALTER TABLE orders`.
pub(super) const WIDER_KEY: &str = "ALTER COLUMN id TYPE bigint";

/// The index in whose building the runner is killed.
pub(super) const INDEX: &str = "orders_status_idx";

/// An order without its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) customer: i64,
    pub(super) status: String,
    pub(super) amount: i64,
    /// How often it was updated.
    pub(super) version: i64,
    /// The write that made it what it is; none for one of the beginning.
    pub(super) last_op: Option<i64>,
}

/// The order of this number as the beginning has it. [`FILL`] says the same to the server.
pub(super) fn filled(id: i64) -> Order {
    Order {
        customer: id % CUSTOMERS + 1,
        status: STATUSES[usize::try_from(id % 4).unwrap_or(0)].to_owned(),
        amount: id * 7_919 % 100_000,
        version: 0,
        last_op: None,
    }
}

/// The columns of [`filled`] in SQL, for `n` from 1 on.
pub(super) const FILL: &str = "n % 5000 + 1, (ARRAY['new', 'paid', 'sent', 'closed'])[n % 4 + 1], \
                               n * 7919 % 100000, 0, NULL::bigint";

/// The files of the directory: name and text.
pub(super) fn files(rows: u32) -> [(&'static str, String); 2] {
    [("V1__shop.sql", shop(rows)), ("V2__order_notes.sql", ORDER_NOTES.to_owned())]
}

fn shop(rows: u32) -> String {
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

/// Written as anybody would write it; each of these but the first would hold the table up while it is read.
const ORDER_NOTES: &str = "ALTER TABLE orders ADD COLUMN note text;
CREATE INDEX orders_status_idx ON orders (status);
ALTER TABLE orders ALTER COLUMN status SET NOT NULL;
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer_id) REFERENCES customers (id);
ALTER TABLE orders ADD CONSTRAINT orders_amount_check CHECK (amount >= 0);
";
