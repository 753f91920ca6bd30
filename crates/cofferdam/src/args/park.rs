//! The flags of parking: whether what statements drop is put aside.

use std::time::Duration;

use cofferdam_core::park::KEEP_SECONDS;
use cofferdam_core::{Code, Refusal, Result};
use serde::Deserialize;

use super::duration;
use crate::config::Settings;

/// Whether what statements drop is put aside.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Dropping")]
pub(crate) struct ParkFlags {
    /// Put tables and columns aside in place of dropping them: cofferdam undrop brings them back
    #[arg(long)]
    pub(crate) park: bool,
    /// Drop them for good, whatever cofferdam.yaml says
    #[arg(long, conflicts_with = "park")]
    pub(crate) no_park: bool,
    /// Keep what is parked at least for so long [default: 7d]
    #[arg(long, value_name = "TIME", value_parser = duration::parse, conflicts_with = "no_park")]
    pub(crate) park_for: Option<Duration>,
}

/// `drop` of an environment in cofferdam.yaml.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DropPolicy {
    /// `--park`.
    Park,
    /// What is written is done.
    Drop,
}

impl ParkFlags {
    /// For how many seconds what statements drop is put aside; `None`: it is dropped. Flag, then environment.
    ///
    /// # Errors
    /// `Usage`: a time for which something is to be parked, and nothing is.
    pub(crate) fn seconds(&self, settings: &Settings) -> Result<Option<u64>> {
        let wanted = self.park || (settings.drop == Some(DropPolicy::Park) && !self.no_park);
        if !wanted {
            return match self.park_for {
                None => Ok(None),
                Some(_) => {
                    Err(Refusal::new(Code::Usage, "--park-for says for how long, and nothing is parked")
                        .help("add --park, or drop: park to the environment in cofferdam.yaml")
                        .into())
                }
            };
        }
        Ok(Some(self.park_for.or(settings.park_for).map_or(KEEP_SECONDS, |time| time.as_secs())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_count_more_than_the_environment() {
        let hour = Duration::from_secs(3600);
        let found = |park, no_park, park_for, drop, settled| {
            let settings = Settings { drop, park_for: settled, ..Settings::default() };
            ParkFlags { park, no_park, park_for }.seconds(&settings).ok()
        };
        let (parks, drops) = (Some(DropPolicy::Park), Some(DropPolicy::Drop));
        assert_eq!(found(false, false, None, None, None), Some(None));
        assert_eq!(found(false, false, None, drops, Some(hour)), Some(None));
        assert_eq!(found(true, false, None, drops, None), Some(Some(KEEP_SECONDS)));
        assert_eq!(found(false, false, None, parks, Some(hour)), Some(Some(3600)));
        assert_eq!(found(false, true, None, parks, Some(hour)), Some(None));
        assert_eq!(found(false, false, Some(2 * hour), parks, Some(hour)), Some(Some(7200)));
        assert_eq!(found(false, false, Some(hour), None, None), None);
    }
}
