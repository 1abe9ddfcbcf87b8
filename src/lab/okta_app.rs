//! The service app of the Okta org: its key, the scopes that it was granted, and the tokens that it was given.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

use super::LabError;
use super::http::{Answer, Req};
use super::ids;
use super::scenario::App;
use crate::model::time::{At, Clock as _, SystemClock};

/// The scopes that riposte's README asks for: what the app has been granted unless a scenario says otherwise.
pub(crate) const GRANTED: [&str; 5] =
    ["okta.users.read", "okta.users.manage", "okta.groups.manage", "okta.roles.read", "okta.logs.read"];

/// The longest a statement may be good for.
const LONGEST: Duration = Duration::from_hours(1);
/// How long a token is good.
const LIFE: Duration = Duration::from_hours(1);

/// riposte's service app. Statements and tokens live by the machine's clock, as those of Entra do.
pub(crate) struct ServiceApp {
    key: Key,
    granted: BTreeSet<String>,
    demands_dpop: bool,
    life: Duration,
    /// Ids of statements, until these end.
    used: HashMap<String, i64>,
    tokens: HashMap<String, Token>,
    made: u64,
}

struct Key {
    pem: String,
    public: DecodingKey,
}

struct Token {
    scopes: BTreeSet<String>,
    expires: At,
}

/// Why a token gets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Invalid,
    LacksScope,
}

/// An error of the token endpoint: status, code, sentence.
type No = (u16, &'static str, &'static str);

impl ServiceApp {
    /// With a fresh key.
    pub(crate) fn make(app: &App) -> Result<Self, LabError> {
        let granted = GRANTED.iter().map(|scope| (*scope).to_owned());
        Ok(Self {
            key: Key::make()?,
            granted: granted.filter(|scope| !app.without_okta_scopes.contains(scope)).collect(),
            demands_dpop: app.okta_dpop,
            life: app.token_lifetime.unwrap_or(LIFE),
            used: HashMap::new(),
            tokens: HashMap::new(),
            made: 0,
        })
    }

    /// Its private key in PEM, for whoever signs in.
    pub(crate) fn pem(&self) -> &str {
        &self.key.pem
    }

    /// Another key in place of the earlier one. Tokens live on.
    pub(crate) fn renew(&mut self) -> Result<&str, LabError> {
        self.key = Key::make()?;
        Ok(self.pem())
    }

    /// No token is good any more.
    pub(crate) fn end_tokens(&mut self) {
        self.tokens.clear();
    }

    /// Answers `POST /oauth2/v1/token`.
    pub(crate) fn token(&mut self, req: &Req) -> Answer {
        let scopes = match self.admitted(req) {
            Ok(scopes) => scopes,
            Err((status, code, why)) => {
                let answer = Answer::json(status, json!({"error": code, "error_description": why}));
                return if self.demands_dpop { answer.with("dpop-nonce", "lab-nonce") } else { answer };
            }
        };
        self.made += 1;
        let now = SystemClock.now();
        let expires = now.plus(self.life);
        let claims = json!({"ver": 1, "jti": format!("AT.lab-{}", self.made), "cid": ids::okta_client(),
            "sub": ids::okta_client(), "scp": scopes, "iat": now.unix_seconds(), "exp": expires.unix_seconds()});
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", part(r#"{"typ":"JWT","alg":"none"}"#), part(&claims.to_string()), part("lab"));
        let answer = json!({"token_type": "Bearer", "expires_in": self.life.as_secs(), "access_token": token,
            "scope": scopes.iter().map(String::as_str).collect::<Vec<_>>().join(" ")});
        self.tokens.insert(token, Token { scopes, expires });
        Answer::ok(answer)
    }

    /// The scopes of a request for a token that may have one.
    fn admitted(&mut self, req: &Req) -> Result<BTreeSet<String>, No> {
        let field = |name: &str| req.form(name).unwrap_or_default();
        if !req.header("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
            return Err((400, "invalid_request", "The request body must be a form."));
        }
        if field("grant_type") != "client_credentials" {
            return Err((400, "unsupported_grant_type", "The grant type is not supported by this application."));
        }
        if field("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
            return Err((401, "invalid_client", "The client_assertion_type is invalid."));
        }
        self.judge(&field("client_assertion"))?;
        if self.demands_dpop {
            return Err((400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof."));
        }
        let scopes: BTreeSet<String> = field("scope").split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() || !scopes.is_subset(&self.granted) {
            return Err((400, "invalid_scope", "A requested scope has not been granted to this application."));
        }
        Ok(scopes)
    }

    /// Whether a statement is signed with the app's key, about the app and for the token endpoint, ends within an hour, and
    /// was never seen. A recording proxy may stand in front, so the endpoint's host is not compared.
    fn judge(&mut self, statement: &str) -> Result<(), No> {
        let no = |why| (401, "invalid_client", why);
        let mut rules = Validation::new(Algorithm::RS256);
        rules.leeway = 0;
        rules.validate_aud = false;
        rules.set_issuer(&[ids::okta_client()]);
        rules.sub = Some(ids::okta_client());
        rules.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        let read = jsonwebtoken::decode::<Value>(statement, &self.key.public, &rules);
        let read = read.map_err(|error| {
            let is = |kind: &ErrorKind| error.kind() == kind;
            no(if is(&ErrorKind::ExpiredSignature) {
                "The client_assertion token is expired."
            } else if is(&ErrorKind::InvalidSignature) {
                "The client_assertion signature is invalid."
            } else if is(&ErrorKind::InvalidIssuer) || is(&ErrorKind::InvalidSubject) {
                "The client_assertion names another client."
            } else {
                "The client_assertion is invalid."
            })
        })?;
        if read.header.kid.is_some_and(|kid| kid != ids::OKTA_KEY_ID) {
            return Err(no("The client_assertion JWT kid is invalid."));
        }
        let audience = read.claims["aud"].as_str().and_then(|text| url::Url::parse(text).ok());
        if audience.is_none_or(|url| url.path() != "/oauth2/v1/token") {
            return Err(no("The audience claim for client_assertion must be the endpoint invoked for the request."));
        }
        let now = SystemClock.now();
        let ends = read.claims["exp"].as_i64().unwrap_or(i64::MAX);
        if ends > now.plus(LONGEST).unix_seconds() {
            return Err(no("The client_assertion token has an expiration too far into the future."));
        }
        self.used.retain(|_, ends| *ends >= now.unix_seconds());
        let id = read.claims["jti"].as_str().map(str::to_owned);
        if id.is_some_and(|id| self.used.insert(id, ends).is_some()) {
            return Err(no("The client_assertion token has been used before."));
        }
        Ok(())
    }

    /// Whether a token is good for a call that needs this scope.
    pub(crate) fn admits(&self, token: &str, scope: &str) -> Result<(), Refusal> {
        let token = self.tokens.get(token).filter(|token| token.expires > SystemClock.now()).ok_or(Refusal::Invalid)?;
        if token.scopes.contains(scope) { Ok(()) } else { Err(Refusal::LacksScope) }
    }
}

impl Key {
    fn make() -> Result<Self, LabError> {
        let failed = |cause: String| LabError::Tls { what: "make the service app's key", cause };
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(|error| failed(error.to_string()))?;
        let public = DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes());
        Ok(Self { pem: pair.serialize_pem(), public: public.map_err(|error| failed(error.to_string()))? })
    }
}
