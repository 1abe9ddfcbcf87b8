//! What has happened, as events, and what that makes of each thing. Pure: nothing here waits, reads
//! a clock or knows a database.
//!
//! A stream is the list of events of one alert, action, note or control; its state is their fold.

pub mod action;
mod action_event;
mod action_state;
pub mod alert;
pub mod event;
pub mod fold;
pub mod judge;
pub mod next;
pub mod note;
pub mod retry;
pub mod signal;

#[cfg(test)]
mod tests;
