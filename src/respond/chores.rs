//! Chore lanes: housekeeping of the journal.

use std::time::Duration;

use crate::journal::lane::{Claim, LaneKey};
use crate::model::time::At;

use super::listener::News;
use super::{Context, StepError, retention};

/// How often what was written is sealed, beside the start and the end of a run: whole streams that are gone are shown by
/// nothing else.
const SEAL_EVERY: Duration = Duration::from_secs(900);

/// The lane in which seals are made.
#[must_use]
pub fn seals() -> LaneKey {
    LaneKey::chore("seal")
}

/// One pass over a chore. Returns when to come back.
pub(super) async fn step(context: &Context, claim: &Claim) -> Result<Option<At>, StepError> {
    if *claim.lane() == retention::lane() {
        return retention::step(context).await;
    }
    if *claim.lane() != seals() {
        return Ok(None);
    }
    let sealed = context.journal.seal(claim).await?;
    if let Some(seal) = sealed.seal.as_ref().filter(|_| sealed.new) {
        context.listener.hear(&News::Sealed { seal });
    }
    let now = context.clock.now();
    Ok(Some(if sealed.more { now } else { now.plus(SEAL_EVERY) }))
}
