//! What queries and loops read, in the two forms that are compared: tables, and plain structs.

use std::collections::BTreeMap;

use riposte::kql::{Column, Grid, Table, Type};

use crate::alerts::{Alert, Generator, upn};

/// Somebody of the second table.
#[derive(Debug, Clone)]
pub struct Identity {
    pub upn: String,
    pub department: String,
}

/// Everything that queries and loops read.
pub struct World {
    pub alerts: Vec<Alert>,
    pub identities: Vec<Identity>,
    pub tables: BTreeMap<&'static str, Table>,
}

impl World {
    /// A world of so many alerts.
    pub fn new(rows: usize) -> Self {
        let alerts: Vec<Alert> = Generator::new(rows).collect();
        let identities: Vec<Identity> = (0..10_000)
            .map(|account| Identity { upn: upn(account * 2), department: format!("Department {}", account % 40) })
            .collect();
        let table = Table::new(Alert::columns(), alerts.iter().map(Alert::row));
        let columns = vec![Column::new("AccountUPN", Type::String), Column::new("Department", Type::String)];
        let person = |one: &Identity| vec![one.upn.clone().into(), one.department.clone().into()];
        let people = Table::new(columns, identities.iter().map(person));
        Self { alerts, identities, tables: BTreeMap::from([("SecurityAlert", table), ("IdentityInfo", people)]) }
    }

    /// The rows of a table.
    pub fn rows(&self, table: &str) -> &Grid {
        &self.tables[table].rows
    }
}
