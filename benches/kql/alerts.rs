//! Made-up rows in the shape of SecurityAlert: plain structs, and what a table makes of them.

use riposte::kql::{Column, Type, Value};
use serde_json::json;

/// A column's type, beside the Rust type of the struct's field.
trait Cell {
    const TYPE: Type;
    fn value(&self) -> Value;
}

/// Ticks of 100 ns since 1970.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Ticks(pub i64);

impl Cell for String {
    const TYPE: Type = Type::String;
    fn value(&self) -> Value {
        Value::from(self.clone())
    }
}

impl Cell for f64 {
    const TYPE: Type = Type::Real;
    fn value(&self) -> Value {
        Value::Real(*self)
    }
}

impl Cell for bool {
    const TYPE: Type = Type::Bool;
    fn value(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Cell for Ticks {
    const TYPE: Type = Type::DateTime;
    fn value(&self) -> Value {
        Value::DateTime(self.0)
    }
}

macro_rules! alert {
    ($($field:ident $column:literal $ty:ty,)*) => {
        /// One row, as a program of one's own would hold it.
        #[derive(Debug, Clone)]
        pub struct Alert {
            $(pub $field: $ty,)*
        }

        impl Alert {
            /// The columns of the table.
            pub fn columns() -> Vec<Column> {
                vec![$(Column::new($column, <$ty as Cell>::TYPE)),*]
            }

            /// The same as a row of the table.
            pub fn row(&self) -> Vec<Value> {
                vec![$(self.$field.value()),*]
            }
        }
    };
}

// The columns of SecurityAlert, in the order of the Azure Monitor tables reference.
alert! {
    tenant_id "TenantId" String,
    time_generated "TimeGenerated" Ticks,
    display_name "DisplayName" String,
    alert_name "AlertName" String,
    alert_severity "AlertSeverity" String,
    description "Description" String,
    provider_name "ProviderName" String,
    vendor_name "VendorName" String,
    vendor_original_id "VendorOriginalId" String,
    system_alert_id "SystemAlertId" String,
    resource_id "ResourceId" String,
    source_computer_id "SourceComputerId" String,
    alert_type "AlertType" String,
    confidence_level "ConfidenceLevel" String,
    confidence_score "ConfidenceScore" f64,
    is_incident "IsIncident" bool,
    start_time "StartTime" Ticks,
    end_time "EndTime" Ticks,
    processing_end_time "ProcessingEndTime" Ticks,
    remediation_steps "RemediationSteps" String,
    extended_properties "ExtendedProperties" String,
    entities "Entities" String,
    source_system "SourceSystem" String,
    workspace_subscription_id "WorkspaceSubscriptionId" String,
    workspace_resource_group "WorkspaceResourceGroup" String,
    extended_links "ExtendedLinks" String,
    product_name "ProductName" String,
    product_component_name "ProductComponentName" String,
    alert_link "AlertLink" String,
    status "Status" String,
    compromised_entity "CompromisedEntity" String,
    tactics "Tactics" String,
    techniques "Techniques" String,
    sub_techniques "SubTechniques" String,
    table_name "Type" String,
}

/// Name, type and severity of alerts.
const KINDS: [(&str, &str, &str); 6] = [
    ("Suspected DCSync attack (replication of directory services)", "DirectoryServicesReplication", "High"),
    ("Suspected Golden Ticket usage (time anomaly)", "GoldenTicketTimeAnomaly", "High"),
    ("Honeytoken activity", "HoneytokenActivity", "Medium"),
    ("Suspected brute-force attack (Kerberos, NTLM)", "BruteForce", "Medium"),
    ("Account enumeration reconnaissance", "AccountEnumeration", "Low"),
    ("User and IP address reconnaissance (SMB)", "EnumerateSessions", "Informational"),
];

const PRODUCTS: [&str; 3] =
    ["Azure Advanced Threat Protection", "Microsoft 365 Defender", "Azure Active Directory Identity Protection"];

/// 2026-01-01 and later; a second apart.
const FIRST: i64 = 17_672_256_000_000_000;
const SECOND: i64 = 10_000_000;

/// Rows of one seed are the same everywhere.
pub struct Generator {
    state: u64,
    rows: u64,
    made: u64,
}

impl Generator {
    /// A generator of so many rows.
    pub const fn new(rows: usize) -> Self {
        Self { state: 2_026, rows: rows as u64, made: 0 }
    }

    /// SplitMix64.
    const fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn pick<'t, T>(&mut self, from: &'t [T]) -> &'t T {
        &from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }

    /// Some rows are later states of an earlier alert: four to an id on average.
    fn alert(&mut self) -> Alert {
        let number = self.below(self.rows.div_ceil(4));
        let (name, kind, severity) = *self.pick(&KINDS);
        let account = self.below(self.rows.div_ceil(10).min(20_000));
        let time = Ticks(FIRST + i64::try_from(self.made).unwrap_or(0) * SECOND);
        let percent = u32::try_from(self.below(1_000)).unwrap_or(0);
        let none = String::new;
        Alert {
            tenant_id: guid(0, 7),
            time_generated: time,
            display_name: name.to_owned(),
            alert_name: name.to_owned(),
            alert_severity: severity.to_owned(),
            description: format!("{} did something on DC{} that looks like {kind}.", upn(account), self.below(9)),
            provider_name: (*self.pick(&PRODUCTS)).to_owned(),
            vendor_name: "Microsoft".to_owned(),
            vendor_original_id: guid(1, number),
            system_alert_id: guid(2, number),
            resource_id: none(),
            source_computer_id: none(),
            alert_type: kind.to_owned(),
            confidence_level: none(),
            confidence_score: f64::from(percent) / 1_000.0,
            is_incident: false,
            start_time: Ticks(time.0 - 600 * SECOND),
            end_time: Ticks(time.0 - 60 * SECOND),
            processing_end_time: time,
            remediation_steps: r#"["Reset the password of the account.","Look at the source computer."]"#.to_owned(),
            extended_properties: self.properties(kind),
            entities: self.entities(account),
            source_system: "Detection".to_owned(),
            workspace_subscription_id: guid(3, 1),
            workspace_resource_group: "security".to_owned(),
            extended_links: none(),
            product_name: "Azure Advanced Threat Protection".to_owned(),
            product_component_name: none(),
            alert_link: format!("https://security.microsoft.com/alerts/{number}"),
            status: (*self.pick(&["New", "InProgress", "Resolved"])).to_owned(),
            compromised_entity: upn(account),
            tactics: "CredentialAccess".to_owned(),
            techniques: r#"["T1003"]"#.to_owned(),
            sub_techniques: r#"["T1003.006"]"#.to_owned(),
            table_name: "SecurityAlert".to_owned(),
        }
    }

    fn properties(&mut self, kind: &str) -> String {
        json!({
            "Category": kind,
            "Attempts": self.below(100).to_string(),
            "ProcessedBySentinel": "True",
            "Alert generation status": "Full alert created",
            "DestinationComputer": format!("DC{}.corp.example.com", self.below(9)),
        })
        .to_string()
    }

    fn entities(&mut self, account: u64) -> String {
        let address = format!("10.{}.{}.{}", self.below(256), self.below(256), self.below(256));
        let host = self.below(5_000);
        let mut all = vec![
            json!({
                "$id": "3", "Type": "account", "Name": format!("user{account}"), "NTDomain": "CORP",
                "UPNSuffix": "corp.example.com", "Sid": format!("S-1-5-21-1004336348-1177238915-682003330-{account}"),
                "AadUserId": guid(4, account), "IsDomainJoined": true
            }),
            json!({"$id": "4", "Type": "host", "HostName": format!("ws{host}"), "DnsDomain": "corp.example.com"}),
            json!({"$id": "5", "Type": "ip", "Address": address}),
        ];
        if account.is_multiple_of(3) {
            all.push(json!({"$id": "6", "Type": "account", "Name": "svc-backup", "NTDomain": "CORP"}));
        }
        serde_json::Value::Array(all).to_string()
    }
}

impl Iterator for Generator {
    type Item = Alert;

    fn next(&mut self) -> Option<Alert> {
        (self.made < self.rows).then(|| {
            let alert = self.alert();
            self.made += 1;
            alert
        })
    }
}

fn guid(kind: u64, number: u64) -> String {
    format!("{:08x}-{kind:04x}-4000-8000-{number:012x}", number.wrapping_mul(0x9e37_79b9) & 0xffff_ffff)
}

/// The name of an account.
pub fn upn(account: u64) -> String {
    format!("user{account}@corp.example.com")
}
