//! When and why a source could not be read the last time. It stands in the journal beside the source's cursor, so that
//! `riposte status` can tell it beside a running daemon, and after one.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::journal::batch::CursorWrite;
use crate::journal::{Fault, Journal};
use crate::model::failure::Failure;
use crate::model::text::clip;
use crate::model::time::At;

/// A poll that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollFailure {
    /// When.
    pub at: At,
    /// Why, and what to do, in a sentence without names or secrets.
    pub why: String,
    /// Of a trigger that nobody depends on: what its query needs is not here.
    #[serde(default)]
    pub absent: bool,
    /// Of a trigger: the service does not want to be asked before this, also after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<At>,
}

impl PollFailure {
    /// The last failure of a source, whatever has been read since; none where there was none.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn last(journal: &dyn Journal, source: &str) -> Result<Option<Self>, Fault> {
        Ok(journal.cursor(&key(source)).await?.and_then(|stored| Self::deserialize(&stored).ok()))
    }

    pub(super) fn new(failure: &Failure, absent: bool, not_before: Option<At>, at: At) -> Self {
        Self { at, why: clip(&failure.to_string(), 600), absent, not_before }
    }

    /// How it is written down.
    pub(super) fn write(&self, source: &str) -> CursorWrite {
        CursorWrite { source: key(source), position: json!(self) }
    }
}

/// No source has such a key: they begin with a kind and end with an id.
fn key(source: &str) -> String {
    format!("{source}#failed")
}
