//! Dry-run: reads go through, whatever would change something is answered here.

use std::sync::Arc;

use async_trait::async_trait;

use super::port::{Answered, Effector, Incidents};
use crate::journal::begun::{Begun, BegunNote};
use crate::model::action::Subject;
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::incident::{Incident, IncidentRef};
use crate::model::intent::Intent;
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::time::At;

/// Lets reads through to what it wraps, and nothing else.
pub struct DryRun<T: ?Sized>(pub Arc<T>);

#[async_trait]
impl<T: Effector + ?Sized> Effector for DryRun<T> {
    fn route(&self) -> Route {
        self.0.route()
    }

    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure> {
        self.0.observe(subject, intent, since).await
    }

    async fn apply(&self, go: Begun) -> Answered {
        not_sent(go.route().provider(), go.action().key.intent.verb.word())
    }
}

#[async_trait]
impl<T: Incidents + ?Sized> Incidents for DryRun<T> {
    async fn locate(&self, alert_ids: &[String]) -> Result<Option<Incident>, Failure> {
        self.0.locate(alert_ids).await
    }

    async fn read(&self, incident: &IncidentRef) -> Result<Option<Incident>, Failure> {
        self.0.read(incident).await
    }

    async fn post(&self, _note: BegunNote) -> Answered {
        not_sent(Provider::Sentinel, "write a comment")
    }

    async fn label(&self, _incident: &IncidentRef, _label: &str) -> Answered {
        not_sent(Provider::Sentinel, "add a label")
    }
}

fn not_sent(provider: Provider, operation: &str) -> Answered {
    Answered::Failed(Failure {
        provider,
        operation: operation.to_owned(),
        kind: FailureKind::NotAttempted,
        sent: Sent::No,
        vendor: None,
        hint: "this is a dry run; start without --dry-run to act".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::id::NoteId;
    use crate::model::scope::WorkspaceKey;

    /// Counts what reaches it.
    #[derive(Default)]
    struct Counting {
        reads: AtomicUsize,
        writes: AtomicUsize,
    }

    #[async_trait]
    impl Incidents for Counting {
        async fn locate(&self, _: &[String]) -> Result<Option<Incident>, Failure> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Ok(None)
        }
        async fn read(&self, _: &IncidentRef) -> Result<Option<Incident>, Failure> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            Ok(None)
        }
        async fn post(&self, _: BegunNote) -> Answered {
            self.writes.fetch_add(1, Ordering::SeqCst);
            Answered::Accepted { correlation: None }
        }
        async fn label(&self, _: &IncidentRef, _: &str) -> Answered {
            self.writes.fetch_add(1, Ordering::SeqCst);
            Answered::Accepted { correlation: None }
        }
    }

    #[tokio::test]
    async fn reads_go_through_and_writes_do_not() {
        let real = Arc::new(Counting::default());
        let dry = DryRun(Arc::clone(&real) as Arc<dyn Incidents>);
        let incident = IncidentRef::Sentinel { workspace: WorkspaceKey(uuid::Uuid::nil()), name: uuid::Uuid::nil() };
        dry.locate(&[]).await.unwrap();
        dry.read(&incident).await.unwrap();
        let note = BegunNote::for_test(NoteId::derive(&["n"]), incident.clone(), "text");
        for answer in [dry.post(note).await, dry.label(&incident, "x").await] {
            let Answered::Failed(failure) = answer else { panic!("a dry run wrote") };
            assert_eq!((failure.kind, failure.sent), (FailureKind::NotAttempted, Sent::No));
        }
        assert_eq!((real.reads.load(Ordering::SeqCst), real.writes.load(Ordering::SeqCst)), (2, 0));
    }
}
