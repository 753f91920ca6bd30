//! What the status says of a backup.

use cofferdam_api::conditions::State;
use cofferdam_api::status::BackupInfo;
use cofferdam_api::value::Volume;
use cofferdam_api::{ConditionType, Reason};
use cofferdam_core::backup::Taken;
use jiff::Timestamp;

use super::{Account, TEXT, cut};
use crate::output::backup::{size, told};

/// The conditions that the runner owns.
pub(super) const OWN: &[ConditionType] = &[
    ConditionType::Planned,
    ConditionType::LintPassed,
    ConditionType::BackedUp,
    ConditionType::Verified,
    ConditionType::Reversible,
];

impl Account {
    pub(super) fn backed_up(&mut self, taken: &Taken, now: Timestamp) {
        self.status.backup_info = Some(BackupInfo {
            location: Some(taken.location.clone()),
            size: Some(Volume::from(&*size(taken.bytes).replace(' ', "").to_uppercase())),
            verified: Some(taken.verified),
        });
        let state = if taken.verified { State::True } else { State::False };
        let text = cut(&told(taken), TEXT);
        self.judge(ConditionType::BackedUp, state, Reason::MigrationInProgress, &text, now);
    }
}
