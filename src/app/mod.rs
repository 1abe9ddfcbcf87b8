//! The one place where parts are wired together: settings become connectors, guardrails, a rule
//! table and a journal.

mod connectors;
mod daemon;
mod guard;
mod heard;
mod journal;
mod listed;
mod reload;
mod rules;
mod triggers;

pub use connectors::{Connectors, WiringError, connectors, poll_query, transport};
pub use daemon::{Around, Daemon, Parts, StartError, daemon};
pub use guard::rails;
pub use heard::Heard;
pub use journal::{
    back_up, check_pages, condition, damage, database, file_to_copy, journal_at, journal_usable, put_back,
    visitor_journal,
};
pub use listed::ListedPeople;
pub use reload::{Reload, Reloaded};
pub use rules::{rules, rules_of};
pub use triggers::{TriggerPlace, trigger_places};
