//! In whatever order rows come, however often and on whatever pages: the alerts are those of the clean stream.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::SizeRange;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// So many alerts, each in so many versions from two sources.
const ALERTS: i64 = 4;
const VERSIONS: i64 = 3;

fn named(n: i64) -> NamedAccount {
    let upn = format!("user{n}@contoso.com").parse().ok();
    NamedAccount { hint: AccountHint { upn, ..AccountHint::default() }, role: Some(Role::Suspect) }
}

/// A later version names one account more. The two sources share one id; the table's first version does not know it.
fn version(alert: i64, version: i64, source: &SourceKey) -> Sighting {
    let (own, shared) = (format!("{source}-{alert}"), format!("shared-{alert}"));
    let is_graph = *source == GRAPH;
    let ids: Vec<&str> = if is_graph || version > 0 { vec![&own, &shared] } else { vec![&own] };
    let entities = Entities::Read((0..=version).map(|n| named(10 * alert + n)).collect());
    let at = 100 * alert + 1_000 * version + i64::from(is_graph);
    Sighting { source: source.clone(), entities, genuine: is_graph, ..row(&ids, at) }
}

fn clean() -> Vec<Sighting> {
    let mut all: Vec<Sighting> = Vec::new();
    for source in [TABLE, GRAPH] {
        for alert in 0..ALERTS {
            all.extend((0..VERSIONS).map(|n| version(alert, n, &source)));
        }
    }
    all.sort_by_key(|seen| seen.visible);
    all
}

/// Of each alert that stands: its names, whom it names, who has shown it, and whether that is believed.
type Told = BTreeSet<(Vec<String>, Vec<String>, Vec<String>, bool)>;

async fn told(pages: Vec<Vec<Sighting>>) -> Told {
    let (_folder, journal, _) = read_pages(pages, Batch::default()).await;
    let standing = alerts(&journal).await.into_iter().filter(AlertRecord::is_open);
    let one = |alert: AlertRecord| {
        let accounts = alert.accounts().unwrap().unwrap_or_default();
        let accounts = accounts.iter().filter_map(|account| account.hint.upn.as_ref().map(ToString::to_string));
        let sources: BTreeSet<String> = alert.sightings.iter().map(|seen| seen.source.to_string()).collect();
        (alert.names(), accounts.collect(), sources.into_iter().collect(), alert.is_witnessed())
    };
    standing.map(one).collect()
}

/// The rows of the clean stream in any order, some of them several times, some once more under a later stamp, on pages
/// of any length.
fn disturbed() -> impl Strategy<Value = Vec<Vec<Sighting>>> {
    let extra = prop::collection::vec((0..clean().len(), any::<bool>()), SizeRange::from(0..12));
    let rows = extra.prop_flat_map(|extra| {
        let mut rows = clean();
        for (index, stamped) in extra {
            let mut again = rows[index].clone();
            let newest = again.visible >= seconds(T0 + 1_000 * (VERSIONS - 1));
            if stamped && newest {
                again.visible = seconds(T0 + 9_000);
            }
            rows.push(again);
        }
        Just(rows).prop_shuffle()
    });
    (rows, 1..9_usize).prop_map(|(rows, length)| rows.chunks(length).map(<[Sighting]>::to_vec).collect())
}

#[test]
fn any_order_repetition_stamp_and_split_of_pages_gives_the_alerts_of_the_clean_stream() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let expected = runtime.block_on(told(vec![clean()]));
    assert_eq!(expected.len(), usize::try_from(ALERTS).unwrap());
    assert!(expected.iter().all(|(names, accounts, sources, witnessed)| {
        (names.len(), accounts.len(), sources.len(), *witnessed) == (3, 3, 2, true)
    }));
    let mut runner = TestRunner::new(Config { cases: 20, failure_persistence: None, ..Config::default() });
    let holds = runner.run(&disturbed(), |pages| {
        prop_assert_eq!(runtime.block_on(told(pages)), expected.clone());
        Ok(())
    });
    holds.unwrap_or_else(|error| panic!("{error}"));
}
