//! The service app of Okta: who gets a token, and what it is good for.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_RSA_SHA256};

use super::*;
use crate::lab::okta_app::GRANTED;

/// A lab with a service app.
async fn served() -> (Lab, reqwest::Client, String) {
    let options = Options { okta_key: true, ..Options::default() };
    let lab = serve(Arc::new(SystemClock), Scenario::morning().unwrap(), options).await.unwrap();
    let access = lab.access("");
    let ca = reqwest::Certificate::from_pem(access.ca_pem.as_bytes()).unwrap();
    (lab, reqwest::Client::builder().tls_certs_only([ca]).build().unwrap(), access.base_url)
}

/// What a statement says that is right.
fn claims(base: &str, id: &str) -> Value {
    let client = ids::okta_client();
    json!({"iss": client, "sub": client, "aud": format!("{base}/oauth2/v1/token"), "jti": id,
        "exp": SystemClock.now().unix_seconds() + 300})
}

fn signed(pem: &str, claims: &Value, key_id: Option<&str>) -> String {
    let header = Header { kid: key_id.map(str::to_owned), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()).unwrap()
}

async fn ask(http: &reqwest::Client, base: &str, statement: &str, scope: &str) -> (u16, Value) {
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let form = [
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", kind),
        ("client_assertion", statement),
    ];
    let answer = http.post(format!("{base}/oauth2/v1/token")).form(&form).send().await.unwrap();
    (answer.status().as_u16(), body(answer).await)
}

#[tokio::test]
async fn only_a_whole_statement_of_the_app_gets_a_token_and_only_once() {
    let (lab, http, base) = served().await;
    let pem = lab.access("").okta_pem.unwrap();
    let now = SystemClock.now().unix_seconds();
    let another = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
    let with = |id: &str, name: &str, value: Value| {
        let mut claims = claims(&base, id);
        claims[name] = value;
        signed(&pem, &claims, Some(ids::OKTA_KEY_ID))
    };
    let good = signed(&pem, &claims(&base, "a"), None);
    assert_eq!(ask(&http, &base, &good, "okta.users.read").await.0, 200);
    for (statement, why) in [
        (good, "used before"),
        (signed(&another, &claims(&base, "b"), None), "signature is invalid"),
        (signed(&pem, &claims(&base, "c"), Some("k2")), "kid is invalid"),
        (with("d", "iss", json!("0oaother")), "another client"),
        (with("e", "sub", json!("0oaother")), "another client"),
        (with("f", "aud", json!(base)), "audience"),
        (with("g", "exp", json!(now - 5)), "expired"),
        (with("h", "exp", json!(now + 3_700)), "too far into the future"),
        ("a.b.c".to_owned(), "invalid"),
    ] {
        let (status, said) = ask(&http, &base, &statement, "okta.users.read").await;
        assert_eq!((status, &said["error"]), (401, &json!("invalid_client")), "{said}");
        assert!(said["error_description"].as_str().unwrap().contains(why), "{why}: {said}");
    }
    let (status, said) =
        ask(&http, &base, &signed(&pem, &claims(&base, "i"), None), "okta.users.read okta.apps.manage").await;
    assert_eq!((status, &said["error"]), (400, &json!("invalid_scope")));
}

#[tokio::test]
async fn a_token_is_good_for_the_calls_of_its_scopes() {
    let (lab, http, base) = served().await;
    let pem = lab.access("").okta_pem.unwrap();
    let user = format!("{base}/api/v1/users/{}", lab.state().people["adele"].okta.as_ref().unwrap().id);
    let group = lab.state().groups["payroll-admins"].okta_id.clone().unwrap();
    let member = format!("{base}/api/v1/groups/{group}/users/{}", user.rsplit('/').next().unwrap());
    let calls = [
        (Method::GET, user.clone(), "okta.users.read"),
        (Method::GET, format!("{user}/groups"), "okta.users.read"),
        (Method::GET, format!("{user}/roles"), "okta.roles.read"),
        (Method::POST, format!("{user}/lifecycle/suspend"), "okta.users.manage"),
        (Method::DELETE, format!("{user}/sessions"), "okta.users.manage"),
        (Method::PUT, member, "okta.groups.manage"),
        (Method::GET, format!("{base}/api/v1/logs"), "okta.logs.read"),
    ];
    for (method, url, needed) in calls {
        for scope in GRANTED {
            let statement = signed(&pem, &claims(&base, &format!("{method}{url}{scope}")), None);
            let (_, given) = ask(&http, &base, &statement, scope).await;
            let call = http.request(method.clone(), &url).bearer_auth(given["access_token"].as_str().unwrap());
            let answer = call.send().await.unwrap();
            let is_ok = answer.status().is_success();
            assert_eq!(is_ok, scope == needed, "{method} {url} with {scope}: {}", answer.status());
            if !is_ok {
                assert_eq!((answer.status().as_u16(), &body(answer).await["errorCode"]), (403, &json!("E0000006")));
            }
        }
    }
    lab.end_okta_tokens();
    let statement = signed(&pem, &claims(&base, "last"), None);
    let (_, given) = ask(&http, &base, &statement, "okta.users.read").await;
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(http.get(&user).bearer_auth(token).send().await.unwrap().status(), 200);
    lab.end_okta_tokens();
    assert_eq!(http.get(&user).bearer_auth(token).send().await.unwrap().status(), 401);
}
