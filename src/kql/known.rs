//! The tables that security engineers query most, by name and columns.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::schema::{Catalog, Column, Schema};
use super::table::Table;
use super::value::Type;

static KNOWN: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(|| {
    // The test below reads every line.
    let tables = read_tables(include_str!("known.tsv")).unwrap_or_default();
    tables.into_iter().map(|(name, schema)| (name, schema.standard())).collect()
});

/// The tables of Microsoft Sentinel and Defender whose columns are known here.
#[must_use]
pub fn known_tables() -> &'static BTreeMap<String, Schema> {
    &KNOWN
}

/// The tables that are known, and any other with columns that nobody knows.
#[derive(Debug, Clone)]
pub struct KnownTables {
    /// By name.
    pub tables: BTreeMap<String, Schema>,
    /// There are no others.
    pub strict: bool,
}

impl Default for KnownTables {
    fn default() -> Self {
        Self { tables: known_tables().clone(), strict: false }
    }
}

impl Catalog for KnownTables {
    fn schema(&self, table: &str) -> Option<Schema> {
        let known = self.tables.get(table).cloned();
        known.or_else(|| (!self.strict).then(|| Schema::default().open()))
    }

    fn knows(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    fn names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn external(&self, _: &str, columns: &Schema) -> Result<Table, String> {
        Ok(Table::empty(columns))
    }

    fn watchlist(&self, _: &str) -> Result<Table, String> {
        Ok(Table::empty(&Schema::new([("SearchKey", Type::String)])))
    }
}

/// Tables from text: a line for each, its name, a tab, then `name:type` of each column with spaces between; a `*` at the end
/// says that there are columns beside them. Lines that begin with `#` and empty lines are passed over.
///
/// # Errors
/// A sentence that names the line.
pub fn read_tables(text: &str) -> Result<BTreeMap<String, Schema>, String> {
    let mut tables = BTreeMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty()) {
        let wrong = |what: &str| format!("line {}: {what}", at + 1);
        let Some((name, columns)) = line.split_once('\t') else {
            return Err(wrong("a table is written NAME, a tab, then name:type for each column"));
        };
        let (mut listed, mut open) = (Vec::new(), false);
        for word in columns.split_whitespace() {
            if word == "*" {
                open = true;
                continue;
            }
            let column = word.split_once(':').and_then(|(name, ty)| Some(Column::new(name, Type::from_name(ty)?)));
            listed.push(column.ok_or_else(|| wrong(&format!("{word} is no name:type")))?);
        }
        let schema = Schema::from(listed);
        tables.insert(name.trim().to_owned(), if open { schema.open() } else { schema });
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_file_is_a_table() {
        let read = read_tables(include_str!("known.tsv")).unwrap();
        for (name, columns) in [
            ("SecurityAlert", "Entities:string TimeGenerated:datetime"),
            ("SecurityIncident", "IncidentNumber:int Owner:dynamic"),
            ("IdentityInfo", "AccountSID:string OnPremSid:string CreatedDateTime:datetime GroupMembership:dynamic"),
            ("IdentityLogonEvents", "LogonType:string DestinationPort:string AdditionalFields:dynamic"),
            ("IdentityDirectoryEvents", "TargetAccountUpn:string"),
            ("IdentityQueryEvents", "QueryTarget:string"),
            ("SigninLogs", "ResultType:string Location:string LocationDetails:dynamic DeviceDetail:dynamic"),
            ("AuditLogs", "TargetResources:dynamic InitiatedBy:dynamic"),
            ("SecurityEvent", "EventID:int TargetAccount:string"),
            ("AlertInfo", "AlertId:string"),
            ("AlertEvidence", "EntityType:string"),
            ("BehaviorAnalytics", "InvestigationPriority:int UsersInsights:dynamic SourceDevice:string"),
            ("OfficeActivity", "Operation:string"),
            ("DeviceLogonEvents", "IsLocalAdmin:bool"),
            ("EmailEvents", "EmailDirection:string UrlCount:int"),
            ("Okta_CL", "eventType_s:string securityContext_isProxy_b:bool"),
            ("OktaSSO", "outcome_result_s:string"),
            ("OktaV2_CL", "EventOriginalType:string OriginalTarget:dynamic"),
        ] {
            for column in columns.split(' ') {
                let has = |of: &Column| format!("{}:{}", of.name, of.ty) == column;
                assert!(read[name].columns().iter().any(has), "{name} {column}");
            }
        }
        assert_eq!(read["SecurityAlert"].columns().len(), 35);
        assert!(!read["SecurityAlert"].is_open() && read["SecurityEvent"].is_open());
    }

    #[test]
    fn standard_columns_are_in_every_known_table_until_columns_are_chosen() {
        use crate::diagnostics::Source;
        use crate::kql::compile_query;
        let catalog = KnownTables::default();
        let right = |text: &str| compile_query(&Source::new("q", text), &catalog).is_ok();
        for table in catalog.names() {
            let text = format!(
                "{table} | where _IsBillable == 'true' and _TimeReceived > ago(1d) and isnotempty(_ItemId) \
                 | project _BilledSize, _ResourceId, _SubscriptionId, TenantId, SourceSystem, Type"
            );
            assert!(right(&text), "{table}");
        }
        assert!(right("IdentityLogonEvents | where _BilledSize > 1 | summarize sum(_BilledSize) by _ResourceId"));
        assert!(!right("IdentityLogonEvents | project Timestamp | where _BilledSize > 1"));
        assert!(!right("IdentityLogonEvents | where _BiledSize > 1"));
        assert!(!right("print x = 1 | where _BilledSize > 1"));
    }

    #[test]
    fn a_wrong_line_is_named() {
        assert!(read_tables("# x\nT\ta:long b:lang").unwrap_err().starts_with("line 2: b:lang"));
        assert!(read_tables("T a:long").unwrap_err().starts_with("line 1"));
    }
}
