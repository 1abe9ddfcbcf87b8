//! What pages become.

use super::super::unify::Unified;
use super::*;

#[tokio::test]
async fn a_long_chain_of_forged_merges_stops_no_source() {
    let id = |n: i64| format!("forged-{n}");
    let mut pages: Vec<Vec<Sighting>> = (1..=40).map(|n| vec![row(&[&id(n)], n)]).collect();
    pages.extend((2..=40).rev().map(|n| vec![row(&[&id(n), &id(n - 1)], 100 - n)]));
    pages.push(vec![row(&[&id(40)], 200)]);
    let (_folder, journal, _) = read_pages(pages, Batch::default()).await;
    let alerts = alerts(&journal).await;
    assert_eq!(alerts.iter().filter(|alert| alert.is_open()).count(), 1, "all of them are one by now");
    let unreadable = |alert: &&AlertRecord| matches!(alert.phase, AlertPhase::Unreadable { .. });
    assert_eq!(alerts.iter().find(unreadable), None, "and the last row is a row of it");
}

fn derived(id: &str) -> AlertId {
    AlertId::derive(&[&TENANT.to_string(), id])
}

/// Adds the alert `row-n`, the `n`th that was seen, with the action that came of it.
fn add_answered(before: &mut Batch, n: u32, first: First) {
    let name = format!("row-{n}");
    let key = crate::model::action::ActionKey { alert: derived(&name), ..action(n, Vec::new()).key };
    let action = crate::model::action::Action { id: key.id(), key, ..action(n, Vec::new()) };
    let event = ActionEvent::Planned { action: Box::new(action.clone()), first: first.clone() };
    let seen = row(&[&name], 0);
    let planned = AlertEvent::Planned {
        catalogue: None,
        rules: vec!["dcsync".into()],
        actions: vec![action.id],
        decided: Vec::new(),
        unwitnessed_allowed: false,
    };
    let first_seen = seconds(T0 + i64::from(n));
    let alert = AlertRecord::seen(derived(&name), TENANT, seen.clone(), first_seen).apply(&planned);
    let record = ActionRecord::planned(action, first, seconds(T0));
    let events = [AlertEvent::Seen { sighting: Box::new(seen) }, planned];
    before.writes.push(write::alert(&alert, 0, &events, seconds(T0)).unwrap());
    before.writes.push(write::action(&record, 0, &[event], write::RIPOSTE, seconds(T0)).unwrap());
    before.aliases.push(NewAlias { value: format!("id:{name}"), alert: alert.id });
}

#[tokio::test]
async fn an_alert_answers_for_those_that_an_alert_which_turned_out_to_be_it_answered_for() {
    let mut before = Batch::default();
    for n in 0..3 {
        add_answered(&mut before, n, First::Run);
    }
    let pages = [["row-1", "row-2"], ["row-0", "row-1"]].map(|ids| vec![row(&ids, 1)]);
    let (_folder, journal, _) = read_pages(pages.to_vec(), before).await;
    let standing = alerts(&journal).await.into_iter().find(|alert| alert.id == derived("row-0")).unwrap();
    assert_eq!(standing.all_actions().len(), 3, "{standing:#?}");
}

#[tokio::test]
async fn forged_merges_leave_nothing_behind_in_an_alert_but_what_was_done() {
    let said_no = First::Simulate { reason: Reason::DryRun, would: None };
    let mut before = Batch::default();
    // The first of them was answered. Of the others, one was answered too, and the rest said why nothing was done.
    for n in 0..20 {
        add_answered(&mut before, n, if n < 2 { First::Run } else { said_no.clone() });
    }
    let pages = (1..20).map(|n| vec![row(&["row-0", &format!("row-{n}")], n)]).collect();
    let (_folder, journal, _) = read_pages(pages, before).await;
    let standing = alerts(&journal).await.into_iter().find(|alert| alert.id == derived("row-0")).unwrap();
    let bound: Vec<AlertId> = standing.absorbed.iter().map(|absorbed| absorbed.alert).collect();
    assert_eq!(bound, [derived("row-1")], "{standing:#?}");
    assert_eq!(standing.all_actions().len(), 2);
}

#[tokio::test]
async fn a_row_that_changed_nothing_is_not_looked_at_again_before_its_names_are_somebodys() {
    let shown = Sighting { source: GRAPH, genuine: true, visible: seconds(T0 + 2), ..row(&["a"], 2) };
    let script = vec![vec![row(&["a"], 1)], vec![row(&["a"], 1)], vec![shown.clone()]];
    let (_folder, _journal, context) = read_pages(script[..2].to_vec(), Batch::default()).await;
    let again = SourcePage {
        items: vec![Ok(row(&["a"], 1)), Ok(row(&["b"], 1))],
        last: None,
        full: false,
        partial: false,
        omitted: Omitted::default(),
    };
    // Of what was read twice nothing is looked at; what is new is, and is no repeat.
    let unified = Unified::new(&context, &again).await.unwrap();
    assert_eq!((unified.news.len(), unified.idle.len(), unified.batch.writes.len()), (1, 0, 1));

    let (_folder, _journal, context) = read_pages(script, Batch::default()).await;
    // Defender has shown it meanwhile: the row is looked at once more, and changes nothing.
    let unified = Unified::new(&context, &again).await.unwrap();
    assert_eq!((unified.news.len(), unified.idle.len()), (1, 1));
    context.repeats.note(unified.idle);
    let unified = Unified::new(&context, &again).await.unwrap();
    assert_eq!((unified.news.len(), unified.idle.len()), (1, 0), "what is new is still new");
}

#[tokio::test]
async fn a_row_of_an_alert_that_cannot_be_read_back_spoils_neither_its_page_nor_its_source() {
    let alias = NewAlias { value: "id:rotten".into(), alert: alert("rotten") };
    let before = Batch { writes: vec![nonsense("rotten", 0)], aliases: vec![alias], ..Batch::default() };
    let page = vec![row(&["before"], 1), row(&["rotten"], 2), row(&["behind", "rotten"], 3), row(&["sound"], 4)];
    let (_folder, journal, context) = read_pages(vec![page], before).await;
    let alerts = alerts(&journal).await;
    let names: Vec<Vec<String>> = alerts.iter().filter(|alert| alert.is_open()).map(AlertRecord::names).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let unreadable = alerts.iter().filter_map(|alert| match &alert.phase {
        AlertPhase::Unreadable { why } => Some(why.as_str()),
        AlertPhase::Seen | AlertPhase::Waiting { .. } | AlertPhase::Planned | AlertPhase::Merged { .. } => None,
    });
    let unreadable: Vec<&str> = unreadable.collect();
    assert_eq!(unreadable.len(), 2, "{alerts:#?}");
    assert!(unreadable.iter().all(|why| why.contains("does not fit this version")), "{unreadable:?}");
    assert!(context.journal.cursor(&TABLE.to_string()).await.unwrap().is_some());
}
