//! The tables of the demonstration, what is in them at the beginning, and the changes that are made to them.

/// How many customers there are.
pub(super) const CUSTOMERS: i64 = 5_000;

/// The first orders are everybody's: all writers raise their version. Every other order has one writer.
pub(super) const SHARED: i64 = 8;

/// What an order's status can be.
pub(super) const STATUSES: [&str; 4] = ["new", "paid", "sent", "closed"];

/// What the key of the orders becomes online, as every catalog says it.
pub(super) const WIDE: &str = "bigint";

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

/// The order of this number as the beginning has it. The scripts say the same to the server.
pub(super) fn filled(id: i64) -> Order {
    Order {
        customer: id % CUSTOMERS + 1,
        status: STATUSES[usize::try_from(id % 4).unwrap_or(0)].to_owned(),
        amount: id * 7_919 % 100_000,
        version: 0,
        last_op: None,
    }
}
