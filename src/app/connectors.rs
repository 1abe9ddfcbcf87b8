//! Connectors from settings: one transport, one token source an audience, one API a limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use crate::connect::graph::alerts::GraphAlerts;
use crate::connect::graph::entra::{EntraActions, EntraPeople};
use crate::connect::graph::hunting::Hunting;
use crate::connect::graph::identities::{DefenderActions, DefenderPeople, PasswordPolicy};
use crate::connect::graph::incidents::DefenderIncidents;
use crate::connect::graph::{Graph, Paces};
use crate::connect::http::{BadBase, Client, ClientError, ClientOptions, Pace, Proxy, client};
use crate::connect::kql_runner::KqlRunner;
use crate::connect::log_analytics::alerts::{BadPollQuery, SecurityAlerts, complete};
use crate::connect::log_analytics::directory_events::DirectoryEvents;
use crate::connect::log_analytics::identity_info::IdentityInfo;
use crate::connect::log_analytics::{self, Workspace};
use crate::connect::okta::{self, OktaActions, OktaPeople, ServiceApp};
use crate::connect::port::{AlertSource, Effector, Incidents, People};
use crate::connect::sentinel::{self, ResourceManager, Sentinel};
use crate::connect::token::{Authorize, Credentials, Entra, Identity, SecretReader, Ssws, TokenSource};
use crate::connect::told::Routed;
use crate::connect::trigger::TriggerSource;
use crate::model::action::Subject;
use crate::model::alert::SourceKey;
use crate::model::failure::Failure;
use crate::model::offer::Route;
use crate::model::recovery::Recoveries;
use crate::model::replicas::Replicas;
use crate::model::scope::WorkspaceKey;
use crate::model::time::Clock;
use crate::playbook::{POLL_QUERY_FILE, own_poll_query};
use crate::respond::runs::Runs;
use crate::respond::{Pages, Reading, Source};
use crate::settings::{self, CallPace, Endpoint, OktaKey, OktaSignIn, SecretSource, Settings};

use super::triggers::TriggerPlace;

/// The poll query of this build.
const POLL_QUERY: &str = include_str!("../../kql/security-alerts.kql");
/// Calls in flight to one API where no pace is kept.
const AT_ONCE: usize = 64;
/// Alerts a Graph page.
const GRAPH_CAP: u32 = 100;

/// What cannot be wired together.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// The transport.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An address.
    #[error(transparent)]
    Base(#[from] BadBase),
    /// The poll query.
    #[error("{file}: {error}")]
    PollQuery {
        /// Which file.
        file: String,
        /// Why.
        error: BadPollQuery,
    },
    /// A file that the settings name.
    #[error("{file} cannot be read: {error}; correct the path in the settings")]
    File {
        /// Which.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// A secret.
    #[error("{0}")]
    Secret(String),
}

/// Everything outside, ready to be used.
pub struct Connectors {
    /// Sources by key.
    pub sources: BTreeMap<String, Source>,
    /// Who knows accounts.
    pub people: Vec<Arc<dyn People>>,
    /// Who can do things.
    pub effectors: BTreeMap<Route, Arc<dyn Effector>>,
    /// Where stories are told.
    pub incidents: BTreeMap<WorkspaceKey, Arc<dyn Incidents>>,
    /// Who of them answers again after not having answered.
    pub recoveries: Recoveries,
}

/// The transport that the settings describe.
///
/// # Errors
/// When a file or a secret cannot be read, or no root of trust is there.
pub fn transport(settings: &Settings) -> Result<Client, WiringError> {
    let extra_ca_pem = match &settings.tls.ca_file {
        Some(file) => {
            Some(std::fs::read(file).map_err(|error| WiringError::File { file: file.display().to_string(), error })?)
        }
        None => None,
    };
    let proxy = match &settings.proxy {
        Some(proxy) => Some(Proxy {
            url: proxy.url.clone(),
            user: proxy.user.clone(),
            password: proxy
                .password
                .as_ref()
                .map(SecretSource::read)
                .transpose()
                .map_err(|error| WiringError::Secret(error.to_string()))?,
            no_proxy: (!proxy.no_proxy.is_empty()).then(|| proxy.no_proxy.join(",")),
        }),
        None => None,
    };
    Ok(client(&ClientOptions { extra_ca_pem, proxy })?)
}

/// Makes the connectors, with a source for each of these triggers. Replicas share the paces. Nothing is called yet.
///
/// # Errors
/// When a file cannot be read or an address not be used.
pub fn connectors(
    settings: &Settings,
    triggers: &[TriggerPlace],
    (clock, replicas): (&Arc<dyn Clock>, &Replicas),
    client: Client,
) -> Result<Connectors, WiringError> {
    let wiring = Wiring { settings, clock, replicas, client };
    let endpoints = &settings.endpoints;
    let features = settings.tenant.cloud.features();

    let logs = wiring.token(&endpoints.log_analytics, &settings.identity.read);
    let logs = log_analytics::api(
        &wiring.client,
        endpoints.log_analytics.url.clone(),
        logs,
        wiring.pace(Pace::log_analytics),
    )?;
    let workspaces: Vec<(WorkspaceKey, Arc<dyn KqlRunner>)> = settings
        .workspaces
        .iter()
        .map(|space| (space.id, Arc::new(Workspace::new(logs.clone(), space.id)) as Arc<dyn KqlRunner>))
        .collect();

    // One for all that is Graph's: a second one would double the rate of its strictest limit.
    let token = wiring.credentials(&endpoints.graph, settings.identity.acts());
    let paces = wiring.paces();
    let graph = Graph::new(&wiring.client, &below(&endpoints.graph.url, "v1.0"), &token, paces.clone())?;
    let orgs = wiring.orgs()?;

    let mut people: Vec<Arc<dyn People>> = Vec::new();
    if features.invoke_action {
        // Defender does not say of which Okta org it speaks; with one there is no doubt.
        let only_org = (orgs.len() == 1).then(|| orgs.keys().next().cloned()).flatten();
        people.push(Arc::new(DefenderPeople::new(&graph, only_org)));
    }
    people.push(Arc::new(EntraPeople::new(&graph)));
    if !orgs.is_empty() {
        people.push(Arc::new(OktaPeople::new(orgs.clone())));
    }
    let infos: Vec<Arc<IdentityInfo>> =
        workspaces.iter().map(|(_, runner)| Arc::new(IdentityInfo::new(Arc::clone(runner)))).collect();
    people.extend(infos.iter().map(|info| Arc::clone(info) as Arc<dyn People>));

    let hunting = Arc::new(Hunting::new(&graph)) as Arc<dyn KqlRunner>;
    let mut effectors: BTreeMap<Route, Arc<dyn Effector>> = BTreeMap::new();
    if features.invoke_action {
        let windows: Vec<_> = workspaces.iter().map(|(_, runner)| Arc::clone(runner)).collect();
        let identity = if features.hunting { vec![Arc::clone(&hunting)] } else { Vec::new() };
        let events = Arc::new(DirectoryEvents::new(identity, windows));
        let passwords = Arc::new(Passwords(infos));
        let defender = DefenderActions::new(&graph, Arc::clone(clock), Some(events), Some(passwords));
        effectors.insert(Route::Defender, Arc::new(defender));
    }
    effectors.insert(Route::Entra, Arc::new(EntraActions::new(&graph, Arc::clone(clock))));
    if !orgs.is_empty() {
        effectors.insert(Route::Okta, Arc::new(OktaActions::new(orgs, Arc::clone(clock))));
    }

    let incidents = wiring.incidents(&workspaces, features.alerts_v2.then_some(&paces.security))?;
    let mut sources = wiring.sources(&workspaces, &graph, features.alerts_v2)?;
    sources.extend(triggers.iter().filter_map(|place| run(place, &workspaces, &hunting)));
    let recoveries = wiring.client.recoveries().clone();
    Ok(Connectors { sources, people, effectors, incidents, recoveries })
}

/// The tenant's own poll query, if its folder has one, or the shipped one, with the name of its file.
///
/// # Errors
/// When the file cannot be read, or lacks what every poll query needs.
pub fn poll_query(rules: &settings::Rules) -> Result<(String, String), WiringError> {
    let own = rules.kql.as_deref().and_then(own_poll_query);
    let Some(path) = own else { return Ok((POLL_QUERY_FILE.to_owned(), POLL_QUERY.to_owned())) };
    let file = path.display().to_string();
    match std::fs::read_to_string(&path) {
        Ok(text) => match complete(&text) {
            Ok(()) => Ok((file, text)),
            Err(error) => Err(WiringError::PollQuery { file, error }),
        },
        Err(error) => Err(WiringError::File { file, error }),
    }
}

/// What the connectors are made of.
struct Wiring<'a> {
    settings: &'a Settings,
    clock: &'a Arc<dyn Clock>,
    replicas: &'a Replicas,
    client: Client,
}

impl Wiring<'_> {
    /// The documented pace of an API, unless the settings lift it.
    fn pace(&self, documented: fn(&Arc<dyn Clock>) -> Pace) -> Pace {
        match self.settings.pace {
            CallPace::Documented => documented(self.clock).shared(self.replicas),
            CallPace::None => Pace::unlimited(self.clock, AT_ONCE),
        }
    }

    fn paces(&self) -> Paces {
        match self.settings.pace {
            CallPace::Documented => Paces::documented(self.clock, self.replicas),
            CallPace::None => {
                let pace = Pace::unlimited(self.clock, AT_ONCE);
                Paces {
                    security: pace.clone(),
                    hunting: pace.clone(),
                    identity_protection: pace.clone(),
                    directory: pace,
                }
            }
        }
    }

    /// Reads with the one identity, and changes things with the other.
    fn credentials(&self, endpoint: &Endpoint, changes: &settings::Identity) -> Credentials {
        let read = &self.settings.identity.read;
        let reads = self.token(endpoint, read);
        // One that is the same shares its tokens.
        let changes = if std::ptr::eq(changes, read) { Arc::clone(&reads) } else { self.token(endpoint, changes) };
        Credentials { reads, changes }
    }

    fn token(&self, endpoint: &Endpoint, identity: &settings::Identity) -> Arc<dyn Authorize> {
        let authority = self.settings.endpoints.login.url.clone();
        let identity = self.identity(identity);
        Arc::new(TokenSource::new(Entra::new(&self.client, identity, Some(authority), endpoint.scope.clone())))
    }

    fn identity(&self, identity: &settings::Identity) -> Identity {
        let tenant = self.settings.tenant.id;
        match identity {
            settings::Identity::ManagedIdentity { client_id } => {
                Identity::ManagedIdentity { client_id: client_id.map(|id| id.to_string()) }
            }
            settings::Identity::WorkloadIdentity { client_id, token_file } => Identity::WorkloadIdentity {
                tenant: Some(tenant),
                client_id: Some(client_id.to_string()),
                token_file: Some(token_file.clone()),
            },
            settings::Identity::ClientSecret { client_id, secret } => {
                Identity::ClientSecret { tenant, client_id: client_id.to_string(), secret: reader(secret) }
            }
            settings::Identity::ClientCertificate { client_id, files } => {
                let files = files.clone();
                let pem: SecretReader = Arc::new(move || files.read());
                Identity::ClientCertificate { tenant, client_id: client_id.to_string(), pem }
            }
            settings::Identity::AzureCli => Identity::AzureCli { tenant },
        }
    }

    fn orgs(&self) -> Result<okta::Orgs, BadBase> {
        let org = |org: &settings::OktaOrg| {
            let auth: Arc<dyn Authorize> = match &org.sign_in {
                OktaSignIn::Token { token } => Arc::new(Ssws(reader(token))),
                OktaSignIn::Key(key) => Arc::new(self.service_app(org, key)?),
            };
            let api = okta::api(&self.client, org.url.clone(), auth, self.pace(Pace::okta))?;
            Ok((org.name.clone(), api))
        };
        self.settings.okta.iter().map(org).collect()
    }

    fn service_app(&self, org: &settings::OktaOrg, key: &OktaKey) -> Result<TokenSource, BadBase> {
        let app = ServiceApp {
            org: org.name.clone(),
            client_id: key.client_id.clone(),
            private_key: reader(&key.private_key),
            key_id: key.key_id.as_ref().map(reader),
        };
        Ok(TokenSource::new(okta::SignIn::new(&self.client, self.clock, &org.url, app)?))
    }

    fn incidents(
        &self,
        workspaces: &[(WorkspaceKey, Arc<dyn KqlRunner>)],
        security: Option<&Pace>,
    ) -> Result<BTreeMap<WorkspaceKey, Arc<dyn Incidents>>, BadBase> {
        let arm = self.credentials(&self.settings.endpoints.arm, self.settings.identity.comments());
        let url = &self.settings.endpoints.arm.url;
        let (reads, writes) = (Pace::resource_manager_reads, Pace::resource_manager_writes);
        let paces = sentinel::Paces { reads: self.pace(reads), writes: self.pace(writes) };
        let api = ResourceManager::new(&self.client, url, &arm, paces)?;
        let one = |(space, (key, runner)): (&settings::Workspace, &(WorkspaceKey, Arc<dyn KqlRunner>))| {
            let place = sentinel::Place {
                key: *key,
                subscription: space.subscription.to_string(),
                resource_group: space.resource_group.clone(),
                workspace: space.workspace.clone(),
            };
            let sentinel = Sentinel::new(api.clone(), place, Some(Arc::clone(runner)), Arc::clone(self.clock));
            let defender = security.map(|pace| self.defender(pace.clone())).transpose()?;
            Ok((*key, Arc::new(Routed::new(sentinel, defender)) as Arc<dyn Incidents>))
        };
        self.settings.workspaces.iter().zip(workspaces).map(one).collect()
    }

    /// Defender's incidents, at the pace of all that is Graph's, by the identity that writes comments.
    fn defender(&self, pace: Pace) -> Result<DefenderIncidents, BadBase> {
        let graph = &self.settings.endpoints.graph;
        let token = self.credentials(graph, self.settings.identity.comments());
        DefenderIncidents::new(&self.client, &below(&graph.url, "v1.0"), &token, pace, Arc::clone(self.clock))
    }

    fn sources(
        &self,
        workspaces: &[(WorkspaceKey, Arc<dyn KqlRunner>)],
        graph: &Graph,
        alerts_v2: bool,
    ) -> Result<BTreeMap<String, Source>, WiringError> {
        let mut sources = BTreeMap::new();
        let mut add = |source: Source| sources.insert(source.key.to_string(), source);
        if let Some(logs) = &self.settings.sources.log_analytics {
            let (file, query) = poll_query(&self.settings.rules)?;
            for (key, runner) in workspaces {
                let alerts = SecurityAlerts::new(Arc::clone(runner), *key, &query, &logs.providers)
                    .map_err(|error| WiringError::PollQuery { file: file.clone(), error })?;
                add(Source {
                    key: alerts.key(),
                    port: Arc::new(alerts),
                    reading: Reading::Pages(Pages {
                        every: logs.every,
                        overlap: logs.overlap,
                        first_lookback: logs.first_lookback,
                        cap: logs.page_rows,
                    }),
                });
            }
        }
        if let Some(pace) = self.settings.sources.graph.as_ref().filter(|_| alerts_v2) {
            let alerts = GraphAlerts::new(graph);
            add(Source {
                key: alerts.key(),
                port: Arc::new(alerts),
                reading: Reading::Pages(Pages {
                    every: pace.every,
                    overlap: pace.overlap,
                    first_lookback: pace.first_lookback,
                    cap: GRAPH_CAP,
                }),
            });
        }
        Ok(sources)
    }
}

/// A trigger as a source; none where nobody runs its query.
fn run(
    place: &TriggerPlace,
    workspaces: &[(WorkspaceKey, Arc<dyn KqlRunner>)],
    hunting: &Arc<dyn KqlRunner>,
) -> Option<(String, Source)> {
    let SourceKey::Trigger { workspace, .. } = &place.key else { return None };
    let runner = match workspace {
        Some(key) => &workspaces.iter().find(|(known, _)| known == key)?.1,
        None => hunting,
    };
    let port = TriggerSource::new(Arc::clone(&place.trigger), *workspace, Arc::clone(runner));
    let reading = Reading::Runs(Runs { schedule: place.trigger.schedule(), optional: place.optional });
    Some((place.key.to_string(), Source { key: place.key.clone(), port: Arc::new(port), reading }))
}

fn reader(source: &SecretSource) -> SecretReader {
    let source = source.clone();
    Arc::new(move || source.read().map_err(|error| error.to_string()))
}

fn below(base: &Url, segment: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().push(segment);
    }
    url
}

/// Password policies from the workspaces' `IdentityInfo`: the first that knows the account.
struct Passwords(Vec<Arc<IdentityInfo>>);

#[async_trait]
impl PasswordPolicy for Passwords {
    async fn never_expires(&self, subject: &Subject) -> Result<Option<bool>, Failure> {
        for info in &self.0 {
            if let Some(answer) = info.never_expires(subject).await? {
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }
}
