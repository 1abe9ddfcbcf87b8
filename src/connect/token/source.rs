//! The last token of one authority, kept until shortly before its end.
//!
//! Many callers cause one request; while a new token cannot be had, the old one serves as long as it is valid; a token that
//! an API refused is replaced, at most once a minute.

use std::fmt;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::Authorize;
use crate::model::failure::Failure;
use crate::model::secret::Secret;

/// A token with less life than this is refreshed.
const REFRESH: Duration = Duration::from_secs(300);
/// A token with less life than this is not sent any more.
const LAST: Duration = Duration::from_secs(60);
/// A refused token is replaced at most this often.
const FRESH_EVERY: Duration = Duration::from_secs(60);
/// After a failed refresh the endpoint is left alone this long.
const REST: Duration = Duration::from_secs(5);
/// No token is believed to live longer.
const LONGEST: Duration = Duration::from_hours(24);

/// An authority that gives tokens.
#[async_trait]
pub trait Issuer: Send + Sync {
    /// For what its tokens are, for messages.
    fn purpose(&self) -> &str;

    /// Asks for a token. With `anew` the last one was refused: nothing that it was made with is used again.
    ///
    /// # Errors
    /// Why there is none; nothing was sent to the API then.
    async fn issue(&self, anew: bool) -> Result<Issued, Failure>;
}

/// A token as it was given.
pub struct Issued {
    /// The token, without a scheme before it.
    pub value: Secret,
    /// How long it is good for, from this moment on.
    pub life: Duration,
}

/// Tokens of one authority for one purpose. Share it between all APIs that take them.
pub struct TokenSource {
    issuer: Box<dyn Issuer>,
    current: RwLock<Option<Token>>,
    refresher: Mutex<Refresher>,
}

#[derive(Clone)]
struct Token {
    value: Secret,
    ends: Instant,
}

#[derive(Default)]
struct Refresher {
    renewed: Option<Instant>,
    failed: Option<(Instant, Failure)>,
}

impl TokenSource {
    /// Nothing is asked yet.
    #[must_use]
    pub fn new(issuer: impl Issuer + 'static) -> Self {
        Self { issuer: Box::new(issuer), current: RwLock::new(None), refresher: Mutex::new(Refresher::default()) }
    }

    async fn token(&self, fresh: bool) -> Result<Secret, Failure> {
        if fresh {
            let mut refresher = self.refresher.lock().await;
            let recent = refresher.renewed.is_some_and(|at| at.elapsed() < FRESH_EVERY);
            if let (true, Some(token)) = (recent, self.usable(LAST)) {
                return Ok(token);
            }
            refresher.renewed = Some(Instant::now());
            return self.refresh(&mut refresher, true).await;
        }
        if let Some(token) = self.usable(REFRESH) {
            return Ok(token);
        }
        let mut refresher = match self.usable(LAST) {
            None => self.refresher.lock().await,
            Some(old) => match self.refresher.try_lock() {
                // Somebody is refreshing: the old one is still good.
                Err(_) => return Ok(old),
                Ok(refresher) => refresher,
            },
        };
        if let Some(token) = self.usable(REFRESH) {
            return Ok(token);
        }
        if let Some(failure) = refresher.failed.as_ref().filter(|(at, _)| at.elapsed() < REST).map(|(_, why)| why) {
            return self.usable(LAST).ok_or_else(|| failure.clone());
        }
        match self.refresh(&mut refresher, false).await {
            Ok(token) => Ok(token),
            // Without any token the call fails, and whoever made it says so.
            Err(failure) => {
                let old = self.usable(LAST).ok_or_else(|| failure.clone())?;
                tracing::warn!(%failure, "no new token; the old one serves as long as it is valid");
                Ok(old)
            }
        }
    }

    async fn refresh(&self, refresher: &mut MutexGuard<'_, Refresher>, anew: bool) -> Result<Secret, Failure> {
        match self.issuer.issue(anew).await {
            Ok(Issued { value, life }) => {
                refresher.failed = None;
                let token = Token { value: value.clone(), ends: Instant::now() + life.min(LONGEST) };
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
                Ok(value)
            }
            Err(failure) => {
                refresher.failed = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    fn usable(&self, margin: Duration) -> Option<Secret> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().filter(|token| token.ends > Instant::now() + margin).map(|token| token.value.clone())
    }
}

#[async_trait]
impl Authorize for TokenSource {
    async fn header(&self, fresh: bool) -> Result<Option<Secret>, Failure> {
        let token = self.token(fresh).await?;
        Ok(Some(Secret::new(format!("Bearer {}", token.expose()))))
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({})", self.issuer.purpose())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

    use super::*;
    use crate::model::failure::{FailureKind, Provider, Sent};

    /// Gives `token-N` for the Nth question, or fails while told to.
    #[derive(Default)]
    struct Fake {
        asked: AtomicUsize,
        anew: AtomicUsize,
        life: AtomicU64,
        broken: AtomicBool,
    }

    #[async_trait]
    impl Issuer for Arc<Fake> {
        fn purpose(&self) -> &'static str {
            "x"
        }

        async fn issue(&self, anew: bool) -> Result<Issued, Failure> {
            tokio::task::yield_now().await;
            let n = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            self.anew.fetch_add(usize::from(anew), Ordering::SeqCst);
            if self.broken.load(Ordering::SeqCst) {
                return Err(Failure {
                    provider: Provider::Login,
                    operation: "token for x".into(),
                    kind: FailureKind::Unreachable,
                    sent: Sent::No,
                    vendor: None,
                    hint: String::new(),
                });
            }
            let life = Duration::from_secs(self.life.load(Ordering::SeqCst));
            Ok(Issued { value: Secret::new(format!("token-{n}")), life })
        }
    }

    fn lives(seconds: u64) -> (Arc<Fake>, TokenSource) {
        let fake = Arc::new(Fake { life: AtomicU64::new(seconds), ..Fake::default() });
        (Arc::clone(&fake), TokenSource::new(fake))
    }

    #[tokio::test]
    async fn many_callers_cause_one_request() {
        let (fake, source) = lives(3_600);
        let all = futures::future::join_all((0..50).map(|_| source.token(false))).await;
        assert!(all.iter().all(|token| token.as_ref().unwrap().expose() == "token-1"));
        assert_eq!(fake.asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn an_old_token_is_served_while_its_refresh_fails_until_a_minute_is_left() {
        let (fake, source) = lives(200);
        assert_eq!(source.token(false).await.unwrap().expose(), "token-1");
        fake.broken.store(true, Ordering::SeqCst);
        assert_eq!(source.token(false).await.unwrap().expose(), "token-1");
        assert_eq!(source.token(false).await.unwrap().expose(), "token-1");
        assert_eq!(fake.asked.load(Ordering::SeqCst), 2, "a failed refresh is not repeated at once");
        source.current.write().unwrap().as_mut().unwrap().ends = Instant::now() + Duration::from_secs(59);
        let failure = source.token(false).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreachable);
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_anew_once_a_minute() {
        let (fake, source) = lives(3_600);
        source.token(false).await.unwrap();
        assert_eq!(source.token(true).await.unwrap().expose(), "token-2");
        assert_eq!(source.token(true).await.unwrap().expose(), "token-2");
        assert_eq!((fake.asked.load(Ordering::SeqCst), fake.anew.load(Ordering::SeqCst)), (2, 1));
    }

    #[tokio::test]
    async fn a_life_beyond_belief_is_cut() {
        let (_, source) = lives(u64::MAX);
        source.token(false).await.unwrap();
        assert!(source.current.read().unwrap().as_ref().unwrap().ends <= Instant::now() + LONGEST);
    }
}
