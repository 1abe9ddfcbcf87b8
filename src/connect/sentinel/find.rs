//! From an alert's ids to its incident.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use super::{ALERTS, LIST, Sentinel};
use crate::connect::http::Method;
use crate::connect::kql_runner::{KqlRunner, Row, Rows, is_unknown_name};
use crate::connect::kql_text;
use crate::connect::sentinel::wire;
use crate::model::failure::Failure;
use crate::model::incident::Incident;
use crate::model::time::At;

/// At most this many ids of one alert are looked for.
const MOST_IDS: usize = 10;
/// Where the table has nothing, this many of the newest incidents are looked through.
const RECENT: u32 = 20;
/// A look at them is good for this long.
const GOOD_FOR: Duration = Duration::from_secs(20);
/// Of the incidents in the table that hold the alert, this many are tried.
const CANDIDATES: usize = 3;

/// The incident that holds one of the ids: an open one before a closed one, a newer before an older.
pub(super) async fn locate(sentinel: &Sentinel, ids: &[String]) -> Result<Option<Incident>, Failure> {
    let ids = &ids[..ids.len().min(MOST_IDS)];
    if ids.is_empty() {
        return Ok(None);
    }
    let candidates = match &sentinel.table {
        Some(table) => in_table(sentinel, table.as_ref(), ids).await?,
        None => Vec::new(),
    };
    for name in candidates.into_iter().take(CANDIDATES) {
        let item = sentinel.item(name).await?;
        if let Some(incident) = item.and_then(|(_, item)| item.incident(sentinel.place.key)) {
            return Ok(Some(incident));
        }
    }
    among_recent(sentinel, ids).await
}

/// The incidents whose newest row in `SecurityIncident` holds one of the ids. Questions about several
/// alerts that come at the same time are one query.
async fn in_table(sentinel: &Sentinel, table: &dyn KqlRunner, ids: &[String]) -> Result<Vec<Uuid>, Failure> {
    sentinel.together.ask(ids.to_vec(), |alerts| in_table_all(table, alerts)).await
}

async fn in_table_all(table: &dyn KqlRunner, alerts: Vec<Vec<String>>) -> Result<Vec<Vec<Uuid>>, Failure> {
    let query = format!(
        "SecurityIncident\n| where tostring(AlertIds) has_any ({})\n\
         | summarize arg_max(TimeGenerated, Status, AlertIds) by IncidentName",
        kql_text::strings(alerts.iter().flatten())
    );
    let rows = match table.run(&query, None).await {
        Err(failure) if is_unknown_name(&failure) => Rows::default(),
        other => other?,
    };
    Ok(alerts.iter().map(|ids| holders(&rows, ids)).collect())
}

/// An open incident before a closed one, a newer before an older.
fn holders(rows: &Rows, ids: &[String]) -> Vec<Uuid> {
    let mut newest: BTreeMap<Uuid, (At, bool)> = BTreeMap::new();
    for row in rows.iter().filter(|row| holds(*row, ids)) {
        let name = row.text("IncidentName").and_then(|name| name.parse().ok());
        let (Some(name), Some(at)) = (name, row.at("TimeGenerated")) else { continue };
        let closed = row.text("Status").is_some_and(|status| status.eq_ignore_ascii_case("closed"));
        let entry = newest.entry(name).or_insert((at, closed));
        if at > entry.0 {
            *entry = (at, closed);
        }
    }
    let mut names: Vec<(Uuid, (At, bool))> = newest.into_iter().collect();
    names.sort_by_key(|(name, (at, closed))| (*closed, std::cmp::Reverse(*at), *name));
    names.into_iter().map(|(name, _)| name).collect()
}

fn holds(row: Row<'_>, ids: &[String]) -> bool {
    row.texts("AlertIds").is_some_and(|held| held.iter().any(|id| is_one_of(id, ids)))
}

fn is_one_of(id: &str, ids: &[String]) -> bool {
    ids.iter().any(|wanted| wanted.eq_ignore_ascii_case(id))
}

/// The newest incidents with the alerts they hold, as they stood a moment ago: alerts that wait for
/// their incidents come in crowds, and share one look.
pub(super) struct Recent {
    taken: Duration,
    incidents: Vec<(Incident, Vec<String>)>,
}

/// The table follows by minutes: the newest incidents are asked for their alerts.
async fn among_recent(sentinel: &Sentinel, ids: &[String]) -> Result<Option<Incident>, Failure> {
    let mut recent = sentinel.recent.lock().await;
    if recent.as_ref().is_none_or(|recent| sentinel.clock.elapsed().saturating_sub(recent.taken) > GOOD_FOR) {
        *recent = Some(Recent { taken: sentinel.clock.elapsed(), incidents: look(sentinel).await? });
    }
    let incidents = recent.as_ref().map(|recent| recent.incidents.as_slice()).unwrap_or_default();
    let holders = || incidents.iter().filter(|(_, held)| held.iter().any(|id| is_one_of(id, ids)));
    let found = holders().find(|(incident, _)| !incident.closed).or_else(|| holders().next());
    Ok(found.map(|(incident, _)| incident.clone()))
}

async fn look(sentinel: &Sentinel) -> Result<Vec<(Incident, Vec<String>)>, Failure> {
    let list =
        sentinel.call(Method::Get, LIST).query("$orderby", "properties/createdTimeUtc desc").query("$top", RECENT);
    let list: wire::List = sentinel.api.reads.send(&list).await?.json()?;
    let mut incidents = Vec::new();
    for item in list.value.iter().take(RECENT as usize).filter(|item| !item.is_empty()) {
        let (Some(incident), Some(name)) = (item.incident(sentinel.place.key), item.name()) else { continue };
        let call = sentinel.call(Method::Post, ALERTS).param(name).only_asks();
        let alerts: wire::Alerts = sentinel.api.reads.send(&call).await?.json()?;
        incidents.push((incident, alerts.value.iter().flat_map(wire::Alert::ids).map(str::to_owned).collect()));
    }
    Ok(incidents)
}
