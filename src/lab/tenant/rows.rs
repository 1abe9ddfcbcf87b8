//! Rows of a scenario: what happens in the tenant and is no alert.

use serde_json::{Value, json};

use super::Tenant;
use crate::lab::scenario::{Row, Scenario};

impl Tenant {
    /// Puts the rows into their tables; queries see each after the delay of ingestion.
    pub(super) fn plant_rows(&mut self, scenario: &Scenario) {
        for row in &scenario.rows {
            for n in 0..row.copies {
                self.plant(row, n);
            }
        }
    }

    fn plant(&mut self, row: &Row, n: usize) {
        let at = self.start.plus(row.at);
        let mut cells = json!({"TimeGenerated": at, "Timestamp": at, "Type": row.table});
        for (column, value) in &row.cells {
            cells[column] = self.filled(value, n);
        }
        self.logs.add(&row.table, at.plus(self.delays.ingestion), &cells);
    }

    /// A cell with the identifiers of people in it.
    fn filled(&self, value: &Value, n: usize) -> Value {
        match value {
            Value::String(text) => {
                let mut text = text.replace("{n}", &n.to_string());
                for person in self.people.iter().filter(|_| text.contains('{')).collect::<Vec<_>>() {
                    let oid = person.entra.first().map(|user| user.id.clone());
                    for (word, id) in [("sid", person.sid()), ("oid", oid), ("upn", Some(person.upn()))] {
                        text = text.replace(&format!("{{{}.{word}}}", person.key), &id.unwrap_or_default());
                    }
                }
                Value::String(text)
            }
            Value::Array(items) => items.iter().map(|item| self.filled(item, n)).collect(),
            Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), self.filled(v, n))).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }
}
