//! The tables that security engineers query most, by name and columns, and those that people add.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::listed::{self, Listed};
use super::schema::{Catalog, Lacking, Schema};
use super::table::Table;
use super::value::Type;
use crate::diagnostics::{Finding, Source, quoted, suggest};

static KNOWN: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(|| {
    let mut known = KnownTables { tables: BTreeMap::new(), strict: false };
    // A test says that nothing is wrong with them.
    known.add(&Source::new("known.tsv", include_str!("known.tsv")));
    known.tables
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

impl KnownTables {
    /// Adds the tables that a file lists, and gives back every mistake in it. A line is the name of a table, then
    /// `name:type` of each column with tabs or spaces between; it goes before what was known of that table, or adds to it
    /// where the columns begin with `+`. A `*` behind the columns says that there are others, which are warned of where a
    /// query names them; alone it stands for any. Lines that begin with `#` are passed over.
    pub fn add(&mut self, source: &Source) -> Vec<Finding> {
        let (lines, mut findings) = listed::read(source);
        let mut listed_here = BTreeSet::new();
        for line in lines {
            let Listed { name, span, .. } = line;
            if !line.adds && !listed_here.insert(name) {
                let message = format!("the table {} is listed twice", quoted(name));
                let help = "keep one of the lines, or begin the columns of the second with +";
                findings.push(Finding::error("tables/duplicate", message).at(source, span).help(help));
                continue;
            }
            let known = self.tables.get(name).filter(|_| line.adds).cloned();
            if line.adds && known.is_none() {
                let nearest = suggest::nearest(name, self.tables.keys().map(String::as_str));
                let message = format!("there is no table {} to add columns to", quoted(name));
                let finding = Finding::error("tables/unknown-table", message).at(source, span);
                findings.push(finding.help("leave the + out to list a table of your own").help_nearest(nearest));
                continue;
            }
            self.tables.insert(name.to_owned(), known.unwrap_or_default().listing(line.columns, line.more).standard());
        }
        findings
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

    fn remedy(&self, lacking: Lacking<'_>) -> Option<String> {
        let what = match lacking {
            Lacking::Table => "list its columns in a file of tables ([rules] tables, or --tables)".to_owned(),
            Lacking::Column(name) => format!(
                "list {name} in a file of tables, if there is such a column ([rules] tables, or --tables), as TABLE +{name}:TYPE"
            ),
        };
        Some(what)
    }

    fn external(&self, _: &str) -> Result<String, String> {
        Ok(String::new())
    }

    fn watchlist(&self, _: &str) -> Result<Table, String> {
        Ok(Table::empty(&Schema::new([("SearchKey", Type::String)])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kql::schema::Column;
    use crate::kql::{compile_query, is_syntax_error};

    /// What is found in a query on these tables: level, message and help.
    fn found(text: &str, tables: &KnownTables) -> Vec<String> {
        let found = match compile_query(&Source::new("q", text), tables) {
            Ok(query) => query.warnings().to_vec(),
            Err(found) => found,
        };
        assert!(found.iter().all(|finding| !is_syntax_error(finding)), "{found:?}");
        let line = |one: &Finding| {
            format!("{}: {}: {}", one.level().word(), one.message(), one.help_text().unwrap_or_default())
        };
        found.iter().map(line).collect()
    }

    fn with(text: &str) -> (KnownTables, Vec<String>) {
        let mut tables = KnownTables::default();
        let found = tables.add(&Source::new("t.tsv", text));
        assert!(found.iter().all(|finding| finding.help_text().is_some()), "{found:?}");
        (tables, found.iter().map(Finding::one_line).collect())
    }

    #[test]
    fn every_line_of_the_file_is_a_table() {
        let mut all = KnownTables { tables: BTreeMap::new(), strict: true };
        assert_eq!(all.add(&Source::new("known.tsv", include_str!("known.tsv"))), []);
        let read = all.tables;
        for (name, columns) in [
            ("SecurityAlert", "Entities:string TimeGenerated:datetime"),
            ("SecurityIncident", "IncidentNumber:int Owner:dynamic"),
            ("IdentityInfo", "AccountSID:string OnPremSid:string CreatedDateTime:datetime GroupMembership:dynamic"),
            ("IdentityLogonEvents", "LogonType:string DestinationPort:string AdditionalFields:dynamic"),
            ("IdentityDirectoryEvents", "TargetAccountUpn:string"),
            ("IdentityQueryEvents", "QueryTarget:string"),
            ("SigninLogs", "ResultType:string Location:string LocationDetails:dynamic DeviceDetail:dynamic"),
            ("AuditLogs", "TargetResources:dynamic InitiatedBy:dynamic"),
            ("SecurityEvent", "EventID:int TargetAccount:string TimeCollected:datetime"),
            ("AlertInfo", "AlertId:string"),
            ("AlertEvidence", "EntityType:string"),
            ("BehaviorAnalytics", "InvestigationPriority:int UsersInsights:dynamic SourceDevice:string"),
            ("OfficeActivity", "Operation:string"),
            ("DeviceLogonEvents", "IsLocalAdmin:bool"),
            ("EmailEvents", "EmailDirection:string UrlCount:int"),
            ("Okta_CL", "eventType_s:string securityContext_isProxy_b:bool"),
            ("OktaSSO", "outcome_result_s:string"),
            ("OktaV2_CL", "EventOriginalType:string OriginalTarget:dynamic"),
            ("OktaSystemLogs", "EventOriginalType:string OriginalTarget:dynamic"),
        ] {
            for column in columns.split(' ') {
                let has = |of: &Column| format!("{}:{}", of.name, of.ty) == column;
                assert!(read[name].columns().iter().any(has), "{name} {column}");
            }
        }
        assert_eq!(read["SecurityAlert"].columns().len(), 35);
        let open: Vec<&str> =
            read.iter().filter(|(_, schema)| schema.is_open()).map(|(name, _)| name.as_str()).collect();
        assert_eq!(open, ["OktaSSO", "Okta_CL"], "the classic collector makes a column of whatever an event has");
    }

    #[test]
    fn a_wrong_column_of_a_known_table_is_an_error_with_a_way_out() {
        let known = KnownTables::default();
        for table in known.names().into_iter().filter(|name| !known.tables[name].is_open()) {
            let found = found(&format!("{table} | where Nowhere == 'x'"), &known);
            assert_eq!(found.len(), 1, "{table}: {found:?}");
            assert!(found[0].starts_with("error: there is no column \"Nowhere\""), "{found:?}");
            assert!(found[0].contains("list Nowhere in a file of tables"), "{found:?}");
        }
        let near = found("SigninLogs | where RiskLevelDuringSignin == 'high'", &known);
        assert!(near[0].contains("did you mean RiskLevelDuringSignIn? Or list RiskLevelDuringSignin in"), "{near:?}");
        let made = found("SigninLogs | project UserId | where Location == 'DE'", &known);
        assert_eq!(made, ["error: there is no column \"Location\": the columns are UserId"]);
    }

    #[test]
    fn a_column_that_the_classic_okta_table_may_have_is_warned_of_once() {
        let known = KnownTables::default();
        let query = "Okta_CL | where debugContext_debugData_risk_s == 'x' and _ResourceId != '' \
                     | extend a = debugContext_debugData_risk_s | project-away debugContext_debugData_risk_s";
        let told = found(query, &known);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("warning: no column \"debugContext_debugData_risk_s\" is known here"), "{told:?}");
        let near =
            found("Okta_CL | join kind=inner SigninLogs on $left.actor_alternateid_s == $right.Identity", &known);
        assert!(near[0].contains("did you mean actor_alternateId_s?"), "{near:?}");
    }

    #[test]
    fn columns_that_every_table_has_are_still_there_after_a_join_and_a_union() {
        let known = KnownTables::default();
        for query in [
            "SigninLogs | join kind=inner AuditLogs on CorrelationId | where _ResourceId == 'x'",
            "SigninLogs | join kind=leftsemi AuditLogs on CorrelationId | where _BilledSize > 1",
            "union SigninLogs, AuditLogs | where _IsBillable == 'true'",
            "AuditLogs | mv-apply t = TargetResources on (where tostring(t.type) == 'User') | where _TimeReceived > ago(1d)",
            "SigninLogs | where Vip_CF == true and Why_CF has 'x'",
        ] {
            assert_eq!(found(query, &known), [""; 0], "{query}");
        }
    }

    #[test]
    fn a_file_lists_tables_of_ones_own_and_adds_columns_to_known_ones() {
        let (tables, mistakes) = with(
            "\u{feff}# mine\r\nMy_CL\tN:long  S:string\r\n\nSigninLogs + NewOne:string Location:dynamic\nAny_CL *\nSome_CL A:int *\n",
        );
        assert_eq!(mistakes, [""; 0]);
        for query in [
            "My_CL | where N > 1 and S has 'x' and _ResourceId != ''",
            "SigninLogs | where NewOne == 'x' and isnotempty(Location.city) and ResultType == '0'",
            "Any_CL | where Whatever == 1",
            "Some_CL | where A == 1",
        ] {
            assert_eq!(found(query, &tables), [""; 0], "{query}");
        }
        assert!(found("My_CL | where M == 1", &tables)[0].starts_with("error: there is no column \"M\""));
        assert!(found("Some_CL | where B == 1", &tables)[0].starts_with("warning: no column \"B\" is known here"));
        let (replaced, _) = with("SigninLogs\tOnly:string\n");
        assert!(found("SigninLogs | where Location == 'DE'", &replaced)[0].starts_with("error"));
        let (reopened, _) = with("SigninLogs +*\n");
        assert!(found("SigninLogs | where Lokation == 'DE'", &reopened)[0].starts_with("warning"));
    }

    #[test]
    fn standard_columns_are_in_every_known_table_until_columns_are_chosen() {
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
    fn every_mistake_of_a_file_of_tables_is_told_at_once_in_its_place() {
        let (tables, mistakes) = with(
            "Good_CL a:long\n1T a:long\nT a:lang b: :c c\nT2 a:int a:int\nGood_CL b:long\nSigninLog +a:int\nEmpty\nPlus +\n",
        );
        let told: Vec<&str> =
            mistakes.iter().map(|line| line.split(": ").nth(1).map_or("", |_| line.as_str())).collect();
        let codes: Vec<String> = told
            .iter()
            .map(|line| {
                let (place, rest) = line.split_once(": error[").unwrap();
                format!("{place} {}", rest.split_once(']').unwrap().0)
            })
            .collect();
        assert_eq!(
            codes,
            [
                "t.tsv:2:1 tables/syntax",
                "t.tsv:3:3 tables/unknown-type",
                "t.tsv:3:10 tables/unknown-type",
                "t.tsv:3:13 tables/syntax",
                "t.tsv:3:16 tables/syntax",
                "t.tsv:4:10 tables/duplicate",
                "t.tsv:7:1 tables/syntax",
                "t.tsv:8:1 tables/syntax",
                "t.tsv:5:1 tables/duplicate",
                "t.tsv:6:1 tables/unknown-table",
            ]
        );
        assert_eq!(
            found("T | where Meant == 1", &tables),
            [""; 0],
            "nobody is told of columns that were meant to be listed"
        );
        let (_, many) = with(&"? x\n".repeat(1000));
        assert_eq!(many.len(), 51);
        assert!(many[50].contains("too many mistakes"), "{}", many[50]);
    }
}
