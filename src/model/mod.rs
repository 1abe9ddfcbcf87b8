//! The nouns: types that every room may use and that use nothing of ours.

pub mod account;
pub mod action;
pub mod alert;
pub mod failure;
pub mod id;
pub mod incident;
pub mod intent;
pub mod observation;
pub mod offer;
pub mod outcome;
pub mod person;
pub mod reason;
pub mod recovery;
pub mod replicas;
pub mod scope;
pub mod secret;
pub mod signing_key;
pub mod text;
pub mod time;
pub mod trigger;
