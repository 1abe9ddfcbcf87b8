//! Health and metrics over HTTP: `/healthz` (the process answers), `/readyz` (it does its work), `/metrics`.
//!
//! Nothing that is served here names a person, and nothing can be changed through it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use tokio::net::TcpListener;

use super::lifecycle::Shutdown;
use super::metrics::Metrics;
use crate::model::time::{At, Clock};

/// What the parts of the process say about themselves. Clones speak of the same process.
#[derive(Clone)]
pub struct Health(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
    state: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    journal: Option<Result<(), String>>,
    sources: BTreeMap<String, Source>,
}

struct Source {
    stale_after: Duration,
    last_good: Option<At>,
    /// How far behind the present it was read then.
    behind: Duration,
}

/// Whether the process does its work, and why not. As JSON the body of `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Everything below is well.
    pub ready: bool,
    /// `ok`, `not open yet`, or what is wrong.
    pub journal: String,
    /// It finishes what is in hand and begins nothing new.
    pub draining: bool,
    /// Each source.
    pub sources: Vec<SourceReadiness>,
}

/// Whether a source answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceReadiness {
    /// Which.
    pub source: String,
    /// When it last answered completely.
    pub last_good_poll: Option<At>,
    /// How long ago that was, in seconds.
    pub age_seconds: Option<u64>,
    /// It answered, and not too long ago.
    pub fresh: bool,
}

impl Health {
    /// Of a process that has just begun.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, shutdown: Shutdown) -> Self {
        Self(Arc::new(Inner { clock, shutdown, state: Mutex::default() }))
    }

    /// How the journal is; an error says in a sentence what is wrong.
    pub fn journal(&self, state: Result<(), String>) {
        self.known().journal = Some(state);
    }

    /// A source that must answer at least once in `stale_after` for the process to be ready.
    pub fn expect(&self, source: &str, stale_after: Duration) {
        let new = Source { stale_after, last_good: None, behind: Duration::ZERO };
        self.known().sources.entry(source.to_owned()).or_insert(new).stale_after = stale_after;
    }

    /// A source answered completely, up to `behind` before the present.
    pub fn good_poll(&self, source: &str, at: At, behind: Duration) {
        if let Some(known) = self.known().sources.get_mut(source) {
            known.last_good = known.last_good.max(Some(at));
            known.behind = behind;
        }
    }

    /// How far behind the present each source is read, by its name: one that does not answer falls behind.
    #[must_use]
    pub fn lags(&self) -> Vec<(String, Duration)> {
        let now = self.0.clock.now();
        let lag =
            |(name, source): (&String, &Source)| Some((name.clone(), source.behind + now.since(source.last_good?)));
        self.known().sources.iter().filter_map(lag).collect()
    }

    /// Whether the process does its work.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let now = self.0.clock.now();
        let draining = self.0.shutdown.is_draining();
        let known = self.known();
        let journal = match &known.journal {
            None => "not open yet".to_owned(),
            Some(Ok(())) => "ok".to_owned(),
            Some(Err(why)) => why.clone(),
        };
        let sources: Vec<SourceReadiness> =
            known.sources.iter().map(|(name, source)| source.readiness(name, now)).collect();
        let ready = matches!(known.journal, Some(Ok(()))) && !draining && sources.iter().all(|source| source.fresh);
        Readiness { ready, journal, draining, sources }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    fn readiness(&self, name: &str, now: At) -> SourceReadiness {
        let age = self.last_good.map(|at| now.since(at));
        SourceReadiness {
            source: name.to_owned(),
            last_good_poll: self.last_good,
            age_seconds: age.map(|age| age.as_secs()),
            fresh: age.is_some_and(|age| age <= self.stale_after),
        }
    }
}

/// Takes the address. Port 0 lets the system choose; the listener knows which.
///
/// # Errors
/// When the address is taken or not this machine's.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves health and metrics until the process stops; while it drains they still answer.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, health: Health, metrics: Metrics) -> std::io::Result<()> {
    let shutdown = health.0.shutdown.clone();
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(text_of_metrics))
        .with_state((health, metrics));
    tokio::select! {
        ended = axum::serve(listener, router) => ended,
        () = shutdown.stopping() => Ok(()),
    }
}

type Shared = (Health, Metrics);

async fn readyz(State((health, _)): State<Shared>) -> Response {
    let readiness = health.readiness();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(readiness)).into_response()
}

async fn text_of_metrics(State((_, metrics)): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::leap::LeapClock;
    use crate::runtime::probe::{Check, ProbeError, probe};

    const MORNING: At = At::from_unix_seconds(1_772_330_400);
    const MINUTE: Duration = Duration::from_secs(60);

    fn health() -> (Health, LeapClock, Shutdown) {
        let (clock, shutdown) = (LeapClock::starting_at(MORNING), Shutdown::new());
        (Health::new(Arc::new(clock.clone()), shutdown.clone()), clock, shutdown)
    }

    #[tokio::test(start_paused = true)]
    async fn ready_needs_an_open_journal_fresh_polls_and_no_shutdown() {
        let (health, clock, shutdown) = health();
        assert_eq!(health.readiness().journal, "not open yet");
        health.journal(Ok(()));
        health.expect("graph", MINUTE);
        assert!(!health.readiness().ready, "no poll yet");
        health.good_poll("graph", clock.now(), Duration::ZERO);
        assert!(health.readiness().ready);
        clock.leap(2 * MINUTE);
        assert_eq!(health.lags(), [("graph".to_owned(), 2 * MINUTE)], "what is not read falls behind");
        let stale = health.readiness();
        assert_eq!((stale.ready, stale.sources[0].age_seconds), (false, Some(120)));
        health.good_poll("graph", clock.now(), Duration::ZERO);
        health.journal(Err("the disk is full".into()));
        assert_eq!((health.readiness().ready, health.readiness().journal.as_str()), (false, "the disk is full"));
        health.journal(Ok(()));
        shutdown.drain();
        assert!(!health.readiness().ready);
    }

    #[tokio::test]
    async fn probes_and_scrapes_are_answered_over_loopback() {
        let (health, clock, shutdown) = health();
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, health.clone(), Metrics::install().unwrap()));

        probe(address, Check::Live).await.unwrap();
        let error = probe(address, Check::Ready).await.unwrap_err();
        assert!(matches!(&error, ProbeError::Unwell { status: 503, body } if body.contains("not open yet")), "{error}");
        health.journal(Ok(()));
        health.good_poll("graph", clock.now(), Duration::ZERO);
        probe(address, Check::Ready).await.unwrap();
        let text = probe(address, Check::Metrics).await.unwrap();
        assert!(text.contains("riposte_paused"), "{text}");

        shutdown.drain();
        probe(address, Check::Live).await.unwrap();
        shutdown.stop();
        serving.await.unwrap().unwrap();
        assert!(matches!(probe(address, Check::Live).await, Err(ProbeError::Unreachable { .. })));
    }
}
