//! Logins to RDS and Aurora by IAM: a token in place of a password. It is good for a login within fifteen minutes, so each
//! connection has one of its own.

use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::Fault;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::aws;
use super::sigv4::{Asked, Keys, signed};
use super::sts::Sts;

/// For how long a token is good: no other is taken.
const SECONDS: u32 = 900;
/// Keys are renewed so long before they end.
const BEFORE: Duration = Duration::from_secs(300);

/// Makes tokens.
#[derive(Debug, Clone)]
pub struct RdsIam {
    region: String,
    role: Option<String>,
    external_id: Option<String>,
    sts: Sts,
    variable: fn(&str) -> Option<String>,
    /// The keys that are good now.
    keys: Arc<Mutex<Option<Keys>>>,
}

impl RdsIam {
    /// For databases of a region. With a role, that one is assumed first, with the external id that it asks for.
    /// `variable` gives the value of an environment variable that is there and not empty.
    pub fn new(
        region: &str,
        role: Option<String>,
        external_id: Option<String>,
        variable: fn(&str) -> Option<String>,
    ) -> Self {
        Self {
            region: region.to_owned(),
            role,
            external_id,
            sts: Sts::of(region, &variable),
            variable,
            keys: Arc::default(),
        }
    }

    /// A token for one login. It is made here: AWS is asked only where the keys have ended.
    ///
    /// # Errors
    /// `AwsNoCredentials` and `AwsDenied` where somebody must change something; [`Fault::Again`] with `AwsUnreachable`.
    pub async fn token(&self, host: &str, port: u16, user: &str) -> Result<String, Fault> {
        let keys = self.keys().await?;
        Ok(token(&self.region, host, port, user, &keys, Timestamp::now()))
    }

    async fn keys(&self) -> Result<Keys, Fault> {
        let mut kept = self.keys.lock().await;
        let soon = Timestamp::now() + SignedDuration::try_from(BEFORE).unwrap_or_default();
        if let Some(keys) = kept.as_ref().filter(|keys| keys.until.is_some_and(|until| until > soon)) {
            return Ok(keys.clone());
        }
        let mut keys = aws::own(&self.sts, &self.variable).await?;
        if let Some(role) = &self.role {
            keys = self.sts.by_keys(role, self.external_id.as_deref(), &keys).await?;
        }
        *kept = Some(keys.clone());
        Ok(keys)
    }
}

fn token(region: &str, host: &str, port: u16, user: &str, keys: &Keys, now: Timestamp) -> String {
    let host = format!("{}:{port}", host.to_ascii_lowercase());
    let parameters = [("Action", "connect"), ("DBUser", user)];
    let asked = Asked { host: &host, service: "rds-db", region, parameters: &parameters, seconds: SECONDS };
    format!("{host}/?{}", signed(&asked, keys, now))
}
