//! Reads that failed for a passing reason are tried again, within their deadline. Whatever may change
//! something is never repeated here.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::Instant;

use crate::model::failure::{Failure, FailureKind, Sent};

const FIRST_DELAY: Duration = Duration::from_millis(250);
const MOST_REPEATS: usize = 3;

/// Runs `read` until it succeeds, fails for good, or no time is left for another try.
pub(super) async fn repeat<T, R: Future<Output = Result<T, Failure>>>(
    until: Instant,
    mut read: impl FnMut() -> R,
) -> Result<T, Failure> {
    let mut delays =
        ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_jitter().with_max_times(MOST_REPEATS).build();
    loop {
        let failure = match read().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let Some(delay) = delays.next().and_then(|delay| pause(&failure, delay)) else { return Err(failure) };
        if Instant::now() + delay >= until {
            return Err(failure);
        }
        tokio::time::sleep(delay).await;
    }
}

/// How long to wait before another try: the vendor's wish and a little more, or our own delay.
fn pause(failure: &Failure, delay: Duration) -> Option<Duration> {
    match failure.kind {
        FailureKind::Throttled(Some(wish)) => Some(wish + delay / 4),
        // Our own pace had no room before the deadline: trying again cannot help.
        FailureKind::Throttled(None) if failure.sent == Sent::No => None,
        FailureKind::Throttled(None) => Some(delay * 4),
        FailureKind::Unavailable | FailureKind::NoAnswer | FailureKind::Unreachable => Some(delay),
        FailureKind::Conflict
        | FailureKind::Unauthorized
        | FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Unreadable
        | FailureKind::NotAttempted => None,
    }
}
