//! An answer that says no, in our words.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::call::Call;
use super::redact::redacted_of;
use crate::model::failure::{Failure, FailureKind, Provider, Sent, VendorWords};
use crate::model::secret::Secret;
use crate::model::time::{At, Clock, SystemClock, print_duration};

/// A wish to stay away longer than this is cut to it: no vendor's header silences riposte for a day.
const LONGEST_WISH: Duration = Duration::from_secs(15 * 60);

/// Headers by which the vendors' support finds a call, in the order in which they are believed.
const REQUEST_IDS: [&str; 4] = ["request-id", "x-ms-request-id", "x-ms-correlation-request-id", "x-okta-request-id"];

/// What an answer without success means. `secret` is what the call was authorized with: should the
/// vendor echo it, it is taken out.
pub(super) fn failure(
    provider: Provider,
    call: &Call,
    secret: Option<&Secret>,
    (status, headers, body): (StatusCode, &HeaderMap, &[u8]),
) -> Failure {
    let vendor = words(status, headers, body, secret);
    let kind = kind(status, headers, &vendor.code);
    Failure {
        provider,
        operation: call.operation(),
        kind,
        sent: sent(status, call),
        hint: hint(provider, call, secret, (status, kind), asks(headers)),
        vendor: Some(vendor),
    }
}

fn kind(status: StatusCode, headers: &HeaderMap, code: &str) -> FailureKind {
    match status.as_u16() {
        401 => FailureKind::Unauthorized,
        // Log Analytics answers 403 where its token is refused.
        403 if code.starts_with("InvalidAuthenticationToken") => FailureKind::Unauthorized,
        403 => FailureKind::Forbidden,
        404 | 410 => FailureKind::NotFound,
        409 | 412 => FailureKind::Conflict,
        429 => FailureKind::Throttled(wish(headers)),
        503 if wish(headers).is_some() => FailureKind::Throttled(wish(headers)),
        501 | 505 => FailureKind::Refused,
        408 | 500..=599 => FailureKind::Unavailable,
        _ => FailureKind::Refused,
    }
}

/// A gateway that gave up, or a server that stumbled, does not say that nothing happened. Only reads
/// can be sure of that.
fn sent(status: StatusCode, call: &Call) -> Sent {
    match status.as_u16() {
        408 | 500 | 502 | 504 if !call.safe => Sent::Maybe,
        _ => Sent::Answered,
    }
}

fn hint(
    provider: Provider,
    call: &Call,
    secret: Option<&Secret>,
    (status, kind): (StatusCode, FailureKind),
    asks: Option<Duration>,
) -> String {
    if status.is_redirection() {
        return "it answered with a redirect, which is never followed; check the address in the settings".to_owned();
    }
    match kind {
        FailureKind::Unauthorized if provider == Provider::Okta && secret.is_some_and(is_bearer) => {
            "it refuses the token that it has just given; see that the service app is active in Okta's administration"
                .to_owned()
        }
        FailureKind::Unauthorized if provider == Provider::Okta => {
            "make a new API token in Okta's administration and put it into the settings".to_owned()
        }
        FailureKind::Unauthorized => {
            "the token was refused; check that tenant, cloud and endpoint in the settings belong together".to_owned()
        }
        FailureKind::Forbidden if call.permission.is_empty() => {
            "the identity lacks a permission or role for this call".to_owned()
        }
        FailureKind::Forbidden => call.permission.to_owned(),
        FailureKind::NotFound => call.missing.to_owned(),
        FailureKind::Throttled(Some(wish)) => {
            let asks = asks.unwrap_or(wish);
            let (asked, ceiling) = (print_duration(asks), print_duration(LONGEST_WISH));
            let most = if asks > wish { format!("; riposte waits {ceiling} at most") } else { String::new() };
            format!("it asks to wait {asked}{most}")
        }
        FailureKind::Throttled(None)
        | FailureKind::Unavailable
        | FailureKind::NoAnswer
        | FailureKind::Unreachable
        | FailureKind::Conflict
        | FailureKind::Refused
        | FailureKind::Unreadable
        | FailureKind::NotAttempted => String::new(),
    }
}

/// A token that was signed in for, and no API token.
fn is_bearer(secret: &Secret) -> bool {
    secret.expose().starts_with("Bearer ")
}

/// How long the vendor asks us to stay away: `x-ms-retry-after-ms`, `Retry-After` in seconds or as a
/// date (RFC 9110), Okta's `X-Rate-Limit-Reset`.
fn asks(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let millis = ["x-ms-retry-after-ms", "retry-after-ms"].into_iter().find_map(|name| text(name)?.parse().ok());
    let reset = || {
        let left = text("x-rate-limit-remaining").is_none_or(|left| left == "0");
        let at = text("x-rate-limit-reset")?.parse::<i64>().ok().filter(|_| left)?;
        Some(At::from_unix_seconds(at).since(server_time(headers)).max(Duration::from_secs(1)))
    };
    millis.map(Duration::from_millis).or_else(|| retry_after(text("retry-after")?, headers)).or_else(reset)
}

/// How long we stay away for it.
fn wish(headers: &HeaderMap) -> Option<Duration> {
    asks(headers).map(|asked| asked.min(LONGEST_WISH))
}

fn retry_after(text: &str, headers: &HeaderMap) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    Some(http_date(text)?.since(server_time(headers)))
}

/// The server's own clock, by which its dates are meant; ours when it sends none.
fn server_time(headers: &HeaderMap) -> At {
    let stated = headers.get("date").and_then(|value| value.to_str().ok()).and_then(http_date);
    stated.unwrap_or_else(|| SystemClock.now())
}

fn http_date(text: &str) -> Option<At> {
    let zoned = jiff::fmt::rfc2822::DateTimeParser::new().parse_zoned(text).ok()?;
    Some(At::from_unix_seconds(zoned.timestamp().as_second()))
}

/// The vendor's code and sentence: Graph, ARM and Log Analytics `{error: {code, message}}`, Entra's
/// token endpoint `{error, error_description}`, Okta `{errorCode, errorSummary}`. Anything else is
/// not repeated.
fn words(status: StatusCode, headers: &HeaderMap, body: &[u8], secret: Option<&Secret>) -> VendorWords {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
    let inner = error.get("innerError").or_else(|| error.get("innererror")).unwrap_or(&Value::Null);
    let mut code = text(error, "code")
        .or_else(|| text(&body, "error"))
        .or_else(|| text(&body, "errorCode"))
        .unwrap_or_else(|| status.canonical_reason().unwrap_or("error").to_owned());
    if let Some(inner) = text(inner, "code") {
        code = format!("{code}/{inner}");
    }
    let message = text(error, "message")
        .or_else(|| text(&body, "error_description"))
        .or_else(|| text(&body, "errorSummary"))
        .unwrap_or_default();
    let message = match innermost(inner) {
        Some(inner) if !message.contains(&inner) => format!("{message}: {inner}"),
        Some(_) | None => message,
    };
    let id = REQUEST_IDS
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok().map(str::to_owned))
        .or_else(|| text(inner, "request-id"))
        .or_else(|| text(&body, "errorId"))
        .or_else(|| text(&body, "correlation_id"));
    let clean = |text: &str| redacted_of(text, secret);
    VendorWords::new(status.as_u16(), &clean(&code), &clean(&message), id.as_deref().map(clean).as_deref())
}

/// What an error within the error says, the innermost first: of a query, which word of it is wrong.
fn innermost(error: &Value) -> Option<String> {
    let mut said = None;
    let mut error = error;
    for _ in 0..5 {
        said = error.get("message").and_then(Value::as_str).map(str::to_owned).or(said);
        error = error.get("innererror").or_else(|| error.get("innerError")).unwrap_or(&Value::Null);
    }
    said
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    fn told(status: u16, list: &[(&'static str, &str)], body: &str) -> Failure {
        let call = Call::post("users/{id}/revokeSignInSessions").permission("grant P").when_missing("check M");
        let status = StatusCode::from_u16(status).unwrap();
        failure(Provider::Entra, &call, None, (status, &headers(list), body.as_bytes()))
    }

    #[test]
    fn statuses_are_sorted_by_what_can_be_done_next() {
        let sorted = [
            (400, FailureKind::Refused),
            (401, FailureKind::Unauthorized),
            (403, FailureKind::Forbidden),
            (404, FailureKind::NotFound),
            (408, FailureKind::Unavailable),
            (409, FailureKind::Conflict),
            (412, FailureKind::Conflict),
            (429, FailureKind::Throttled(None)),
            (500, FailureKind::Unavailable),
            (302, FailureKind::Refused),
            (503, FailureKind::Unavailable),
        ];
        for (status, kind) in sorted {
            assert_eq!(told(status, &[], "").kind, kind, "{status}");
        }
        assert_eq!((told(403, &[], "").hint, told(404, &[], "").hint), ("grant P".into(), "check M".into()));
        assert!(told(302, &[], "").hint.contains("redirect"));
    }

    #[test]
    fn a_stumbling_server_may_have_acted_and_a_refusing_one_has_not() {
        assert_eq!((told(504, &[], "").sent, told(500, &[], "").sent), (Sent::Maybe, Sent::Maybe));
        assert_eq!((told(403, &[], "").sent, told(429, &[], "").sent), (Sent::Answered, Sent::Answered));
    }

    #[test]
    fn a_wish_is_read_as_seconds_date_milliseconds_or_reset_and_has_a_ceiling() {
        let date = ("date", "Sun, 06 Nov 1994 08:49:30 GMT");
        let wishes = [
            (vec![("retry-after", "7")], Some(7_000)),
            (vec![("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), date], Some(7_000)),
            (vec![("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT"), date], Some(0)),
            (vec![("x-ms-retry-after-ms", "250"), ("retry-after", "7")], Some(250)),
            (vec![("x-rate-limit-reset", "784111780"), date], Some(10_000)),
            (vec![("x-rate-limit-reset", "784111780"), ("x-rate-limit-remaining", "5"), date], None),
            (vec![("retry-after", "86400")], Some(900_000)),
            (vec![("retry-after", "18446744073709551616")], None),
            (vec![("retry-after", "soon")], None),
        ];
        for (list, expected) in wishes {
            let kind = told(429, &list, "").kind;
            assert_eq!(kind, FailureKind::Throttled(expected.map(Duration::from_millis)), "{list:?}");
        }
        assert!(matches!(told(503, &[("retry-after", "3")], "").kind, FailureKind::Throttled(Some(_))));
    }

    #[test]
    fn each_vendors_error_body_is_understood() {
        let graph = r#"{"error":{"code":"Request_BadRequest","message":"no","innerError":{"request-id":"r1"}}}"#;
        let query = r#"{"error":{"code":"BadArgumentError","message":"bad","innererror":{"code":"SyntaxError"}}}"#;
        let login = r#"{"error":"invalid_client","error_description":"AADSTS7000222: expired","correlation_id":"c"}"#;
        let okta = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed","errorId":"oae"}"#;
        let read = |body| told(400, &[], body).vendor.map(|w| (w.code, w.message, w.request_id)).unwrap();
        assert_eq!(read(graph), ("Request_BadRequest".into(), "no".into(), Some("r1".into())));
        assert_eq!(read(query), ("BadArgumentError/SyntaxError".into(), "bad".into(), None));
        assert_eq!(read(login), ("invalid_client".into(), "AADSTS7000222: expired".into(), Some("c".into())));
        assert_eq!(read(okta), ("E0000001".into(), "Api validation failed".into(), Some("oae".into())));
        assert_eq!(read("<html>nope</html>").1, "");
        let deep = r#"{"error":{"code":"B","message":"bad","innererror":{"code":"S","message":"m","innererror":{"message":"no table T"}}}}"#;
        assert_eq!(read(deep), ("B/S".into(), "bad: no table T".into(), None));
    }

    #[test]
    fn a_token_echoed_by_the_vendor_is_not_repeated() {
        let told =
            told(400, &[], r#"{"error":{"code":"x","message":"token eyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.c2ln bad"}}"#);
        assert!(!told.to_string().contains("eyJ"), "{told}");
    }
}
