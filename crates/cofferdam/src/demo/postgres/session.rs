//! The writer's connection to PostgreSQL.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use crate::demo::ledger::{Act, Outcome};

/// A connection with the application's four statements, prepared once as an application does.
pub(in crate::demo) struct Session {
    client: Client,
    insert: Statement,
    update: Statement,
    delete: Statement,
    raise: Statement,
}

impl Session {
    /// Connects under this name and prepares them.
    pub(in crate::demo) async fn open(url: &str, name: &str) -> cofferdam_core::Result<Self> {
        let client = super::connect(url, name).await?;
        // The order's number is a bigint to the application, whatever it is in the table now.
        let prepare = async |sql: &str| {
            client.prepare_typed(sql, &[Type::INT8]).await.map_err(|e| super::fault(&e, sql))
        };
        let insert = prepare(
            "INSERT INTO orders (id, customer_id, status, amount, version, last_op) VALUES ($1, $2, $3, $4, 0, $5)",
        )
        .await?;
        let update = prepare(
            "UPDATE orders SET status = $2, amount = $3, version = version + 1, last_op = $4 WHERE id = $1",
        )
        .await?;
        let delete = prepare("DELETE FROM orders WHERE id = $1").await?;
        let raise = prepare("UPDATE orders SET version = version + 1, last_op = $2 WHERE id = $1").await?;
        Ok(Self { insert, update, delete, raise, client })
    }

    /// Sends one write and waits for what the server says to it.
    pub(in crate::demo) async fn send(&self, op: i64, id: i64, act: &Act) -> Outcome {
        let client = &self.client;
        let sent = match act {
            Act::Insert(o) => {
                client.execute(&self.insert, &[&id, &o.customer, &o.status, &o.amount, &op]).await
            }
            Act::Update(o) => client.execute(&self.update, &[&id, &o.status, &o.amount, &op]).await,
            Act::Delete => client.execute(&self.delete, &[&id]).await,
            Act::Raise => client.execute(&self.raise, &[&id, &op]).await,
        };
        match sent {
            Ok(1) => Outcome::Acknowledged,
            Ok(rows) => Outcome::Failed(format!("order {id}: {rows} rows, not one")),
            // The server ended the session: what it did with the write it did not say.
            Err(e) if client.is_closed() => Outcome::InDoubt(super::words(&e)),
            Err(e) if e.as_db_error().is_some() => Outcome::Failed(super::words(&e)),
            Err(e) => Outcome::InDoubt(super::words(&e)),
        }
    }
}
