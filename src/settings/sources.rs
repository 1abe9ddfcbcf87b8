//! From where alerts come.

use std::time::Duration;

use serde::Serialize;

use super::cloud::Cloud;
use super::origin::Origin;
use super::print;
use super::read::{Item, Table};
use crate::model::alert::PROVIDERS;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const MOMENT: Duration = Duration::from_millis(100);

/// `[sources]`. Without that section both sources are on, as far as the cloud has them.
#[derive(Debug, Clone, Serialize)]
pub struct Sources {
    /// The `SecurityAlert` table of every workspace.
    pub log_analytics: Option<LogAnalytics>,
    /// Graph `alerts_v2`.
    pub graph: Option<Graph>,
    /// How long an alert without entities is waited for.
    #[serde(serialize_with = "print::duration")]
    pub entities_wait: Duration,
    /// How long an alert may stay without its witness in Graph.
    #[serde(serialize_with = "print::duration")]
    pub witness_wait: Duration,
}

/// `[sources.log_analytics]`.
#[derive(Debug, Clone, Serialize)]
pub struct LogAnalytics {
    /// How often it is asked.
    #[serde(serialize_with = "print::duration")]
    pub every: Duration,
    /// How far before its last position it looks again: ingestion order is not commit order.
    #[serde(serialize_with = "print::duration")]
    pub overlap: Duration,
    /// How far back the first look goes.
    #[serde(serialize_with = "print::duration")]
    pub first_lookback: Duration,
    /// How many rows one answer may have.
    pub page_rows: u32,
    /// What `ProviderName` or `ProductName` must be for a row to be Defender for Identity's; compared without case.
    pub providers: Vec<String>,
}

/// `[sources.graph]`.
#[derive(Debug, Clone, Serialize)]
pub struct Graph {
    /// How often it is asked.
    #[serde(serialize_with = "print::duration")]
    pub every: Duration,
    /// How far before its last position it looks again.
    #[serde(serialize_with = "print::duration")]
    pub overlap: Duration,
    /// How far back the first look goes.
    #[serde(serialize_with = "print::duration")]
    pub first_lookback: Duration,
}

impl Sources {
    pub(super) fn read(root: &mut Table<'_>, cloud: Cloud, workspaces: usize) -> Self {
        let mut table = root.section("sources");
        let (log_analytics, graph) = (table.take("log_analytics"), table.take("graph"));
        for item in [&log_analytics, &graph].into_iter().flatten() {
            table.blame(item.origin());
        }
        let (reading, at) = (table.reading(), table.origin().clone());
        let (log_analytics, graph) = (Switch::of(log_analytics), Switch::of(graph));
        let entities_wait = table.duration("entities_wait", 15 * MINUTE, MOMENT..=DAY);
        let witness_wait = table.duration("witness_wait", 15 * MINUTE, MOMENT..=DAY);
        table.end();

        let unsaid = matches!((&log_analytics, &graph), (Switch::Unsaid, Switch::Unsaid));
        let graph_at = graph.origin().unwrap_or_else(|| at.clone());
        let log_analytics = log_analytics.settle(unsaid && workspaces > 0, LogAnalytics::read, LogAnalytics::standard);
        let graph = graph.settle(unsaid && cloud.features().alerts_v2, Graph::read, Graph::standard);
        if graph.is_some() && !cloud.features().alerts_v2 {
            let help = Some("take sources.graph away; Log Analytics is the source of this cloud");
            let message = format!("the cloud {cloud} has no alerts_v2");
            reading.error("settings/contradiction", &graph_at, message, help);
        }
        if log_analytics.is_some() && workspaces == 0 {
            let help = Some("add [[workspaces]], or set sources.log_analytics = false");
            reading.error("settings/contradiction", &at, "sources.log_analytics without a workspace to ask", help);
        }
        if log_analytics.is_none() && graph.is_none() {
            let help = Some("add [sources.log_analytics] or [sources.graph]");
            reading.error("settings/missing", &at, "no source: riposte would never see an alert", help);
        }
        Self { log_analytics, graph, entities_wait, witness_wait }
    }
}

/// A source is switched on by its table or by `true`, off by `false`.
enum Switch<'r> {
    Unsaid,
    Off,
    On,
    Table(Table<'r>),
}

impl<'r> Switch<'r> {
    fn of(item: Option<Item<'r>>) -> Self {
        match item {
            None => Self::Unsaid,
            Some(item) => match item.as_flag() {
                Some(true) => Self::On,
                Some(false) => Self::Off,
                None => item.table().map_or(Self::Off, Self::Table),
            },
        }
    }

    fn origin(&self) -> Option<Origin> {
        match self {
            Self::Unsaid | Self::Off | Self::On => None,
            Self::Table(table) => Some(table.origin().clone()),
        }
    }

    fn settle<T>(self, unsaid: bool, read: impl FnOnce(Table<'r>) -> T, standard: impl FnOnce() -> T) -> Option<T> {
        match self {
            Self::Table(table) => Some(read(table)),
            Self::On => Some(standard()),
            Self::Unsaid if unsaid => Some(standard()),
            Self::Unsaid | Self::Off => None,
        }
    }
}

impl LogAnalytics {
    fn standard() -> Self {
        Self {
            every: 30 * SECOND,
            overlap: 30 * MINUTE,
            first_lookback: HOUR,
            page_rows: 100,
            providers: PROVIDERS.map(str::to_owned).to_vec(),
        }
    }

    fn read(mut table: Table<'_>) -> Self {
        let usual = Self::standard();
        let every = table.duration("every", usual.every, MOMENT..=HOUR);
        let overlap = table.duration("overlap", usual.overlap, Duration::ZERO..=DAY);
        let first_lookback = table.duration("first_lookback", usual.first_lookback, Duration::ZERO..=30 * DAY);
        let page_rows = table.number("page_rows", usual.page_rows, 1..=10_000);
        let providers = table.take("providers").map(|item| {
            let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
            let providers: Vec<String> = item.items().into_iter().filter_map(Item::text).collect();
            if providers.is_empty() {
                let help = Some("leave the line out for the usual spellings");
                reading.error("settings/wrong-value", &origin, format!("{name} is empty: no row would be read"), help);
            }
            providers
        });
        table.end();
        Self { every, overlap, first_lookback, page_rows, providers: providers.unwrap_or(usual.providers) }
    }
}

impl Graph {
    const fn standard() -> Self {
        Self { every: Duration::from_secs(15), overlap: Duration::from_secs(600), first_lookback: HOUR }
    }

    fn read(mut table: Table<'_>) -> Self {
        let usual = Self::standard();
        let every = table.duration("every", usual.every, MOMENT..=HOUR);
        let overlap = table.duration("overlap", usual.overlap, Duration::ZERO..=DAY);
        let first_lookback = table.duration("first_lookback", usual.first_lookback, Duration::ZERO..=30 * DAY);
        table.end();
        Self { every, overlap, first_lookback }
    }
}
