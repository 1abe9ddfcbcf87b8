//! An emulated tenant on loopback: Entra's token endpoint, managed identity, Log Analytics, Microsoft
//! Graph, Microsoft Sentinel and Okta on one https address, over one directory in which accounts really
//! change state.
//!
//! It is written from the vendors' own pages and knows nothing of the connectors: text and https are the
//! only contact. Everything that happens later (ingestion, synchronisation, a sensor's work, an incident)
//! is worked out from the clock when somebody asks, so the clock may leap. What it does not do: it signs
//! no tokens, keeps nothing on disk, and never calls anybody.

mod access;
mod apps;
mod faults;
mod filter;
mod http;
mod ids;
mod limits;
mod okta_app;
mod people;
mod scenario;
mod server;
mod snapshot;
mod tape;
mod tape_file;
mod tenant;
mod timespan;
mod tls;
mod tokens;
mod wire;
mod world;

pub use access::{APP_PEM, Access, OKTA_PEM, planted_secrets, second_application};
pub use faults::{Fault, Spoil};
pub use limits::LimitUse;
pub use people::Directory;
pub use scenario::{Scenario, ScenarioError};
pub use server::{Advance, Lab, LabError, Options, ShiftedClock, serve};
pub use snapshot::{
    AdState, AlertState, CommentState, EntraState, GroupState, IncidentState, OktaState, PersonState, Snapshot,
};
pub use tape::{Exchange, Tape};
pub use tape_file::{Heard, TapeFile};
pub use tenant::effects::{Effect, Outcome};
pub use world::RequestSeen;

/// How scenarios and faults are written, for people.
pub const SCENARIOS: &str = include_str!("SCENARIOS.md");

#[cfg(test)]
mod tests;
