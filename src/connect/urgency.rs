//! What a read is for. Where calls have to wait for a vendor's limit, the more urgent goes first.

use std::time::Duration;

/// What a call is for, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It changes something. Nobody says so: the call itself does.
    Effect,
    /// The reads right before an effect.
    Check,
    /// A look whether an effect is in place.
    Look,
    /// Who somebody is, for a new decision.
    Decide,
    /// The incident to which a note belongs.
    Tell,
    /// Whether there is anything new.
    Poll,
}

tokio::task_local! {
    static OURS: Urgency;
}

impl Urgency {
    /// Every read within `work` is this urgent, as long as it stays in this task.
    pub async fn of<T>(self, work: impl Future<Output = T>) -> T {
        OURS.scope(self, work).await
    }

    /// How urgent the reads of this task are. A decision, where nobody says.
    #[must_use]
    pub fn here() -> Self {
        OURS.try_with(|ours| *ours).unwrap_or(Self::Decide)
    }

    /// By how much it stands back behind an effect that came at the same time. Whoever has waited so
    /// much longer goes first, so nobody waits for ever.
    pub(super) const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Effect => 0,
            Self::Check => 5,
            Self::Look => 10,
            Self::Decide => 20,
            Self::Tell => 25,
            Self::Poll => 30,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_innermost_word_counts_and_without_one_it_is_a_decision() {
        assert_eq!(Urgency::here(), Urgency::Decide);
        let within = Urgency::Check.of(async { (Urgency::here(), Urgency::Look.of(async { Urgency::here() }).await) });
        assert_eq!(within.await, (Urgency::Check, Urgency::Look));
        assert_eq!(Urgency::here(), Urgency::Decide);
    }
}
