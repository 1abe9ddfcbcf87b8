//! riposte answers Microsoft Defender for Identity alerts: carefully, provably, undoably.

pub mod app;
pub mod cli;
pub mod connect;
pub mod decide;
pub mod diagnostics;
pub mod journal;
pub mod kql;
#[cfg(feature = "lab")]
pub mod lab;
pub mod model;
pub mod playbook;
pub mod record;
pub mod respond;
pub mod runtime;
pub mod settings;
