//! The tables that security engineers query most, by name and columns, and those that people add.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::listed::{self, Listed};
use super::schema::{Catalog, Lacking, Schema};
use super::table::Table;
use crate::diagnostics::{Finding, Source, quoted, suggest};

/// More that is wrong with one file helps nobody.
const MOST_FINDINGS: usize = 50;

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
    /// query names them; alone it stands for any. Lines that begin with `#` are passed over. In which order the lines stand
    /// is all one.
    pub fn add(&mut self, source: &Source) -> Vec<Finding> {
        let (lines, mut findings) = listed::read(source);
        let (adding, own): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.adds);
        let mut listed_here = BTreeSet::new();
        for line in own {
            let Listed { name, span, .. } = line;
            if !listed_here.insert(name) {
                let message = format!("the table {} is listed twice", quoted(name));
                let help = "keep one of the lines, or begin the columns of the second with +";
                findings.push(Finding::error("tables/duplicate", message).at(source, span).help(help));
                continue;
            }
            let schema = Schema::default().listing(line.columns, line.more).standard();
            let before = self.tables.insert(name.to_owned(), schema.clone());
            findings.extend(before.and_then(|before| replaced(name, &before, &schema)).map(|one| one.at(source, span)));
        }
        for line in adding {
            let Listed { name, span, .. } = line;
            let Some(known) = self.tables.get(name).cloned() else {
                let nearest = suggest::nearest(name, self.tables.keys().map(String::as_str));
                let message = format!("there is no table {} to add columns to", quoted(name));
                let finding = Finding::error("tables/unknown-table", message).at(source, span);
                findings.push(finding.help("leave the + out to list a table of your own").help_nearest(nearest));
                continue;
            };
            self.tables.insert(name.to_owned(), known.listing(line.columns, line.more).standard());
        }
        bounded(findings)
    }
}

/// A warning where a line takes away columns that were known of its table, or changes their types: queries that read them,
/// shipped triggers among them, are wrong then.
fn replaced(name: &str, before: &Schema, after: &Schema) -> Option<Finding> {
    if after.is_open() {
        // Columns that are not listed are accepted.
        return None;
    }
    let lost = before.columns().iter().filter(|column| !after.columns().contains(column));
    let lost: Vec<&str> = lost.map(|column| &*column.name).collect();
    let what = match lost.as_slice() {
        [] => return None,
        [one] => format!("column {one} is"),
        [first, others @ ..] => format!("column {first} and {} more are", others.len()),
    };
    let message = format!("this line goes before all that was known of {name}: {what} gone, or of another type");
    let help = format!("write {name} +NAME:TYPE to add columns to those that are known");
    Some(Finding::warning("tables/replaces", message).help(help))
}

/// Not more findings than help somebody, the errors first, and how many others there are.
fn bounded(mut findings: Vec<Finding>) -> Vec<Finding> {
    if findings.len() > MOST_FINDINGS {
        findings.sort_by_key(Finding::level);
        let others = findings.split_off(MOST_FINDINGS);
        let message = format!("there are {} more findings in this file", others.len());
        let last = findings.first().map(|first| (first.level(), first.place().cloned()));
        if let Some((level, Some(place))) = last {
            let more = Finding::new(level, "tables/more", message).at(&place.source, place.source.whole().span);
            findings.push(more.help("begin with those that are shown"));
        }
    }
    findings
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

    fn watchlist(&self, _: &str) -> Result<Option<Table>, String> {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Level;
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
    fn warnings_never_crowd_out_an_error() {
        let doubted: String = (0..300).map(|at| format!("| where column_{at}_s != '' ")).collect();
        let query = format!("Okta_CL {doubted}| union (SecurityAlert | where Nowhere == 'x')");
        let source = Source::new("q", query);
        let found = compile_query(&source, &KnownTables::default()).unwrap_err();
        let levels = |level: Level| found.iter().filter(|finding| finding.level() == level).count();
        assert_eq!((levels(Level::Warning), levels(Level::Error)), (50, 1), "{found:?}");
        assert!(found.iter().any(|finding| finding.message().contains("no column \"Nowhere\"")), "{found:?}");
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
    fn a_line_that_takes_known_columns_away_is_warned_of_and_one_that_keeps_them_is_not() {
        let source = Source::new("t.tsv", "SigninLogs\tUserId:string Mine:string\n");
        let told = KnownTables::default().add(&source);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].one_line().starts_with("t.tsv:1:1: warning[tables/replaces]"), "{told:?}");
        assert!(told[0].help_text().unwrap().contains("SigninLogs +NAME:TYPE"), "{told:?}");
        assert_eq!(with("SigninLogs Mine:string *\n").1, [""; 0], "any column is accepted");
        let all: String =
            known_tables()["AlertInfo"].columns().iter().map(|c| format!(" {}:{}", c.name, c.ty)).collect();
        assert_eq!(with(&format!("AlertInfo{all} Mine:string\n")).1, [""; 0]);
        let (mut twice, _) = with("My_CL A:long B:string\n");
        assert_eq!(twice.add(&Source::new("again.tsv", "My_CL A:long B:string\n")), []);
        assert_eq!(twice.add(&Source::new("other.tsv", "My_CL A:string B:string\n")).len(), 1);
    }

    #[test]
    fn columns_are_added_to_a_table_wherever_its_own_line_stands() {
        for text in ["My_CL +B:string\nMy_CL A:long\n", "My_CL A:long\nMy_CL +B:string\n"] {
            let (tables, told) = with(text);
            assert_eq!(told, [""; 0], "{text}");
            assert_eq!(found("My_CL | where A == 1 and B == 'x'", &tables), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_watchlist_has_a_search_key_and_columns_that_nobody_here_knows() {
        let known = KnownTables::default();
        for query in [
            "_GetWatchlist('vip') | where Department == 'HR' and Level > 3 and SearchKey startswith 'a' | project Upn",
            "SigninLogs | where UserPrincipalName in ((_GetWatchlist('vip') | project Upn))",
            "let vip = _GetWatchlist('vip') | project Upn = tolower(Upn), Since;
             SigninLogs | join kind=inner vip on $left.UserPrincipalName == $right.Upn | where Since > ago(1d)",
        ] {
            assert_eq!(found(query, &known), [""; 0], "{query}");
        }
        assert!(found("_GetWatchlist('vip') | where SearchKey > 3", &known)[0].contains("string"));
        assert!(found("_GetWatchlist('vip') | project Upn | where Level > 3", &known)[0].contains("\"Level\""));
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
        for flood in [
            "My_CL a:long\n".repeat(3_000),
            (0..3_000).map(|at| format!("No{at}_CL +a:long\n")).collect(),
            format!("My_CL{}\n", " a:lang".repeat(3_000)),
            format!("SigninLogs only:long\n{}", "My_CL a:long\n".repeat(3_000)),
        ] {
            let (_, told) = with(&flood);
            assert_eq!(told.len(), 51, "{:?}", told.first());
            assert!(told.iter().any(|line| line.contains("error[tables/more]")), "{:?}", told.last());
        }
    }
}
