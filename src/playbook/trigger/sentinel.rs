//! Sentinel analytics rules in YAML, as they stand in rule collections.
//!
//! Source of the keys: Microsoft Sentinel documentation, "Scheduled analytics rules" and the schema of rule templates.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    MOST_OFTEN, WrittenTrigger, header, identifier, judged, schedule, sees, tactics as tactics_of, unplaced,
    usually_same,
};
use crate::diagnostics::{Finding, Findings, Place, Source, Span, quoted, suggest};
use crate::model::account::Role;
use crate::model::alert::Severity;
use crate::model::trigger::{AccountMapping, Comparison, Engine, Identifier, Threshold, Trigger};
use crate::playbook::fields::{Fields, Placed, Reader};
use crate::playbook::yaml::{self, Key, Node};

/// A rule of kind NRT runs every minute and sees what came since.
const NEAR_REAL_TIME: Duration = Duration::from_secs(60);

/// Reads an analytics rule. Keys that say nothing about when and on what it runs are left alone.
pub(super) fn read(name: String, source: &Source, findings: &mut Findings) -> Option<WrittenTrigger> {
    let node = yaml::parse(source, findings)?;
    let mut reader = Reader { source, findings };
    let fields = reader.open_fields(&node, "an analytics rule")?;
    if ["query", "queryFrequency", "queryPeriod", "kind"].into_iter().all(|key| fields.get(key).is_none()) {
        let message = "this is no analytics rule of Sentinel";
        let help = "name a file with the keys name, query, queryFrequency and queryPeriod";
        reader.error("trigger/no-rule", message, Span::new(0, 0), help);
        return None;
    }
    for key in reader.entries(&node, "an analytics rule")?.iter().map(|(key, _)| key) {
        unread(key, &mut reader);
    }
    let scheduled = kind(&fields, &mut reader);
    let title = fields.need("name", &mut reader).and_then(|node| reader.text(node, "name"));
    let query = fields.need("query", &mut reader);
    let severity = fields.get("severity").map_or(Some(Severity::Medium), |node| severity(node, &mut reader));
    let times = match scheduled {
        Some(true) => times(&fields, &mut reader),
        Some(false) => Some((NEAR_REAL_TIME, NEAR_REAL_TIME * 3)),
        None => None,
    };
    let tactics = fields.get("tactics").map_or_else(Vec::new, |node| texts(node, "tactics", &mut reader));
    let tactics = tactics_of(tactics, reader.findings);
    let threshold = threshold(&fields, &mut reader);
    let text = query.and_then(|node| Some((node, reader.text(node, "query")?)));
    let said = text.as_ref().map(|(node, query)| role(query, node, &mut reader));
    let mut columns = BTreeMap::new();
    let (accounts, mapped) = accounts(&fields, said.unwrap_or(Role::Unknown), &mut columns, &mut reader);
    let (query_node, query) = text?;
    let place = reader.place(query_node.span);
    // What is wrong with one key hides nothing else.
    let sound = [times.is_some(), mapped, title.is_some(), severity.is_some(), threshold.is_some()];
    let (every, lookback) = times.unwrap_or((MOST_OFTEN, MOST_OFTEN));
    let accounts = if mapped { judged(accounts, &place, reader.findings) } else { unplaced(accounts) };
    let trigger = Trigger {
        name,
        title: title.unwrap_or_default(),
        sees: sees(&query, every, lookback),
        // Until its query is checked.
        witnessed: false,
        query,
        engine: Engine::LogAnalytics,
        every,
        lookback,
        severity: severity.unwrap_or(Severity::Medium),
        tactics,
        accounts,
        same: usually_same(every, lookback),
        threshold: threshold.unwrap_or(Threshold::ANY),
    };
    let sound = sound.into_iter().all(std::convert::identity);
    Some(WrittenTrigger { named: columns, sound, ..WrittenTrigger::new(trigger, Vec::new(), place) })
}

/// Whether it is scheduled (`true`) or runs in near real time; other kinds have no query of their own.
fn kind(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<bool> {
    match fields.get("kind") {
        None => Some(true),
        Some(node) => reader.word(node, "kind of rule that can be a trigger", &[("Scheduled", true), ("NRT", false)]),
    }
}

fn times(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<(Duration, Duration)> {
    let mut time = |key: &'static str| {
        let node = fields.need(key, reader)?;
        let value = reader.duration(node, key)?;
        Some(Placed { value, place: reader.place(node.span) })
    };
    let (every, lookback) = (time("queryFrequency"), time("queryPeriod"));
    schedule(every, lookback, reader.findings)
}

fn severity(node: &Node, reader: &mut Reader<'_>) -> Option<Severity> {
    let words = [
        ("High", Severity::High),
        ("Medium", Severity::Medium),
        ("Low", Severity::Low),
        ("Informational", Severity::Informational),
    ];
    reader.word(node, "severity", &words)
}

fn texts(node: &Node, what: &'static str, reader: &mut Reader<'_>) -> Vec<Placed<String>> {
    let items = reader.list(node, what);
    let text = |item: &Node| Some(Placed { value: reader.text(item, what)?, place: reader.place(item.span) });
    items.iter().filter_map(text).collect()
}

fn threshold(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Threshold> {
    let than = match fields.get("triggerOperator") {
        None => Comparison::More,
        Some(node) => {
            let words = [
                ("gt", Comparison::More),
                ("lt", Comparison::Fewer),
                ("eq", Comparison::Equal),
                ("ne", Comparison::NotEqual),
                ("GreaterThan", Comparison::More),
                ("LessThan", Comparison::Fewer),
                ("Equal", Comparison::Equal),
                ("NotEqual", Comparison::NotEqual),
            ];
            reader.word(node, "triggerOperator", &words)?
        }
    };
    let rows = match fields.get("triggerThreshold") {
        None => 0,
        Some(node) => {
            let text = reader.text(node, "triggerThreshold")?;
            let rows = text.parse().ok();
            if rows.is_none() {
                let message = format!("{} is no number of rows", quoted(&text));
                reader.error("trigger/wrong-type", message, node.span, "write a whole number, such as 0");
            }
            rows?
        }
    };
    Some(Threshold { than, rows })
}

/// What the accounts are to the alert: analytics rules have no word for it, so it stands in the query's comments.
fn role(query: &str, node: &Node, reader: &mut Reader<'_>) -> Role {
    let mut findings = Findings::default();
    let role = header::role(&Source::new(reader.source.name(), query), &mut findings);
    if let Some(finding) = findings.iter().next() {
        let finding = Finding::error("trigger/unknown-word", finding.message()).at(reader.source, node.span);
        reader
            .findings
            .add(finding.help("the comment above the query says \"// role: suspect\" or \"// role: target\""));
    }
    role.unwrap_or(Role::Unknown)
}

/// The accounts that it maps, and whether all of them are right; `columns` gets where each column is named.
fn accounts(
    fields: &Fields<'_>,
    role: Role,
    columns: &mut BTreeMap<String, Place>,
    reader: &mut Reader<'_>,
) -> (Vec<Placed<AccountMapping>>, bool) {
    let Some(node) = fields.get("entityMappings") else { return (Vec::new(), true) };
    let mut sound = true;
    let mut accounts = Vec::new();
    for item in reader.list(node, "entityMappings") {
        let entity = reader.open_fields(item, "an entity mapping").and_then(|entity| {
            let kind = entity.need("entityType", reader).and_then(|node| reader.text(node, "entityType"))?;
            Some((entity, kind))
        });
        let Some((entity, kind)) = entity else {
            sound = false;
            continue;
        };
        if !kind.eq_ignore_ascii_case("account") {
            if !ENTITIES.iter().any(|known| known.eq_ignore_ascii_case(&kind)) {
                let finding =
                    Finding::warning("trigger/unknown-word", format!("{} is no type of entity", quoted(&kind)));
                let nearest = suggest::nearest(&kind, ENTITIES.iter().copied().chain(["Account"]));
                let place = reader.place(item.span);
                reader
                    .findings
                    .add(finding.at_place(&place).help("accounts are of type Account").help_nearest(nearest));
            }
            continue;
        }
        let mut mapping = AccountMapping { role, identifiers: Vec::new() };
        let fields = entity.need("fieldMappings", reader).map_or(&[][..], |node| reader.list(node, "fieldMappings"));
        for field in fields {
            if field.word("identifier").is_some_and(|word| OTHERS.iter().any(|other| other.eq_ignore_ascii_case(&word)))
            {
                continue;
            }
            match field_mapping(field, reader) {
                Some(pair) => {
                    columns.entry(pair.1.clone()).or_insert_with(|| reader.place(field.span));
                    mapping.identifiers.push(pair);
                }
                None => sound = false,
            }
        }
        accounts.push(Placed { value: mapping, place: reader.place(item.span) });
    }
    (accounts, sound)
}

/// A key that is not read, and is nearly one that is.
fn unread(key: &Key, reader: &mut Reader<'_>) {
    let known = READ.iter().chain(LEFT_ALONE).any(|known| *known == key.text);
    let nearest = suggest::nearest(&key.text, READ.iter().copied()).filter(|_| !known);
    if nearest.is_some() {
        let message = format!("{} is no key of an analytics rule", quoted(&key.text));
        let finding = Finding::warning("trigger/unknown-key", message).at(reader.source, key.span);
        reader.findings.add(finding.help_nearest(nearest));
    }
}

/// The keys that count here.
const READ: &[&str] = &[
    "kind",
    "name",
    "query",
    "severity",
    "queryFrequency",
    "queryPeriod",
    "triggerOperator",
    "triggerThreshold",
    "tactics",
    "entityMappings",
];
/// Keys of rule templates that resemble one of those.
const LEFT_ALONE: &[&str] = &["sentinelEntitiesMappings", "displayName", "id", "tags", "version", "status"];

/// What else an entity may be (Sentinel entity types reference).
const ENTITIES: &[&str] = &[
    "Host",
    "IP",
    "URL",
    "DNS",
    "File",
    "FileHash",
    "Process",
    "Malware",
    "RegistryKey",
    "RegistryValue",
    "AzureResource",
    "CloudApplication",
    "SecurityGroup",
    "Mailbox",
    "MailCluster",
    "MailMessage",
    "SubmissionMail",
    "IoTDevice",
];

/// What says something about an account, and not who it is (Sentinel entity types reference, "Account").
const OTHERS: &[&str] =
    &["AadTenantId", "PUID", "IsDomainJoined", "CloudAppAccountId", "IsAnonymized", "Stream", "Host"];

fn field_mapping(node: &Node, reader: &mut Reader<'_>) -> Option<(Identifier, String)> {
    let fields = reader.open_fields(node, "a field mapping")?;
    let word = fields.need("identifier", reader)?;
    let column = fields.need("columnName", reader).and_then(|node| reader.text(node, "columnName"))?;
    let text = reader.text(word, "identifier")?;
    let known = identifier(&text, reader.source, word.span, reader.findings)?;
    Some((known, column))
}
