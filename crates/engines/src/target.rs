//! How a database is reached.

use std::sync::Arc;

use async_trait::async_trait;

use cofferdam_core::fault::Result;

/// How a database is reached. What an engine makes of the text is its own matter.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// A URL or a list of `key=value`; `None`: only the environment says.
    pub url: Option<String>,
    /// What the server shows as the name of our sessions: `cofferdam apply`.
    pub application: String,
    /// Who acts, for the journal: `alice@host (ci)`.
    pub who: String,
    /// Makes a password for each connection; `None`: there is one that lasts, or none.
    pub logins: Option<Logins>,
}

/// Makes passwords that do not last: a new one for each connection.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// The password for one login.
    async fn password(&self, host: &str, port: u16, user: &str) -> Result<String>;
}

/// [`Passwords`] that are shared by all connections of a session.
#[derive(Clone)]
pub struct Logins(pub Arc<dyn Passwords>);

impl std::fmt::Debug for Logins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logins")
    }
}
