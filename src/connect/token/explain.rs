//! Why there is no token, in a sentence that says what to do.

use std::error::Error as _;

use azure_core::error::{Error, ErrorKind};

use crate::connect::http::redacted_of;
use crate::model::failure::{Failure, FailureKind, Provider, Sent, VendorWords};
use crate::model::secret::Secret;

/// Entra's codes with their cure (Microsoft Entra authentication error codes).
const CURES: [(&str, &str); 12] = [
    ("AADSTS7000222", "the client secret has expired: make a new one for the application and put it into the settings"),
    ("AADSTS7000215", "the client secret is wrong: give the secret's value, not its id"),
    ("AADSTS7000216", "the sign-in carried no secret or assertion: check [identity] in the settings"),
    (
        "AADSTS700027",
        "the certificate does not sign in: add it to the application (Certificates & secrets), see that it has not expired, \
         and that the private key is its own",
    ),
    ("AADSTS700016", "the application is not in this tenant: check tenant.id and identity.client_id"),
    ("AADSTS90002", "the tenant was not found: check tenant.id and the cloud"),
    ("AADSTS900023", "the tenant id is malformed: check tenant.id"),
    ("AADSTS700213", "no federated credential fits: its issuer, subject and audience must be those of the workload"),
    ("AADSTS70021", "no federated credential fits: its issuer, subject and audience must be those of the workload"),
    ("AADSTS700024", "the federated token has expired: check that its file is renewed and the clock is right"),
    ("AADSTS500011", "the API is not known in this tenant: check that cloud and endpoint belong together"),
    ("AADSTS7000112", "the application is disabled in this tenant: enable it under Enterprise applications"),
];

/// A failed token request as our failure: nothing was sent to the API itself.
pub(super) fn failure(scope: &str, error: &Error, secret: Option<&Secret>) -> Failure {
    let words = redacted_of(&words(error), secret);
    let status = status(error);
    let code = entra_code(&words);
    let kind = kind(error, status);
    let hint = match (CURES.iter().find(|(known, _)| Some(*known) == code.as_deref()), kind) {
        (Some((_, cure)), _) => (*cure).to_owned(),
        (None, FailureKind::Unreachable | FailureKind::NoAnswer) => innermost(error),
        (None, FailureKind::Unavailable | FailureKind::Throttled(_)) => String::new(),
        (None, _) if status.is_some() => "check tenant.id and [identity] in the settings".to_owned(),
        (None, _) => format!("the sign-in failed: {}", short(&words)),
    };
    let vendor = status.map(|status| {
        let code = code.as_deref().unwrap_or("error");
        let sentence = short(&words);
        // Entra's sentences begin with the code, which stands beside them.
        let sentence = sentence.split_once(&format!("{code}: ")).map_or(sentence.as_str(), |(_, rest)| rest);
        VendorWords::new(status, code, sentence, None)
    });
    failed(scope, kind, vendor, hint)
}

/// A failure of the token endpoint with our own words.
pub(super) fn failed(scope: &str, kind: FailureKind, vendor: Option<VendorWords>, hint: String) -> Failure {
    Failure { provider: Provider::Login, operation: format!("token for {scope}"), kind, sent: Sent::No, vendor, hint }
}

fn kind(error: &Error, status: Option<u16>) -> FailureKind {
    let is = |kind: fn(&ErrorKind) -> bool| chain(error).any(|error| kind(error.kind()));
    match status {
        Some(429) => FailureKind::Throttled(None),
        Some(408 | 500..=599) => FailureKind::Unavailable,
        None if is(|kind| matches!(kind, ErrorKind::Connection)) => FailureKind::Unreachable,
        None if is(|kind| matches!(kind, ErrorKind::Io)) => FailureKind::NoAnswer,
        None if is(|kind| matches!(kind, ErrorKind::DataConversion)) => FailureKind::Unreadable,
        Some(_) | None => FailureKind::Unauthorized,
    }
}

/// azure_identity wraps its errors; the wrapped ones say more.
fn chain(error: &Error) -> impl Iterator<Item = &Error> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source().and_then(|source| source.downcast_ref());
        Some(error)
    })
}

fn status(error: &Error) -> Option<u16> {
    chain(error).find_map(Error::http_status).map(u16::from)
}

fn words(error: &Error) -> String {
    let last = chain(error).last().unwrap_or(error);
    last.to_string()
}

fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(source) = last.source() {
        last = source;
    }
    short(&redacted_of(&last.to_string(), None))
}

/// `AADSTS...` in a text.
fn entra_code(words: &str) -> Option<String> {
    let at = words.find("AADSTS")?;
    let digits: String = words[at + 6..].chars().take_while(char::is_ascii_digit).take(12).collect();
    (!digits.is_empty()).then(|| format!("AADSTS{digits}"))
}

/// The first line without its trace ids.
fn short(words: &str) -> String {
    let first = words.split(['\r', '\n']).find(|line| !line.trim().is_empty()).unwrap_or_default();
    let first = first.split(" Trace ID:").next().unwrap_or_default();
    crate::model::text::clip(first.trim(), 200)
}
