//! One outside API: what may be asked of it, and the way of a call through the door.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::answer::Answer;
use super::breaker::{Breaker, Shut};
use super::call::{Body, Call, Method, is_place};
use super::client::{Client, innermost, is_loopback};
use super::limit::Pace;
use super::retry_reads::{RetryBudget, Tries};
use super::status;
use crate::connect::token::{Caller, Credentials};
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::secret::Secret;

/// Error bodies are read up to this size.
const ERROR_BODY: usize = 64 * 1024;

/// A token that is wanted for no call is waited for this long.
const TOKEN_WAIT: Duration = Duration::from_secs(60);

/// An API that has not answered within so long is one that does not.
const FAIR: Duration = Duration::from_secs(10);

/// The longest `nextLink` that is followed.
const LONGEST_LINK: usize = 16 * 1024;

/// A method and path template that may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed(pub Method, pub &'static str);

/// What the door has to know about an API.
pub struct ApiOptions {
    /// In whose name failures are told.
    pub provider: Provider,
    /// Its address with the part of the path that all its calls share: `https://graph.microsoft.com/v1.0`.
    pub base: Url,
    /// Its credentials.
    pub auth: Credentials,
    /// Every call that may be made; anything else is refused.
    pub allowed: &'static [Allowed],
    /// How often and how many at once.
    pub pace: Pace,
    /// The largest answer in bytes, after decompression.
    pub max_body: usize,
}

/// The address is not one to which a token may go.
#[derive(Debug, thiserror::Error)]
#[error("{url} cannot be the address of an API: {why}")]
pub struct BadBase {
    url: String,
    why: &'static str,
}

/// One outside API. Clones share everything.
#[derive(Clone)]
pub struct Api {
    client: Client,
    options: Arc<ApiOptions>,
    breaker: Breaker,
    retries: RetryBudget,
}

impl Api {
    /// Joins the transport and what is known of the API.
    ///
    /// # Errors
    /// When the base is neither https nor loopback, or carries a user, a query or a fragment.
    pub fn new(client: &Client, options: ApiOptions) -> Result<Self, BadBase> {
        let base = &options.base;
        let why = if base.host().is_none() {
            Some("it names no host")
        } else if base.scheme() != "https" && !(base.scheme() == "http" && is_loopback(base)) {
            Some("it must begin with https:// (http:// is for loopback only)")
        } else if !base.username().is_empty() || base.password().is_some() {
            Some("it must not carry a user name or password")
        } else if base.query().is_some() || base.fragment().is_some() {
            Some("it must end with the path")
        } else {
            None
        };
        if let Some(why) = why {
            return Err(BadBase { url: base.host_str().unwrap_or_default().to_owned(), why });
        }
        let breaker = Breaker::new(options.provider, options.pace.clock(), client.recoveries());
        let (client, retries) = (client.clone(), RetryBudget::default());
        Ok(Self { client, options: Arc::new(options), breaker, retries })
    }

    /// In whose name failures are told.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.options.provider
    }

    /// Who we are by the tokens that the API is called with, as far as they say it.
    ///
    /// # Errors
    /// When a token cannot be had.
    pub async fn callers(&self) -> Result<Vec<Caller>, Failure> {
        let Credentials { reads, changes } = &self.options.auth;
        let mut callers: Vec<Caller> = Vec::new();
        for auth in [reads, changes] {
            let header = timeout_at(Instant::now() + TOKEN_WAIT, auth.header(false)).await;
            let header = header.unwrap_or_else(|_| Err(Self::no_token("read who riposte is")))?;
            let caller = header.as_ref().and_then(Caller::of);
            callers.extend(caller.filter(|caller| !callers.contains(caller)));
        }
        Ok(callers)
    }

    fn no_token(operation: &str) -> Failure {
        Failure {
            provider: Provider::Login,
            operation: operation.to_owned(),
            kind: FailureKind::NoAnswer,
            sent: Sent::No,
            vendor: None,
            hint: format!("no token came within {} s", TOKEN_WAIT.as_secs()),
        }
    }

    /// Makes a call. Reads may be repeated within their deadline; everything else is sent at most
    /// once, or once more with a fresh token when the first was refused unread.
    ///
    /// # Errors
    /// Whatever kept the call from succeeding; see [`Failure`]. Redirects count as refusals.
    pub async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        self.permit(call)?;
        let url = call.url(&self.options.base).map_err(|why| self.not_attempted(call, &why))?;
        self.deliver(call, &url).await
    }

    /// Follows a link to the next page of `call`'s answer: to the same origin, and to a path of the
    /// same template only.
    ///
    /// # Errors
    /// [`FailureKind::NotAttempted`] for any other link, else as [`Api::send`].
    pub async fn follow(&self, call: &Call, link: &str) -> Result<Answer, Failure> {
        self.permit(call)?;
        let refused = || self.not_attempted(call, "the link to the next page leads elsewhere; it is not followed");
        if !call.safe || link.len() > LONGEST_LINK {
            return Err(refused());
        }
        let url = Url::parse(link).ok().filter(|url| self.is_ours(call, url)).ok_or_else(refused)?;
        self.deliver(call, &url).await
    }

    /// A failure that was decided here, before anything was sent. `why` holds no names or secrets.
    #[must_use]
    pub fn not_attempted(&self, call: &Call, why: &str) -> Failure {
        self.failure(call, FailureKind::NotAttempted, Sent::No, why)
    }

    fn permit(&self, call: &Call) -> Result<(), Failure> {
        if self.options.allowed.contains(&Allowed(call.method, call.template)) {
            return Ok(());
        }
        Err(self.not_attempted(call, "the call is not on the list of calls that riposte makes"))
    }

    fn is_ours(&self, call: &Call, url: &Url) -> bool {
        let base = &self.options.base;
        let place = (url.scheme(), url.host(), url.port_or_known_default());
        let expected = (base.scheme(), base.host(), base.port_or_known_default());
        let template = format!("{}/{}", base.path().trim_end_matches('/'), call.template);
        let (parts, wanted): (Vec<_>, Vec<_>) = (url.path().split('/').collect(), template.split('/').collect());
        let fits = |(part, wanted): (&&str, &&str)| {
            if is_place(wanted) { !part.is_empty() } else { part.eq_ignore_ascii_case(wanted) }
        };
        place == expected
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
            && parts.len() == wanted.len()
            && parts.iter().zip(&wanted).all(fits)
    }

    async fn deliver(&self, call: &Call, url: &Url) -> Result<Answer, Failure> {
        let mut until = Instant::now() + call.deadline;
        if let Some(stop) = call.stop_sending {
            until = until.min(Instant::from_std(stop));
        }
        let mut tries = Tries::new(until, &self.retries);
        loop {
            let result = self.once(call, url, until).await;
            let Err(failure) = &result else {
                self.retries.earn();
                return result;
            };
            tracing::debug!(provider = %failure.provider, operation = failure.operation, "{}", failure.kind);
            if !call.safe || self.breaker.shut().is_some() || !tries.another(failure).await {
                return result;
            }
        }
    }

    /// One pass: a turn, a token, the exchange; and a second exchange when another token can help.
    async fn once(&self, call: &Call, url: &Url, until: Instant) -> Result<Answer, Failure> {
        if let Some(shut) = self.breaker.shut() {
            return Err(self.held_back(call, shut));
        }
        let Some(_turn) = self.options.pace.turn(call.urgency(), until).await else {
            let why = "there was no room for it in the API's documented rate before its deadline";
            return Err(self.failure(call, FailureKind::Throttled(None), Sent::No, why));
        };
        let header = self.header(call, false, until).await?;
        let first = self.exchange(call, url, header.as_ref(), until).await;
        let refused = matches!(&first, Err(failure) if is_refused(failure));
        if !refused || header.is_none() {
            return first;
        }
        match self.header(call, true, until).await {
            Ok(Some(fresh)) if header.is_some_and(|old| old.expose() != fresh.expose()) => {
                if self.options.pace.beat(until).await {
                    self.exchange(call, url, Some(&fresh), until).await
                } else {
                    first
                }
            }
            _ => first,
        }
    }

    async fn header(&self, call: &Call, fresh: bool, until: Instant) -> Result<Option<Secret>, Failure> {
        let Credentials { reads, changes } = &self.options.auth;
        let auth = if call.safe { reads } else { changes };
        timeout_at(until, auth.header(fresh)).await.unwrap_or_else(|_| {
            let mut failure =
                self.failure(call, FailureKind::NoAnswer, Sent::No, "no token came before the call's deadline");
            failure.provider = Provider::Login;
            Err(failure)
        })
    }

    async fn exchange(
        &self,
        call: &Call,
        url: &Url,
        header: Option<&Secret>,
        until: Instant,
    ) -> Result<Answer, Failure> {
        let request = self.request(call, url, header)?;
        if Instant::now() >= until {
            return Err(self.not_attempted(call, "no time was left to send it"));
        }
        let pass = self.breaker.enter().map_err(|shut| self.held_back(call, shut))?;
        let is_fair = until.saturating_duration_since(Instant::now()) >= FAIR;
        let answered = timeout_at(until, self.client.for_url(url).connections().execute(request)).await;
        let outcome = match answered {
            Err(_) => Err(self.failure(call, FailureKind::NoAnswer, Sent::Maybe, "no answer came in time")),
            Ok(Err(error)) => Err(self.broken(call, error)),
            Ok(Ok(response)) => self.read(call, response, header, until).await,
        };
        match &outcome {
            // Whoever waited for his turn for too long has not found out anything about the API.
            Err(failure) if failure.kind == FailureKind::NoAnswer && !is_fair => drop(pass),
            outcome => pass.ended(outcome),
        }
        let label = outcome.as_ref().map_or_else(|failure| failure.kind.word(), |_| "done");
        metrics::counter!("riposte_http_calls_total", "api" => self.options.provider.to_string(), "outcome" => label)
            .increment(1);
        outcome
    }

    fn request(&self, call: &Call, url: &Url, header: Option<&Secret>) -> Result<reqwest::Request, Failure> {
        let mut builder = self.client.for_url(url).connections().request(call.method.wire(), url.clone());
        for (name, value) in &call.headers {
            builder = builder.header(*name, value);
        }
        if let Some(secret) = header {
            let mut value = HeaderValue::from_str(secret.expose())
                .map_err(|_| self.not_attempted(call, "the token holds characters that no header can carry"))?;
            value.set_sensitive(true);
            builder = builder.header(AUTHORIZATION, value);
        }
        builder = match &call.body {
            Some(Body::Json(value)) => builder.json(value),
            Some(Body::Form(fields)) => builder.form(fields),
            None if matches!(call.method, Method::Get) => builder,
            None => builder.body(""),
        };
        builder.build().map_err(|_| self.not_attempted(call, "the request could not be put together"))
    }

    async fn read(
        &self,
        call: &Call,
        response: reqwest::Response,
        header: Option<&Secret>,
        until: Instant,
    ) -> Result<Answer, Failure> {
        let (code, headers) = (response.status(), response.headers().clone());
        if !code.is_success() {
            let body = take(response, ERROR_BODY, until).await.unwrap_or_default();
            return Err(status::failure(self.options.provider, call, header, (code, &headers, &body)));
        }
        let body = take(response, self.options.max_body, until).await.map_err(|cut| match cut {
            Cut::TooLarge => {
                let why = format!("the answer is larger than {} bytes", self.options.max_body);
                self.failure(call, FailureKind::Unreadable, Sent::Answered, &why)
            }
            Cut::Broken => self.failure(call, FailureKind::NoAnswer, Sent::Maybe, "the answer broke off"),
            Cut::Late => self.failure(call, FailureKind::NoAnswer, Sent::Maybe, "the answer did not end in time"),
        })?;
        Ok(Answer {
            provider: self.options.provider,
            operation: call.operation(),
            status: code.as_u16(),
            headers,
            body,
        })
    }

    /// The connection failed: before it stood, nothing was sent; after that, nobody knows.
    fn broken(&self, call: &Call, error: reqwest::Error) -> Failure {
        let error = error.without_url();
        let words = innermost(&error);
        if error.is_connect() || error.is_builder() {
            let base = &self.options.base;
            let hint = self.client.for_url(base).unreached(base, &words);
            return self.failure(call, FailureKind::Unreachable, Sent::No, &hint);
        }
        self.failure(call, FailureKind::NoAnswer, Sent::Maybe, &words)
    }

    /// Nobody calls an API that does not answer.
    fn held_back(&self, call: &Call, shut: Shut) -> Failure {
        self.failure(call, shut.kind, Sent::No, &shut.to_string())
    }

    fn failure(&self, call: &Call, kind: FailureKind, sent: Sent, hint: &str) -> Failure {
        let (provider, operation) = (self.options.provider, call.operation());
        Failure { provider, operation, kind, sent, vendor: None, hint: hint.to_owned() }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Api({} at {})", self.options.provider, self.options.base.host_str().unwrap_or_default())
    }
}

const fn is_refused(failure: &Failure) -> bool {
    matches!(failure.kind, FailureKind::Unauthorized | FailureKind::Forbidden)
}

enum Cut {
    TooLarge,
    Broken,
    Late,
}

/// Reads a body up to a limit, counted after decompression.
async fn take(mut response: reqwest::Response, limit: usize, until: Instant) -> Result<Vec<u8>, Cut> {
    let mut body = Vec::new();
    loop {
        match timeout_at(until, response.chunk()).await {
            Err(_) => return Err(Cut::Late),
            Ok(Err(_)) => return Err(Cut::Broken),
            Ok(Ok(None)) => return Ok(body),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > limit => return Err(Cut::TooLarge),
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
        }
    }
}
