//! Graph `alerts_v2` as a source of alerts: Defender's own word, which witnesses what the table says.
//!
//! Graph answers newest first and by pages that shift while alerts change; riposte wants the oldest
//! first and none left out. So a window is read whole or made smaller until it can be.

mod columns;
mod evidence;
pub(crate) mod map;

use async_trait::async_trait;
use futures::future::try_join_all;
use serde_json::Value;

use super::Graph;
use super::common::{Listing, pages, unreadable};
use super::odata::Filter;
use crate::connect::http::{Api, Call};
use crate::connect::port::{AlertSource, Omitted, SourcePage, Window};
use crate::model::alert::{Sighting, SourceKey, UnreadableItem};
use crate::model::failure::Failure;
use crate::model::text::digest;
use crate::model::time::At;

/// The list of alerts.
pub(super) const ALERTS: &str = "security/alerts_v2";

/// Under which services Defender for Identity's alerts come: its own, and the suite's.
const SERVICES: [&str; 2] = [map::DEFENDER_FOR_IDENTITY, "microsoft365Defender"];
/// Alerts a page.
const PAGE: usize = 100;
/// A window that holds more pages than this is made smaller first.
const MOST_PAGES: usize = 10;
/// How often a window is made smaller before giving up: enough to come from a year to an instant.
const MOST_CUTS: usize = 60;

const PERMISSION: &str = "grant the application permission SecurityAlert.Read.All on Microsoft Graph";

/// Defender for Identity's alerts in Graph.
#[derive(Debug)]
pub struct GraphAlerts {
    api: Api,
}

/// One service's answer for a part of a window.
struct Slice {
    /// None for what is somebody else's alert.
    alerts: Vec<Option<Placed>>,
    /// Items moved between pages while they were read, so some may be missing.
    shifted: bool,
}

type Item = Result<Sighting, UnreadableItem>;
/// An item with its place in the order of a source.
type Placed = ((At, String), Item);

impl GraphAlerts {
    /// Reads over Graph.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        Self { api: graph.security.clone() }
    }

    /// All alerts of both services updated from `from` to before `to`; `None` when there are too many
    /// to read at once.
    async fn slice(&self, from: At, to: At) -> Result<Option<Slice>, Failure> {
        let parts = try_join_all(SERVICES.map(|service| self.of_service(service, from, to))).await?;
        let mut both = Slice { alerts: Vec::new(), shifted: false };
        for part in parts {
            let Some(part) = part else { return Ok(None) };
            both.alerts.extend(part.alerts);
            both.shifted |= part.shifted;
        }
        Ok(Some(both))
    }

    async fn of_service(&self, service: &str, from: At, to: At) -> Result<Option<Slice>, Failure> {
        let call = call(service, from, to);
        let first = self.read(&call, from).await?;
        let Some(listing) = first else { return Ok(None) };
        if !has_gaps(&listing) {
            return Ok(Some(Slice { alerts: listing.items, shifted: false }));
        }
        let second = self.read(&call, from).await?;
        Ok(second.map(|listing| Slice { shifted: has_gaps(&listing), alerts: listing.items }))
    }

    /// One reading; `None` when the window holds too many. The count on the first page says so early.
    async fn read(&self, call: &Call, from: At) -> Result<Option<Listing<Option<Placed>>>, Failure> {
        let listing = pages(&self.api, call, MOST_PAGES, |raw| Ok(placed(raw, from))).await?;
        Ok(listing.whole.then_some(listing))
    }

    fn too_many(&self, window: &Window) -> Failure {
        let why = format!("more than {} alerts were updated in one instant", PAGE * MOST_PAGES);
        unreadable(&self.api, &call(SERVICES[0], window.from, window.to), &why)
    }
}

#[async_trait]
impl AlertSource for GraphAlerts {
    fn key(&self) -> SourceKey {
        SourceKey::Graph
    }

    /// A window is by `lastUpdateDateTime`, so that later versions of an alert come again.
    async fn page(&self, window: &Window) -> Result<SourcePage, Failure> {
        // Nothing before the cursor is wanted, so it need not be read.
        let start = window.after.as_ref().map_or(window.from, |(at, _)| window.from.max(*at));
        let (mut from, mut to) = (start, window.to);
        for _ in 0..MOST_CUTS {
            let Some(slice) = self.slice(from, to).await? else {
                let middle = At::from_ticks(from.ticks().midpoint(to.ticks()));
                if middle <= from {
                    return Err(self.too_many(window));
                }
                to = middle;
                continue;
            };
            let page = sorted(slice, window, to);
            if page.last.is_some() || to >= window.to || page.partial {
                return Ok(page);
            }
            // The smaller window held nothing of ours: on with what comes after it.
            (from, to) = (to, window.to);
        }
        Err(self.too_many(window))
    }
}

fn call(service: &str, from: At, to: At) -> Call {
    let (at, service) = ("lastUpdateDateTime", Filter::text_is("serviceSource", service));
    let filter = service.and(&Filter::from(at, from)).and(&Filter::before(at, to));
    Call::get(ALERTS)
        .query("$filter", filter)
        .query("$top", PAGE)
        .query("$count", true)
        .header("Prefer", "include-unknown-enum-members")
        .permission(PERMISSION)
}

/// Fewer items came than the answer itself counted.
fn has_gaps<T>(listing: &Listing<T>) -> bool {
    listing.count.is_some_and(|count| u64::try_from(listing.items.len()).is_ok_and(|read| read < count))
}

/// One alert; none where it is somebody else's.
fn placed(raw: &str, from: At) -> Option<Placed> {
    let Ok(alert) = serde_json::from_str::<Value>(raw) else {
        let (id, why) = (digest(raw), "it is nested too deeply".to_owned());
        let item = UnreadableItem { source: SourceKey::Graph, id: id.clone(), visible: from, why };
        return Some(((from, id), Err(item)));
    };
    let ours = map::is_ours(&alert) || !alert.is_object();
    ours.then(|| ((map::visible(&alert).unwrap_or(from), map::id(&alert)), map::sighting(&alert, from)))
}

/// What is ours of a slice, oldest first, after the cursor, at most as many as wanted.
fn sorted(slice: Slice, window: &Window, to: At) -> SourcePage {
    let mut rows: Vec<Placed> = slice
        .alerts
        .into_iter()
        .flatten()
        .filter(|(place, _)| window.after.as_ref().is_none_or(|after| place > after))
        .collect();
    rows.sort_by(|(one, _), (other, _)| one.cmp(other));
    rows.dedup_by(|(one, _), (other, _)| one == other);
    let cap = usize::try_from(window.cap).unwrap_or(usize::MAX);
    let full = rows.len() > cap || to < window.to;
    rows.truncate(cap);
    let last = rows.last().map(|(place, _)| place.clone());
    SourcePage {
        items: rows.into_iter().map(|(_, item)| item).collect(),
        last,
        full,
        partial: slice.shifted,
        omitted: Omitted::default(),
    }
}

#[cfg(test)]
mod tests;
