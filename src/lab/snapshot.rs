//! What the tenant looks like at a moment, for the demo's and the tests' own judgement.

use std::collections::BTreeMap;

use serde::Serialize;

use super::world::World;
use crate::lab::tenant::effects::Effect;
use crate::lab::tenant::okta::OktaUser;
use crate::model::time::At;

/// A picture of the tenant.
#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// The lab's time.
    pub at: At,
    /// Everybody, by the scenario's short name.
    pub people: BTreeMap<String, PersonState>,
    /// Members by group name, each as a person's short name; a person counts once, in whichever directory.
    pub groups: BTreeMap<String, GroupState>,
    /// Alerts that have happened by now, by the scenario's name.
    pub alerts: BTreeMap<String, AlertState>,
    /// Incidents that exist by now, by the scenario's name of their alert.
    pub incidents: BTreeMap<String, IncidentState>,
    /// Every change that was asked for or made, oldest first.
    pub effects: Vec<Effect>,
    /// How many requests were answered, by method and path template.
    pub requests: BTreeMap<String, u64>,
    /// Faults that have not happened yet.
    pub faults_left: usize,
}

/// An alert's ids.
#[derive(Debug, Clone, Serialize)]
pub struct AlertState {
    /// When it happened.
    pub at: At,
    /// `SystemAlertId`.
    pub system_id: String,
    /// Graph's id of it.
    pub graph_id: String,
    /// Whether Graph lists it.
    pub in_graph: bool,
    /// Its status in Graph.
    pub status: String,
}

/// One person's accounts.
#[derive(Debug, Clone, Serialize)]
pub struct PersonState {
    /// Display name.
    pub name: String,
    /// Defender's identity ids.
    pub identities: Vec<String>,
    /// The account in Active Directory.
    pub ad: Option<AdState>,
    /// Entra users; two for somebody who is there twice.
    pub entra: Vec<EntraState>,
    /// The Okta user.
    pub okta: Option<OktaState>,
}

/// An account in Active Directory.
#[derive(Debug, Clone, Serialize)]
pub struct AdState {
    /// objectSid.
    pub sid: String,
    /// objectGUID, which is also the account's id in Defender.
    pub guid: String,
    /// Whether the account is enabled.
    pub enabled: bool,
    /// Whether the password must be changed at the next logon.
    pub must_change_password: bool,
    /// Whether "password never expires" is set.
    pub password_never_expires: bool,
}

/// An Entra user.
#[derive(Debug, Clone, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "as many as the directory has")]
pub struct EntraState {
    /// Object id.
    pub id: String,
    /// User principal name.
    pub upn: String,
    /// accountEnabled.
    pub enabled: bool,
    /// Deleted, which no correct client does.
    pub deleted: bool,
    /// onPremisesSyncEnabled.
    pub synced: bool,
    /// signInSessionsValidFromDateTime.
    pub sessions_valid_from: At,
    /// Whether the password must be changed at the next sign-in.
    pub must_change_password: bool,
    /// riskState.
    pub risk_state: String,
    /// Directory roles by name.
    pub roles: Vec<String>,
}

/// An Okta user.
#[derive(Debug, Clone, Serialize)]
pub struct OktaState {
    /// Okta id.
    pub id: String,
    /// Login.
    pub login: String,
    /// Status in Okta's spelling.
    pub status: String,
    /// Open sessions.
    pub sessions: u32,
    /// Live OAuth tokens.
    pub tokens: u32,
}

/// Who is in a group, by directory.
#[derive(Debug, Clone, Serialize)]
pub struct GroupState {
    /// SID in Active Directory.
    pub sid: Option<String>,
    /// Object id in Entra.
    pub entra_id: Option<String>,
    /// Okta id.
    pub okta_id: Option<String>,
    /// Members in Active Directory.
    pub ad: Vec<String>,
    /// Members in Entra, apart from synchronised ones.
    pub entra: Vec<String>,
    /// Members in Okta.
    pub okta: Vec<String>,
}

/// An incident and what has been written to it.
#[derive(Debug, Clone, Serialize)]
pub struct IncidentState {
    /// Sentinel's name, a GUID.
    pub id: String,
    /// Graph's id; empty when Graph does not know it.
    pub graph_id: String,
    /// `Azure Sentinel` or `Microsoft XDR`.
    pub provider: String,
    /// Title.
    pub title: String,
    /// Sentinel's status.
    pub status: String,
    /// Sentinel's label names and Graph's custom tags.
    pub labels: Vec<String>,
    /// Comments of both routes, oldest first within each.
    pub comments: Vec<CommentState>,
    /// Titles of tasks.
    pub tasks: Vec<String>,
}

/// A comment.
#[derive(Debug, Clone, Serialize)]
pub struct CommentState {
    /// `sentinel` or `graph`.
    pub route: &'static str,
    /// Its id, which only Sentinel has.
    pub id: Option<String>,
    /// What it says.
    pub text: String,
    /// When it was written first.
    pub at: String,
}

/// Takes the picture.
pub(crate) fn snapshot(world: &World, at: At) -> Snapshot {
    let tenant = &world.tenant;
    let key = |i: &usize| tenant.people.get(*i).map(|p| p.key.clone());
    let groups = tenant.groups.values().map(|g| {
        let entra = g.entra_members.iter().filter_map(|id| tenant.entra(id)).filter_map(|(i, _)| key(&i));
        let state = GroupState {
            sid: g.sid.clone(),
            entra_id: g.entra.clone(),
            okta_id: g.okta.clone(),
            ad: g.ad_members.iter().filter_map(key).collect(),
            entra: entra.collect(),
            okta: g.okta_members.iter().filter_map(key).collect(),
        };
        (g.key.clone(), state)
    });
    Snapshot {
        at,
        people: tenant.people.iter().map(|p| (p.key.clone(), person(p))).collect(),
        groups: groups.collect(),
        alerts: tenant.alerts.iter().filter(|a| a.at <= at).map(|a| (a.key.clone(), alert(a))).collect(),
        incidents: incidents(world, at),
        effects: tenant.effects.clone(),
        requests: world.requests.counts.clone(),
        faults_left: world.faults.left(),
    }
}

fn alert(a: &super::tenant::alerts::AlertCard) -> AlertState {
    AlertState {
        at: a.at,
        system_id: a.system_id.clone(),
        graph_id: a.graph_id.clone(),
        in_graph: a.in_graph,
        status: a.status.clone(),
    }
}

fn person(p: &super::tenant::directory::Person) -> PersonState {
    let ad = p.ad.as_ref().map(|a| AdState {
        sid: a.sid.clone(),
        guid: a.guid.clone(),
        enabled: a.enabled,
        must_change_password: a.password_set.is_none(),
        password_never_expires: a.never_expires,
    });
    let entra = p.entra.iter().map(|u| EntraState {
        id: u.id.clone(),
        upn: u.upn.clone(),
        enabled: u.enabled,
        deleted: u.deleted,
        synced: u.synced,
        sessions_valid_from: u.sessions_from,
        must_change_password: u.must_change,
        risk_state: u.risk.state.to_owned(),
        roles: u.roles.clone(),
    });
    let okta = |o: &OktaUser| OktaState {
        id: o.id.clone(),
        login: o.login.clone(),
        status: o.status.name().to_owned(),
        sessions: o.sessions,
        tokens: o.tokens,
    };
    PersonState {
        name: p.name.clone(),
        identities: (0..p.identities()).map(|k| p.identity_id(k)).collect(),
        ad,
        entra: entra.collect(),
        okta: p.okta.as_ref().map(okta),
    }
}

fn incidents(world: &World, at: At) -> BTreeMap<String, IncidentState> {
    let there = world.tenant.incidents.iter().filter(|i| i.happened <= at);
    let state = |i: &super::tenant::incidents::Incident| {
        let text = |v: &serde_json::Value, field: &str| v.get(field).and_then(|t| t.as_str()).unwrap_or("").to_owned();
        let labels =
            i.properties.get("labels").and_then(|l| l.as_array()).into_iter().flatten().map(|l| text(l, "labelName"));
        let tags = i.graph.tags.iter().filter_map(|t| t.as_str().map(str::to_owned));
        let sentinel = i.comments.iter().map(|c| CommentState {
            route: "sentinel",
            id: Some(c.id.clone()),
            text: c.message.clone(),
            at: c.created.to_string(),
        });
        let graph = i.graph.comments.iter().map(|c| CommentState {
            route: "graph",
            id: None,
            text: text(c, "comment"),
            at: text(c, "createdDateTime"),
        });
        IncidentState {
            id: i.id.clone(),
            graph_id: i.graph_id.clone(),
            provider: i.provider.clone(),
            title: i.text("title").to_owned(),
            status: i.text("status").to_owned(),
            labels: labels.chain(tags).collect(),
            comments: sentinel.chain(graph).collect(),
            tasks: i.tasks.iter().map(|t| text(&t.properties, "title")).collect(),
        }
    };
    there.map(|i| (i.alert.clone(), state(i))).collect()
}
