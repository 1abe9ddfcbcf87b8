//! The journal's promises, through its door.

mod begins;
mod owner;
mod quarantine;
mod seals;
mod steps;
mod survives;

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;

use super::super::batch::{CursorWrite, EffectChange, EffectKey};
use super::super::chain::Break;
use super::testing::*;
use super::*;
use crate::model::action::{Action, Mode};
use crate::model::id::{ActionId, NoteId};
use crate::model::incident::IncidentRef;
use crate::model::scope::WorkspaceKey;
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
