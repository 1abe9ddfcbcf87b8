//! What people have said about an action that no daemon has heard yet.

use serde::Deserialize as _;

use super::history::EventLine;
use crate::journal::lane::LaneKey;
use crate::journal::{Fault, Journal, Signal};
use crate::model::id::ActionId;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::signal::Wish;

/// A word that was left for the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// What.
    pub what: Said,
    /// By whom.
    pub by: String,
    /// When.
    pub at: At,
}

/// What a person can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Yes.
    Approved,
    /// No.
    Denied,
    /// Put it back.
    Undo,
}

/// What was left about an action, oldest first.
///
/// # Errors
/// When the journal cannot be read.
pub async fn left(journal: &dyn Journal, record: &ActionRecord) -> Result<Vec<Left>, Fault> {
    let lane = LaneKey::account(&record.action.key.account);
    Ok(words(&journal.signals(&lane).await?, record.action.id))
}

/// What these signals say about an action.
#[must_use]
pub fn words(signals: &[Signal], id: ActionId) -> Vec<Left> {
    signals.iter().filter_map(|signal| said(Wish::deserialize(&signal.body).ok()?, signal.at, id)).collect()
}

impl Left {
    /// As an event that is still to come.
    #[must_use]
    pub fn line(&self) -> EventLine {
        let by = clip(&self.by, 300);
        let said = match self.what {
            Said::Approved => format!("approved by {by}"),
            Said::Denied => format!("denied by {by}"),
            Said::Undo => format!("undo asked for by {by}"),
        };
        let what = format!("{said}; no daemon has heard it yet");
        EventLine { at: self.at, actor: clip(&self.by, 80), event: "left".to_owned(), what }
    }
}

fn said(wish: Wish, at: At, id: ActionId) -> Option<Left> {
    match wish {
        Wish::Vote { action, vote } => {
            let what = if vote.yes { Said::Approved } else { Said::Denied };
            (action == id).then_some(Left { what, by: vote.by, at: vote.at })
        }
        Wish::Undo { action, by } => (action == id).then_some(Left { what: Said::Undo, by, at }),
        Wish::Withdraw { .. } | Wish::LookAgain => None,
    }
}
