//! A writer's connection, and what an answer of the server means to it.

use std::time::Duration;

use bytes::Bytes;
use futures::SinkExt;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

/// The role of the application. It owns nothing and has no rights but those granted on the tables.
pub const ROLE: &str = "application";

/// What one statement gave.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub rows: Vec<Vec<Option<String>>>,
    pub affected: u64,
}

/// Why a transaction cannot go on.
#[derive(Debug)]
pub enum Trouble {
    /// The server refused a statement: SQLSTATE and message.
    Refused { state: String, message: String, sql: String },
    /// The connection is gone.
    Lost(String),
    /// The server answered, and the answer is not what the book says.
    Wrong(String),
    /// The same of a read, by a transaction whose snapshot is older than the swap of the tables: it saw the table a
    /// moment older still. The server's own ALTER TABLE shows such a transaction an empty table.
    Stale,
}

pub type Result<T> = std::result::Result<T, Trouble>;

#[derive(Debug)]
pub struct Session {
    pub client: Client,
    connection: JoinHandle<()>,
}

impl Drop for Session {
    /// Cuts the connection without a goodbye: what is under way stays in doubt.
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    pub async fn open(url: &str, role: &str) -> std::result::Result<Self, tokio_postgres::Error> {
        let mut config: Config = url.parse()?;
        // A minute is no measurement: nothing here waits so long for a good reason.
        config.user(role).options("-c statement_timeout=60s");
        let (client, connection) = config.connect(NoTls).await?;
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { client, connection })
    }

    /// Tries until the server takes connections again.
    pub async fn open_again(url: &str, role: &str) -> Result<Self> {
        let mut why = String::new();
        for _ in 0..600 {
            match Self::open(url, role).await {
                Ok(session) => return Ok(session),
                Err(error) => why = words(&error),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(Trouble::Wrong(format!("no connection for a minute: {why}")))
    }

    /// Sends a text as it stands; an answer for each of its statements.
    pub async fn send(&self, sql: &str) -> Result<Vec<Answer>> {
        let messages = self.client.simple_query(sql).await.map_err(|error| self.trouble(&error, sql))?;
        let mut answers = Vec::new();
        let mut rows = Vec::new();
        for message in messages {
            match message {
                SimpleQueryMessage::Row(row) => {
                    rows.push((0..row.len()).map(|i| row.try_get(i).unwrap().map(str::to_owned)).collect());
                }
                SimpleQueryMessage::CommandComplete(affected) => {
                    answers.push(Answer { rows: std::mem::take(&mut rows), affected });
                }
                _ => {}
            }
        }
        Ok(answers)
    }

    /// The answer to a text of one statement.
    pub async fn ask(&self, sql: &str) -> Result<Answer> {
        Ok(self.send(sql).await?.pop().unwrap_or_default())
    }

    /// COPY FROM; how many rows the server took.
    pub async fn copy(&self, sql: &str, text: String) -> Result<u64> {
        let taken = async {
            let sink = self.client.copy_in(sql).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(Bytes::from(text)).await?;
            sink.finish().await
        };
        taken.await.map_err(|error| self.trouble(&error, sql))
    }

    pub fn trouble(&self, error: &tokio_postgres::Error, sql: &str) -> Trouble {
        match error.as_db_error() {
            // 57P: the server is shutting down, crashed, or ended this session.
            Some(refusal) if !refusal.code().code().starts_with("57P") => Trouble::Refused {
                state: refusal.code().code().to_owned(),
                message: refusal.message().to_owned(),
                sql: sql.to_owned(),
            },
            _ => Trouble::Lost(words(error)),
        }
    }
}

/// An error with its causes.
pub fn words(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}
