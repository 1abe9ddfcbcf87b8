//! One room per outside system behind one HTTP door.

pub mod dry_run;
pub mod graph;
pub mod http;
pub mod kql_runner;
pub mod kql_text;
pub mod log_analytics;
#[cfg(test)]
pub(crate) mod loopback;
pub mod okta;
pub mod port;
pub mod sentinel;
mod together;
pub mod token;
pub mod told;
pub mod trigger;
mod urgency;
