//! The people of the morning: somebody approves what is asked, and undoes one containment.

use std::sync::Arc;

use serde_json::json;

use crate::journal::lane::LaneKey;
use crate::journal::{Fault, Filter, Journal, Signal};
use crate::lab::Lab;
use crate::model::id::ActionId;
use crate::model::outcome::OutcomeKind;
use crate::model::time::At;
use crate::record::action::{ActionRecord, ActionState, Vote};
use crate::record::event::StreamKind;
use crate::record::signal::Wish;
use crate::respond::write;

/// Who decides in the demo.
const EVA: &str = "eva@contoso.com";

pub(super) struct Operator {
    journal: Arc<dyn Journal>,
    /// Whose containment turns out to be a mistake.
    mistaken: String,
    told: Vec<ActionId>,
}

impl Operator {
    pub(super) fn new(journal: Arc<dyn Journal>, _: &Lab) -> Self {
        Self { journal, mistaken: "miriam@contoso.com".to_owned(), told: Vec::new() }
    }

    /// Answers what is asked and undoes what was a mistake; whether there was anything to do.
    pub(super) async fn act(&mut self, now: At) -> Result<bool, Fault> {
        let filter = Filter { kind: Some(StreamKind::Action), ..Filter::default() };
        let mut acted = false;
        for stream in self.journal.streams(&filter).await? {
            let record = write::read::<ActionRecord>(&stream)?.record;
            let id = record.action.id;
            if self.told.contains(&id) {
                continue;
            }
            let wish = if matches!(record.state, ActionState::AwaitingApproval { .. }) {
                Wish::Vote { action: id, vote: Vote { by: EVA.to_owned(), yes: true, at: now } }
            } else if self.is_mistake(&record) {
                Wish::Undo { action: id, by: EVA.to_owned() }
            } else {
                continue;
            };
            self.told.push(id);
            let lane = LaneKey::account(&record.action.key.account);
            let signal =
                Signal { source_key: format!("demo:{id}:{}", record.status()), lane, body: json!(wish), at: now };
            acted |= self.journal.signal(signal).await?;
        }
        Ok(acted)
    }

    fn is_mistake(&self, record: &ActionRecord) -> bool {
        let theirs = record.action.subject.upn.as_ref().is_some_and(|upn| upn.as_str() == self.mistaken);
        let effective = record.outcome().is_some_and(|outcome| outcome.kind == OutcomeKind::Effective);
        theirs && effective && record.action.key.reverts.is_none() && record.action.key.intent.inverse().is_some()
    }
}
