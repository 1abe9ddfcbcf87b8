//! The bare client: the calls of a tape once more, against a fresh tenant, with nothing around them: no journal, no
//! decision, no waiting for a look. It shows what the machine and the tenant give at most.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use reqwest::Method;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::calls::{Sorted, span};
use super::process::own_processor;
use super::tenant::Tenant;
use super::times::{Span, together, waves};
use crate::cli::exit::CliError;
use crate::journal::lane::LaneKind;
use crate::lab::Heard;
use crate::respond::hands::most;

/// So many alerts are begun: enough that there is work for every hand.
const ALERTS_AT_ONCE: usize = 128;
/// As many calls of one API at once as the daemon makes without limits.
const CALLS_AT_ONCE: usize = 64;

/// What came of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replayed {
    pub(super) took: Duration,
    pub(super) processor: Option<Duration>,
    /// How many calls were under way on average.
    pub(super) together: f64,
    /// Calls that were answered otherwise than on the tape.
    pub(super) different: usize,
}

/// Makes the calls: sign-ins first, then those of each alert in their order, those that were made together together, and
/// beside them the polls, one after the other. As many alerts are worked on at once in each stage as the daemon has hands
/// for it.
pub(super) async fn replay(tenant: &Tenant, calls: &Sorted<'_>) -> Result<Replayed, CliError> {
    let (began, processor) = (Instant::now(), own_processor());
    let (sign_ins, polls): (Vec<&Heard>, Vec<&Heard>) = calls.others.iter().partition(|heard| scope(heard).is_some());
    let mut replay = Replay { tenant, tokens: HashMap::new(), turns: turns(calls), hands: hands() };
    let mut different = 0;
    for sign_in in sign_ins {
        different += usize::from(!replay.sign_in(sign_in).await?);
    }
    let replay = &replay;
    let alerts = stream::iter(&calls.of_alerts)
        .map(|(_, calls)| async move {
            let mut different = 0;
            for (stage, calls) in stages(calls) {
                let _hand = replay.hands[&stage].acquire().await.ok();
                for wave in waves(calls, |heard| span(heard)) {
                    let answers =
                        futures::future::try_join_all(wave.into_iter().map(|heard| replay.call(heard))).await?;
                    different += answers.iter().filter(|same| !**same).count();
                }
            }
            Ok::<usize, CliError>(different)
        })
        .buffer_unordered(ALERTS_AT_ONCE)
        .fold(Ok(0), async |sum: Result<usize, CliError>, one| Ok(sum? + one?));
    let polled = async {
        let mut different = 0;
        for poll in polls {
            different += usize::from(!replay.call(poll).await?);
        }
        Ok::<usize, CliError>(different)
    };
    let (of_alerts, of_polls) = futures::future::try_join(alerts, polled).await?;
    different += of_alerts + of_polls;
    let processor = own_processor().zip(processor).map(|(now, then)| now.saturating_sub(then));
    let took = began.elapsed();
    let spans: Vec<Span> = tenant.heard()?.iter().map(span).collect();
    Ok(Replayed { took, processor, together: together(&spans), different })
}

struct Replay<'a> {
    tenant: &'a Tenant,
    /// By what they are for.
    tokens: HashMap<Api, String>,
    turns: BTreeMap<Api, Arc<Semaphore>>,
    hands: BTreeMap<LaneKind, Semaphore>,
}

impl Replay<'_> {
    /// Signs in; whether it was answered as on the tape.
    async fn sign_in(&mut self, heard: &Heard) -> Result<bool, CliError> {
        let (status, body) = self.send(heard, None).await?;
        let token = serde_json::from_slice::<Value>(&body).ok();
        let token = token.as_ref().and_then(|answer| answer["access_token"].as_str());
        if let (Some(token), Some(api)) = (token, scope(heard)) {
            self.tokens.insert(api, format!("Bearer {token}"));
        }
        Ok(status == heard.status)
    }

    /// Makes a call in its turn; whether it was answered as on the tape.
    async fn call(&self, heard: &Heard) -> Result<bool, CliError> {
        let api = Api::of(&heard.target);
        let turn = self.turns.get(&api).map(|turns| turns.acquire());
        let _turn = match turn {
            Some(turn) => turn.await.ok(),
            None => None,
        };
        let (status, _) = self.send(heard, self.tokens.get(&api)).await?;
        Ok(status == heard.status)
    }

    async fn send(&self, heard: &Heard, token: Option<&String>) -> Result<(u16, Vec<u8>), CliError> {
        let method = heard.method.parse::<Method>().map_err(|error| CliError::Fault(error.to_string()))?;
        // Tokens of the first tenant are nothing to this one; Okta's is the same always.
        let header = |(name, value): (&'_ String, &'_ String)| match token {
            Some(token) if name == "authorization" => (name.clone(), token.clone()),
            Some(_) | None => (name.clone(), value.clone()),
        };
        let headers: Vec<(String, String)> = heard.headers.iter().map(header).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.tenant.send(&method, &heard.target, &headers, heard.body.clone()).await
    }
}

/// The daemon's own.
fn hands() -> BTreeMap<LaneKind, Semaphore> {
    [LaneKind::Alert, LaneKind::Account, LaneKind::Incident].map(|kind| (kind, Semaphore::new(most(kind)))).into()
}

/// The calls for an alert by the lane in which the daemon makes them: it is decided on, then its account is looked at, acted
/// on and looked at again, which begins with a question to hunting, then its incident is looked for and told.
fn stages<'a>(calls: &[&'a Heard]) -> Vec<(LaneKind, Vec<&'a Heard>)> {
    let mut stages: Vec<(LaneKind, Vec<&Heard>)> = Vec::new();
    let mut now = LaneKind::Alert;
    for heard in calls {
        now = match Api::of(&heard.target) {
            Api::Azure => LaneKind::Incident,
            Api::Graph if heard.target.ends_with("/runHuntingQuery") => LaneKind::Account,
            Api::Graph | Api::LogAnalytics | Api::Okta | Api::Login => now,
        };
        match stages.last_mut().filter(|(kind, _)| *kind == now) {
            Some((_, calls)) => calls.push(heard),
            None => stages.push((now, vec![heard])),
        }
    }
    stages
}

fn turns(calls: &Sorted<'_>) -> BTreeMap<Api, Arc<Semaphore>> {
    let all = calls.of_alerts.iter().flat_map(|(_, calls)| calls).chain(&calls.others);
    all.map(|heard| (Api::of(&heard.target), Arc::new(Semaphore::new(CALLS_AT_ONCE)))).collect()
}

/// For which API a sign-in is; `None` for any other call.
fn scope(heard: &Heard) -> Option<Api> {
    let words = ["graph.", "loganalytics", "management."];
    let apis = [Api::Graph, Api::LogAnalytics, Api::Azure];
    if !heard.target.ends_with("/oauth2/v2.0/token") {
        return None;
    }
    words.iter().zip(apis).find(|(word, _)| heard.body.contains(**word)).map(|(_, api)| api)
}

/// The APIs whose calls in flight the daemon counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Api {
    Graph,
    LogAnalytics,
    Azure,
    Okta,
    Login,
}

impl Api {
    fn of(target: &str) -> Self {
        match target {
            _ if target.starts_with("/v1.0/") => Self::Graph,
            _ if target.starts_with("/v1/workspaces/") => Self::LogAnalytics,
            _ if target.starts_with("/subscriptions/") => Self::Azure,
            _ if target.starts_with("/api/v1/") => Self::Okta,
            _ => Self::Login,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::calls::testing::heard;
    use super::*;

    #[test]
    fn a_sign_in_is_known_by_its_scope() {
        let sign_in = |scope: &str| heard(0, 1, "POST", "/t/oauth2/v2.0/token", &format!("grant_type=x&scope={scope}"));
        assert_eq!(scope(&sign_in("https%3A%2F%2Fgraph.microsoft.com%2F.default")), Some(Api::Graph));
        assert_eq!(scope(&sign_in("https%3A%2F%2Fapi.loganalytics.io%2F.default")), Some(Api::LogAnalytics));
        assert_eq!(scope(&sign_in("https%3A%2F%2Fmanagement.azure.com%2F.default")), Some(Api::Azure));
        assert_eq!(scope(&heard(0, 1, "GET", "/v1.0/users?graph.", "")), None);
    }

    #[test]
    fn an_alert_is_worked_on_by_one_hand_after_the_other() {
        let calls = [
            heard(0, 1, "GET", "/v1.0/users", ""),
            heard(1, 2, "POST", "/v1/workspaces/w/query", ""),
            heard(2, 3, "POST", "/v1.0/security/runHuntingQuery", ""),
            heard(3, 4, "POST", "/v1.0/security/identities/identityAccounts/a/invokeAction", ""),
            heard(4, 5, "POST", "/v1/workspaces/w/query", ""),
            heard(5, 6, "GET", "/subscriptions/s/incidents/i", ""),
        ];
        let calls: Vec<&Heard> = calls.iter().collect();
        let stages: Vec<(LaneKind, usize)> = stages(&calls).iter().map(|(kind, calls)| (*kind, calls.len())).collect();
        assert_eq!(stages, [(LaneKind::Alert, 2), (LaneKind::Account, 3), (LaneKind::Incident, 1)]);
    }

    #[test]
    fn each_api_has_turns_of_its_own() {
        for (target, api) in [
            ("/v1.0/users", Api::Graph),
            ("/v1/workspaces/w/query", Api::LogAnalytics),
            ("/subscriptions/s/x", Api::Azure),
            ("/api/v1/users/a", Api::Okta),
            ("/t/oauth2/v2.0/token", Api::Login),
        ] {
            assert_eq!(Api::of(target), api, "{target}");
        }
    }
}
