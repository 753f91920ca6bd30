//! Trying steps in a transaction that is taken back.

use cofferdam_core::fault::Result;
use cofferdam_core::plan::Act;
use cofferdam_core::{Code, Refusal};

use super::language::{Content, Settings};
use super::{catalog, commit};
use crate::{Deed, Round, Trial};

/// See [`crate::Session::try_out`].
pub(super) fn rounds(mut content: Content, mut settings: Settings, trial: &Trial<'_>) -> Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for steps in &trial.rounds {
        let mut round = Round::default();
        for step in steps {
            if !matches!(step.act, Act::Sql { copy_rows: None, .. } | Act::Check { .. }) {
                return Err(Refusal::new(Code::NotRehearsable, "it is more than a statement").into());
            }
            commit::act(&mut content, &mut settings, &step.act, step)?;
            round.deeds.push((Deed::default(), 0));
        }
        round.schema = catalog::schema(&content);
        rounds.push(round);
    }
    Ok(rounds)
}
