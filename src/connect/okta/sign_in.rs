//! A service app's sign-in to its org: a statement signed with the app's private key for a token of an hour
//! (Okta: "Implement OAuth for Okta with a service app").

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use url::Url;

use super::SCOPES;
use crate::connect::http::{Allowed, Answer, Api, ApiOptions, BadBase, Call, Client, Method, Pace};
use crate::connect::token::{Anonymous, Authorize, Issued, Issuer, SecretReader, Statement};
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::secret::Secret;
use crate::model::signing_key::SigningKey;
use crate::model::time::{Clock, SystemClock};

/// The endpoint of the org's own authorization server: no other gives scopes of Okta's API.
const TOKEN: &str = "oauth2/v1/token";
const ALLOWED: &[Allowed] = &[Allowed(Method::Post, TOKEN)];

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token answer is a few kilobytes.
const MAX_BODY: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

const DPOP: &str = "the service app demands DPoP, which riposte does not speak: in Okta's console, under Applications > the app > \
     General, switch off that token requests require a DPoP header";
const CLOCK: &str =
    "the statement riposte signed is out of time for Okta: set the clock of the machine riposte runs on (NTP)";
const KEY_ID: &str = "key_id is not the id (KID) of a key of the service app, or is missing where the app has several keys: see \
     Okta's console, Applications > the app > General > Client Credentials";
const KEY: &str = "check client_id, and that the public key that belongs to private_key is active with the service app: Okta's \
     console, Applications > the app > General > Client Credentials, Public key / Private key";
const GRANT: &str = "the service app must be active, of the kind API Services, with Client Credentials as its grant type: Okta's \
     console, Applications > the app > General";
const ADDRESS: &str = "that address is no Okta org: check its url in the settings";

/// A service app and its key.
#[derive(Clone)]
pub struct ServiceApp {
    /// The org's name in the settings, for messages.
    pub org: String,
    /// The app's client id.
    pub client_id: String,
    /// Its RSA private key in PEM, read anew for each sign-in.
    pub private_key: SecretReader,
    /// What Okta calls the key, read together with it.
    pub key_id: Option<SecretReader>,
}

/// The sign-in of a service app to its org.
pub struct SignIn {
    api: Api,
    audience: String,
    purpose: String,
    app: ServiceApp,
}

impl SignIn {
    /// At the org at `url`, and nowhere else.
    ///
    /// # Errors
    /// When `url` cannot be the address of an API.
    pub fn new(client: &Client, clock: &Arc<dyn Clock>, url: &Url, app: ServiceApp) -> Result<Self, BadBase> {
        let auth: Arc<dyn Authorize> = Arc::new(Anonymous);
        let options = ApiOptions {
            provider: Provider::Okta,
            base: url.clone(),
            auth: auth.into(),
            allowed: ALLOWED,
            // One asks at a time, once an hour.
            pace: Pace::unlimited(clock, 1),
            max_body: MAX_BODY,
        };
        let audience = format!("{}/{TOKEN}", url.as_str().trim_end_matches('/'));
        Ok(Self { api: Api::new(client, options)?, audience, purpose: format!("token for org {}", app.org), app })
    }

    /// A statement of this moment, with the key as it is at this moment.
    fn statement(&self) -> Result<String, String> {
        let pem = (self.app.private_key)()?;
        let key = SigningKey::from_pem(&pem).map_err(|why| format!("private_key cannot be used: {why}"))?;
        let key_id = self.app.key_id.as_ref().map(|read| read()).transpose()?;
        let key_id = key_id.map(|id| id.expose().trim().to_owned());
        let statement = Statement::keyed(key, key_id, &self.app.client_id, self.audience.clone());
        statement.sign(SystemClock.now()).map_err(|_| "private_key does not sign".to_owned())
    }

    fn refused(&self, hint: impl Into<String>) -> Failure {
        Failure {
            provider: Provider::Okta,
            operation: self.purpose.clone(),
            kind: FailureKind::Unauthorized,
            sent: Sent::No,
            vendor: None,
            hint: hint.into(),
        }
    }

    /// A failed sign-in: nothing was sent to the API itself, and whatever was refused can be mended.
    fn explained(&self, failure: Failure) -> Failure {
        let kind = match failure.kind {
            FailureKind::Forbidden | FailureKind::NotFound | FailureKind::Conflict | FailureKind::Refused => {
                FailureKind::Unauthorized
            }
            FailureKind::Throttled(_)
            | FailureKind::Unavailable
            | FailureKind::NoAnswer
            | FailureKind::Unreachable
            | FailureKind::Unauthorized
            | FailureKind::Unreadable
            | FailureKind::NotAttempted => failure.kind,
        };
        let words = failure.vendor.as_ref().map(|words| (words.status, words.code.as_str(), words.message.as_str()));
        let cure = words
            .filter(|_| kind == FailureKind::Unauthorized)
            .and_then(|(status, code, message)| cure(status, code, message));
        let hint = cure.unwrap_or_else(|| failure.hint.clone());
        Failure { operation: self.purpose.clone(), kind, sent: Sent::No, hint, ..failure }
    }
}

#[async_trait]
impl Issuer for SignIn {
    fn purpose(&self) -> &str {
        &self.purpose
    }

    /// Key and statement are new each time, whatever the last token was refused for.
    async fn issue(&self, _anew: bool) -> Result<Issued, Failure> {
        let statement = self.statement().map_err(|why| self.refused(why))?;
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("scope", SCOPES.to_owned()),
            ("client_assertion_type", ASSERTION.to_owned()),
            ("client_assertion", statement),
        ];
        let answer = self.api.send(&Call::post(TOKEN).form(form).deadline(TIMEOUT)).await;
        answer.and_then(|answer| self.token(&answer)).map_err(|failure| self.explained(failure))
    }
}

impl SignIn {
    fn token(&self, answer: &Answer) -> Result<Issued, Failure> {
        let given: Given = answer.json()?;
        if given.token_type.eq_ignore_ascii_case("dpop") {
            return Err(self.refused(DPOP));
        }
        let value = Secret::new(given.access_token);
        if value.expose().is_empty() || !given.token_type.eq_ignore_ascii_case("bearer") {
            return Err(answer.unreadable("the answer holds no bearer token"));
        }
        Ok(Issued { value, life: Duration::from_secs(given.expires_in) })
    }
}

/// What the endpoint gives (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Given {
    access_token: String,
    token_type: String,
    expires_in: u64,
}

/// What to do about a refusal: RFC 6749's codes, RFC 9449's for DPoP, and Okta's own sentences where one code has several
/// reasons.
fn cure(status: u16, code: &str, message: &str) -> Option<String> {
    let message = message.to_lowercase();
    let cure = match code {
        "use_dpop_nonce" | "invalid_dpop_proof" => DPOP,
        "invalid_client" if message.contains("expir") || message.contains("future") => CLOCK,
        "invalid_client" if message.contains("kid ") => KEY_ID,
        "invalid_client" => KEY,
        "invalid_scope" | "access_denied" | "consent_required" => {
            let scopes = SCOPES.replace(' ', ", ");
            return Some(format!(
                "grant the service app every scope riposte asks for, {scopes}: Okta's console, Applications > the app > Okta \
                 API Scopes"
            ));
        }
        "unauthorized_client" | "unsupported_grant_type" | "invalid_grant" => GRANT,
        _ if status == 404 => ADDRESS,
        _ if status == 401 => KEY,
        _ => return None,
    };
    Some(cure.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::body::Bytes;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::post;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
    use rcgen::{KeyPair, PKCS_RSA_SHA256};
    use serde_json::{Value, json};

    use super::*;
    use crate::connect::loopback;
    use crate::connect::token::TokenSource;

    fn key() -> KeyPair {
        KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap()
    }

    fn reader(text: String) -> SecretReader {
        Arc::new(move || Ok(Secret::new(text.clone())))
    }

    fn app(private_key: SecretReader) -> ServiceApp {
        ServiceApp { org: "main".into(), client_id: "0oa1".into(), private_key, key_id: Some(reader("k1\n".into())) }
    }

    async fn signed_in(status: StatusCode, answer: Value) -> Result<Issued, Failure> {
        let router = Router::new().route("/oauth2/v1/token", post(move || async move { (status, answer.to_string()) }));
        let url = loopback::serve(router).await;
        let app = app(reader(key().serialize_pem()));
        SignIn::new(&loopback::transport(), &loopback::clock(), &url, app).unwrap().issue(false).await
    }

    #[tokio::test]
    async fn the_org_is_asked_for_the_scopes_of_the_calls_with_a_statement_signed_for_its_token_endpoint() {
        let pair = key();
        let public = pair.public_key_pem();
        let handler = move |headers: HeaderMap, body: Bytes| async move {
            let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
            assert_eq!(
                (form["grant_type"].as_str(), form["client_assertion_type"].as_str()),
                ("client_credentials", ASSERTION)
            );
            assert_eq!(form["scope"], SCOPES);
            let mut rules = Validation::new(Algorithm::RS256);
            rules.set_audience(&[format!("http://{}/oauth2/v1/token", headers["host"].to_str().unwrap())]);
            let public = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
            let read = decode::<Value>(&form["client_assertion"], &public, &rules).unwrap();
            assert_eq!(read.header.kid.as_deref(), Some("k1"));
            json!({"token_type": "Bearer", "expires_in": 3600, "access_token": "abc", "scope": SCOPES}).to_string()
        };
        let url = loopback::serve(Router::new().route("/oauth2/v1/token", post(handler))).await;
        let sign_in =
            SignIn::new(&loopback::transport(), &loopback::clock(), &url, app(reader(pair.serialize_pem()))).unwrap();
        let issued = sign_in.issue(false).await.unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!((issued.value.expose(), issued.life), ("abc", Duration::from_hours(1)));
    }

    #[tokio::test]
    async fn a_refusal_names_the_org_and_what_to_do_in_oktas_console() {
        let far = "The client_assertion token has an expiration too far into the future.";
        for (status, code, message, cure) in [
            (
                401,
                "invalid_client",
                "The client_assertion signature is invalid.",
                "public key that belongs to private_key",
            ),
            (401, "invalid_client", "The client_assertion JWT kid is invalid.", "key_id is not the id"),
            (401, "invalid_client", "The client_assertion token is expired.", "set the clock"),
            (401, "invalid_client", far, "set the clock"),
            (400, "invalid_scope", "One or more scopes are not configured.", "okta.users.manage, okta.groups.manage"),
            (400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", "DPoP header"),
            (400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.", "DPoP header"),
            (400, "unauthorized_client", "No.", "API Services"),
            (404, "E0000022", "No.", "check its url"),
        ] {
            let answer = json!({"error": code, "error_description": message});
            let failure = signed_in(StatusCode::from_u16(status).unwrap(), answer).await.err().unwrap();
            assert_eq!((failure.kind, failure.sent), (FailureKind::Unauthorized, Sent::No), "{failure}");
            let said = failure.to_string();
            assert!(said.starts_with("Okta token for org main: ") && said.contains(cure), "{said}");
        }
    }

    #[tokio::test]
    async fn what_passes_by_itself_is_no_refusal_and_was_not_sent_to_the_api() {
        for (status, kind) in [(429, FailureKind::Throttled(None)), (503, FailureKind::Unavailable)] {
            let failure = signed_in(StatusCode::from_u16(status).unwrap(), json!({})).await.err().unwrap();
            assert_eq!((failure.kind, failure.sent), (kind, Sent::No), "{failure}");
        }
    }

    #[tokio::test]
    async fn a_token_of_another_kind_is_not_taken() {
        for (kind, token, why) in
            [("DPoP", "abc", "DPoP header"), ("Bearer", "", "no bearer token"), ("MAC", "a", "no bearer")]
        {
            let answer = json!({"token_type": kind, "expires_in": 3600, "access_token": token});
            let failure = signed_in(StatusCode::OK, answer).await.err().unwrap();
            assert!(failure.to_string().contains(why), "{failure}");
        }
    }

    #[tokio::test]
    async fn the_key_is_read_for_each_sign_in_and_one_that_is_not_there_asks_nobody() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let answer = move || async move {
            counter.fetch_add(1, Ordering::SeqCst);
            // So short a life that each call asks for another.
            json!({"token_type": "Bearer", "expires_in": 1, "access_token": "abc"}).to_string()
        };
        let url = loopback::serve(Router::new().route("/oauth2/v1/token", post(answer))).await;
        let (reads, pem) = (AtomicUsize::new(0), key().serialize_pem());
        let private_key: SecretReader = Arc::new(move || match reads.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Ok(Secret::new(pem.as_str())),
            2 => Ok(Secret::new("hunter2")),
            _ => Err("the file k cannot be read".into()),
        });
        let source =
            TokenSource::new(SignIn::new(&loopback::transport(), &loopback::clock(), &url, app(private_key)).unwrap());
        for _ in 0..2 {
            assert_eq!(source.header(false).await.unwrap().unwrap().expose(), "Bearer abc");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
        for why in ["private_key cannot be used: it holds no private key", "the file k cannot be read"] {
            let said = source.header(true).await.unwrap_err().to_string();
            assert!(said.contains(why) && said.contains("org main") && !said.contains("hunter2"), "{said}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
