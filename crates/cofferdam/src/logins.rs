//! Logins by IAM: joins what makes tokens with what needs one for each connection.

use std::sync::Arc;

use async_trait::async_trait;
use cofferdam_adapters::credentials::RdsIam;
use cofferdam_api::database::Aws as Spec;
use cofferdam_core::Result;
use cofferdam_engines::{Logins, Passwords};

use crate::config::Aws;

struct Tokens(RdsIam);

#[async_trait]
impl Passwords for Tokens {
    async fn password(&self, host: &str, port: u16, user: &str) -> Result<String> {
        self.0.token(host, port, user).await
    }
}

/// Those that the command line asks for.
pub(crate) fn of(aws: &Aws) -> Logins {
    logins(&aws.region, aws.role_arn.clone(), aws.external_id.clone())
}

/// Those that a DatabaseMigration asks for.
pub(crate) fn of_spec(aws: &Spec) -> Logins {
    let role = aws.role_arn.as_ref().map(|role| role.0.clone());
    logins(aws.region.as_str(), role, aws.external_id.clone())
}

fn logins(region: &str, role: Option<String>, external_id: Option<String>) -> Logins {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Logins(Arc::new(Tokens(RdsIam::new(region, role, external_id, variable))))
}
