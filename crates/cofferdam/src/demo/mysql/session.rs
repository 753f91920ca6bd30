//! The writer's connection to MySQL and MariaDB.

use cofferdam_core::Result;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Params, Statement};

use crate::demo::ledger::{Act, Outcome};

/// What the server says where it ends the session and not the statement: it is shut down, or the session was killed.
const ENDED: [u16; 4] = [1053, 1079, 1927, 3169];

/// A connection with the application's four statements, prepared once as an application does.
pub(in crate::demo) struct Session {
    conn: Conn,
    insert: Statement,
    update: Statement,
    delete: Statement,
    raise: Statement,
}

impl Session {
    /// Connects under this name and prepares them.
    pub(in crate::demo) async fn open(url: &str, name: &str) -> Result<Self> {
        let mut conn = super::connect(url, name).await?;
        let mut prepare = async |sql: &str| conn.prep(sql).await.map_err(|e| super::fault(&e, sql));
        let insert = prepare(
            "INSERT INTO orders (id, customer_id, status, amount, version, last_op) VALUES (?, ?, ?, ?, 0, ?)",
        )
        .await?;
        let update = prepare(
            "UPDATE orders SET status = ?, amount = ?, version = version + 1, last_op = ? WHERE id = ?",
        )
        .await?;
        let delete = prepare("DELETE FROM orders WHERE id = ?").await?;
        let raise = prepare("UPDATE orders SET version = version + 1, last_op = ? WHERE id = ?").await?;
        Ok(Self { insert, update, delete, raise, conn })
    }

    /// Sends one write and waits for what the server says to it.
    pub(in crate::demo) async fn send(&mut self, op: i64, id: i64, act: &Act) -> Outcome {
        let (statement, values): (&Statement, Params) = match act {
            Act::Insert(o) => (&self.insert, (id, o.customer, &o.status, o.amount, op).into()),
            Act::Update(o) => (&self.update, (&o.status, o.amount, op, id).into()),
            Act::Delete => (&self.delete, (id,).into()),
            Act::Raise => (&self.raise, (op, id).into()),
        };
        match self.conn.exec_drop(statement, values).await {
            Ok(()) => match self.conn.affected_rows() {
                1 => Outcome::Acknowledged,
                rows => Outcome::Failed(format!("order {id}: {rows} rows, not one")),
            },
            Err(Error::Server(said)) if !ENDED.contains(&said.code) => {
                Outcome::Failed(super::words(&Error::Server(said)))
            }
            // The server ended the session: what it did with the write it did not say.
            Err(e) => Outcome::InDoubt(super::words(&e)),
        }
    }
}
