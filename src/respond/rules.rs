//! The rules in force. People change them while riposte runs, and a demotion must count before the next call.

use std::sync::{Arc, PoisonError, RwLock};

use crate::playbook::RuleTable;

/// The table by which alerts are answered from now on.
#[derive(Debug, Clone)]
pub struct Rules(Arc<RwLock<Arc<RuleTable>>>);

impl Rules {
    /// Begins with a table.
    #[must_use]
    pub fn new(table: RuleTable) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(table))))
    }

    /// The table at this moment; a step that holds it goes on with it.
    #[must_use]
    pub fn now(&self) -> Arc<RuleTable> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another table in force.
    pub fn replace(&self, table: RuleTable) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
    }
}
