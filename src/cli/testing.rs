//! A journal with a story in it, filled by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize as _;

use crate::cli::args::Global;
use crate::journal::Journal as _;
use crate::journal::batch::{Batch, CursorWrite, NewAlias, StreamWrite};
use crate::journal::lane::{LaneKey, LaneKind};
use crate::journal::sqlite::SqliteJournal;
pub(super) use crate::journal::sqlite::testing::Bench;
use crate::journal::sqlite::testing::{LEASE, T0, TENANT, account, take};
use crate::model::account::{AccountHint, AccountRef, Role};
use crate::model::action::{Action, ActionKey, Mode, Subject, WantedBy};
use crate::model::alert::{Entities, NamedAccount, Severity, Sighting, SourceKey, UnreadableItem};
use crate::model::id::{ActionId, AlertId};
use crate::model::incident::{Incident, IncidentRef};
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::scope::WorkspaceKey;
use crate::model::time::At;
use crate::record::action::{ActionEvent, ActionRecord, First, Follow, Step};
use crate::record::alert::{AlertEvent, AlertRecord, Decided, Untold};
use crate::record::event::{Entry, StreamKey};
use crate::record::signal::Wish;
use crate::respond::write;

/// A folder for a journal.
pub(super) fn bench() -> Bench {
    Bench::new()
}

/// Settings beside which there is no folder of rules, so that the shipped ones count; and what names them.
pub(super) fn shipped_rules() -> (tempfile::TempDir, Global) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("riposte.toml");
    let least = "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n";
    std::fs::write(&file, least).unwrap();
    (folder, Global { config: Some(file), ..Global::default() })
}

/// So many seconds after the story began.
pub(super) fn seconds(seconds: i64) -> At {
    At::from_unix_seconds(T0 + seconds)
}

/// One alert with what came of it: an account withheld, an action that asks, one that is effective
/// until it is put back, and one that was simulated.
pub(super) struct Story {
    pub(super) alert: AlertId,
    pub(super) withheld: ActionId,
    pub(super) asking: ActionId,
    pub(super) done: ActionId,
    pub(super) simulated: ActionId,
}

impl Story {
    /// Writes the whole story.
    pub(super) async fn whole(journal: &SqliteJournal) -> Self {
        let alert = AlertId::derive(&["story"]);
        let decided = withheld();
        let asking = action(alert, 1104, "dcsync", Mode::Approve);
        let done = action(alert, 1105, "dcsync", Mode::Enforce);
        let simulated = action(alert, 1106, "golden-ticket", Mode::Simulate);
        let story = Self { alert, withheld: decided.id, asking: asking.id, done: done.id, simulated: simulated.id };
        write_alert(journal, alert, decided, [asking.id, done.id, simulated.id]).await;
        let until = seconds(3_600);
        let ask = First::Ask { reason: Reason::ApprovalWanted { rule: "dcsync".into() }, until };
        write_action(journal, asking, ask, 1, Vec::new()).await;
        write_action(journal, done, First::Run, 2, effective()).await;
        let reason = Reason::Simulate { rule: "golden-ticket".into() };
        write_action(journal, simulated, First::Simulate { reason, would: None }, 9, Vec::new()).await;
        story
    }

    /// The alert is to be decided on anew, and waits for something.
    pub(super) async fn wait(&self, journal: &SqliteJournal, reason: Reason) {
        let stream = journal.stream(&StreamKey::alert(self.alert)).await.unwrap().unwrap();
        let stored = write::read::<AlertRecord>(&stream).unwrap();
        let event = AlertEvent::Waiting { reason, again: seconds(900), since: None };
        let record = stored.record.apply(&event);
        commit(journal, write::alert(&record, stored.n, &[event], seconds(5)).unwrap()).await;
    }

    /// An alert beside it that cannot be read.
    pub(super) async fn spoil(&self, journal: &SqliteJournal, why: &str) -> AlertId {
        let item = UnreadableItem { source: SourceKey::Graph, id: "x".into(), visible: seconds(5), why: why.into() };
        let id = AlertId::derive(&["spoilt"]);
        let record = AlertRecord::unreadable(id, TENANT, &item, seconds(5));
        let event = AlertEvent::Unreadable { item };
        commit(journal, write::alert(&record, 0, &[event], seconds(5)).unwrap()).await;
        id
    }

    /// The alert's incident cannot be read.
    pub(super) async fn untell(&self, journal: &SqliteJournal, why: &str) {
        let stream = journal.stream(&StreamKey::alert(self.alert)).await.unwrap().unwrap();
        let stored = write::read::<AlertRecord>(&stream).unwrap();
        let event = AlertEvent::Untold(Untold { since: seconds(5), why: why.into() });
        let record = stored.record.apply(&event);
        commit(journal, write::alert(&record, stored.n, &[event], seconds(5)).unwrap()).await;
    }

    /// The alert's incident is found anew, so many seconds after the story began.
    pub(super) async fn locate(&self, journal: &SqliteJournal, at: i64) {
        let stream = journal.stream(&StreamKey::alert(self.alert)).await.unwrap().unwrap();
        let stored = write::read::<AlertRecord>(&stream).unwrap();
        let incident = Box::new(stored.record.incident.clone().unwrap());
        let event = AlertEvent::Located { incident };
        let record = stored.record.apply(&event);
        commit(journal, write::alert(&record, stored.n, &[event], seconds(at)).unwrap()).await;
    }

    /// The alert turns out to be the same as another.
    pub(super) async fn merge(&self, journal: &SqliteJournal) {
        let stream = journal.stream(&StreamKey::alert(self.alert)).await.unwrap().unwrap();
        let stored = write::read::<AlertRecord>(&stream).unwrap();
        let event = AlertEvent::Merged { into: AlertId::derive(&["another"]) };
        let record = stored.record.apply(&event);
        commit(journal, write::alert(&record, stored.n, &[event], seconds(5)).unwrap()).await;
    }
}

/// What was left for the lane of an action's account.
pub(super) async fn signals(journal: &SqliteJournal, id: ActionId) -> Vec<Wish> {
    let stream = journal.stream(&StreamKey::action(id)).await.unwrap().unwrap();
    let mut wishes = Vec::new();
    for claim in journal.claim(&LaneKind::each(10), LEASE).await.unwrap().claims {
        let loaded = journal.load(&claim).await.unwrap();
        if *claim.lane() == stream.lane {
            wishes.extend(loaded.signals.iter().map(|signal| Wish::deserialize(&signal.body).unwrap()));
        }
        journal.release(claim, loaded.nudges, None).await.unwrap();
    }
    wishes
}

fn withheld() -> Decided {
    Decided {
        id: ActionId::derive(&["withheld"]),
        rule: "dcsync".into(),
        intent: None,
        mode: Mode::Enforce,
        account: Some(AccountHint { name: Some("ghost\u{1b}[2J".into()), ..AccountHint::default() }),
        role: Some(Role::Suspect),
        reason: Reason::AccountUnknown,
        at: seconds(0),
    }
}

pub(super) fn action(alert: AlertId, rid: u32, rule: &str, mode: Mode) -> Action {
    let key = ActionKey {
        tenant: TENANT,
        alert,
        intent: Intent::of(Verb::DisableAdUser),
        account: account(rid),
        round: 1,
        reverts: None,
    };
    let subject = Subject {
        account: account(rid),
        upn: format!("user{rid}@contoso.com").parse().ok(),
        label: format!("user{rid}@contoso.com"),
        handle: None,
        also: vec![AccountRef::Entra(uuid::Uuid::from_u128(u128::from(rid)))],
    };
    Action {
        id: key.id(),
        mode,
        wanted_by: vec![WantedBy { rule: rule.into(), playbook: "contain-account".into(), step: 1 }],
        why: None,
        routes: vec![Route::Defender],
        after: Vec::new(),
        limits: Vec::new(),
        subject,
        severity: Severity::High,
        expires: seconds(86_400),
        revert_after: Some(Duration::from_secs(8 * 3_600)),
        hybrid: false,
        key,
    }
}

fn effective() -> Vec<(i64, ActionEvent)> {
    let seen = |at, enabled| Observation { at: seconds(at), by: Witness::Defender, fact: Fact::Enabled(enabled) };
    let outcome = Outcome { kind: OutcomeKind::Effective, proof: Some(seen(4, false)), reason: Reason::Seen };
    vec![
        (3, ActionEvent::Begun { attempt: 1, route: Route::Defender, prior: seen(2, true), look_after: seconds(120) }),
        (3, ActionEvent::Answered { correlation: Some("c-1".into()), look_at: seconds(3) }),
        (4, ActionEvent::Settled { outcome, follow: Some(Follow::Revert { at: seconds(4 + 8 * 3_600) }) }),
    ]
}

pub(super) fn sighting() -> Sighting {
    let hint = AccountHint {
        sid: "S-1-5-21-1-2-3-1105".parse().ok(),
        name: Some("user1105".into()),
        nt_domain: Some("CONTOSO".into()),
        ..AccountHint::default()
    };
    Sighting {
        source: SourceKey::LogAnalytics(WorkspaceKey(uuid::Uuid::nil())),
        aliases: vec!["sa-1".into()],
        detector: "DirectoryServicesReplicationSecurityAlert".into(),
        external_id: Some("2006".into()),
        title: "Suspected DCSync attack".into(),
        severity: Severity::High,
        start: Some(seconds(-60)),
        end: Some(seconds(-30)),
        visible: seconds(0),
        columns: BTreeMap::new(),
        entities: Entities::Read(vec![NamedAccount { hint, role: None }]),
        incident: None,
        rows: Vec::new(),
        genuine: true,
    }
}

async fn write_alert(journal: &SqliteJournal, id: AlertId, decided: Decided, actions: [ActionId; 3]) {
    let incident = Incident {
        incident: IncidentRef::Sentinel { workspace: WorkspaceKey(uuid::Uuid::nil()), name: uuid::Uuid::nil() },
        number: Some(42),
        title: "DCSync".into(),
        closed: false,
        provider: "Azure Sentinel".into(),
        provider_incident: None,
        labels: Vec::new(),
        comments: None,
    };
    let planned = AlertEvent::Planned {
        catalogue: Some("mdi/2006".into()),
        rules: vec!["dcsync".into(), "golden-ticket".into()],
        actions: actions.to_vec(),
        decided: vec![decided],
        unwitnessed_allowed: false,
    };
    let events = [
        AlertEvent::Seen { sighting: Box::new(sighting()) },
        planned,
        AlertEvent::Located { incident: Box::new(incident) },
    ];
    let first = AlertRecord::seen(id, TENANT, sighting(), seconds(0));
    let record = events.iter().skip(1).fold(first, AlertRecord::apply);
    let write = write::alert(&record, 0, &events, seconds(0)).unwrap();
    let aliases = vec![NewAlias { value: "own:sa-1".into(), alert: id }];
    put(journal, Batch { writes: vec![write], aliases, ..Batch::default() }).await;
}

async fn write_action(journal: &SqliteJournal, action: Action, first: First, at: i64, later: Vec<(i64, ActionEvent)>) {
    let planned = ActionEvent::Planned { action: Box::new(action.clone()), first: first.clone() };
    let mut record = ActionRecord::planned(action, first, seconds(at));
    let mut write = write::action(&record, 0, &[planned], write::RIPOSTE, seconds(at)).unwrap();
    for (at, event) in later {
        let Step::To(next) = record.apply(&event, seconds(at)).unwrap() else { panic!("moot") };
        record = *next;
        let again = write::action(&record, 0, &[event], write::RIPOSTE, seconds(at)).unwrap();
        let events: Vec<Entry> = write.events.into_iter().chain(again.events).collect();
        write = StreamWrite { events, ..again };
    }
    commit(journal, write).await;
}

pub(super) async fn commit(journal: &SqliteJournal, write: StreamWrite) {
    put(journal, Batch { writes: vec![write], ..Batch::default() }).await;
}

async fn put(journal: &SqliteJournal, batch: Batch) {
    let claim = take(journal, &LaneKey::chore("story")).await;
    journal.commit(&claim, batch).await.unwrap();
    journal.release(claim, 0, Some(journal.now())).await.unwrap();
}

/// Writes where sources stand.
pub(super) async fn cursors(journal: &SqliteJournal, positions: impl IntoIterator<Item = (&str, serde_json::Value)>) {
    for (source, position) in positions {
        let cursor = CursorWrite { source: source.to_owned(), position };
        let lane = LaneKey::source(&SourceKey::Graph);
        journal.ensure_lane(&lane, journal.now()).await.unwrap();
        let claim = take(journal, &lane).await;
        journal.commit(&claim, Batch { cursor: Some(cursor), ..Batch::default() }).await.unwrap();
        journal.release(claim, 0, Some(journal.now())).await.unwrap();
    }
}
