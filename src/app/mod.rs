//! The one place where parts are wired together: settings become connectors, guardrails, a rule
//! table and a journal.

mod guard;
mod journal;
mod rules;

pub use guard::rails;
pub use journal::{daemon_journal, visitor_journal};
pub use rules::rules;
