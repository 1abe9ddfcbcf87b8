//! The workspace's tables: columns, rows, and when a query may first see each row.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};

use serde_json::Value as Json;

use crate::kql::{
    Bag, Catalog, Cells, Column, Dynamic, INGESTION_TIME, Schema, Table, Tables, Type, Val, Value, known_tables,
};
use crate::lab::timespan::Range;
use crate::model::time::At;

/// A row that is not yet visible, in the order of its table's columns, the hidden ingestion time last.
struct Row {
    visible: At,
    cells: Vec<Value>,
}

/// A table: what queries see, and what they will see later, soonest first.
struct LogTable {
    shown: Arc<Table>,
    pending: VecDeque<Row>,
}

/// The workspace's tables.
pub(crate) struct Logs {
    tables: BTreeMap<String, LogTable>,
    /// The columns of those that are the tenant's own.
    own: Arc<BTreeMap<String, Schema>>,
}

impl Logs {
    /// The tables that every workspace has, and those of this one.
    pub(super) fn new(own: BTreeMap<String, Schema>) -> Self {
        let empty = |schema| LogTable { shown: Arc::new(Table::empty(schema)), pending: VecDeque::new() };
        let tables = SCHEMAS.iter().chain(&own).map(|(name, schema)| (name.clone(), empty(schema))).collect();
        Self { tables, own: Arc::new(own) }
    }

    /// Adds a row that queries see from `visible` on; cells are taken from an object by column name.
    pub(crate) fn add(&mut self, table: &str, visible: At, from: &Json) {
        let Some(to) = self.tables.get_mut(table) else { return };
        let columns = to.shown.columns.iter().filter(|column| &*column.name != INGESTION_TIME);
        let mut cells: Vec<Value> =
            columns.map(|column| cell(column.ty, from.get(&*column.name).unwrap_or(&Json::Null))).collect();
        cells.push(Val::DateTime(visible.ticks()));
        let at = to.pending.partition_point(|r| r.visible <= visible);
        to.pending.insert(at, Row { visible, cells });
    }

    /// The workspace as a query sees it at a moment; of its tables only those whose name stands in the query, unless it may
    /// mean tables without naming them, and of their rows only those made within `range`. `None` when the workspace holds no rows at all.
    pub(crate) fn picture(&mut self, query: &str, range: Option<Range>, now: At) -> Option<Picture> {
        self.tables.values_mut().for_each(|t| t.show(now));
        if self.tables.values().all(|t| t.shown.rows.is_empty()) {
            return None;
        }
        let all = ["union", "search"].iter().any(|word| query.contains(word));
        let named = self.tables.iter().filter(|(name, _)| all || query.contains(name.as_str()));
        let tables = named.map(|(name, t)| (name.clone(), within(Arc::clone(&t.shown), range))).collect();
        Some(Picture { tables, own: Arc::clone(&self.own) })
    }
}

impl LogTable {
    /// Moves what has become visible. Rows are copied only while a query still holds the old table.
    fn show(&mut self, now: At) {
        let due = self.pending.partition_point(|r| r.visible <= now);
        if due > 0 {
            let shown = Arc::make_mut(&mut self.shown);
            self.pending.drain(..due).for_each(|row| shown.rows.push(row.cells));
        }
    }
}

/// The rows of a table whose `TimeGenerated`, or else `Timestamp`, lies in the range.
fn within(table: Arc<Table>, range: Option<Range>) -> Arc<Table> {
    let place = |name: &str| table.columns.iter().position(|c| &*c.name == name);
    let made = place("TimeGenerated").or_else(|| place("Timestamp"));
    let (Some(range), Some(made)) = (range, made) else { return table };
    let holds =
        |row: &Cells<'_, '_>| matches!(row.get(made), Some(Val::DateTime(t)) if range.holds(At::from_ticks(*t)));
    if table.rows.iter().all(|row| holds(&row)) {
        return table;
    }
    let rows = table.rows.iter().filter(holds).map(Cells::to_vec);
    Arc::new(Table::new(table.columns.clone(), rows))
}

/// Tables at a moment, apart from the tenant: a query runs on it while the tenant goes on.
pub(crate) struct Picture {
    tables: BTreeMap<String, Arc<Table>>,
    own: Arc<BTreeMap<String, Schema>>,
}

impl Tables for Picture {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.tables.get(name).map(|table| Cow::Borrowed(&**table))
    }
}

impl Catalog for Picture {
    fn schema(&self, table: &str) -> Option<Schema> {
        SCHEMAS.get(table).or_else(|| self.own.get(table)).cloned()
    }

    fn names(&self) -> Vec<String> {
        SCHEMAS.keys().chain(self.own.keys()).cloned().collect()
    }
}

/// The columns of a table, if every workspace has it.
pub(crate) fn columns_of(table: &str) -> Option<&'static [Column]> {
    SCHEMAS.get(table).map(Schema::columns)
}

/// Every table: those that the tenant writes by itself, and the others that queries know, for rows of a scenario. The
/// hidden ingestion time is the last column of each.
static SCHEMAS: LazyLock<BTreeMap<String, Schema>> = LazyLock::new(|| {
    let own = SCHEMA.iter().map(|(name, columns)| {
        let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty));
        ((*name).to_owned(), columns.collect::<Vec<_>>())
    });
    let mut tables: BTreeMap<String, Vec<Column>> = own.collect();
    for (name, schema) in known_tables() {
        let columns = tables.entry(name.clone()).or_default();
        for column in schema.columns() {
            if columns.iter().all(|known| known.name != column.name) {
                columns.push(column.clone());
            }
        }
    }
    let whole = |mut columns: Vec<Column>| {
        columns.push(Column::new(INGESTION_TIME, Type::DateTime));
        Schema::from(columns)
    };
    tables.into_iter().map(|(name, columns)| (name, whole(columns))).collect()
});

fn cell(ty: Type, from: &Json) -> Value {
    match ty {
        Type::String => Val::from(from.as_str().unwrap_or("").to_owned()),
        Type::Bool => from.as_bool().map_or(Val::Null, Val::Bool),
        Type::Int => from.as_i64().and_then(|n| i32::try_from(n).ok()).map_or(Val::Null, Val::Int),
        Type::Long => from.as_i64().map_or(Val::Null, Val::Long),
        Type::Real => from.as_f64().map_or(Val::Null, Val::Real),
        Type::DateTime => {
            from.as_str().and_then(|t| t.parse::<At>().ok()).map_or(Val::Null, |at| Val::DateTime(at.ticks()))
        }
        Type::Dynamic => Val::dynamic(dynamic(from)),
        // Nothing here writes a column of these.
        Type::Timespan | Type::Guid => Val::Null,
    }
}

fn dynamic(from: &Json) -> Dynamic {
    match from {
        Json::Null => Dynamic::Null,
        Json::Bool(b) => Dynamic::Bool(*b),
        Json::Number(n) => n.as_i64().map_or_else(|| Dynamic::Real(n.as_f64().unwrap_or(0.0)), Dynamic::Long),
        Json::String(text) => Dynamic::Str(text.as_str().into()),
        Json::Array(items) => Dynamic::Array(items.iter().map(dynamic).collect()),
        Json::Object(fields) => {
            Dynamic::Bag(Arc::new(Bag::new(fields.iter().map(|(k, v)| (k.as_str().into(), dynamic(v))))))
        }
    }
}

type Columns = &'static [(&'static str, Type)];

/// Tables and columns, as the vendor's table references list them.
const SCHEMA: &[(&str, Columns)] = &[
    (
        "SecurityAlert",
        &[
            ("TenantId", Type::String),
            ("TimeGenerated", Type::DateTime),
            ("DisplayName", Type::String),
            ("AlertName", Type::String),
            ("AlertSeverity", Type::String),
            ("Description", Type::String),
            ("ProviderName", Type::String),
            ("VendorName", Type::String),
            ("VendorOriginalId", Type::String),
            ("SystemAlertId", Type::String),
            ("ResourceId", Type::String),
            ("SourceComputerId", Type::String),
            ("AlertType", Type::String),
            ("ConfidenceLevel", Type::String),
            ("ConfidenceScore", Type::Real),
            ("IsIncident", Type::Bool),
            ("StartTime", Type::DateTime),
            ("EndTime", Type::DateTime),
            ("ProcessingEndTime", Type::DateTime),
            ("RemediationSteps", Type::String),
            ("ExtendedProperties", Type::String),
            ("Entities", Type::String),
            ("SourceSystem", Type::String),
            ("WorkspaceSubscriptionId", Type::String),
            ("WorkspaceResourceGroup", Type::String),
            ("ExtendedLinks", Type::String),
            ("ProductName", Type::String),
            ("ProductComponentName", Type::String),
            ("AlertLink", Type::String),
            ("Status", Type::String),
            ("CompromisedEntity", Type::String),
            ("Tactics", Type::String),
            ("Techniques", Type::String),
            ("SubTechniques", Type::String),
            ("Type", Type::String),
        ],
    ),
    (
        "SecurityIncident",
        &[
            ("TenantId", Type::String),
            ("TimeGenerated", Type::DateTime),
            ("IncidentName", Type::String),
            ("Title", Type::String),
            ("Description", Type::String),
            ("Severity", Type::String),
            ("Status", Type::String),
            ("Classification", Type::String),
            ("ClassificationComment", Type::String),
            ("ClassificationReason", Type::String),
            ("Owner", Type::Dynamic),
            ("ProviderName", Type::String),
            ("ProviderIncidentId", Type::String),
            ("FirstActivityTime", Type::DateTime),
            ("LastActivityTime", Type::DateTime),
            ("FirstModifiedTime", Type::DateTime),
            ("LastModifiedTime", Type::DateTime),
            ("CreatedTime", Type::DateTime),
            ("ClosedTime", Type::DateTime),
            ("IncidentNumber", Type::Int),
            ("RelatedAnalyticRuleIds", Type::Dynamic),
            ("AlertIds", Type::Dynamic),
            ("BookmarkIds", Type::Dynamic),
            ("Comments", Type::Dynamic),
            ("Labels", Type::Dynamic),
            ("IncidentUrl", Type::String),
            ("AdditionalData", Type::Dynamic),
            ("ModifiedBy", Type::String),
            ("SourceSystem", Type::String),
            ("Type", Type::String),
        ],
    ),
    ("SigninLogs", &[("Location", Type::String)]),
    (
        "IdentityInfo",
        &[
            ("TimeGenerated", Type::DateTime),
            ("AccountSID", Type::String),
            ("AccountObjectId", Type::String),
            ("AccountUPN", Type::String),
            ("AccountName", Type::String),
            ("AccountDomain", Type::String),
            ("AccountDisplayName", Type::String),
            ("AccountTenantId", Type::String),
            ("GroupMembership", Type::Dynamic),
            ("AssignedRoles", Type::Dynamic),
            ("UserAccountControl", Type::Dynamic),
            ("IsAccountEnabled", Type::Bool),
            ("IsServiceAccount", Type::Bool),
            // Under these names in hunting.
            ("Timestamp", Type::DateTime),
            ("OnPremSid", Type::String),
            ("CreatedDateTime", Type::DateTime),
            ("Department", Type::String),
            ("Tags", Type::Dynamic),
            ("MailAddress", Type::String),
            ("SourceSystem", Type::String),
            ("Type", Type::String),
        ],
    ),
    (
        "IdentityDirectoryEvents",
        &[
            ("Timestamp", Type::DateTime),
            ("TimeGenerated", Type::DateTime),
            ("ActionType", Type::String),
            ("Application", Type::String),
            ("TargetAccountUpn", Type::String),
            ("TargetAccountDisplayName", Type::String),
            ("TargetDeviceName", Type::String),
            ("DestinationDeviceName", Type::String),
            ("Protocol", Type::String),
            ("AccountName", Type::String),
            ("AccountDomain", Type::String),
            ("AccountUpn", Type::String),
            ("AccountSid", Type::String),
            ("AccountObjectId", Type::String),
            ("AccountDisplayName", Type::String),
            ("DeviceName", Type::String),
            ("IPAddress", Type::String),
            ("AdditionalFields", Type::Dynamic),
            ("ReportId", Type::String),
            ("Type", Type::String),
        ],
    ),
    (
        "SecurityEvent",
        &[
            ("TimeGenerated", Type::DateTime),
            ("Computer", Type::String),
            ("EventID", Type::Int),
            ("Activity", Type::String),
            ("Account", Type::String),
            ("SubjectUserName", Type::String),
            ("SubjectDomainName", Type::String),
            ("SubjectUserSid", Type::String),
            ("TargetAccount", Type::String),
            ("TargetUserName", Type::String),
            ("TargetDomainName", Type::String),
            ("TargetSid", Type::String),
            ("MemberName", Type::String),
            ("MemberSid", Type::String),
            ("Type", Type::String),
        ],
    ),
    (
        "AuditLogs",
        &[
            ("TimeGenerated", Type::DateTime),
            ("ActivityDateTime", Type::DateTime),
            ("OperationName", Type::String),
            ("ActivityDisplayName", Type::String),
            ("Category", Type::String),
            ("Result", Type::String),
            ("ResultReason", Type::String),
            ("Id", Type::String),
            ("CorrelationId", Type::String),
            ("LoggedByService", Type::String),
            ("TargetResources", Type::Dynamic),
            ("InitiatedBy", Type::Dynamic),
            ("Identity", Type::String),
            ("Type", Type::String),
        ],
    ),
];
