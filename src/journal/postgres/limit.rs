//! How long the database is waited for. A network that drops everything closes nothing, and what waits for an answer over
//! it would wait for ever; sockets' own limits do not see through a proxy, and not every system has them.

use std::time::Duration;

use super::fault::Stop;

/// Until a connection is there and signed in.
pub(super) const OPENING: Duration = Duration::from_secs(10);

/// For one of the addresses of a host.
pub(super) const REACHING: Duration = Duration::from_secs(3);

/// For what gives the database nothing to do: the beginning of a transaction.
pub(super) const PROMPT: Duration = Duration::from_secs(5);

/// For a statement of a write; longer than a lock is waited for.
pub(super) const WRITING: Duration = Duration::from_secs(15);

/// For a COMMIT; what became of one that was not answered is asked afterwards.
pub(super) const COMMIT: Duration = Duration::from_secs(10);

/// For a question, or a change of the tables, both of which may take long; longer than the database itself allows.
pub(super) const LONG: Duration = Duration::from_secs(35);

/// What the answer is, if there is one in time. A connection without one is of no use any more.
pub(super) async fn within<T, E: Into<Stop>>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Stop> {
    tokio::time::timeout(limit, answer).await.map_or(Err(Stop::Silent), |answer| answer.map_err(Into::into))
}
