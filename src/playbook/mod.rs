//! Rules, modes, playbooks and the alert catalogue: from files that people write to a table that can be trusted.
//!
//! ```text
//! playbooks/rules/*.yaml   which alerts, which accounts, which playbook
//! playbooks/*.yaml         what is done, step by step
//! playbooks/modes.yaml     how far each rule may go by itself
//! ```
//!
//! [`load`] reads all of it, and the triggers, at once and gives either a [`RuleTable`] or every finding there is.
//! Nothing here decides: whether an alert's account is acted on is the business of `decide`.

mod catalogue;
mod condition;
mod fields;
mod lint;
mod load;
mod modes;
mod names;
mod rule;
mod schema;
mod selftest;
mod shipped;
mod steps;
mod table;
mod trigger;
mod yaml;

pub use catalogue::{Catalogue, Entry, Kind};
pub use condition::Condition;
pub use fields::Placed;
pub use load::{Folders, LoadContext, Loaded, POLL_QUERY_FILE, load, own_poll_query, read_file};
pub use rule::{AccountChoice, Limits, RoleChoice, Rule};
pub use schema::{AccountFacts, account_schema, alert_row, alert_schema};
pub use selftest::{Expect, Given, GivenAccount, RuleTest};
pub use steps::{OnFailure, Playbook, Step};
pub use table::RuleTable;
pub use trigger::{Origin, WrittenTrigger};

#[cfg(test)]
mod tests;
