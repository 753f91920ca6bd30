//! The health of the fake, as a test says it is.

use std::collections::BTreeMap;
use std::time::Duration;

use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Name, Refusal};

use super::server::Server;
use super::session::FakeSession;
use crate::vitals::{HostUse, StatementCount, Told};
use crate::{Touch, TouchEnd, Vitals, VitalsAsked};

/// The health of a database.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Tables that Cofferdam itself keeps everybody from, by their names.
    pub stalled: Vec<String>,
    /// Tables may not be touched by this role.
    pub forbidden: bool,
    /// How far a standby is behind; `None`: that cannot be told.
    pub lag: Option<Duration>,
    /// Calls and milliseconds of statements; `None`: they are not counted.
    pub statements: Option<BTreeMap<String, (f64, f64)>>,
    /// Busy time, possible time, memory; `None`: the server cannot tell.
    pub host: Option<(f64, f64, f64)>,
}

pub(super) async fn touch(
    session: &mut FakeSession,
    tables: &[Name],
    patience: Duration,
) -> Result<Vec<Touch>> {
    let mut touches = Vec::new();
    for table in tables {
        for writes in [false, true] {
            let (there, held, stalled) = {
                let server = session.database.server();
                if server.health.forbidden {
                    return Err(Refusal::new(Code::PermissionMissing, "the role may not lock it").into());
                }
                let name = table.to_string();
                let (held, stalled) =
                    (server.held_tables.contains(&name), server.health.stalled.contains(&name));
                (server.content.contains_key(&name) || held || stalled, held, stalled)
            };
            let end = match (there, held || stalled) {
                (false, _) => TouchEnd::Absent,
                (true, false) => TouchEnd::Passed,
                (true, true) => TouchEnd::GaveUp,
            };
            let waited = if end == TouchEnd::GaveUp { patience } else { Duration::ZERO };
            tokio::time::sleep(waited).await;
            let ours = (end == TouchEnd::GaveUp).then_some(stalled);
            touches.push(Touch { table: table.clone(), writes, waited, end, held_by: Vec::new(), ours });
        }
    }
    Ok(touches)
}

pub(super) fn vitals(server: &Server, asked: &VitalsAsked) -> Vitals {
    let health = &server.health;
    let lag = || -> Told<_> { Ok((health.lag.ok_or("nobody can tell")?, "standby".to_owned())) };
    let statements = || -> Told<_> {
        let counted = health.statements.as_ref().ok_or("statements are not counted")?;
        let count = |(text, (calls, ms)): (&String, &(f64, f64))| StatementCount {
            text: text.clone(),
            calls: *calls,
            ms: *ms,
        };
        Ok(counted.iter().map(count).collect())
    };
    let host = || -> Told<_> {
        let (busy, of, memory) = health.host.ok_or("the server cannot tell")?;
        Ok(HostUse { busy, of, memory })
    };
    Vitals {
        lag: asked.lag.then(lag),
        statements: (!asked.statements_of.is_empty()).then(statements),
        host: asked.host.then(host),
    }
}
