//! Everything that daemon and lab say to each other in a morning, against the vendors' own API documents:
//! our requests as well as the lab's answers. The documents are not part of the project; they are read from
//! the folder that `RIPOSTE_CONTRACTS` names.

use std::collections::{BTreeMap, BTreeSet};

use riposte::cli::demo::play_on;
use riposte::lab::{Exchange, Options, Tape};
use serde_json::{Value, json};

use super::openapi::{Document, Sent};

/// Where each document begins, and what of a path comes before its templates.
const DOCUMENTS: [(&str, &str, &str); 4] = [
    ("graph.json", "/v1.0/", "/v1.0"),
    ("loganalytics.json", "/v1/workspaces/", "/v1"),
    ("sentinel.json", "/subscriptions/", ""),
    ("okta.json", "/api/v1/", ""),
];

/// What no document at hand describes: signing in, and calls that the documents leave out.
const UNDESCRIBED: [&str; 5] =
    ["/oauth2/v2.0/token", "/.well-known/openid-configuration", "/transitiveMembers", "/owners", "/v1.0/applications"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_morning_of_requests_and_answers_is_as_the_vendors_document_it() {
    let tape = Tape::default();
    let documents: Vec<_> = DOCUMENTS.iter().filter_map(|(name, ..)| Document::open(name)).collect();
    if documents.is_empty() {
        return say("skipped: set RIPOSTE_CONTRACTS to a folder with openapi/*.json");
    }
    play_on(Options { tape: Some(tape.clone()), ..Options::default() }, false).await.unwrap();
    let exchanges = tape.exchanges();
    assert!(exchanges.len() > 500, "only {} exchanges", exchanges.len());
    let mut wrong: BTreeMap<String, usize> = BTreeMap::new();
    let mut judged = BTreeSet::new();
    for exchange in &exchanges {
        let (call, mistakes) = judge(&documents, exchange);
        for mistake in mistakes {
            *wrong.entry(mistake).or_default() += 1;
        }
        judged.extend(call);
    }
    let judged: Vec<_> = judged.into_iter().collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(judged.len() >= 20, "only these calls were seen: {judged:#?}");
    say(&format!("{} exchanges of {} calls:\n{}", exchanges.len(), judged.len(), judged.join("\n")));
}

/// The documented call that an exchange is, and what is wrong with it.
fn judge(documents: &[Document], exchange: &Exchange) -> (Option<String>, Vec<String>) {
    let Exchange { method, path, query, request_type, request, status, answer } = exchange;
    let place = DOCUMENTS.iter().zip(documents).find(|((_, begins, _), _)| path.starts_with(begins));
    let Some(((_, _, base), document)) = place.filter(|_| !is_undescribed(path)) else {
        let known = is_undescribed(path);
        return (None, if known { Vec::new() } else { vec![format!("{method} {path}: no document describes it")] });
    };
    let method = method.to_lowercase();
    let Some(template) = document.template(path.strip_prefix(base).unwrap_or(path)) else {
        return (None, vec![format!("{method} {path}: not documented")]);
    };
    let sent = Sent { query, kind: request_type.as_deref(), body: request.as_ref() };
    let mut wrong = document.judge_request(&method, template, &sent);
    wrong.extend(document.judge(&method, template, *status, answer.as_ref().unwrap_or(&Value::Null)));
    (Some(format!("{method} {template} {status}")), wrong)
}

fn is_undescribed(path: &str) -> bool {
    UNDESCRIBED.iter().any(|end| path.ends_with(end))
}

/// A document with one of everything that the judge knows.
fn small() -> Document {
    Document::of(json!({
        "info": {"title": "small"},
        "paths": {"/users/{id}": {"patch": {
            "parameters": [
                {"name": "$top", "in": "query", "schema": {"type": "integer", "minimum": 1}},
                {"name": "api-version", "in": "query", "required": true, "schema": {"type": "string"}},
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/user"}}}},
            "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/user"}}}}},
        }}},
        "components": {"user": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string", "format": "uuid"},
            "made": {"type": "string", "readOnly": true, "format": "date-time"},
            "state": {"anyOf": [{"type": "string", "enum": ["on", "off"]}, {"type": "object", "nullable": true}]},
        }}},
    }))
}

const ID: &str = "11111111-2222-3333-4444-555555555555";

/// Query, media type and body of a request, and what is wrong with it.
type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, Option<Value>, &'a str);

#[test]
fn the_judge_lets_right_requests_pass_and_names_what_is_wrong_with_others() {
    let version = ("api-version", "1");
    let right = json!({"id": ID, "state": "on"});
    let cases: [Case<'_>; 12] = [
        (&[version], "application/json", Some(right.clone()), ""),
        (&[version, ("$top", "5")], "application/json", Some(right.clone()), ""),
        (&[version], "application/json", Some(json!({"id": ID, "state": null})), ""),
        (&[version, ("$top", "0")], "application/json", Some(right.clone()), "out of bounds"),
        (&[version, ("$top", "x")], "application/json", Some(right.clone()), "is not a"),
        (&[version, ("$expand", "x")], "application/json", Some(right.clone()), "$expand is not documented"),
        (&[], "application/json", Some(right.clone()), "missing"),
        (&[version], "text/plain", Some(right), "media type"),
        (&[version], "application/json", None, "body is missing"),
        (&[version], "application/json", Some(json!({"id": ID, "extra": 1})), "extra is not documented"),
        (&[version], "application/json", Some(json!({"id": ID, "made": "2026-01-01T00:00:00Z"})), "read-only"),
        (&[version], "application/json", Some(json!({"id": ID, "state": "ON"})), "known words"),
    ];
    for (query, kind, body, expected) in cases {
        let query: Vec<(String, String)> =
            query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sent = Sent { query: &query, kind: Some(kind), body: body.as_ref() };
        let wrong = small().judge_request("patch", "/users/{id}", &sent);
        assert_eq!(wrong.is_empty(), expected.is_empty(), "{body:?} {query:?}: {wrong:?}");
        assert!(wrong.iter().all(|wrong| wrong.contains(expected)), "{wrong:?}");
    }
}

#[test]
fn the_judge_reads_answers() {
    let judge = |status, answer: &Value| small().judge("patch", "/users/{id}", status, answer);
    assert_eq!(judge(200, &json!({"id": ID, "made": "2026-01-01T00:00:00Z", "more": 1})), Vec::<String>::new());
    for (status, answer) in [
        (201, json!({"id": ID})),
        (200, json!({})),
        (200, json!({"id": "x"})),
        (200, json!({"id": ID, "made": "yesterday"})),
        (200, json!([])),
    ] {
        assert_eq!(judge(status, &answer).len().min(1), 1, "{status} {answer}");
    }
    assert_eq!(small().template("/users/7"), Some("/users/{id}"));
    assert_eq!(small().template("/users"), None);
}

#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn say(text: &str) {
    eprintln!("{text}");
}
