//! The server: from a connection to an answer, and the handle of the one who started it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::Response;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};

use super::access::{Access, config};
use super::apps::Certificate;
use super::faults::Spoil;
use super::http::{Answer, Payload, Req};
use super::okta_app::ServiceApp;
use super::people::{self, Directory};
use super::scenario::Scenario;
use super::snapshot::{Snapshot, snapshot};
use super::tape::Tape;
use super::tape_file::TapeFile;
use super::tls::{Cut, TlsListener, make_identity};
use super::wire::plain_error;
use super::world::{World, spoiled};
use crate::model::time::{At, Clock, Pause, SystemClock};

/// A body longer than this is refused.
const BODY: usize = 8 << 20;
/// Queries that run at once; further ones wait (Azure Monitor query limits).
const CONCURRENT_QUERIES: usize = 5;
/// Queries that wait; further ones are refused.
const WAITING_QUERIES: usize = 200;

/// How a lab is to be served.
#[derive(Clone)]
pub struct Options {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Without the vendors' limits, to measure.
    pub unlimited: bool,
    /// Lets `POST /_lab/clock` move the clock.
    pub advance: Option<Arc<dyn Advance>>,
    /// Keeps what is asked and answered.
    pub tape: Option<Tape>,
    /// Writes down what is asked, and when.
    pub tape_file: Option<TapeFile>,
    /// Registers a certificate of riposte's application, made at the start.
    pub certificate: bool,
    /// Registers a service app in Okta, whose key is made at the start; the settings sign in with it.
    pub okta_key: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            unlimited: false,
            advance: None,
            tape: None,
            tape_file: None,
            certificate: false,
            okta_key: false,
        }
    }
}

/// A clock that can be moved forward.
pub trait Advance: Send + Sync {
    /// Moves it.
    fn advance(&self, by: Duration);
}

/// Why a lab could not be served.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The address cannot be listened on.
    #[error("the lab cannot listen on {address}; choose another with --listen")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Making keys or certificates failed.
    #[error("the lab could not {what}: {cause}")]
    Tls {
        /// What failed.
        what: &'static str,
        /// Why.
        cause: String,
    },
}

/// A lab that is being served. It goes down when it is dropped.
pub struct Lab {
    shared: Arc<Shared>,
    scenario: Scenario,
    ca_pem: String,
    base_url: String,
    stop: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

/// Serves a scenario. Offsets in it count from `clock.now()` at this moment.
///
/// # Errors
/// When the address is taken or a certificate cannot be made.
pub async fn serve(clock: Arc<dyn Clock>, scenario: Scenario, options: Options) -> Result<Lab, LabError> {
    let identity = make_identity()?;
    let failed = |cause| LabError::Listen { address: options.listen, cause };
    let tcp = TcpListener::bind(options.listen).await.map_err(failed)?;
    let local = tcp.local_addr().map_err(failed)?;
    let host = if local.ip().is_unspecified() { format!("127.0.0.1:{}", local.port()) } else { local.to_string() };
    let base_url = format!("https://{host}");
    let listener = TlsListener::start(tcp, identity.server).map_err(failed)?;
    let mut world = World::new(&scenario, base_url.clone(), options.unlimited, clock.now());
    world.certificate = options.certificate.then(Certificate::make).transpose()?;
    world.okta_app = options.okta_key.then(|| ServiceApp::make(&scenario.app)).transpose()?;
    let shared = Arc::new(Shared {
        clock,
        unlimited: options.unlimited,
        advance: options.advance,
        tape: options.tape,
        tape_file: options.tape_file,
        world: Mutex::new(world),
        queries: Semaphore::new(CONCURRENT_QUERIES),
        waiting: AtomicUsize::new(0),
    });
    let service =
        Router::new().fallback(handle).with_state(Arc::clone(&shared)).into_make_service_with_connect_info::<Cut>();
    let stop = Arc::new(Notify::new());
    let stopped = Arc::clone(&stop);
    let task = tokio::spawn(async move {
        let server = axum::serve(listener, service);
        // Connections that are kept alive would hold a graceful end up for ever: drop them.
        tokio::select! {
            _ = server => {}
            () = stopped.notified() => {}
        }
    });
    Ok(Lab { shared, scenario, ca_pem: identity.ca_pem, base_url, stop, task })
}

impl Lab {
    /// How to reach it. `ca_path` is where the caller will have written the authority's certificate.
    #[must_use]
    pub fn access(&self, ca_path: &str) -> Access {
        let world = self.shared.world();
        let app_pem = world.certificate.as_ref().map(|certificate| certificate.pem.clone());
        let okta_pem = world.okta_app.as_ref().map(|app| app.pem().to_owned());
        let config_toml = config(&self.scenario, &self.base_url, ca_path, app_pem.is_some(), okta_pem.is_some());
        Access { config_toml, ca_pem: self.ca_pem.clone(), app_pem, okta_pem, base_url: self.base_url.clone() }
    }

    /// The tenant as it is at the clock's moment.
    #[must_use]
    pub fn state(&self) -> Snapshot {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        world.tenant.settle(now);
        snapshot(&world, now)
    }

    /// Adds a fault, as `POST /_lab/fault` does.
    pub fn add_fault(&self, fault: super::Fault) {
        let mut world = self.shared.world();
        let ids = fault.person.as_deref().map(|p| world.tenant.identifiers(p)).unwrap_or_default();
        world.faults.add(fault, ids);
    }

    /// No fault happens any more.
    pub fn clear_faults(&self) {
        self.shared.world().faults = super::faults::Faults::default();
    }

    /// A person comments on the Sentinel incident of an alert. `false` when there is no such person or incident yet.
    pub fn comment_as(&self, person: &str, alert: &str, text: &str) -> bool {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        world.tenant.settle(now);
        people::comment(&mut world, person, alert, text, now)
    }

    /// A person closes the Sentinel incident of an alert. `false` when there is no such incident yet.
    pub fn close_incident(&self, alert: &str) -> bool {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        world.tenant.settle(now);
        people::close(&mut world, alert, now)
    }

    /// An operator enables or disables a person's accounts in a directory. `false` when nothing changed.
    pub fn set_enabled(&self, person: &str, directory: Directory, enabled: bool) -> bool {
        let now = self.shared.clock.now();
        let mut world = self.shared.world();
        world.tenant.settle(now);
        people::set_enabled(&mut world, person, directory, enabled, now)
    }

    /// An operator gives riposte's application another secret; the old one is worth nothing any more.
    pub fn rotate_client_secret(&self, secret: &str) {
        secret.clone_into(&mut self.shared.world().client_secret);
    }

    /// An operator gives riposte's application another certificate, in place of the earlier one; it is given back with its
    /// private key.
    ///
    /// # Errors
    /// When none can be made.
    pub fn renew_certificate(&self) -> Result<String, LabError> {
        let certificate = Certificate::make()?;
        let pem = certificate.pem.clone();
        self.shared.world().certificate = Some(certificate);
        Ok(pem)
    }

    /// An operator gives Okta's service app another key, in place of the earlier one; it is given back in PEM. None where
    /// no service app is registered.
    ///
    /// # Errors
    /// When none can be made.
    pub fn renew_okta_key(&self) -> Result<Option<String>, LabError> {
        self.shared.world().okta_app.as_mut().map(|app| app.renew().map(str::to_owned)).transpose()
    }

    /// Okta takes back every token it has given.
    pub fn end_okta_tokens(&self) {
        if let Some(app) = &mut self.shared.world().okta_app {
            app.end_tokens();
        }
    }

    /// Stops listening. Requests in flight are dropped.
    pub async fn shutdown(mut self) {
        self.stop.notify_one();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The machine's clock, moved forward by what `POST /_lab/clock` asked for. Clones move together.
#[derive(Debug, Clone, Default)]
pub struct ShiftedClock {
    ahead_ticks: Arc<AtomicI64>,
}

/// A sleeper looks this often whether the clock was moved.
const NAP: Duration = Duration::from_millis(100);

impl ShiftedClock {
    /// The machine's clock, put back: a scenario that is served by it began that long ago once the
    /// clock is put forward again.
    #[must_use]
    pub fn behind(by: Duration) -> Self {
        let clock = Self::default();
        clock.shift(-ticks_of(by));
        clock
    }

    fn shift(&self, ticks: i64) {
        self.ahead_ticks.fetch_add(ticks, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> At {
        At::from_ticks(SystemClock.now().ticks().saturating_add(self.ahead_ticks.load(Ordering::SeqCst)))
    }

    fn sleep_until(&self, at: At) -> Pause {
        let clock = self.clone();
        Box::pin(async move {
            while clock.now() < at {
                tokio::time::sleep(at.since(clock.now()).min(NAP)).await;
            }
        })
    }
}

impl Advance for ShiftedClock {
    fn advance(&self, by: Duration) {
        self.shift(ticks_of(by));
    }
}

fn ticks_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX / 4)
}

struct Shared {
    clock: Arc<dyn Clock>,
    unlimited: bool,
    advance: Option<Arc<dyn Advance>>,
    tape: Option<Tape>,
    tape_file: Option<TapeFile>,
    world: Mutex<World>,
    queries: Semaphore,
    waiting: AtomicUsize,
}

impl Shared {
    /// The world, even if a request died with it: the lab shows what is there.
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn handle(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY).await else {
        return plain_error(413, "RequestTooLarge", "The request body is too large.").into_response();
    };
    let make = |at| Req::new(parts.method.clone(), &parts.uri, parts.headers.clone(), body.to_vec(), at);
    let came = shared.clock.now();
    let mut req = make(came);
    if req.path == "/_lab/clock" && req.method == "POST" {
        if let Some(refused) = move_clock(&shared, &req) {
            return refused.into_response();
        }
        req.at = shared.clock.now();
    }
    let fault = shared.world().fault(&req);
    if let Some(delay) = fault.as_ref().and_then(|f| f.delay) {
        tokio::time::sleep(delay).await;
        req.at = shared.clock.now();
    }
    let verdict = shared.world().handle(&req, fault.as_ref());
    let answer = shared.finish(verdict.answer).await;
    let answer = match verdict.spoil {
        Some(spoil) => spoiled(answer, spoil),
        None => Some(answer),
    };
    if let (Some(tape), Some(answer)) = (&shared.tape, &answer) {
        tape.keep(&req, answer);
    }
    if let Some(file) = &shared.tape_file {
        let status = answer.as_ref().map_or(0, |answer| answer.status);
        file.keep(&req, &parts.uri, status, came, shared.clock.now());
    }
    let lost = answer.is_none();
    shared.world().seen(&req, answer.as_ref().map_or(0, |a| a.status));
    if lost {
        debug_assert_eq!(verdict.spoil, Some(Spoil::Lost), "only a fault loses answers");
        cut.now();
    }
    answer.unwrap_or_else(|| Answer::empty(200)).into_response()
}

impl Shared {
    /// Does the work that was put off: a query, on a thread of its own, a few at a time.
    async fn finish(&self, answer: Answer) -> Answer {
        let Payload::Later(work) = answer.body else { return answer };
        let waiting = self.waiting.fetch_add(1, Ordering::SeqCst);
        let refused = !self.unlimited && waiting >= WAITING_QUERIES + CONCURRENT_QUERIES;
        let answer = if refused {
            plain_error(429, "ThrottledError", "Too many queries are waiting.")
        } else {
            let _permit = self.queries.acquire().await;
            let done = tokio::task::spawn_blocking(work).await;
            done.unwrap_or_else(|_| plain_error(500, "InternalServerError", "The query broke the lab."))
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        answer
    }
}

/// Moves the clock as `{"advance": "30m"}` asks; an answer only when that cannot be.
fn move_clock(shared: &Shared, req: &Req) -> Option<Answer> {
    let by = req.json().and_then(|b| b.get("advance").and_then(|a| a.as_str().map(str::to_owned)));
    let by = by.and_then(|text| crate::model::time::parse_duration(&text).ok());
    match (&shared.advance, by) {
        (Some(clock), Some(by)) => {
            clock.advance(by);
            None
        }
        (None, _) => Some(plain_error(409, "ClockFixed", "This lab lives by a clock that it cannot move.")),
        (_, None) => Some(plain_error(400, "BadRequest", "Say how far, such as {\"advance\": \"30m\"}.")),
    }
}
