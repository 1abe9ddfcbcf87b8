use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::*;
use crate::connect::graph::fake::{Fake, Reply, Seen};
use crate::model::failure::FailureKind;

fn second(n: i64) -> At {
    At::from_unix_seconds(1_767_323_000 + n)
}

fn window(to: i64, cap: u32) -> Window {
    Window { from: second(0), to: second(to), after: None, cap }
}

fn alert(id: &str, at: i64) -> Value {
    json!({"id": id, "serviceSource": "microsoftDefenderForIdentity", "detectorId": "xdr_X", "title": "t", "severity": "high",
        "lastUpdateDateTime": second(at).to_string(), "evidence": []})
}

fn ids(page: &SourcePage) -> Vec<String> {
    page.items
        .iter()
        .map(|item| item.as_ref().map_or_else(|bad| bad.id.clone(), |seen| seen.aliases[0].clone()))
        .collect()
}

/// What stands between the quotes or after `ge`/`lt` of the filter.
fn asked(seen: &Seen) -> (String, At, At) {
    let words: Vec<&str> = seen.q("$filter").split(' ').collect();
    assert_eq!(
        (words[0], words[4], words[8], words.len()),
        ("serviceSource", "lastUpdateDateTime", "lastUpdateDateTime", 11)
    );
    (words[2].trim_matches('\'').to_owned(), words[6].parse().unwrap(), words[10].parse().unwrap())
}

/// Graph as documented: filters, newest first, pages by `$top` with a link to the next.
fn graph(alerts: Vec<Value>) -> impl Fn(&Seen) -> Reply {
    move |seen| {
        let (service, from, to) = asked(seen);
        let mut fitting: Vec<&Value> = alerts
            .iter()
            .filter(|alert| alert["serviceSource"] == service.as_str())
            .filter(|alert| map::visible(alert).is_some_and(|at| at >= from && at < to))
            .collect();
        fitting.sort_by_key(|alert| std::cmp::Reverse(map::visible(alert)));
        let (top, skip) = (seen.q("$top").parse::<usize>().unwrap(), seen.q("$skip").parse::<usize>().unwrap_or(0));
        let page: Vec<&Value> = fitting.iter().skip(skip).take(top).copied().collect();
        let mut body = json!({"@odata.count": fitting.len(), "value": page});
        if skip + top < fitting.len() {
            let query = url::form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("$filter", seen.q("$filter")),
                    ("$top", seen.q("$top")),
                    ("$skip", &(skip + top).to_string()),
                ])
                .finish();
            body["@odata.nextLink"] = json!(format!("{}{}?{query}", seen.origin(), seen.path));
        }
        Reply::json(body)
    }
}

/// Reads a window to its end as intake does; the ids in the order in which they came.
async fn read_all(source: &GraphAlerts, mut window: Window) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..200 {
        let page = source.page(&window).await.unwrap();
        assert!(!page.partial && page.items.len() <= usize::try_from(window.cap).unwrap());
        all.extend(ids(&page));
        if !page.full {
            return all;
        }
        window.after = page.last;
    }
    panic!("no end");
}

#[tokio::test]
async fn both_services_are_asked_and_only_our_alerts_come_oldest_first() {
    let mut newer = alert("new-form", 5);
    newer["serviceSource"] = json!("microsoft365Defender");
    newer["detectionSource"] = json!("microsoftDefenderForIdentity");
    let mut other = alert("not-ours", 6);
    other["serviceSource"] = json!("microsoft365Defender");
    other["detectionSource"] = json!("antivirus");
    let fake = Fake::start(graph(vec![alert("b", 7), newer, other, alert("a", 3), alert("outside", 60)])).await;
    let page = GraphAlerts::new(&fake.graph()).page(&window(60, 10)).await.unwrap();
    assert_eq!(ids(&page), ["a", "new-form", "b"]);
    assert_eq!((page.last, page.full, page.partial), (Some((second(7), "b".to_owned())), false, false));
    let services: Vec<String> = fake.seen().iter().map(|seen| asked(seen).0).collect();
    assert_eq!(services, ["microsoftDefenderForIdentity", "microsoft365Defender"]);
}

#[tokio::test]
async fn a_rotten_item_does_not_spoil_the_page() {
    let fake = Fake::start(|seen| {
        if asked(seen).0 != SERVICES[0] {
            return Reply::list(vec![]);
        }
        let mut no_id = alert("x", 4);
        no_id["id"] = json!({"deep": [1]});
        let mut no_time = alert("timeless", 4);
        no_time["lastUpdateDateTime"] = json!(12);
        Reply::list(vec![alert("b", 5), no_id, no_time, json!("text"), alert("a", 1)])
    })
    .await;
    let page = GraphAlerts::new(&fake.graph()).page(&window(60, 10)).await.unwrap();
    let good: Vec<_> =
        page.items.iter().filter_map(|item| item.as_ref().ok()).map(|seen| seen.aliases[0].as_str()).collect();
    assert_eq!(good, ["a", "b"]);
    assert_eq!(page.items.len() - good.len(), 3);
}

#[tokio::test]
async fn a_cap_smaller_than_one_instant_still_brings_every_alert_once() {
    let alerts: Vec<Value> = (0..25).map(|n| alert(&format!("a{n:02}"), if n < 20 { 3 } else { 4 })).collect();
    let fake = Fake::start(graph(alerts)).await;
    let all = read_all(&GraphAlerts::new(&fake.graph()), window(60, 4)).await;
    assert_eq!(all, (0..25).map(|n| format!("a{n:02}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_window_too_full_to_read_is_cut_until_all_of_it_is_read_oldest_first() {
    // Nothing in the first three quarters, then more than can be read at once.
    let alerts: Vec<Value> = (0..2_500).map(|n| alert(&format!("a{n:04}"), 90_000 + n)).collect();
    let fake = Fake::start(graph(alerts)).await;
    let all = read_all(&GraphAlerts::new(&fake.graph()), window(100_000, 500)).await;
    assert_eq!(all, (0..2_500).map(|n| format!("a{n:04}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn more_alerts_in_one_instant_than_can_be_read_is_said_and_not_cut() {
    let alerts: Vec<Value> = (0..1_100).map(|n| alert(&format!("a{n}"), 5)).collect();
    let fake = Fake::start(graph(alerts)).await;
    let failure = GraphAlerts::new(&fake.graph()).page(&window(60, 10)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreadable);
    assert!(failure.hint.contains("one instant"), "{failure}");
}

#[tokio::test]
async fn items_that_shift_between_pages_are_read_again_and_then_called_partial() {
    let fake = Fake::start(|_| Reply::json(json!({"@odata.count": 2, "value": [alert("a", 1)]}))).await;
    let page = GraphAlerts::new(&fake.graph()).page(&window(60, 10)).await.unwrap();
    assert!(page.partial && page.last.is_some());
    assert_eq!(fake.seen().len(), 4, "each service is read twice");

    let reads = AtomicUsize::new(0);
    let healed = Fake::start(move |_| {
        let count = if reads.fetch_add(1, Ordering::SeqCst) == 0 { 2 } else { 1 };
        Reply::json(json!({"@odata.count": count, "value": [alert("a", 1)]}))
    })
    .await;
    assert!(!GraphAlerts::new(&healed.graph()).page(&window(60, 10)).await.unwrap().partial);
}

#[tokio::test]
async fn a_link_elsewhere_is_not_followed_and_an_endless_one_ends() {
    let fake = Fake::start(|_| {
        Reply::json(json!({"value": [], "@odata.nextLink": "https://evil.example/v1.0/security/alerts_v2"}))
    })
    .await;
    let failure = GraphAlerts::new(&fake.graph()).page(&window(60, 10)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::NotAttempted);

    let endless = Fake::start(|seen| {
        let link = format!("{}{}?x=1", seen.origin(), seen.path);
        Reply::json(json!({"value": [], "@odata.nextLink": link}))
    })
    .await;
    assert!(GraphAlerts::new(&endless.graph()).page(&window(1, 10)).await.is_err());
    assert!(endless.seen().len() < 1_000);
}
