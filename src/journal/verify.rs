//! Whether a journal is as it was written: every chain, every seal, and roots that somebody has kept.

use std::collections::{BTreeMap, HashMap};

use super::chain::{Break, BrokenChain, Head, verify_stream};
use super::seal::{self, Seal};
use super::{Fault, Journal};
use crate::model::scope::TenantKey;
use crate::model::time::At;
use crate::record::event::{StreamKey, StreamKind};

/// So many events or streams are read at a time.
const PAGE: u32 = 1_000;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Streams with at least one event.
    pub streams: usize,
    /// Events whose payload was removed; their chains hold all the same.
    pub removed: u64,
    /// The first broken place of each stream that does not hold.
    pub broken: Vec<BrokenChain>,
    /// The recorded seals, oldest first.
    pub seals: Vec<CheckedSeal>,
    /// The root of all events there are.
    pub end: Seal,
    /// Of the roots that were asked for, those that were met, each with the last event it covers.
    pub met: BTreeMap<String, u64>,
}

/// A recorded seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedSeal {
    /// As recorded.
    pub seal: Seal,
    /// When.
    pub at: At,
    /// The events it covers lead to its root.
    pub holds: bool,
}

impl Verified {
    /// Nothing speaks against the journal.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.broken.is_empty() && self.seals.iter().all(|seal| seal.holds)
    }
}

/// Reads the whole journal, some of it at a time, also while a daemon writes; `roots` are those that somebody has
/// kept.
///
/// # Errors
/// When the journal cannot be read.
pub async fn verify(journal: &dyn Journal, tenant: TenantKey, roots: &[String]) -> Result<Verified, Fault> {
    let mut walk = Walk::new(tenant, roots, seals(journal).await?);
    loop {
        let page = journal.placed(walk.end.position, PAGE).await?;
        let Some(_) = page.last() else { break };
        for placed in &page {
            walk.pass(placed);
        }
    }
    let mut broken = walk.broken;
    for kind in StreamKind::ALL {
        let mut after = String::new();
        loop {
            let page = journal.heads(kind, &after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after.clone_from(last);
            for (id, head) in page {
                let stream = StreamKey { kind, id };
                match walk.ends.remove(&stream) {
                    Some(Some(end)) if end == head => {}
                    // Told already.
                    Some(None) => {}
                    // A daemon may have written on meanwhile: once more, from one moment.
                    Some(Some(_)) | None => broken.extend(again(journal, tenant, &stream).await?),
                }
            }
        }
    }
    broken.extend(walk.gone.into_iter().map(|(stream, n)| BrokenChain { stream, n, what: Break::Gone }));
    let orphans = walk.ends.into_iter().filter_map(|(stream, end)| Some((stream, end?.n)));
    broken.extend(orphans.map(|(stream, n)| BrokenChain { stream, n, what: Break::Head }));
    broken.sort_by(|a, b| a.stream.cmp(&b.stream));
    Ok(Verified {
        streams: walk.streams,
        removed: walk.removed,
        broken,
        seals: walk.seals,
        end: walk.end,
        met: walk.met,
    })
}

async fn again(journal: &dyn Journal, tenant: TenantKey, stream: &StreamKey) -> Result<Option<BrokenChain>, Fault> {
    let (links, head) = journal.chain(stream).await?;
    Ok(verify_stream(tenant, stream, &links, &head.unwrap_or_default()).err())
}

/// A seal that cannot be read covers nothing, so it does not hold.
async fn seals(journal: &dyn Journal) -> Result<Vec<CheckedSeal>, Fault> {
    let (links, _) = journal.chain(&seal::stream()).await?;
    let read = |payload: Option<String>| serde_json::from_str(&payload.unwrap_or_default()).unwrap_or_default();
    Ok(links.into_iter().map(|link| CheckedSeal { seal: read(link.payload), at: link.at, holds: false }).collect())
}

/// How far the walk over the events has come.
struct Walk<'a> {
    tenant: TenantKey,
    roots: &'a [String],
    seals: Vec<CheckedSeal>,
    /// Where each stream ends so far; nothing once it is broken.
    ends: HashMap<StreamKey, Option<Head>>,
    /// The first payload of a stream that is gone without an event that says who removed it.
    gone: HashMap<StreamKey, u64>,
    streams: usize,
    removed: u64,
    broken: Vec<BrokenChain>,
    end: Seal,
    met: BTreeMap<String, u64>,
}

impl<'a> Walk<'a> {
    fn new(tenant: TenantKey, roots: &'a [String], seals: Vec<CheckedSeal>) -> Self {
        Self {
            tenant,
            roots,
            seals,
            ends: HashMap::new(),
            gone: HashMap::new(),
            streams: 0,
            removed: 0,
            broken: Vec::new(),
            end: Seal::default(),
            met: BTreeMap::new(),
        }
    }

    fn pass(&mut self, placed: &super::Placed) {
        let end = self.ends.entry(placed.stream.clone()).or_insert_with(|| {
            self.streams += 1;
            Some(Head::default())
        });
        self.removed += u64::from(placed.link.payload.is_none());
        match placed.link.first_gone(self.gone.remove(&placed.stream)) {
            Some(n) if end.is_some() => drop(self.gone.insert(placed.stream.clone(), n)),
            _ => {}
        }
        if let Some(before) = end {
            match before.then(self.tenant, &placed.stream, &placed.link) {
                Ok(after) => *end = Some(after),
                Err(what) => {
                    self.broken.push(BrokenChain { stream: placed.stream.clone(), n: placed.link.n, what });
                    *end = None;
                    self.gone.remove(&placed.stream);
                }
            }
        }
        self.end = self.end.over(placed.position, &placed.link.hash);
        for checked in self.seals.iter_mut().filter(|checked| checked.seal.position == placed.position) {
            checked.holds = checked.seal == self.end;
        }
        if self.roots.contains(&self.end.root) {
            self.met.insert(self.end.root.clone(), placed.position);
        }
    }
}
