//! A tenant and a daemon in one process: real https between them, one clock that leaps.
//!
//! The daemon lives in a runtime of its own, so that it can die in the middle of anything while the
//! tenant and the journal's file stay.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use riposte::app::{self, Around, Heard, Parts};
use riposte::journal::lane::LaneKey;
use riposte::journal::{Filter, Journal, Pause, Signal};
use riposte::lab::{self, CommentState, Fault, Lab, Outcome, RequestSeen, Scenario, Snapshot};
use riposte::model::incident::IncidentRef;
use riposte::model::intent::Verb;
use riposte::model::time::{At, Clock, SystemClock};
use riposte::record::action::{ActionRecord, Vote};
use riposte::record::alert::{AlertPhase, AlertRecord};
use riposte::record::event::StreamKind;
use riposte::record::note::NoteRecord;
use riposte::record::signal::Wish;
use riposte::respond::audit::audit;
use riposte::respond::driver::{Rest, Until};
use riposte::respond::listener::{Listener, News};
use riposte::respond::polls::Unread;
use riposte::respond::write;
use riposte::runtime::leap::LeapClock;
use riposte::runtime::telemetry;
use riposte::settings;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

/// A machine that is busy with other things may need so long for one step.
const PATIENCE: Duration = Duration::from_secs(60);

/// Everybody who can be in an alert, with the delays of a quick tenant.
pub(crate) const PEOPLE: &str = r"
delays: {ingestion: 1s, sync: 30m, sensor: 2s, identity: 30s}
app: {directory_roles: [Privileged Authentication Administrator]}
guardrails: {break_glass: [glass]}
groups: [{group: domain-users, rid: 513}, {group: domain-admins, rid: 512}]
people:
  - {person: adele, name: Adele Vance, ad: {rid: 1105, groups: [domain-users]}, entra: {}, okta: {}}
  - {person: diego, name: Diego Siciliani, ad: {rid: 1106, groups: [domain-users]}, entra: {}}
  - {person: grady, name: Grady Archie, ad: {rid: 1107, groups: [domain-users]}, entra: {}}
  - {person: joni, name: Joni Sherman, ad: {rid: 1108, groups: [domain-users]}}
  - {person: megan, name: Megan Bowen, entra: {}}
  - {person: boss, name: Bo Adminsson, ad: {rid: 1113, groups: [domain-admins]}, entra: {}}
  - {person: glass, name: Break glass, ad: {rid: 1112}, entra: {}}
";

/// Disables in Active Directory, and nothing else.
pub(crate) const DISABLE: &str =
    "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: disable-ad-user\n    if: HasActiveDirectory\n";

/// Disables everywhere, then ends sessions.
pub(crate) const EVERYWHERE: &str = "playbook: contain
why: Stop it everywhere.
steps:
  - do: disable-ad-user
    if: HasActiveDirectory
  - do: suspend-entra-user
    if: HasEntra
  - do: suspend-okta-user
    if: HasOkta
  - do: revoke-sessions
    if: HasEntra or HasOkta
    after: [disable-ad-user, suspend-entra-user, suspend-okta-user]
    needs: answered
";

/// The rule that answers a DCSync attack.
const RULE: &str = "rule: dcsync
why: Somebody holds credentials that are not theirs.
owner: soc@contoso.com
alert: [mdi/2006]
do: contain
limits: {per_hour: 60, per_day: 60}
";

/// An alert about a DCSync attack, as a line of a scenario; `more` are further fields.
pub(crate) fn dcsync(key: &str, at: &str, accounts: &str, more: &str) -> String {
    let more = if more.is_empty() { String::new() } else { format!(", {more}") };
    format!(
        "  - {{alert: {key}, at: {at}, title: Suspected DCSync attack (replication of directory services), external_id: 2006, \
         type: DirectoryServicesReplicationSecurityAlert, severity: High, tactic: CredentialAccess, \
         incident: {{after: 1m}}, accounts: [{accounts}]{more}}}\n"
    )
}

/// The same alert with an incident that Defender made.
pub(crate) fn of_defender(alert: &str) -> String {
    alert.replace("incident: {after: 1m}", "incident: {after: 1m, provider: Microsoft XDR}")
}

/// How a world is made.
pub(crate) struct Setup {
    people: String,
    alerts: String,
    more: String,
    playbook: String,
    limits: String,
    mode: &'static str,
    overrides: Vec<(String, String)>,
    variables: Vec<(String, String)>,
    edit: fn(&str) -> String,
    files: Vec<(String, String)>,
    rule: &'static str,
    modes: &'static str,
    dry_run: bool,
    lab: lab::Options,
    log_level: &'static str,
    around: Option<Arc<dyn Around>>,
    one_day: bool,
}

impl Setup {
    /// A tenant with these alerts; containment in Active Directory is enforced.
    pub(crate) fn new(alerts: impl AsRef<str>) -> Self {
        let pace = ["sources.log_analytics.every", "sources.graph.every"].map(|key| (key.to_owned(), "30s".to_owned()));
        Self {
            people: PEOPLE.to_owned(),
            alerts: alerts.as_ref().to_owned(),
            more: String::new(),
            playbook: DISABLE.to_owned(),
            limits: "{per_hour: 60, per_day: 60}".to_owned(),
            mode: "enforce",
            overrides: pace.to_vec(),
            variables: Vec::new(),
            edit: str::to_owned,
            files: Vec::new(),
            rule: "",
            modes: "",
            dry_run: false,
            lab: lab::Options::default(),
            log_level: "riposte=debug",
            around: None,
            one_day: false,
        }
    }

    /// Other people.
    pub(crate) fn people(mut self, text: &str) -> Self {
        text.clone_into(&mut self.people);
        self
    }

    /// More of a scenario: faults.
    pub(crate) fn with(mut self, text: &str) -> Self {
        self.more.push_str(text);
        self
    }

    pub(crate) fn playbook(mut self, text: &str) -> Self {
        text.clone_into(&mut self.playbook);
        self
    }

    pub(crate) fn limits(mut self, per_hour: u32, per_day: u32) -> Self {
        self.limits = format!("{{per_hour: {per_hour}, per_day: {per_day}}}");
        self
    }

    pub(crate) fn mode(mut self, mode: &'static str) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.overrides.push((key.to_owned(), value.to_owned()));
        self
    }

    /// An environment variable that settings are read from.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// More lines of the rule.
    pub(crate) fn rule(mut self, more: &'static str) -> Self {
        self.rule = more;
        self
    }

    /// More lines of the modes, for rules that are files.
    pub(crate) fn modes(mut self, more: &'static str) -> Self {
        self.modes = more;
        self
    }

    /// A file beside the settings.
    pub(crate) fn file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// Changes the text of the settings that the lab wrote.
    pub(crate) fn edit(mut self, edit: fn(&str) -> String) -> Self {
        self.edit = edit;
        self
    }

    pub(crate) fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Lifts the vendors' documented limits on both sides: what is asked is not how much can be asked.
    pub(crate) fn unlimited(mut self) -> Self {
        self.lab.unlimited = true;
        self.set("calls.pace", "none")
    }

    /// Lets the application sign in with a certificate.
    pub(crate) fn certificate(mut self) -> Self {
        self.lab.certificate = true;
        self
    }

    /// Lets a service app sign in to Okta with a key.
    pub(crate) fn okta_key(mut self) -> Self {
        self.lab.okta_key = true;
        self
    }

    /// Puts something around what each daemon stands on.
    pub(crate) fn around(mut self, around: Arc<dyn Around>) -> Self {
        self.around = Some(around);
        self
    }

    /// Lets it be at the beginning of a day, for what happens once in each.
    pub(crate) fn in_one_day(mut self) -> Self {
        self.one_day = true;
        self
    }

    /// Asks everybody to log everything.
    pub(crate) fn trace(mut self) -> Self {
        self.log_level = "trace,riposte=trace,hyper=trace,reqwest=trace,rustls=trace,azure_identity=trace";
        self
    }

    /// Serves the tenant and starts a daemon.
    pub(crate) async fn start(self) -> World {
        let alerts = if self.alerts.is_empty() { String::new() } else { format!("alerts:\n{}", self.alerts) };
        let text = format!("{}\n{alerts}\n{}", self.people, self.more);
        let scenario = Scenario::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut start = SystemClock.now();
        if self.one_day {
            start = At::from_unix_seconds((start.unix_seconds().div_euclid(86_400) + 1) * 86_400);
        }
        let clock = LeapClock::starting_at(start);
        let lab = lab::serve(Arc::new(clock.clone()), scenario, self.lab.clone()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let access = lab.access(&ca.display().to_string());
        std::fs::write(&ca, &access.ca_pem).unwrap();
        for (name, pem) in [(lab::APP_PEM, &access.app_pem), (lab::OKTA_PEM, &access.okta_pem)] {
            if let Some(pem) = pem {
                std::fs::write(folder.path().join(name), pem).unwrap();
            }
        }
        std::fs::write(folder.path().join("riposte.toml"), (self.edit)(&access.config_toml)).unwrap();
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir_all(folder.path().join("playbooks/rules")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join("playbooks").join(name), text).unwrap();
        write("contain.yaml", &with_groups(&self.playbook, &lab.state()));
        write("rules/dcsync.yaml", &(RULE.replace("{per_hour: 60, per_day: 60}", &self.limits) + self.rule));
        write("modes.yaml", &format!("dcsync: {}\n{}", self.mode, self.modes));
        let began = clock.now();
        let heard =
            Arc::new(Ears { news: Mutex::default(), log: Heard { health: None, clock: Arc::new(clock.clone()) } });
        let mut world = World { lab, clock, began, folder, setup: self, heard, log: Log::default(), daemon: None };
        world.resume().await;
        world
    }
}

/// A tenant with a daemon.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) clock: LeapClock,
    pub(crate) began: At,
    pub(crate) folder: TempDir,
    setup: Setup,
    heard: Arc<Ears>,
    log: Log,
    daemon: Option<Running>,
}

/// A daemon at work.
struct Running {
    journal: Arc<dyn Journal>,
    rest: watch::Receiver<Rest>,
    stop: watch::Sender<bool>,
    ended: tokio::task::JoinHandle<Result<Unread, riposte::journal::Fault>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl World {
    /// Starts a daemon on the journal as it lies there.
    pub(crate) async fn resume(&mut self) {
        assert!(self.daemon.is_none(), "one daemon at a time");
        let file = self.folder.path().join("riposte.toml");
        let mut variables = self.setup.variables.iter().cloned();
        let loaded = settings::load(Some(&file), &mut variables, &self.setup.overrides);
        let (settings, _) = loaded.unwrap_or_else(|findings| panic!("{findings:?}"));
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let runtime = self.runtime();
        let (stop, drain) = watch::channel(false);
        let deadline = Instant::now() + PATIENCE;
        // A daemon that was dropped may need a moment to let go of the journal.
        let daemon = loop {
            let rules = app::rules(&settings);
            let parts = Parts {
                settings: &settings,
                rules: rules.table.unwrap_or_else(|| panic!("{:?}", rules.findings)),
                clock: Arc::clone(&clock),
                listener: Arc::clone(&self.heard) as Arc<dyn Listener>,
                drain: drain.clone(),
                dry_run: self.setup.dry_run,
                around: self.setup.around.clone(),
            };
            let made = {
                let _inside = runtime.enter();
                app::daemon(parts)
            };
            match made {
                Ok(daemon) => break daemon,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        let rest = daemon.driver.rest();
        let ended = runtime.spawn(daemon.driver.run(Until::Stopped));
        self.daemon = Some(Running { journal: daemon.journal, rest, stop, ended, runtime: Some(runtime) });
    }

    fn runtime(&self) -> tokio::runtime::Runtime {
        let (log, level) = (self.log.clone(), self.setup.log_level);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(2).enable_all().on_thread_start(move || {
            let subscriber = telemetry::subscriber(level, telemetry::Format::Json, log.clone()).unwrap();
            // It holds as long as the thread does.
            std::mem::forget(tracing::subscriber::set_default(subscriber));
        });
        builder.build().unwrap()
    }

    /// The daemon ends in the middle of whatever it does, and nothing of it is left but its file.
    pub(crate) fn crash(&mut self) {
        drop(self.daemon.take());
    }

    /// Whether there is no daemon at the moment.
    pub(crate) const fn is_down(&self) -> bool {
        self.daemon.is_none()
    }

    /// The daemon is told to stop, and does.
    pub(crate) async fn stop(&mut self) {
        let mut daemon = self.daemon.take().unwrap();
        daemon.stop.send_replace(true);
        let ended = tokio::time::timeout(PATIENCE, &mut daemon.ended).await;
        ended.expect("it stops").unwrap().unwrap();
    }

    /// Another value of a setting, for the next daemon.
    pub(crate) fn change(&mut self, key: &str, value: &str) {
        self.setup.overrides.push((key.to_owned(), value.to_owned()));
    }

    /// Whether the next daemon reads Graph's alerts.
    pub(crate) fn switch_graph(&mut self, on: bool) {
        self.setup.overrides.retain(|(key, _)| !key.starts_with("sources.graph"));
        self.change("sources.graph", if on { "true" } else { "false" });
    }

    /// The next daemon is no dry-run.
    pub(crate) const fn for_real(&mut self) {
        self.setup.dry_run = false;
    }

    /// The settings as they may be shown.
    pub(crate) fn settings_shown(&self) -> String {
        let file = self.folder.path().join("riposte.toml");
        let loaded = settings::load(Some(&file), &mut std::iter::empty(), &self.setup.overrides);
        let (settings, _) = loaded.unwrap_or_else(|findings| panic!("{findings:?}"));
        format!("{} {settings:?}", settings.print_redacted())
    }

    pub(crate) fn journal(&self) -> &dyn Journal {
        self.daemon.as_ref().unwrap().journal.as_ref()
    }

    /// So long after the start.
    pub(crate) fn minute(&self, minutes: u64) -> At {
        self.began.plus(Duration::from_secs(60 * minutes))
    }

    /// Lets time leap from one thing that is due to the next until so many minutes after the start.
    pub(crate) async fn run_until(&mut self, minutes: u64) {
        self.run_until_at(self.minute(minutes)).await;
    }

    pub(crate) async fn run_until_at(&mut self, end: At) {
        self.run_until_or(end, || false).await;
    }

    /// As [`Self::run_until_at`], or until something else is so.
    pub(crate) async fn run_until_or(&mut self, end: At, so: impl Fn() -> bool) {
        let daemon = self.daemon.as_mut().unwrap();
        let mut deadline = Instant::now() + PATIENCE;
        while !so() {
            assert!(!daemon.ended.is_finished(), "the daemon ended by itself");
            let rest = *daemon.rest.borrow_and_update();
            if let Rest::Until(due) = rest {
                let now = self.clock.now();
                let due = due.unwrap_or(end);
                if due > now && now >= end {
                    return;
                }
                if due > now {
                    self.clock.advance_to(due.min(end));
                    deadline = Instant::now() + PATIENCE;
                }
            }
            assert!(
                Instant::now() < deadline,
                "the daemon never rests: {rest:?} at {}\n{:#?}",
                self.clock.now(),
                self.lab.state().requests
            );
            let _ = tokio::time::timeout(Duration::from_millis(20), daemon.rest.changed()).await;
        }
    }

    /// Lets time go on for so many seconds of the machine without waiting for rest, and leaps on the way.
    pub(crate) async fn stumble(&mut self, leaps: usize, pause: Duration) {
        let daemon = self.daemon.as_mut().unwrap();
        for _ in 0..leaps {
            if let Rest::Until(Some(due)) = *daemon.rest.borrow_and_update() {
                self.clock.advance_to(due);
            }
            let _ = tokio::time::timeout(pause, daemon.rest.changed()).await;
        }
        tokio::time::timeout(pause, std::future::pending::<()>()).await.unwrap_err();
    }

    /// Lets time go on until the tenant has just carried something out for us, and returns at that moment:
    /// the answer is still on its way. Gives up after a while in which nothing happens.
    pub(crate) async fn stumble_into_an_effect(&mut self) {
        let daemon = self.daemon.as_mut().unwrap();
        let before = self.lab.state().effects.len();
        let deadline = Instant::now() + Duration::from_millis(300);
        while self.lab.state().effects.len() == before && Instant::now() < deadline {
            if let Rest::Until(Some(due)) = *daemon.rest.borrow_and_update() {
                self.clock.advance_to(due);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Looks, while the daemon works, until it is so.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let looking = async {
            while !so(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
    }

    /// How often an event of this name stands in the journal.
    pub(crate) async fn count(&self, kind: StreamKind, event: &str) -> usize {
        let mut times = 0;
        for stream in self.journal().streams(&Filter { kind: Some(kind), ..Filter::default() }).await.unwrap() {
            let events = self.journal().events(&stream.key).await.unwrap();
            times += events.iter().filter(|stored| stored.entry.name == event).count();
        }
        times
    }

    /// A message of a person to the lane of an action's account.
    async fn leave(&self, record: &ActionRecord, wish: Wish) {
        let source_key = format!("test:{}:{}", record.action.id, self.clock.now().ticks());
        let lane = LaneKey::account(&record.action.key.account);
        let signal = Signal { source_key, lane, body: json!(wish), at: self.clock.now() };
        assert!(self.journal().signal(signal).await.unwrap());
    }

    /// The same, heard before this returns.
    async fn tell(&mut self, record: &ActionRecord, wish: Wish) {
        self.daemon.as_mut().unwrap().rest.mark_unchanged();
        self.leave(record, wish).await;
        let rest = &mut self.daemon.as_mut().unwrap().rest;
        let _ = tokio::time::timeout(PATIENCE, rest.changed()).await.expect("a signal wakes the daemon");
    }

    fn wish(&self, record: &ActionRecord, by: &str, yes: bool) -> Wish {
        Wish::Vote { action: record.action.id, vote: Vote { by: by.to_owned(), yes, at: self.clock.now() } }
    }

    pub(crate) async fn vote(&mut self, record: &ActionRecord, by: &str, yes: bool) {
        self.tell(record, self.wish(record, by, yes)).await;
    }

    /// A vote that nobody may have heard yet.
    pub(crate) async fn leave_vote(&self, record: &ActionRecord, by: &str, yes: bool) {
        self.leave(record, self.wish(record, by, yes)).await;
    }

    pub(crate) async fn undo(&mut self, record: &ActionRecord, by: &str) {
        self.tell(record, Wish::Undo { action: record.action.id, by: by.to_owned() }).await;
    }

    pub(crate) async fn pause(&self, on: bool) {
        let pause = on.then(|| Pause { by: "eva".into(), reason: "test".into(), at: self.clock.now() });
        self.journal().set_pause(pause, "eva").await.unwrap();
    }

    async fn all<T: DeserializeOwned>(&self, kind: StreamKind) -> Vec<T> {
        let filter = Filter { kind: Some(kind), ..Filter::default() };
        let streams = self.journal().streams(&filter).await.unwrap();
        streams.iter().map(|stream| write::read(stream).unwrap().record).collect()
    }

    /// Every alert that is not merged into another, oldest first.
    pub(crate) async fn alerts(&self) -> Vec<AlertRecord> {
        let mut all: Vec<AlertRecord> = self.all(StreamKind::Alert).await;
        all.retain(|alert| !matches!(alert.phase, AlertPhase::Merged { .. }));
        all.sort_by_key(|alert| alert.first_seen);
        all
    }

    /// The alert that the scenario calls so.
    pub(crate) async fn alert(&self, key: &str) -> AlertRecord {
        let state = self.lab.state();
        let ids = [&state.alerts[key].system_id, &state.alerts[key].graph_id];
        let mut found = self.alerts().await;
        found.retain(|alert| alert.names().iter().any(|name| ids.contains(&name)));
        assert_eq!(found.len(), 1, "{key}: {found:#?}");
        found.remove(0)
    }

    /// Every action, oldest first.
    pub(crate) async fn actions(&self) -> Vec<ActionRecord> {
        let mut all: Vec<ActionRecord> = self.all(StreamKind::Action).await;
        all.sort_by_key(|record| (record.planned_at, record.action.wanted_by.first().map(|by| by.step)));
        all
    }

    pub(crate) async fn notes(&self) -> Vec<NoteRecord> {
        self.all(StreamKind::Note).await
    }

    /// What was to be done with a person's accounts, oldest first.
    pub(crate) async fn actions_on(&self, person: &str) -> Vec<ActionRecord> {
        let state = self.lab.state();
        let them = &state.people[person];
        let mut ids: Vec<String> = them.ad.iter().map(|ad| ad.sid.to_lowercase()).collect();
        ids.extend(them.entra.iter().map(|user| user.id.to_lowercase()));
        ids.extend(them.okta.iter().map(|user| user.id.to_lowercase()));
        let mut all = self.actions().await;
        all.retain(|record| {
            let account = record.action.key.account.to_string().to_lowercase();
            ids.iter().any(|id| account.contains(id.as_str()))
        });
        all
    }

    /// The one action of this kind on a person.
    pub(crate) async fn action(&self, person: &str, verb: Verb) -> ActionRecord {
        let mut all = self.actions_on(person).await;
        all.retain(|record| record.action.key.intent.verb == verb);
        assert_eq!(all.len(), 1, "{verb} on {person}: {all:#?}");
        all.remove(0)
    }

    /// How often the lab took a change from us, whatever became of it.
    pub(crate) fn taken(&self, person: &str, operation: &str) -> usize {
        taken(&self.lab.state(), person, operation)
    }

    pub(crate) fn is_enabled(&self, person: &str) -> bool {
        self.lab.state().people[person].ad.as_ref().unwrap().enabled
    }

    /// The comments on an alert's incident.
    pub(crate) fn comments(&self, alert: &str) -> Vec<String> {
        let incident = self.lab.state().incidents.remove(alert);
        incident.into_iter().flat_map(|incident| incident.comments).map(|comment| comment.text).collect()
    }

    pub(crate) fn fault(&self, fault: Value) {
        self.lab.add_fault(Fault::deserialize(fault).unwrap());
    }

    /// The last requests that the lab answered.
    pub(crate) async fn requests(&self) -> Vec<Asked> {
        let value = self.lab_says("requests").await;
        Vec::deserialize(&value["last"]).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "a test is its own client")]
    async fn lab_says(&self, what: &str) -> Value {
        let access = self.lab.access("ca.pem");
        let ca = reqwest::Certificate::from_pem(access.ca_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
        let answer = client.get(format!("{}/_lab/{what}", access.base_url)).send().await.unwrap();
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Everything that was said about the work so far: news, and the log down to TRACE.
    pub(crate) fn said(&self) -> String {
        let news = self.heard.news.lock().unwrap().join("\n");
        format!("{news}\n{}", self.log.text())
    }

    /// What the sources said when they could not be read, and what kept comments from being written.
    pub(crate) fn troubles(&self) -> Vec<String> {
        let news = self.heard.news.lock().unwrap();
        news.iter().filter(|line| line.starts_with("trouble: ")).cloned().collect()
    }

    /// Nothing is left undecided, no effect was asked for twice, and each posted note stands once.
    pub(crate) async fn assert_whole(&self) {
        let state = self.lab.state();
        for alert in self.alerts().await {
            assert!(!alert.is_open(), "left undecided: {alert:#?}");
        }
        for effect in &state.effects {
            let Some(person) = &effect.person else { continue };
            let operation = &effect.operation;
            let times = taken(&state, person, operation);
            assert!(times <= 1, "{person}: {operation} reached the tenant {times} times: {:#?}", state.effects);
        }
        let standing: Vec<_> = state.incidents.values().flat_map(|incident| &incident.comments).collect();
        let notes = self.notes().await;
        for note in &notes {
            let id = note.key.id().to_string();
            let is_it = |comment: &&&CommentState| match note.incident {
                IncidentRef::Sentinel { .. } => comment.id.as_deref() == Some(&id),
                IncidentRef::Defender { .. } => comment.id.as_deref() == Some(&id) || comment.text.contains(&id),
            };
            let times = standing.iter().filter(is_it).count();
            assert_eq!(times, 1, "{note:#?}");
        }
        assert_eq!(standing.len(), notes.len(), "{standing:#?}");
        self.assert_audited().await;
    }

    /// What is kept beside the events is what they made of it.
    pub(crate) async fn assert_audited(&self) {
        let Some(tenant) = self.alerts().await.first().map(|alert| alert.tenant) else { return };
        let differences = audit(self.journal(), tenant).await;
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

/// A playbook with `ENTRA-GROUP:name` and `OKTA-GROUP:name` as the ids that the tenant gave.
fn with_groups(playbook: &str, state: &Snapshot) -> String {
    let mut text = playbook.to_owned();
    for (name, group) in &state.groups {
        for (directory, id) in [("ENTRA", &group.entra_id), ("OKTA", &group.okta_id)] {
            text = text.replace(&format!("{directory}-GROUP:{name}"), id.as_deref().unwrap_or_default());
        }
    }
    text
}

/// How often a change was taken on by the tenant from us: carried out, or to be.
fn taken(state: &Snapshot, person: &str, operation: &str) -> usize {
    let ours = ["defender", "entra", "okta"];
    let took = |outcome: Outcome| !matches!(outcome, Outcome::Refused(_));
    let is = |effect: &&lab::Effect| {
        ours.contains(&effect.api)
            && effect.person.as_deref() == Some(person)
            && effect.operation == operation
            && took(effect.outcome)
    };
    state.effects.iter().filter(is).count()
}

/// A request as the lab lists it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) status: u16,
}

// The lab's own type of it, for whoever changes one of the two.
const _: fn(RequestSeen) -> Asked = |seen| Asked { method: seen.method, path: seen.path, status: seen.status };

/// Keeps every word, and hands it on to the daemon's own listener.
struct Ears {
    news: Mutex<Vec<String>>,
    log: Heard,
}

impl Listener for Ears {
    fn hear(&self, news: &News<'_>) {
        let line = match news {
            News::PollFailed { failure, .. } | News::RunFailed { failure, .. } => format!("trouble: {failure}"),
            News::NoteFailed { why, .. } | News::LabelFailed { why, .. } => format!("trouble: {why}"),
            News::Moot { why } => format!("moot: {why}"),
            News::ActionStands { action, event } => format!("{event}: {} {}", action.status(), action.reason()),
            News::Polled { .. }
            | News::RunNotWhole { .. }
            | News::NoIncident { .. }
            | News::AlertSeen { .. }
            | News::AlertStands { .. }
            | News::NotePosted { .. }
            | News::Sealed { .. }
            | News::Removed { .. } => format!("{news:?}"),
        };
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        self.log.hear(news);
    }
}

/// Lines of the log, kept.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
