//! What is so of a journal in a SQLite file alone, and what is so of every journal.

mod owner;
mod seals;
mod survives;

use serde_json::json;

use super::super::chain::{Break, BrokenChain};
use super::super::conformance::conformance;
use super::testing::*;
use super::*;
use crate::record::event::StreamKind;

/// What a process that died now would leave behind: the file and its log, copied while it is open.
fn after_a_crash(bench: &Bench) -> Bench {
    let other = Bench::new();
    for suffix in ["", "-wal"] {
        let file = |of: &Bench| of.folder.path().join(format!("riposte.db{suffix}"));
        std::fs::copy(file(bench), file(&other)).unwrap();
    }
    other
}

conformance!(crate::journal::sqlite::testing::Bench);
