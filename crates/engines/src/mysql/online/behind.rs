//! Going slower for replicas: what is copied is written by each of them, too.

use std::time::Duration;

use cofferdam_core::fault::Result;

use super::super::link::Link;
use super::super::{connect, replicas};
use super::change::Change;
use super::state::in_short;
use crate::vitals::Told;

/// How often they are asked.
const EVERY: Duration = Duration::from_secs(1);
/// A replica may be so far behind. It tells whole seconds.
const NEAR: Duration = Duration::from_secs(1);

/// How the replicas fare.
#[derive(Debug, Clone, Default)]
pub(super) enum Replicas {
    /// They were not looked at yet: nothing is done before.
    #[default]
    Unasked,
    Near,
    /// One is too far behind, with its name and how far. Nothing is done until it is near.
    Far(String),
    /// Why it is not known. Not to know is no reason to go on at full speed, nor to stand still for ever: of many managed
    /// servers the replicas cannot be asked.
    Unknown(String),
}

impl Replicas {
    /// Why it goes slower than it could, for people.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            Self::Unasked | Self::Near => None,
            Self::Far(why) => Some(why.clone()),
            Self::Unknown(why) => Some(slowly(why)),
        }
    }
}

/// That it goes slowly, for people.
pub(super) fn slowly(why: &str) -> String {
    format!("at a quarter of full speed: {why}")
}

impl Change {
    /// Looks at the replicas again and again. Never ends; it is dropped with the part that it looks after.
    pub(super) async fn look_at_replicas(&self) -> Result<()> {
        let mut ours = None;
        let mut theirs = replicas::Open::new();
        loop {
            let found = self.replicas(&mut ours, &mut theirs).await;
            self.valve.replicas(match found {
                Ok(Ok((lag, name))) if lag > NEAR => {
                    Replicas::Far(format!("replica {name} is {} s behind", lag.as_secs()))
                }
                Ok(Ok(_)) => Replicas::Near,
                Ok(Err(why)) => Replicas::Unknown(why),
                Err(fault) => {
                    ours = None;
                    Replicas::Unknown(format!("replicas cannot be asked for: {}", in_short(&fault)))
                }
            });
            tokio::time::sleep(EVERY).await;
        }
    }

    async fn replicas(
        &self,
        ours: &mut Option<(Link, u32)>,
        theirs: &mut replicas::Open,
    ) -> Result<Told<(Duration, String)>> {
        let (link, version) = match ours {
            Some(connected) => connected,
            None => {
                let connected = connect::connect(&self.options).await?;
                ours.insert((connected.link, connected.version))
            }
        };
        replicas::lag(link, *version, &self.options, theirs).await
    }
}
