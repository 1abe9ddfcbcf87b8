//! The workspace's tables: columns, rows, and when a query may first see each row.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::model::time::At;

/// Type of a column, in the words of Log Analytics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    DateTime,
    Bool,
    Int,
    Real,
    Dynamic,
}

/// A row in the order of its table's columns.
pub(crate) struct Row {
    pub(crate) visible: At,
    pub(crate) cells: Vec<Value>,
}

/// All rows, those that are not yet visible included.
#[derive(Default)]
pub(crate) struct Logs {
    tables: BTreeMap<&'static str, Vec<Arc<Row>>>,
}

impl Logs {
    /// Adds a row that queries see from `visible` on.
    pub(crate) fn add(&mut self, table: &'static str, visible: At, cells: Vec<Value>) {
        let rows = self.tables.entry(table).or_default();
        let at = rows.partition_point(|r| r.visible <= visible);
        rows.insert(at, Arc::new(Row { visible, cells }));
    }

    /// The rows of a table that are visible.
    pub(crate) fn visible(&self, table: &str, now: At) -> &[Arc<Row>] {
        let rows = self.tables.get(table).map_or(&[][..], Vec::as_slice);
        &rows[..rows.partition_point(|r| r.visible <= now)]
    }

    /// Whether the workspace holds no rows at all.
    pub(crate) fn is_empty(&self, now: At) -> bool {
        self.tables.values().all(|rows| rows.first().is_none_or(|r| r.visible > now))
    }
}

/// The columns of a table that the workspace has.
pub(crate) fn columns(table: &str) -> Option<&'static [(&'static str, Kind)]> {
    SCHEMA.iter().find(|(name, _)| *name == table).map(|(_, columns)| *columns)
}

/// The cells of a row, taken from an object by column name.
pub(crate) fn row(table: &'static str, from: &Value) -> Vec<Value> {
    columns(table).unwrap_or(&[]).iter().map(|(name, _)| from.get(name).cloned().unwrap_or(Value::Null)).collect()
}

use Kind::{Bool, DateTime, Dynamic, Int, Real, String};

type Columns = &'static [(&'static str, Kind)];

/// Tables and columns, as the vendor's table references list them.
pub(crate) const SCHEMA: &[(&str, Columns)] = &[
    (
        "SecurityAlert",
        &[
            ("TenantId", String),
            ("TimeGenerated", DateTime),
            ("DisplayName", String),
            ("AlertName", String),
            ("AlertSeverity", String),
            ("Description", String),
            ("ProviderName", String),
            ("VendorName", String),
            ("VendorOriginalId", String),
            ("SystemAlertId", String),
            ("ResourceId", String),
            ("SourceComputerId", String),
            ("AlertType", String),
            ("ConfidenceLevel", String),
            ("ConfidenceScore", Real),
            ("IsIncident", Bool),
            ("StartTime", DateTime),
            ("EndTime", DateTime),
            ("ProcessingEndTime", DateTime),
            ("RemediationSteps", String),
            ("ExtendedProperties", String),
            ("Entities", String),
            ("SourceSystem", String),
            ("WorkspaceSubscriptionId", String),
            ("WorkspaceResourceGroup", String),
            ("ExtendedLinks", String),
            ("ProductName", String),
            ("ProductComponentName", String),
            ("AlertLink", String),
            ("Status", String),
            ("CompromisedEntity", String),
            ("Tactics", String),
            ("Techniques", String),
            ("SubTechniques", String),
            ("Type", String),
        ],
    ),
    (
        "SecurityIncident",
        &[
            ("TenantId", String),
            ("TimeGenerated", DateTime),
            ("IncidentName", String),
            ("Title", String),
            ("Description", String),
            ("Severity", String),
            ("Status", String),
            ("Classification", String),
            ("ClassificationComment", String),
            ("ClassificationReason", String),
            ("Owner", Dynamic),
            ("ProviderName", String),
            ("ProviderIncidentId", String),
            ("FirstActivityTime", DateTime),
            ("LastActivityTime", DateTime),
            ("FirstModifiedTime", DateTime),
            ("LastModifiedTime", DateTime),
            ("CreatedTime", DateTime),
            ("ClosedTime", DateTime),
            ("IncidentNumber", Int),
            ("RelatedAnalyticRuleIds", Dynamic),
            ("AlertIds", Dynamic),
            ("BookmarkIds", Dynamic),
            ("Comments", Dynamic),
            ("Labels", Dynamic),
            ("IncidentUrl", String),
            ("AdditionalData", Dynamic),
            ("ModifiedBy", String),
            ("SourceSystem", String),
            ("Type", String),
        ],
    ),
    (
        "IdentityInfo",
        &[
            ("TimeGenerated", DateTime),
            ("AccountSID", String),
            ("AccountObjectId", String),
            ("AccountUPN", String),
            ("AccountName", String),
            ("AccountDomain", String),
            ("AccountDisplayName", String),
            ("AccountTenantId", String),
            ("GroupMembership", Dynamic),
            ("AssignedRoles", Dynamic),
            ("UserAccountControl", Dynamic),
            ("IsAccountEnabled", Bool),
            ("IsServiceAccount", Bool),
            ("Department", String),
            ("Tags", Dynamic),
            ("MailAddress", String),
            ("SourceSystem", String),
            ("Type", String),
        ],
    ),
    (
        "IdentityDirectoryEvents",
        &[
            ("Timestamp", DateTime),
            ("TimeGenerated", DateTime),
            ("ActionType", String),
            ("Application", String),
            ("TargetAccountUpn", String),
            ("TargetAccountDisplayName", String),
            ("TargetDeviceName", String),
            ("DestinationDeviceName", String),
            ("Protocol", String),
            ("AccountName", String),
            ("AccountDomain", String),
            ("AccountUpn", String),
            ("AccountSid", String),
            ("AccountObjectId", String),
            ("AccountDisplayName", String),
            ("DeviceName", String),
            ("IPAddress", String),
            ("AdditionalFields", Dynamic),
            ("ReportId", String),
            ("Type", String),
        ],
    ),
    (
        "SecurityEvent",
        &[
            ("TimeGenerated", DateTime),
            ("Computer", String),
            ("EventID", Int),
            ("Activity", String),
            ("Account", String),
            ("SubjectUserName", String),
            ("SubjectDomainName", String),
            ("SubjectUserSid", String),
            ("TargetAccount", String),
            ("TargetUserName", String),
            ("TargetDomainName", String),
            ("TargetSid", String),
            ("MemberName", String),
            ("MemberSid", String),
            ("Type", String),
        ],
    ),
    (
        "AuditLogs",
        &[
            ("TimeGenerated", DateTime),
            ("ActivityDateTime", DateTime),
            ("OperationName", String),
            ("ActivityDisplayName", String),
            ("Category", String),
            ("Result", String),
            ("ResultReason", String),
            ("Id", String),
            ("CorrelationId", String),
            ("LoggedByService", String),
            ("TargetResources", Dynamic),
            ("InitiatedBy", Dynamic),
            ("Identity", String),
            ("Type", String),
        ],
    ),
];
