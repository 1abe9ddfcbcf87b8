//! Alerts made by somebody who means harm: nobody is touched because of them, their neighbours are
//! answered, and no request loses its shape.

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::record::alert::AlertPhase;
use serde_json::{Value, json};

use super::world::{Setup, World, dcsync};

/// Every path that the daemon has reason to ask for, with `{}` for an identifier.
const SHAPES: [&str; 21] = [
    "/{}/oauth2/v2.0/token",
    "/{}/v2.0/.well-known/openid-configuration",
    "/v1/workspaces/{}/query",
    "/v1.0/security/alerts_v2",
    "/v1.0/security/identities/identityAccounts",
    "/v1.0/security/identities/identityAccounts/{}",
    "/v1.0/security/identities/identityAccounts/{}/invokeAction",
    "/v1.0/security/identities/identityAccounts/{}/microsoft.graph.security.invokeAction",
    "/v1.0/security/runHuntingQuery",
    "/v1.0/servicePrincipals/{}/owners",
    "/v1.0/applications",
    "/v1.0/applications/{}/owners",
    "/v1.0/users",
    "/v1.0/users/{}",
    "/v1.0/users/{}/transitiveMemberOf",
    "/v1.0/users/{}/memberOf",
    "/api/v1/users",
    "/api/v1/users/{}",
    "/api/v1/users/{}/groups",
    "/api/v1/users/{}/roles",
    "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.OperationalInsights/workspaces/{}/providers/Microsoft.SecurityInsights/incidents",
];

/// The same with a rest that only Sentinel has.
const INCIDENT: &str = "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.OperationalInsights/workspaces/{}/providers/Microsoft.SecurityInsights/incidents/{}";

fn fits(shape: &str, path: &str) -> bool {
    let (shape, path): (Vec<_>, Vec<_>) = (shape.split('/').collect(), path.split('/').collect());
    let plain = |text: &str| {
        !text.is_empty()
            && text != "."
            && text != ".."
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.@%+".contains(&b))
    };
    shape.len() == path.len()
        && shape.iter().zip(path).all(|(want, got)| if *want == "{}" { plain(got) } else { *want == got })
}

async fn assert_shapes(world: &World) {
    let comment = format!("{INCIDENT}/comments/{{}}");
    for asked in world.requests().await.iter().filter(|asked| !asked.path.starts_with("/_lab/")) {
        let known = SHAPES.iter().copied().chain([INCIDENT, comment.as_str()]).any(|shape| fits(shape, &asked.path));
        assert!(known, "{} {} ({})", asked.method, asked.path, asked.status);
    }
}

/// An alert about Adele whose cells and fields are these.
fn with_cells(key: &str, columns: &Value, fields: &Value) -> String {
    dcsync(key, "1m", "{person: adele}", &format!("columns: {columns}, fields: {fields}"))
}

/// Plays hostile alerts about Adele, because of which nobody may touch her.
async fn play(hostile: &str) -> World {
    let world = beside_a_decent_one(hostile).await;
    assert_eq!(world.taken("adele", "disable"), 0, "{:#?}", world.alerts().await);
    assert!(world.is_enabled("adele"));
    world
}

/// Plays hostile alerts beside a decent one about Diego, in the same page.
async fn beside_a_decent_one(hostile: &str) -> World {
    let alerts = hostile.to_owned() + &dcsync("decent", "1m", "{person: diego}", "");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(22).await;
    let neighbour = world.action("diego", Verb::DisableAdUser).await;
    assert_eq!(neighbour.outcome().unwrap().kind, OutcomeKind::Effective, "the neighbour is answered");
    assert!(world.troubles().iter().all(|line| !line.contains("could not be read")), "{:?}", world.troubles());
    assert_shapes(&world).await;
    world
}

/// The alert is known, rests, and nobody was acted on because of it, for one of these reasons.
async fn assert_withheld(world: &World, key: &str, codes: &[&str]) {
    let alert = world.alert(key).await;
    assert!(!alert.is_open(), "{alert:#?}");
    let reasons: Vec<_> = alert.decided.iter().map(|decided| decided.reason.code()).collect();
    assert!(!reasons.is_empty() && reasons.iter().all(|code| codes.contains(code)), "{key}: {reasons:?} {alert:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_that_cannot_be_read_withhold_their_alert_whole() {
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    let cells = [
        ("truncated", "[{\"Type\":\"account\",\"Name\":\"ade".to_owned()),
        ("prose", "adele did it".to_owned()),
        ("object", "{\"Type\":\"account\"".to_owned()),
        ("deep", deep),
        ("twice", "[{\"Type\":\"account\",\"Sid\":5,\"Name\":[\"adele\"]}]".to_owned()),
        ("circle", "[{\"$ref\":\"2\"},{\"$ref\":\"1\"}]".to_owned()),
    ];
    // Graph names nobody, so that only the row's own words could.
    let unsaid = json!({"evidence": []});
    let alerts: String = cells.iter().map(|(key, text)| with_cells(key, &json!({"Entities": text}), &unsaid)).collect();
    let world = play(&alerts).await;
    for (key, _) in &cells {
        assert_withheld(&world, key, &["entities-unreadable", "no-entities"]).await;
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn references_in_a_circle_name_nobody() {
    let circle = json!([
        {"$id": "2", "Type": "account", "Name": "adele", "NTDomain": {"$ref": "3"}, "Host": {"$ref": "3"}},
        {"$id": "3", "Type": "host", "HostName": "x", "Owner": {"$ref": "2"}, "Parent": {"$ref": "3"}}
    ]);
    let columns = json!({"Entities": circle.to_string()});
    let fields = json!({"evidence": []});
    let world = play(&with_cells("circle", &columns, &fields)).await;
    assert!(world.actions_on("adele").await.is_empty());
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_of_missing_and_null_columns_is_recorded_and_rests() {
    let nothing = json!({
        "Entities": null, "AlertType": null, "DisplayName": null, "AlertName": null, "AlertSeverity": null,
        "StartTime": null, "EndTime": null, "ExtendedProperties": null, "VendorOriginalId": null, "AlertLink": null,
        "CompromisedEntity": null, "Status": null, "Tactics": null,
    });
    let fields = json!({"evidence": null, "title": null, "severity": null, "detectorId": null, "firstActivityDateTime": null, "mitreTechniques": null});
    let world = play(&with_cells("nothing", &nothing, &fields)).await;
    let open: Vec<_> = world.alerts().await.into_iter().filter(riposte::record::alert::AlertRecord::is_open).collect();
    assert!(open.is_empty(), "{open:#?}");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_without_an_id_is_recorded_as_unreadable_once() {
    let columns = json!({"SystemAlertId": "", "VendorOriginalId": ""});
    let alert = dcsync("nameless", "1m", "{person: adele}", &format!("source: log-analytics, columns: {columns}"));
    let world = play(&alert).await;
    let unreadable: Vec<_> =
        world.alerts().await.into_iter().filter(|alert| matches!(alert.phase, AlertPhase::Unreadable { .. })).collect();
    assert_eq!(unreadable.len(), 1, "{unreadable:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_words_of_enumerations_stop_neither_their_alert_nor_its_neighbours() {
    let columns = json!({"AlertSeverity": "Apocalyptic", "Status": "Vanished", "Tactics": "Juggling"});
    let fields = json!({"severity": "unknownFutureValue", "status": "vanished", "classification": "?", "serviceSource": "microsoftDefenderForIdentity"});
    let evidence = json!([{"@odata.type": "#microsoft.graph.security.hologramEvidence", "roles": ["conjurer"], "verdict": "dizzy"}]);
    let mut fields = fields;
    fields["evidence"] = evidence;
    let world = beside_a_decent_one(&with_cells("words", &columns, &fields)).await;
    assert_eq!(world.alert("words").await.sightings.len(), 2);
    assert!(world.alerts().await.iter().all(|alert| !alert.is_open()));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_whose_severity_is_no_known_word_is_withheld_whole() {
    for (word, graph) in [("Hgh", "hgh"), ("Apocalyptic", "unknownFutureValue")] {
        let alert = with_cells("strange", &json!({"AlertSeverity": word}), &json!({"severity": graph}));
        let world = play(&alert).await;
        assert_withheld(&world, "strange", &["severity-unknown"]).await;
        let comments = world.comments("strange");
        assert!(comments.iter().any(|text| text.contains(graph)), "{comments:?}");
        world.assert_whole().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_megabyte_of_text_neither_stops_the_page_nor_fills_the_comment() {
    let huge = "A".repeat(1 << 20);
    // No account, so that only its size can matter.
    let alert = dcsync("huge", "1m", "", &format!("columns: {}", json!({"Description": huge, "DisplayName": huge})));
    let world = play(&alert).await;
    let comments = world.comments("huge");
    assert!(comments.iter().all(|text| text.len() < 30_000), "{}", comments[0].len());
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_accounts_are_withheld_whole_and_nobody_is_looked_up() {
    let alert = dcsync("crowd", "1m", "", "crowd: 5000");
    let world = play(&alert).await;
    let alert = world.alert("crowd").await;
    assert!(alert.decided.iter().all(|decided| decided.account.is_none()), "{} reasons", alert.decided.len());
    assert_withheld(&world, "crowd", &["too-many-accounts", "entities-unreadable"]).await;
    let asked = world
        .lab
        .state()
        .requests
        .iter()
        .filter(|(path, _)| path.contains("identityAccounts"))
        .map(|(_, n)| n)
        .sum::<u64>();
    assert!(asked < 100, "{asked} questions about accounts");
    assert_eq!(world.comments("crowd").len(), 1);
    let comment = &world.comments("crowd")[0];
    assert!(comment.contains("5000 accounts"), "{comment}");
    let kept: usize = alert.sightings.iter().map(|seen| seen.entities.kept().len()).sum();
    assert!(kept <= 40, "{kept} accounts in memory");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn markup_in_titles_and_names_reaches_no_comment_as_markup() {
    let title =
        "<script>alert(1)</script> [click](https://evil.example) ![x](https://evil.example/p.png) **bold** @everyone";
    let name = "<img src=x onerror=alert(1)>";
    let columns = json!({"DisplayName": title, "AlertName": title});
    let fields = json!({"title": title});
    let alert = dcsync(
        "markup",
        "1m",
        &format!("{{name: {}, domain: CONTOSO, sid: S-1-5-21-9-9-9-1234}}", json!(name)),
        &format!("columns: {columns}, fields: {fields}"),
    );
    let world = play(&alert).await;
    let comments = world.comments("markup");
    assert_eq!(comments.len(), 1, "{:#?}", world.alerts().await);
    for text in &comments {
        for raw in ["<script", "<img", "](https", "![x]", "**bold**"] {
            assert!(!text.contains(raw), "{raw} stands in {text}");
        }
    }
    world.assert_whole().await;
}

/// Names that mean something to a query language, a path or a directory.
const NAMES: [&str; 14] = [
    "*",
    "%",
    "../adele",
    "..%2f..%2fadele",
    ")(objectClass=*",
    "' or 1 eq 1 or 'a' eq '",
    "adele' or startswith(userPrincipalName,'adele') or 'x' eq 'y",
    "adele\" | union SecurityAlert | take 1 //",
    "adele\\",
    "adele/invokeAction",
    "adele?$filter=true",
    "adele\u{0}",
    "\u{202e}eleda",
    "ade\u{13a}le; drop table alert",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_mean_something_to_a_query_find_nobody() {
    // Weak identifiers only: the name is all there is, and the forest is known.
    let alerts: String = NAMES
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let account = format!("{{name: {}, domain: CONTOSO}}", json!(name));
            dcsync(&format!("name{i}"), "1m", &account, "")
        })
        .collect();
    let alerts = alerts + &dcsync("decent", "1m", "{person: diego}", "");
    let mut world = Setup::new(alerts).set("guardrails.forests.CONTOSO", "contoso.com").start().await;
    world.run_until(22).await;
    assert_eq!(world.actions().await.len(), 1, "only the decent alert: {:#?}", world.actions().await);
    assert_eq!(world.taken("diego", "disable"), 1);
    for (i, name) in NAMES.iter().enumerate() {
        let alert = world.alert(&format!("name{i}")).await;
        assert!(!alert.is_open(), "{alert:#?}");
        let codes: Vec<_> = alert.decided.iter().map(|decided| decided.reason.code()).collect();
        let known = ["account-unknown", "identifier-weak", "entities-unreadable", "identifiers-contradict"];
        assert!(!codes.is_empty() && codes.iter().all(|code| known.contains(code)), "{name:?}: {codes:?}");
    }
    assert_shapes(&world).await;
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_ids_and_user_principal_names_stay_words() {
    let ids = [
        "S-1-5-21-1-2-3-4' or '1'='1",
        "../../users",
        "00000000-0000-0000-0000-00000000000g",
        "a@b@c",
        "x'@contoso.com",
    ];
    let alerts: String = ids
        .iter()
        .enumerate()
        .map(|(i, id)| {
            let entity = json!([{"$id": "2", "Type": "account", "Name": "adele", "UPNSuffix": id, "Sid": id, "AadUserId": id}]);
            let evidence = json!([{"@odata.type": "#microsoft.graph.security.userEvidence", "roles": ["attacker"],
                "userAccount": {"accountName": id, "userPrincipalName": id, "userSid": id, "azureAdUserId": id, "domainName": id}}]);
            with_cells(&format!("id{i}"), &json!({"Entities": entity.to_string()}), &json!({"evidence": evidence}))
        })
        .collect();
    let world = play(&alerts).await;
    for i in 0..ids.len() {
        let alert = world.alert(&format!("id{i}")).await;
        assert!(alert.actions.is_empty() && !alert.is_open(), "{alert:#?}");
    }
    world.assert_whole().await;
}
