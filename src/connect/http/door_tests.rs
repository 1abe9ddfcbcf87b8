//! The door against a real server on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::*;
use crate::connect::loopback::{PATIENCE, StillClock, api, api_with, clock, serve, transport};
use crate::connect::token::{Anonymous, Authorize};
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::secret::Secret;
use crate::model::time::Clock;

const ALLOWED: &[Allowed] = &[
    Allowed(Method::Get, "things/{id}"),
    Allowed(Method::Get, "list"),
    Allowed(Method::Post, "act"),
    Allowed(Method::Post, "ask"),
    Allowed(Method::Delete, "groups/{id}/members/{id}/$ref"),
];

fn act() -> Call {
    Call::post("act").json(json!({"x": 1})).permission("grant the application permission X on Y")
}

fn failing(times: usize, status: u16, headers: &'static [(&'static str, &'static str)]) -> (Router, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let answer = move || {
        let n = counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut answer = Response::new(Body::from("{}"));
            if n < times {
                *answer.status_mut() = StatusCode::from_u16(status).unwrap();
                for (name, value) in headers {
                    answer.headers_mut().insert(*name, value.parse().unwrap());
                }
            }
            answer
        }
    };
    (Router::new().fallback(answer), seen)
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_may_have_arrived() {
    let base = serve(Router::new().route("/act", post(std::future::pending::<()>))).await;
    let failure = api(base, ALLOWED).send(&act().deadline(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::NoAnswer, Sent::Maybe));
}

#[tokio::test]
async fn a_refused_connection_never_sent_anything() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    drop(listener);
    let failure = api(base, ALLOWED).send(&act().deadline(PATIENCE)).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Unreachable, Sent::No));
    assert!(!failure.hint.is_empty());
}

#[tokio::test]
async fn a_connection_cut_after_the_request_may_have_arrived() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut some = [0_u8; 64];
        tokio::io::AsyncReadExt::read(&mut socket, &mut some).await.unwrap();
    });
    let failure = api(base, ALLOWED).send(&act().deadline(PATIENCE)).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::NoAnswer, Sent::Maybe));
}

#[tokio::test]
async fn nothing_leaves_after_stop_sending() {
    let (router, seen) = failing(0, 200, &[]);
    let api = api(serve(router).await, ALLOWED);
    let failure = api.send(&act().stop_sending(Instant::now())).await.unwrap_err();
    assert_eq!(failure.sent, Sent::No);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_read_also_when_it_is_small_on_the_wire() {
    const ZEROS: &[u8] = include_bytes!("two_megabytes_of_zeros.gz");
    let packed = || async { ([("content-encoding", "gzip")], ZEROS).into_response() };
    let router = Router::new().route("/list", get(|| async { vec![b' '; 2 << 20] })).route("/things/{id}", get(packed));
    let api = api(serve(router).await, ALLOWED);
    for call in [Call::get("list"), Call::get("things/{id}").param("x")] {
        let failure = api.send(&call.deadline(PATIENCE)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreadable, "{failure}");
    }
}

#[tokio::test]
async fn a_redirect_is_a_refusal_and_the_token_goes_nowhere() {
    let (elsewhere, seen) = failing(0, 200, &[]);
    let target = serve(elsewhere).await.to_string();
    let router = Router::new().fallback(move || async move { Redirect::temporary(&target) });
    let failure = api(serve(router).await, ALLOWED).send(&Call::get("list")).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Refused);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn values_that_walk_the_path_and_calls_off_the_list_never_leave() {
    let (router, seen) = failing(0, 200, &[]);
    let api = api(serve(router).await, ALLOWED);
    let calls = [
        Call::get("things/{id}").param(".."),
        Call::get("things/{id}").param(""),
        Call::delete("things/{id}").param("x"),
        Call::delete("groups/{id}/members/{id}").param("g").param("m"),
        Call::get("things"),
    ];
    for call in calls {
        let failure = api.send(&call).await.unwrap_err();
        assert_eq!((failure.kind, failure.sent), (FailureKind::NotAttempted, Sent::No), "{call:?}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn hostile_values_arrive_as_one_segment() {
    let echo = |request: Request| async move { request.uri().path().to_owned() };
    let api = api(serve(Router::new().fallback(echo)).await, ALLOWED);
    for (value, path) in [
        ("../../admin", "/things/..%2F..%2Fadmin"),
        (")(objectClass=*", "/things/%29%28objectClass%3D%2A"),
        ("a?b=c#d", "/things/a%3Fb%3Dc%23d"),
        ("%2e%2e", "/things/%252e%252e"),
    ] {
        let answer = api.send(&Call::get("things/{id}").param(value)).await.unwrap();
        assert_eq!(String::from_utf8(answer.body).unwrap(), path);
    }
}

#[tokio::test]
async fn links_to_other_origins_or_paths_are_not_followed() {
    let (router, seen) = failing(0, 200, &[]);
    let base = serve(router).await;
    let api = api(base.clone(), ALLOWED);
    let call = Call::get("things/{id}").param("x");
    for link in [
        "https://evil.example/things/x?skip=1".to_owned(),
        "//evil.example/things/x".to_owned(),
        format!("{base}things/x/../../act"),
        format!("{base}list"),
        format!("{base}things/x/more"),
        format!("{base}things/"),
        format!("{base}things/x#f"),
        base.as_str().replace("http://", "http://user@") + "things/x",
        "things/x".to_owned(),
    ] {
        let failure = api.follow(&call, &link).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotAttempted, "{link}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), 0);
    assert!(api.follow(&call, &format!("{base}things/y?$skiptoken=a%2Fb")).await.is_ok());
    assert!(api.follow(&Call::post("act"), &format!("{base}act")).await.is_err(), "only reads have pages");
}

#[tokio::test]
async fn reads_are_repeated_and_changes_are_not() {
    for (call, tries, good) in
        [(Call::get("list"), 3, true), (Call::post("ask").only_asks(), 3, true), (act(), 1, false)]
    {
        let (router, seen) = failing(2, 500, &[]);
        let call = call.deadline(PATIENCE);
        let answer = api(serve(router).await, ALLOWED).send(&call).await;
        assert_eq!((answer.is_ok(), seen.load(Ordering::SeqCst)), (good, tries), "{call:?}");
    }
}

#[tokio::test]
async fn a_throttled_change_is_told_with_its_wish_and_not_repeated() {
    let (router, seen) = failing(9, 429, &[("retry-after", "1")]);
    let failure = api(serve(router).await, ALLOWED).send(&act()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Throttled(Some(Duration::from_secs(1))));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_wish_longer_than_the_deadline_is_not_waited_for() {
    let (router, seen) = failing(1, 429, &[("retry-after", "300")]);
    let before = Instant::now();
    let failure = api(serve(router).await, ALLOWED).send(&Call::get("list").deadline(PATIENCE)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Throttled(Some(Duration::from_secs(300))));
    assert!(before.elapsed() < PATIENCE);
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

/// Gives `Bearer old` until a fresh one is asked for.
struct Tokens {
    fresh: AtomicUsize,
}

#[async_trait]
impl Authorize for Tokens {
    async fn header(&self, fresh: bool) -> Result<Option<Secret>, Failure> {
        let n = if fresh { self.fresh.fetch_add(1, Ordering::SeqCst) + 1 } else { self.fresh.load(Ordering::SeqCst) };
        Ok(Some(Secret::new(format!("Bearer planted-{n}"))))
    }
}

fn wants(token: &'static str, status: u16) -> (Router, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&seen);
    let answer = move |headers: HeaderMap| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move {
            let given = headers["authorization"].to_str().unwrap().to_owned();
            let words = json!({"error": {"code": "x", "message": format!("refused: {given}")}});
            if given == token {
                StatusCode::OK.into_response()
            } else {
                (StatusCode::from_u16(status).unwrap(), axum::Json(words)).into_response()
            }
        }
    };
    (Router::new().fallback(answer), seen)
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_call_sent_again() {
    for status in [401, 403] {
        let (router, seen) = wants("Bearer planted-1", status);
        let tokens = Arc::new(Tokens { fresh: AtomicUsize::new(0) });
        assert!(api_with(serve(router).await, ALLOWED, tokens).send(&act()).await.is_ok());
        assert_eq!(seen.load(Ordering::SeqCst), 2);
    }
}

#[tokio::test]
async fn a_credential_that_stays_refused_is_told_with_what_to_do_and_without_the_token() {
    for (status, kind) in [(401, FailureKind::Unauthorized), (403, FailureKind::Forbidden)] {
        let (router, seen) = wants("Bearer other", status);
        let tokens = Arc::new(Tokens { fresh: AtomicUsize::new(0) });
        let failure = api_with(serve(router).await, ALLOWED, tokens).send(&act()).await.unwrap_err();
        assert_eq!((failure.kind, seen.load(Ordering::SeqCst)), (kind, 2));
        let text = format!("{failure} {failure:?} {}", serde_json::to_string(&failure).unwrap());
        assert!(!text.contains("planted"), "{text}");
        assert!(kind != FailureKind::Forbidden || failure.hint.contains("permission X on Y"), "{failure}");
    }
}

#[tokio::test]
async fn the_pace_can_use_up_the_deadline_and_then_nothing_was_sent() {
    let (router, seen) = failing(0, 200, &[]);
    let options = ApiOptions {
        provider: Provider::Entra,
        base: serve(router).await,
        auth: (Arc::new(Anonymous) as Arc<dyn Authorize>).into(),
        allowed: ALLOWED,
        pace: Pace::new(&clock(), 1, 1, Duration::from_secs(3_600)),
        max_body: 1024,
    };
    let api = Api::new(&transport(), options).unwrap();
    api.send(&act()).await.unwrap();
    let failure = api.send(&act().deadline(PATIENCE)).await.unwrap_err();
    assert_eq!((failure.sent, seen.load(Ordering::SeqCst)), (Sent::No, 1));
    assert!(failure.is_passing());
}

#[tokio::test]
async fn an_api_that_does_not_answer_is_left_alone_until_one_call_is_answered() {
    let (router, seen) = failing(6, 502, &[]);
    let clock = Arc::new(StillClock::default());
    let options = ApiOptions {
        provider: Provider::Entra,
        base: serve(router).await,
        auth: (Arc::new(Anonymous) as Arc<dyn Authorize>).into(),
        allowed: ALLOWED,
        pace: Pace::unlimited(&(Arc::clone(&clock) as Arc<dyn Clock>), 8),
        max_body: 1024,
    };
    let api = Api::new(&transport(), options).unwrap();
    let ends = async || api.send(&act().deadline(PATIENCE)).await.map(|_| ()).map_err(|failure| failure.sent);
    for _ in 0..5 {
        assert_eq!(ends().await, Err(Sent::Maybe));
    }
    let read = api.send(&Call::get("list").deadline(PATIENCE)).await.unwrap_err();
    assert_eq!((read.kind, read.sent), (FailureKind::Unavailable, Sent::No), "it is not repeated either");
    assert!(read.to_string().contains("the last 5 calls failed"), "{read}");
    clock.forward(5);
    assert_eq!((ends().await, ends().await), (Err(Sent::Maybe), Err(Sent::No)));
    assert_eq!(seen.load(Ordering::SeqCst), 6, "one has tried");
    clock.forward(10);
    assert_eq!([ends().await, ends().await], [Ok(()); 2]);
}

#[tokio::test]
async fn an_answer_of_another_shape_is_unreadable_and_not_quoted() {
    let router = Router::new().fallback(|| async { r#"{"password": "planted"}"# });
    let answer = api(serve(router).await, ALLOWED).send(&Call::get("list")).await.unwrap();
    let failure = answer.json::<Vec<Value>>().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unreadable);
    assert!(!failure.to_string().contains("planted"), "{failure}");
}

/// Reads what a client says first, and hangs up.
async fn hear(listener: tokio::net::TcpListener) -> String {
    let (mut socket, _) = listener.accept().await.unwrap();
    let mut heard = vec![0_u8; 2048];
    let n = tokio::io::AsyncReadExt::read(&mut socket, &mut heard).await.unwrap();
    String::from_utf8_lossy(&heard[..n]).into_owned()
}

#[tokio::test]
async fn the_proxy_carries_outside_calls_with_its_own_password_and_never_sees_the_token() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy {
        url: format!("http://{}", listener.local_addr().unwrap()).parse().unwrap(),
        user: Some("u".into()),
        password: Some(Secret::new("p")),
        no_proxy: None,
    };
    let client = client(&ClientOptions { proxy: Some(proxy), ..ClientOptions::default() }).unwrap();
    let options = |base| ApiOptions {
        provider: Provider::Entra,
        base,
        auth: (Arc::new(Tokens { fresh: AtomicUsize::new(0) }) as Arc<dyn Authorize>).into(),
        allowed: ALLOWED,
        pace: Pace::unlimited(&clock(), 1),
        max_body: 1024,
    };
    let outside = Api::new(&client, options("https://graph.invalid".parse().unwrap())).unwrap();
    let heard = tokio::spawn(hear(listener));
    let failure = outside.send(&act().deadline(PATIENCE)).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (FailureKind::Unreachable, Sent::No));
    let heard = heard.await.unwrap();
    assert!(heard.starts_with("CONNECT graph.invalid:443 "), "{heard}");
    assert!(heard.to_lowercase().contains("proxy-authorization: basic dtpw"), "{heard}");
    assert!(!heard.contains("planted"));

    let (router, seen) = failing(0, 200, &[]);
    let own = Api::new(&client, options(serve(router).await)).unwrap();
    own.send(&act()).await.unwrap();
    assert_eq!(seen.load(Ordering::SeqCst), 1, "loopback goes without the proxy, which is gone");
}

#[test]
fn a_token_goes_to_https_or_loopback_only() {
    let made = |base: &str| {
        let options = ApiOptions {
            provider: Provider::Okta,
            base: base.parse().unwrap(),
            auth: (Arc::new(Anonymous) as Arc<dyn Authorize>).into(),
            allowed: ALLOWED,
            pace: Pace::unlimited(&clock(), 8),
            max_body: 1,
        };
        Api::new(&transport(), options).map(|_| ()).map_err(|error| error.to_string())
    };
    assert!(made("https://contoso.okta.com").is_ok() && made("http://127.0.0.1:8080/x").is_ok());
    for base in ["http://contoso.okta.com", "https://u:hunter2@x.com", "ftp://x.com", "https://x.com/?a=b", "data:x"] {
        let error = made(base).unwrap_err();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn what_changes_something_is_called_with_its_own_credential_and_what_reads_is_not() {
    struct Named(&'static str);
    #[async_trait]
    impl Authorize for Named {
        async fn header(&self, _: bool) -> Result<Option<Secret>, Failure> {
            Ok(Some(Secret::new(format!("Bearer {}", self.0))))
        }
    }
    let echo = async |headers: HeaderMap| headers["authorization"].to_str().unwrap().to_owned();
    let said = async move |headers: HeaderMap| axum::Json(json!(echo(headers).await));
    let base = serve(Router::new().route("/thing", get(said).post(said))).await;
    let (reads, changes): (Arc<dyn Authorize>, Arc<dyn Authorize>) = (Arc::new(Named("r")), Arc::new(Named("c")));
    let options = ApiOptions {
        provider: Provider::Entra,
        base,
        auth: crate::connect::token::Credentials { reads, changes },
        allowed: &[Allowed(Method::Get, "thing"), Allowed(Method::Post, "thing")],
        pace: Pace::unlimited(&clock(), 8),
        max_body: 1 << 20,
    };
    let api = Api::new(&transport(), options).unwrap();
    let calls = [Call::get("thing"), Call::new(Method::Post, "thing"), Call::new(Method::Post, "thing").only_asks()];
    let mut said = Vec::new();
    for call in calls {
        said.push(api.send(&call).await.unwrap().json::<String>().unwrap());
    }
    assert_eq!(said, ["Bearer r", "Bearer c", "Bearer r"]);
}
