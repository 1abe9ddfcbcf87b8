//! A scenario: who exists, which alerts appear when and where, and what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

mod check;

/// Within this time the alerts of a backlog come.
const BACKLOG: Duration = Duration::from_secs(25 * 60);

/// Everything that the lab is told before it starts. Read from YAML; every field has a default but the
/// names of things. Ids are derived from names, so that the same scenario is the same tenant each time.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    pub(crate) delays: Delays,
    pub(crate) app: App,
    pub(crate) guardrails: Guardrails,
    pub(crate) wire: Spelling,
    pub(crate) groups: Vec<Group>,
    pub(crate) people: Vec<Person>,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) rows: Vec<Row>,
    pub(crate) faults: Vec<crate::lab::faults::Fault>,
}

/// The text is no scenario, or names something that it does not say exists.
#[derive(Debug, thiserror::Error)]
#[error("the scenario cannot be used: {0}")]
pub struct ScenarioError(String);

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// When it is not YAML, has unknown keys, or names a person, group, table or right that is not there.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        // Its further lines only show the place once more.
        let wrong = |error: serde_saphyr::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
        let scenario: Self = serde_saphyr::from_str(text).map_err(|error| ScenarioError(wrong(error)))?;
        let mistakes = check::mistakes(&scenario);
        if mistakes.is_empty() { Ok(scenario) } else { Err(ScenarioError(mistakes.join("; "))) }
    }

    /// The shipped morning: seventeen alerts and more within forty minutes.
    ///
    /// # Errors
    /// Never, unless the shipped file was broken.
    pub fn morning() -> Result<Self, ScenarioError> {
        Self::parse(include_str!("../scenarios/morning.yaml"))
    }

    /// `n` alerts within 25 minutes, one suspect each, to see how a backlog is worked off.
    #[must_use]
    pub fn backlog(n: usize) -> Self {
        // No detector raises thousands in one instant, and Graph could not be read if it did.
        Self::steady(n, BACKLOG / u32::try_from(n.max(1)).unwrap_or(u32::MAX))
    }

    /// `n` alerts so far apart, one suspect each, to see how a day's work is done.
    #[must_use]
    pub fn steady(n: usize, apart: Duration) -> Self {
        let person = |i: usize| Person {
            key: format!("load{i:05}"),
            name: format!("Load {i:05}"),
            ad: Some(Ad { rid: Some(20_000 + u32::try_from(i).unwrap_or(0)), ..Ad::default() }),
            entra: vec![Entra::default()],
            ..Person::default()
        };
        let alert = |i: usize| Alert {
            key: format!("load-{i:05}"),
            at: apart * u32::try_from(i).unwrap_or(0),
            title: "Suspected DCSync attack (replication of directory services)".into(),
            external_id: Some(2006),
            kind: "DirectoryServicesReplicationSecurityAlert".into(),
            severity: "High".into(),
            accounts: vec![Named { person: Some(format!("load{i:05}")), ..Named::default() }],
            incident: Some(Incident { after: Duration::ZERO, ..Incident::default() }),
            ..Alert::default()
        };
        Self {
            delays: Delays {
                ingestion: Duration::ZERO,
                sensor: Duration::ZERO,
                identity: Duration::ZERO,
                ..Delays::default()
            },
            guardrails: Guardrails { break_glass: vec!["breakglass@contoso.com".into()], ..Guardrails::default() },
            people: (0..n).map(person).collect(),
            alerts: (0..n).map(alert).collect(),
            ..Self::default()
        }
    }
}

/// How long the tenant's own machinery takes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Delays {
    /// From a row's `TimeGenerated` until a query sees it.
    #[serde(deserialize_with = "duration")]
    pub(crate) ingestion: Duration,
    /// Directory synchronisation's cycle.
    #[serde(deserialize_with = "duration")]
    pub(crate) sync: Duration,
    /// From an accepted `invokeAction` until a sensor has done it.
    #[serde(deserialize_with = "duration")]
    pub(crate) sensor: Duration,
    /// How far `identityAccounts.isEnabled` lags behind Active Directory.
    #[serde(deserialize_with = "duration")]
    pub(crate) identity: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { ingestion: seconds(60), sync: seconds(1_800), sensor: seconds(5), identity: seconds(300) }
    }
}

/// riposte's application in this tenant.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct App {
    /// Application permissions beside those that riposte needs, see [`crate::lab::tenant::PERMISSIONS`].
    pub(crate) with_permissions: BTreeSet<String>,
    /// Application permissions taken away, see [`crate::lab::tenant::GRANTED`].
    pub(crate) without_permissions: BTreeSet<String>,
    /// Azure roles taken away, see [`crate::lab::tenant::AZURE_ROLES`].
    pub(crate) without_azure_roles: BTreeSet<String>,
    /// How long its tokens are good, by the machine's clock; an hour unless said.
    #[serde(deserialize_with = "optional_duration")]
    pub(crate) token_lifetime: Option<Duration>,
    /// Directory roles of the application; decides whom it may disable in Entra.
    pub(crate) directory_roles: BTreeSet<String>,
    /// Scopes of Okta's API taken away from the service app, see [`crate::lab::okta_app::GRANTED`].
    pub(crate) without_okta_scopes: BTreeSet<String>,
    /// Okta's service app gives tokens for DPoP only.
    pub(crate) okta_dpop: bool,
    /// Who owns the application, by name.
    pub(crate) owners: BTreeSet<String>,
}

/// What the ready `riposte.toml` says about people who are off limits, by person or group.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Guardrails {
    pub(crate) break_glass: Vec<String>,
    pub(crate) privileged: Vec<String>,
    pub(crate) approvers: Option<String>,
}

/// Which of the two documented shapes Graph's identity API answers with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Spelling {
    /// As in the metadata: `identityProvider`, `activeDirectory`, no wrapper.
    #[default]
    Metadata,
    /// As on the reference page: `provider`, `ActiveDirectory`, a `value` around the result.
    Page,
}

/// A group, in the directories where it has an id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(clippy::struct_excessive_bools, reason = "as many as the directory has")]
pub(crate) struct Group {
    #[serde(rename = "group")]
    pub(crate) key: String,
    /// Relative id in the domain when it is an Active Directory group.
    pub(crate) rid: Option<u32>,
    pub(crate) entra: bool,
    pub(crate) okta: bool,
    /// Okta's group type; `OKTA_GROUP` unless said.
    pub(crate) okta_type: Option<String>,
    pub(crate) role_assignable: bool,
    /// Directory roles that its members have in Entra, by display name.
    pub(crate) roles: Vec<String>,
    pub(crate) dynamic: bool,
    /// Groups this one is in, by name.
    pub(crate) member_of: Vec<String>,
}

/// One human or service.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Person {
    /// Short name: the account name in Active Directory and the first part of the user principal name.
    #[serde(rename = "person")]
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) department: Option<String>,
    pub(crate) service: bool,
    pub(crate) ad: Option<Ad>,
    #[serde(deserialize_with = "one_or_many")]
    pub(crate) entra: Vec<Entra>,
    pub(crate) okta: Option<Okta>,
}

/// An account in Active Directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ad {
    pub(crate) rid: Option<u32>,
    pub(crate) enabled: bool,
    pub(crate) never_expires: bool,
    pub(crate) groups: Vec<String>,
    /// The sensor may not write this account (`AdminSDHolder`): the call is accepted and nothing happens.
    pub(crate) unwritable: bool,
}

impl Default for Ad {
    fn default() -> Self {
        Self { rid: None, enabled: true, never_expires: false, groups: Vec::new(), unwritable: false }
    }
}

/// An Entra user; synchronised when the person has an account in Active Directory, unless said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Entra {
    pub(crate) upn: Option<String>,
    pub(crate) enabled: bool,
    pub(crate) synced: Option<bool>,
    pub(crate) groups: Vec<String>,
    /// Directory roles by display name.
    pub(crate) roles: Vec<String>,
    pub(crate) risk: Option<String>,
}

impl Default for Entra {
    fn default() -> Self {
        Self { upn: None, enabled: true, synced: None, groups: Vec::new(), roles: Vec::new(), risk: None }
    }
}

/// An Okta user.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Okta {
    /// `ACTIVE` unless said.
    pub(crate) status: Option<String>,
    pub(crate) groups: Vec<String>,
    /// Admin role types, such as `ORG_ADMIN`.
    pub(crate) roles: Vec<String>,
}

/// An alert and where it shows up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Alert {
    #[serde(rename = "alert")]
    pub(crate) key: String,
    /// When it happens, from the start.
    #[serde(deserialize_with = "duration")]
    pub(crate) at: Duration,
    pub(crate) title: String,
    /// The stable number of a classic alert.
    pub(crate) external_id: Option<u32>,
    /// `AlertType`, and `detectorId` in Graph: a classic detector's name or `xdr_*`.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) severity: String,
    pub(crate) tactic: String,
    pub(crate) techniques: Vec<String>,
    pub(crate) source: Source,
    pub(crate) ids: Ids,
    pub(crate) accounts: Vec<Named>,
    /// So many more accounts that exist nowhere, as targets: a spray.
    pub(crate) crowd: usize,
    /// A group it is about, by name.
    pub(crate) group: Option<String>,
    pub(crate) host: Option<String>,
    pub(crate) ip: Option<String>,
    /// Entities come only so long after the alert, as an update of it.
    #[serde(deserialize_with = "optional_duration")]
    pub(crate) entities_after: Option<Duration>,
    /// How long before the alert it happened: old alerts that surface as new.
    #[serde(deserialize_with = "duration")]
    pub(crate) age: Duration,
    /// The same row comes again so long after the alert, as it does when its incident changes.
    pub(crate) repeats: Vec<Words>,
    pub(crate) compromised: Option<String>,
    /// Cells of the `SecurityAlert` row as they are to be, whatever the rest says: broken JSON, nulls, a forger's text.
    pub(crate) columns: BTreeMap<String, serde_json::Value>,
    /// Fields of the alert in Graph as they are to be.
    pub(crate) fields: BTreeMap<String, serde_json::Value>,
    pub(crate) incident: Option<Incident>,
}

/// Where an alert can be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Source {
    #[default]
    Both,
    LogAnalytics,
    Graph,
}

/// Whether the ids of the two sources tell that it is one alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ids {
    #[default]
    Same,
    Different,
}

/// An account as an alert names it: a person, or identifiers of nobody.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Named {
    pub(crate) person: Option<String>,
    /// Roles in Graph's evidence; `attacker` unless said.
    pub(crate) roles: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) sid: Option<String>,
    /// Only these of the person's identifiers: `sid`, `upn`, `oid`, `domain`. All unless said.
    pub(crate) only: Vec<String>,
    /// Known only so long after the alert: an update of it adds this account.
    #[serde(deserialize_with = "duration")]
    pub(crate) after: Duration,
}

/// A duration in a list, in words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(pub(crate) Duration);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        duration(from).map(Self)
    }
}

/// A row of any table of the workspace, such as a sign-in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Row {
    pub(crate) table: String,
    /// When it happens, from the start: its `TimeGenerated` and `Timestamp`, unless its cells say otherwise.
    #[serde(deserialize_with = "duration")]
    pub(crate) at: Duration,
    /// It comes so often.
    pub(crate) copies: usize,
    /// Its cells by column. In text `{adele.sid}`, `{adele.oid}` and `{adele.upn}` stand for identifiers of a person, and
    /// `{n}` for the number of the copy, from 0.
    pub(crate) cells: BTreeMap<String, serde_json::Value>,
}

impl Default for Row {
    fn default() -> Self {
        Self { table: String::new(), at: Duration::ZERO, copies: 1, cells: BTreeMap::new() }
    }
}

/// The incident of an alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Incident {
    #[serde(deserialize_with = "duration")]
    pub(crate) after: Duration,
    /// `Azure Sentinel` or `Microsoft XDR`.
    pub(crate) provider: String,
    /// The alert whose incident this one has been merged into.
    pub(crate) redirected_to: Option<String>,
}

impl Default for Incident {
    fn default() -> Self {
        Self { after: Duration::from_mins(4), provider: "Azure Sentinel".into(), redirected_to: None }
    }
}

pub(crate) fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    crate::model::time::parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

pub(crate) fn optional_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    duration(from).map(Some)
}

fn one_or_many<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Entra>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Many(Vec<Entra>),
        One(Entra),
    }
    Ok(match OneOrMany::deserialize(from)? {
        OneOrMany::Many(many) => many,
        OneOrMany::One(one) => vec![one],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_morning_is_read_and_long_enough() {
        let morning = Scenario::morning().unwrap();
        assert!(morning.alerts.len() >= 17, "{}", morning.alerts.len());
        assert!(morning.alerts.iter().all(|a| a.incident.is_some()), "every alert has an incident");
    }

    #[test]
    fn the_worked_example_is_read() {
        let example = Scenario::parse(include_str!("../scenarios/example.yaml")).unwrap();
        assert_eq!((example.people.len(), example.alerts.len(), example.faults.len()), (2, 2, 2));
        assert_eq!(example.alerts[1].source, Source::LogAnalytics, "the second is what its comment says: a row alone");
    }

    /// What the reader of YAML knows is taken from its complaint about a key that it does not know.
    #[test]
    fn every_key_is_explained() {
        let places = [
            "zzz: 1",
            "delays: {zzz: 1}",
            "app: {zzz: 1}",
            "guardrails: {zzz: 1}",
            "groups: [{zzz: 1}]",
            "people: [{zzz: 1}]",
            "people: [{person: a, ad: {zzz: 1}}]",
            "people: [{person: a, okta: {zzz: 1}}]",
            "alerts: [{zzz: 1}]",
            "alerts: [{alert: a, accounts: [{zzz: 1}]}]",
            "alerts: [{alert: a, incident: {zzz: 1}}]",
            "rows: [{zzz: 1}]",
            "faults: [{zzz: 1}]",
        ];
        for place in places {
            let complaint = Scenario::parse(place).unwrap_err().to_string();
            let (_, known) = complaint.split_once("expected one of ").unwrap();
            for key in known.lines().next().unwrap().split(", ") {
                let explained = [format!("`{key}`"), format!("`{key}:"), format!("].{key}`")];
                assert!(explained.iter().any(|text| crate::lab::SCENARIOS.contains(text)), "{place}: {key}");
            }
        }
    }

    #[test]
    fn every_name_that_is_nobody_is_said_at_once() {
        let text = "{alerts: [{alert: a, group: crew, accounts: [{person: ghost}]}], faults: [{person: spook}], \
                    app: {without_permissions: [Users.Read], without_azure_roles: [Owner], owners: [wraith]}, \
                    rows: [{table: Nothing}, {table: SigninLogs, cells: {Naught: 1}}]}";
        let complaint = Scenario::parse(text).unwrap_err().to_string();
        for name in ["ghost", "spook", "crew", "Users.Read", "Owner", "wraith", "Nothing", "Naught"] {
            assert!(complaint.contains(&format!("{name:?}")), "{name}: {complaint}");
        }
        assert!(Scenario::parse("people: [{person: a, surprise: 1}]").is_err());
        assert!(Scenario::parse("people: [{person: a, ad: {groups: [g]}}]").is_err());
    }
}
