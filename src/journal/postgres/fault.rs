//! PostgreSQL's errors in words a person can act on.

use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::sense::Nonsense;
use super::super::{CommitError, Fault, OpenError};
use super::store::UNKNOWN;

/// Why a piece of work inside a transaction ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The journal says no.
    Refused(CommitError),
    /// PostgreSQL says no, or nothing any more.
    Sql(Error),
    /// What was asked for makes no sense: a fault of the caller.
    Nonsense(String),
    /// Nothing that can be worked with.
    Fault(String),
    /// There was no connection to be had.
    Busy,
    /// There was no answer in time.
    Silent,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<PoolError> for Stop {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::Sql(error),
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => Self::Silent,
            other @ (PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_)) => {
                Self::Fault(other.to_string())
            }
        }
    }
}

impl From<CommitError> for Stop {
    fn from(error: CommitError) -> Self {
        Self::Refused(error)
    }
}

impl From<Nonsense> for Stop {
    fn from(nonsense: Nonsense) -> Self {
        Self::Nonsense(nonsense.0)
    }
}

impl Stop {
    /// Whether it is of this moment: a connection that was lost, a database that starts, a deadlock. Nothing was
    /// written, and the same can be tried again.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::Sql(error) => error.code().map_or_else(|| !is_settings(error), passing),
            Self::Busy | Self::Silent => true,
            Self::Refused(_) | Self::Nonsense(_) | Self::Fault(_) => false,
        }
    }

    /// Whether it is not known what became of a COMMIT.
    pub(super) fn leaves_it_open(&self) -> bool {
        matches!(self, Self::Fault(why) if why == UNKNOWN)
    }

    /// In the words of the journal's door. `what` was being done, in the database that is called `place`.
    pub(super) fn into_error(self, what: &str, place: &str) -> CommitError {
        match self {
            Self::Refused(error) => error,
            Self::Nonsense(cause) => CommitError::Nonsense(Fault { what: what.to_owned(), cause }),
            // What PostgreSQL cannot store: hostile text, or too much of it. That is about this one write.
            Self::Sql(error) if error.code().is_some_and(is_data) => {
                CommitError::Nonsense(Fault { what: what.to_owned(), cause: told(&error) })
            }
            other @ (Self::Sql(_) | Self::Fault(_) | Self::Busy | Self::Silent) => {
                CommitError::Fault(other.into_fault(what, place))
            }
        }
    }

    /// As a fault of the journal.
    pub(super) fn into_fault(self, what: &str, place: &str) -> Fault {
        Fault { what: what.to_owned(), cause: self.cause(place) }
    }

    /// What is wrong, and what to do about it.
    pub(super) fn cause(self, place: &str) -> String {
        match self {
            Self::Refused(error) => error.to_string(),
            Self::Nonsense(cause) | Self::Fault(cause) => format!("{cause} ({place})"),
            Self::Busy => format!("{place} gave no connection for {} s", super::store::PATIENCE.as_secs()),
            Self::Silent => {
                format!("{place} does not answer; look whether it runs and the network lets riposte through")
            }
            Self::Sql(error) => match advice(&error) {
                Some(advice) => format!("{place}: {advice} (PostgreSQL says: {})", told(&error)),
                None => format!("{place}: PostgreSQL says: {}", told(&error)),
            },
        }
    }

    /// Why a journal could not be opened: because of what the settings name, or because the world failed.
    pub(super) fn into_open_error(self, place: &str) -> OpenError {
        let chosen = match &self {
            Self::Sql(error) => error.code().map_or_else(|| is_settings(error), is_chosen),
            Self::Fault(_) | Self::Nonsense(_) => true,
            Self::Refused(_) | Self::Busy | Self::Silent => false,
        };
        let fault = self.into_fault("opening the journal", place);
        if chosen { OpenError::Unusable(fault) } else { OpenError::Failed(fault) }
    }
}

/// Whether a failed COMMIT says for certain that nothing was written.
pub(super) fn surely_undone(error: &Error) -> bool {
    error.code().is_some_and(|state| ["40", "23"].iter().any(|class| state.code().starts_with(class)))
}

fn passing(state: &SqlState) -> bool {
    let code = state.code();
    ["40", "08"].iter().any(|class| code.starts_with(class))
        || is_refused(state)
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::QUERY_CANCELED,
            SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
            // After a failover the old address may for a while lead to a standby.
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(state)
}

fn is_data(state: &SqlState) -> bool {
    ["22", "54"].iter().any(|class| state.code().starts_with(class))
}

/// Of the settings' making: user, password, database, rights.
fn is_chosen(state: &SqlState) -> bool {
    ["08P01", "26000", "28", "3D", "42"].iter().any(|class| state.code().starts_with(class))
}

/// Whether it does not let us in. Who changes a password does so in two places, one after the other.
fn is_refused(state: &SqlState) -> bool {
    state.code().starts_with("28")
}

/// What no database has said: that the address asks for what cannot be, or TLS that is not to be had.
fn is_settings(error: &Error) -> bool {
    let text = error.to_string();
    ["invalid configuration", "authentication", "TLS"].iter().any(|word| text.contains(word)) && !is_cut(error)
}

/// Whether the connection broke off while TLS was being agreed on, as it does when a database starts again.
fn is_cut(error: &Error) -> bool {
    use std::io::ErrorKind as Kind;
    let io = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| {
        matches!(
            io.kind(),
            Kind::UnexpectedEof | Kind::ConnectionReset | Kind::ConnectionAborted | Kind::BrokenPipe | Kind::TimedOut
        )
    })
}

fn advice(error: &Error) -> Option<&'static str> {
    let Some(state) = error.code() else {
        let settings = is_settings(error);
        return Some(if settings {
            "it cannot be signed in to; look at [journal] postgres and password, and at tls.ca_file"
        } else {
            "it cannot be reached; look whether it runs and the network lets riposte through"
        });
    };
    ADVICE.iter().find(|(class, _)| state.code().starts_with(class)).map(|(_, advice)| *advice)
}

const POOLER: &str = "it, or a pooler before it, does not keep riposte's session as riposte asks for it; name the database itself in \
                      [journal] postgres";

const ADVICE: &[(&str, &str)] = &[
    ("08P01", POOLER),
    ("26000", POOLER),
    ("42P05", POOLER),
    (
        "28",
        "it does not let riposte in; look at the user in [journal] postgres, and whether journal.password is that user's \
         (a file is read again for every connection)",
    ),
    ("3D", "it is not there; make it, or name another in [journal] postgres"),
    ("42501", "riposte's user lacks a right; it must own the schema riposte, or be allowed to make it"),
    ("53100", "its disk is full; make room, then start riposte again"),
    ("533", "it has no connections left; allow more, riposte keeps up to ten for each replica"),
    ("25006", "it takes no writes; name the primary in [journal] postgres"),
    ("58", "its disk failed; look into its log"),
    ("XX", "it is damaged; look into its log"),
];

/// What PostgreSQL said, without the rows that were written: they may hold names of people.
fn told(error: &Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => match std::error::Error::source(error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::super::place::Place;
    use super::*;

    /// What comes of asking for TLS where the answer is `answer` and the end of the connection.
    async fn asked_for_tls(answer: &'static [u8]) -> Stop {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 8]).await.unwrap();
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
            // Until the other side has read that.
            stream.read_to_end(&mut Vec::new()).await.ok();
        };
        let place = Place::new(&format!("postgres://r@127.0.0.1:{port}/r?sslmode=require"), None, None).unwrap();
        let connected = async { place.config().connect(place.tls.clone()).await.map(drop) };
        let (connected, ()) = futures::join!(connected, server);
        connected.unwrap_err().into()
    }

    #[tokio::test]
    async fn a_connection_that_is_cut_while_tls_is_agreed_on_is_tried_again_and_one_without_tls_is_not() {
        for (answer, passes) in
            [(&b""[..], true), (b"S", true), (b"N", false), (b"S\x15\x03\x03\x00\x02\x02\x28", false)]
        {
            let stop = asked_for_tls(answer).await;
            assert_eq!(stop.passes(), passes, "{answer:?}: {stop:?}");
        }
    }
}
