//! Live lines: what happens, while it happens, in the morning's own time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::report;
use crate::model::account::Directory;
use crate::model::alert::SourceKey;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::text::clip;
use crate::model::time::{At, Clock, print_duration};
use crate::record::action::{ActionRecord, ActionState};
use crate::record::alert::AlertPhase;
use crate::respond::listener::{Listener, News};

pub(super) struct Live {
    began: At,
    clock: Arc<dyn Clock>,
    on: bool,
    /// What was said once: a second source showing the same alert changes nothing about it.
    said: Mutex<HashSet<String>>,
}

impl Live {
    pub(super) fn new(began: At, clock: Arc<dyn Clock>, on: bool) -> Self {
        Self { began, clock, on, said: Mutex::default() }
    }

    fn is_new(&self, what: &str) -> bool {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned())
    }

    fn say(&self, what: &str, text: &str) {
        let seconds = self.clock.now().since(self.began).as_secs();
        report::say(&format!("{:02}:{:02}  {what:<8} {text}", seconds / 60, seconds % 60));
    }
}

impl Listener for Live {
    fn hear(&self, news: &News<'_>) {
        if !self.on {
            return;
        }
        match news {
            News::AlertSeen { alert, source, new: true } => {
                let title = alert.best().map_or("an alert that cannot be read", |seen| seen.title.as_str());
                let source = match source {
                    SourceKey::Graph => "Graph",
                    SourceKey::LogAnalytics(_) => "Log Analytics",
                    SourceKey::Trigger { .. } => "a query of ours",
                };
                self.say("alert", &format!("{} ({source})", clip(title, 70)));
            }
            News::AlertStands { alert } => {
                if let AlertPhase::Waiting { reason, .. } = &alert.phase
                    && self.is_new(&format!("{} {}", alert.id, reason.code()))
                {
                    let title = alert.best().map_or("", |seen| seen.title.as_str());
                    self.say("waits", &format!("{}: {}", clip(title, 40), reason.waiting()));
                }
                for decided in alert.decided.iter().filter(|decided| self.is_new(&decided.id.to_string())) {
                    let whom = decided.account.as_ref().map_or_else(String::new, |hint| format!("{}: ", hint.label()));
                    self.say("withheld", &format!("{whom}{}", decided.reason.line()));
                }
            }
            News::ActionStands { action, event } => self.say("action", &line(action, event, self.clock.now())),
            News::NotePosted { text, .. } => self.say("comment", &clip(text.lines().next().unwrap_or(""), 100)),
            News::NoteFailed { why, .. } | News::LabelFailed { why, .. } => self.say("comment", &clip(why, 100)),
            News::PollFailed { failure, .. } | News::RunFailed { failure, .. } => {
                self.say("source", &failure.to_string());
            }
            News::Moot { why } => self.say("moot", why),
            News::Polled { .. }
            | News::RunNotWhole { .. }
            | News::NoIncident { .. }
            | News::AlertSeen { .. }
            | News::Sealed { .. }
            | News::Removed { .. } => {}
        }
    }
}

fn line(record: &ActionRecord, event: &str, now: At) -> String {
    let action = &record.action;
    let whom = format!("{} ({})", clip(&action.subject.label, 28), short(action.key.account.directory()));
    format!("{:<23} {whom:<32} {}", action.key.intent.verb.word(), stands(record, event, now))
}

/// What the event has led to.
fn stands(record: &ActionRecord, event: &str, now: At) -> String {
    let again = |due: At| format!("again in {}", print_duration(due.since(now)));
    match &record.state {
        ActionState::Settled { .. } if event == "revert-planned" => "to be put back".to_owned(),
        ActionState::Settled { outcome, .. } if event == "turned" && outcome.kind == OutcomeKind::Effective => {
            "effective (still, after directory sync)".to_owned()
        }
        ActionState::Ready { held: Some(Reason::Refused { failure }), due, .. } => {
            format!("parked ({} {}, {})", failure.provider, failure.kind, again(*due))
        }
        ActionState::Verifying { looks, due, .. } if *looks > 0 => {
            format!("not seen yet (look {looks}, {})", again(*due))
        }
        // The line says when.
        ActionState::Settled { outcome: Outcome { reason: Reason::Operator { by, .. }, kind, .. }, .. }
            if *kind == OutcomeKind::Reverted =>
        {
            format!("reverted (asked for by {by})")
        }
        ActionState::Settled { outcome, .. } if outcome.kind == OutcomeKind::Reverted => {
            format!("reverted ({})", outcome.reason)
        }
        ActionState::Settled { .. } | ActionState::AwaitingApproval { .. } | ActionState::NeedsOperator { .. } => {
            format!("{} ({})", record.status(), record.reason().code())
        }
        ActionState::Ready { held: Some(reason), due, .. } => format!("parked ({}, {})", reason.code(), again(*due)),
        ActionState::Ready { held: None, .. }
        | ActionState::Attempting { .. }
        | ActionState::Unsure { .. }
        | ActionState::Verifying { .. } => event.to_owned(),
    }
}

pub(super) const fn short(directory: Directory) -> &'static str {
    match directory {
        Directory::ActiveDirectory => "AD",
        Directory::Entra => "Entra",
        Directory::Okta => "Okta",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench, seconds};
    use crate::journal::Journal as _;
    use crate::record::event::StreamKey;
    use crate::respond::write;

    #[tokio::test]
    async fn a_line_says_where_the_account_is_and_what_the_event_has_led_to() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let stream = journal.stream(&StreamKey::action(story.done)).await.unwrap().unwrap();
        let record = write::read::<ActionRecord>(&stream).unwrap().record;
        let lines = ["settled", "turned", "revert-planned"].map(|event| line(&record, event, seconds(9)));
        insta::assert_snapshot!(lines.join("\n"), @r"
        disable-ad-user         user1105@contoso.com (AD)        effective (seen)
        disable-ad-user         user1105@contoso.com (AD)        effective (still, after directory sync)
        disable-ad-user         user1105@contoso.com (AD)        to be put back
        ");
    }
}
