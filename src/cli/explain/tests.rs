use serde_json::{Value, json};

use super::*;
use crate::cli::args::{Format, GivenFact};
use crate::cli::testing::{Story, bench, sighting};

/// Long after everything else in these tests.
const NOW: At = At::from_unix_seconds(1_767_400_000);

fn row(accounts: &Value) -> Value {
    json!({"SystemAlertId": "sa-1", "AlertType": "DirectoryServicesReplicationSecurityAlert",
        "DisplayName": "Suspected DCSync attack (replication of directory services)", "AlertSeverity": "High",
        "EndTime": NOW.minus(std::time::Duration::from_secs(60)).to_string(), "IngestionTime": NOW.to_string(),
        "ProviderName": "Azure Advanced Threat Protection", "ExtendedProperties": "{\"ExternalId\":\"2006\"}",
        "Entities": accounts.to_string()})
}

fn adele() -> Value {
    json!([{"$id": "1", "Type": "account", "Name": "adele", "UPNSuffix": "contoso.com", "Sid": "S-1-5-21-1-2-3-1104"}])
}

async fn report(content: &Value, given: Vec<GivenFact>) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alert.json");
    std::fs::write(&file, content.to_string()).unwrap();
    let settings = folder.path().join("riposte.toml");
    std::fs::write(
        &settings,
        "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n",
    )
    .unwrap();
    let args = ExplainArgs { file, given, ..ExplainArgs::default() };
    let global = Global { config: Some(settings), format: Format::Text, ..Global::default() };
    explain(&args, &global, Terminal::paper(100), NOW).await.unwrap()
}

#[tokio::test]
async fn without_people_conditions_are_shown_and_nothing_is_claimed_about_them() {
    let report = report(&row(&adele()), Vec::new()).await;
    let json = &report.json;
    assert_eq!(json["alert"]["catalogue"], "mdi/2006");
    assert_eq!(json["rules"][0]["rule"], "dcsync");
    assert_eq!(json["rules"][0]["matches"], true);
    assert_eq!(json["plan"], json!([]));
    assert!(report.text.contains("Not known here"), "{}", report.text);
    assert!(report.text.contains("if HasEntra"), "{}", report.text);
}

#[tokio::test]
async fn with_supposed_people_the_whole_plan_is_shown() {
    let report = report(&row(&adele()), vec![GivenFact::Hybrid, GivenFact::Privileged]).await;
    let plan = report.json["plan"].as_array().unwrap();
    let intents: Vec<&str> = plan.iter().filter_map(|entry| entry["intent"].as_str()).collect();
    for wanted in ["disable-ad-user", "suspend-entra-user", "revoke-sessions"] {
        assert!(intents.contains(&wanted), "{intents:?}");
    }
    assert!(plan.iter().all(|entry| entry["first"] == "simulate"));
    assert!(plan[0]["would"].as_str().unwrap().starts_with("privileged: "), "{plan:?}");
    assert!(report.text.lines().all(|line| !line.contains('\u{1b}')));
}

#[tokio::test]
async fn an_old_alert_and_too_many_accounts_are_withheld_whole() {
    let many: Vec<Value> = (0..9)
        .map(|n| json!({"$id": format!("{n}"), "Type": "account", "Sid": format!("S-1-5-21-1-2-3-{}", 1100 + n)}))
        .collect();
    let report_of_many = report(&row(&json!(many)), Vec::new()).await;
    assert!(report_of_many.json["guardrails"][0].as_str().unwrap().contains("too-many-accounts"));
    let mut old = row(&adele());
    old["EndTime"] = json!("2020-01-01T00:00:00Z");
    let report_of_old = report(&old, Vec::new()).await;
    let lines = report_of_old.json["guardrails"].to_string();
    assert!(lines.contains("stale: ") && lines.contains("unwitnessed"), "{lines}");
}

#[tokio::test]
async fn an_alert_outside_the_catalogue_says_so() {
    let mut stranger = row(&adele());
    stranger["AlertType"] = json!("Nobody\u{1b}[2JKnows");
    stranger["DisplayName"] = json!("x");
    stranger["ExtendedProperties"] = json!("{}");
    let report = report(&stranger, Vec::new()).await;
    assert!(report.text.contains("no rule can answer it"), "{}", report.text);
    assert!(!report.text.contains('\u{1b}'));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_ends_with_a_no() {
    let mut nameless = row(&adele());
    nameless["SystemAlertId"] = Value::Null;
    let report = report(&nameless, Vec::new()).await;
    assert_eq!(report.exit, Exit::No);
    assert!(report.text.starts_with("unreadable: "), "{}", report.text);
}

#[tokio::test]
async fn a_bare_name_is_supposed_to_be_nobody_because_the_daemon_would_not_ask_about_it() {
    let bare = json!([{"$id": "1", "Type": "account", "Name": "adele"}]);
    let report = report(&row(&bare), vec![GivenFact::Hybrid]).await;
    let account = &report.json["accounts"][0];
    assert_eq!(
        (&account["person"], &account["refused"]),
        (&Value::Null, &json!("identifier-weak: a bare name proves nobody's identity"))
    );
    assert_eq!(
        (&report.json["plan"][0]["first"], report.json["plan"].as_array().unwrap().len()),
        (&json!("withhold"), 1)
    );
    assert!(report.text.contains("who: nobody asks: identifier-weak: "), "{}", report.text);
    assert!(!report.text.contains("Not known here"), "{}", report.text);
}

#[tokio::test]
async fn what_is_waited_for_is_said_once_and_the_source_has_its_name() {
    let mut early = row(&json!([]));
    early["Entities"] = Value::Null;
    let report = report(&early, Vec::new()).await;
    let lines: Vec<&str> = report.json["guardrails"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(
        lines[0].starts_with("waits until ") && lines.iter().all(|line| !line.contains("withheld whole")),
        "{lines:?}"
    );
    assert!(report.text.contains("shown by Log Analytics\n"), "{}", report.text);
    assert!(report.text.contains(", after steps 1, 2 and 3;"), "{}", report.text);
}

#[tokio::test]
async fn an_alert_that_the_journal_knows_is_shown_with_all_that_was_decided() {
    let bench = bench();
    let journal = bench.open();
    let story = Story::whole(&journal).await;
    let known = look_up(&journal, &sighting()).await.unwrap().unwrap();
    assert_eq!((known.id, known.actions.len()), (story.alert, 4));
    let other = Sighting { aliases: vec!["sa-2".into()], ..sighting() };
    assert!(look_up(&journal, &other).await.unwrap().is_none());
}

#[tokio::test]
async fn a_row_is_explained_as_the_alert_that_its_trigger_makes_of_it() {
    let explained = async |trigger: &str, content: Value| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("row.json");
        std::fs::write(&file, content.to_string()).unwrap();
        let args = ExplainArgs {
            file,
            trigger: Some(trigger.to_owned()),
            given: vec![GivenFact::Hybrid],
            ..ExplainArgs::default()
        };
        explain(&args, &Global { format: Format::Text, ..Global::default() }, Terminal::paper(100), NOW).await
    };
    let row = |minutes: u64, upn: &str| {
        let at = NOW.minus(std::time::Duration::from_secs(60 * minutes));
        json!({"TimeGenerated": at.to_string(), "UserId": null, "UserPrincipalName": upn, "IPAddress": "203.0.113.5"})
    };
    let rows = json!([row(3, "adele@contoso.com"), row(1, "diego@contoso.com")]);
    for name in ["kql/sign-in-after-password-spray", "sign-in-after-password-spray"] {
        let report = explained(name, rows.clone()).await.unwrap();
        let json = &report.json;
        assert_eq!(json["alert"]["catalogue"], "kql/sign-in-after-password-spray");
        let rule = (&json["rules"][0]["rule"], &json["rules"][0]["matches"]);
        assert_eq!(rule, (&json!("sign-in-after-password-spray"), &json!(true)));
        assert!(!json["plan"].as_array().unwrap().is_empty(), "{json}");
        let text = report.text;
        assert!(text.contains("diego@contoso.com") && !text.contains("adele"), "the newest: {text}");
        assert!(text.contains("the rows are 2 alerts; the newest is explained"), "{text}");
    }
    let nonsense = explained("sign-in-after-password-spray", json!({"UserPrincipalName": ["x"]})).await.unwrap();
    assert!(nonsense.text.contains("which names an account, is no text"), "{}", nonsense.text);
    let none = explained("sign-in-after-password-spry", rows).await.unwrap_err();
    assert!(none.to_string().contains("did you mean kql/sign-in-after-password-spray?"), "{none}");
}

#[test]
fn what_would_happen_to_an_alert_that_still_waits_is_said_to_come_later() {
    let planned = || reasons::PlannedWords {
        intent: Some("disable-ad-user".into()),
        account: "adele (ad)".into(),
        rules: vec!["dcsync".into()],
        first: "run",
        reason: "rule-matched".into(),
        would: None,
        routes: Vec::new(),
        revert_after: None,
    };
    let heading = |guardrails: Vec<String>| {
        let explanation = Explanation { guardrails, plan: vec![planned()], ..Explanation::default() };
        let text = text::text(&explanation, Terminal::paper(80));
        text.lines().find(|line| line.starts_with("What would happen")).unwrap().to_owned()
    };
    assert_eq!(heading(Vec::new()), "What would happen");
    let waits = vec!["waits until 2026-01-01T00:00:00Z: unwitnessed".to_owned()];
    assert_eq!(heading(waits), "What would happen, once what it waits for has come");
}
