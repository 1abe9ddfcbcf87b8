//! People with their accounts in Active Directory, Entra and Okta, and groups.

use std::collections::BTreeSet;

use serde_json::json;

use super::effects::Outcome;
use super::okta::OktaUser;
use super::{SensorAction, Target, Tenant};
use crate::lab::{ids, scenario};
use crate::model::time::At;

/// One human or service with all accounts.
pub(crate) struct Person {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) department: Option<String>,
    pub(crate) service: bool,
    pub(crate) ad: Option<AdAccount>,
    pub(crate) entra: Vec<EntraUser>,
    pub(crate) okta: Option<OktaUser>,
}

/// An account in Active Directory.
pub(crate) struct AdAccount {
    pub(crate) sid: String,
    pub(crate) guid: String,
    pub(crate) sam: String,
    pub(crate) enabled: bool,
    pub(crate) unwritable: bool,
    pub(crate) never_expires: bool,
    /// When the password was set; `None` when it must be changed at the next logon.
    pub(crate) password_set: Option<At>,
    /// Changes of `enabled`, oldest first.
    pub(crate) history: Vec<(At, bool)>,
    pub(crate) first_groups: Vec<String>,
}

/// An Entra user.
#[expect(clippy::struct_excessive_bools, reason = "as many as the directory has")]
pub(crate) struct EntraUser {
    pub(crate) id: String,
    pub(crate) upn: String,
    pub(crate) enabled: bool,
    pub(crate) synced: bool,
    pub(crate) deleted: bool,
    pub(crate) sessions_from: At,
    pub(crate) password_changed: At,
    pub(crate) must_change: bool,
    pub(crate) last_sync: Option<At>,
    pub(crate) risk: Risk,
    pub(crate) roles: Vec<String>,
    pub(crate) first_groups: Vec<String>,
}

/// What Identity Protection thinks of a user.
pub(crate) struct Risk {
    pub(crate) state: &'static str,
    pub(crate) level: &'static str,
    pub(crate) detail: &'static str,
    pub(crate) updated: At,
}

/// A group with an id and members of its own in each directory.
pub(crate) struct Group {
    pub(crate) key: String,
    pub(crate) sid: Option<String>,
    pub(crate) entra: Option<String>,
    pub(crate) okta: Option<String>,
    pub(crate) okta_type: String,
    pub(crate) role_assignable: bool,
    pub(crate) roles: Vec<String>,
    pub(crate) dynamic: bool,
    pub(crate) member_of: Vec<String>,
    pub(crate) ad_members: BTreeSet<usize>,
    pub(crate) entra_members: BTreeSet<String>,
    pub(crate) okta_members: BTreeSet<usize>,
}

/// Directory roles and their template ids (Entra built-in roles).
pub(crate) const ROLES: &[(&str, &str)] = &[
    ("Global Administrator", "62e90394-69f5-4237-9190-012177145e10"),
    ("Privileged Role Administrator", "e8611ab8-c189-46e8-94e1-60213ab1f814"),
    ("Privileged Authentication Administrator", "7be44c8a-adaf-4e2a-84d6-ab2649e08a13"),
    ("Authentication Administrator", "c4e39bd9-1100-46d3-8c65-fb160da0071f"),
    ("Security Administrator", "194ae4cb-b126-40b2-bd5b-6091b380977d"),
    ("User Administrator", "fe930be7-5e62-47db-91af-98c3a49a38b1"),
    ("Exchange Administrator", "29232cdf-9323-42fd-ade2-1d097af3e4de"),
    ("Helpdesk Administrator", "729827e3-9c14-49f7-bb1b-9608f156bbb8"),
    ("Directory Synchronization Accounts", "d29b2b05-8046-44ba-8758-1e26182fcf32"),
];

impl Person {
    pub(crate) fn new(from: &scenario::Person, start: At) -> Self {
        let key = from.key.clone();
        let long_ago = start.minus(std::time::Duration::from_hours(960));
        let ad = from.ad.as_ref().map(|ad| AdAccount {
            sid: ids::sid(ad.rid.unwrap_or(9_999)),
            guid: ids::guid("ad", &key),
            sam: key.clone(),
            enabled: ad.enabled,
            unwritable: ad.unwritable,
            never_expires: ad.never_expires,
            password_set: Some(long_ago),
            history: vec![(At::EPOCH, ad.enabled)],
            first_groups: ad.groups.clone(),
        });
        let entra = from.entra.iter().map(|user| {
            let upn = user.upn.clone().unwrap_or_else(|| format!("{key}@{}", ids::DNS));
            EntraUser {
                id: ids::guid("entra", &upn),
                enabled: user.enabled && ad.as_ref().is_none_or(|a| a.enabled),
                synced: user.synced.unwrap_or(ad.is_some()),
                deleted: false,
                sessions_from: long_ago,
                password_changed: long_ago,
                must_change: false,
                last_sync: ad.is_some().then_some(start),
                risk: Risk {
                    state: if user.risk.is_some() { "atRisk" } else { "none" },
                    level: risk_level(user.risk.as_deref()),
                    detail: "none",
                    updated: long_ago,
                },
                roles: user.roles.clone(),
                first_groups: user.groups.clone(),
                upn,
            }
        });
        Self {
            name: if from.name.is_empty() { key.clone() } else { from.name.clone() },
            department: from.department.clone(),
            service: from.service,
            entra: entra.collect(),
            okta: from.okta.as_ref().map(|okta| OktaUser::new(&key, okta, long_ago)),
            ad,
            key,
        }
    }

    pub(crate) fn sid(&self) -> Option<String> {
        self.ad.as_ref().map(|a| a.sid.clone())
    }

    pub(crate) fn upn(&self) -> String {
        self.entra.first().map_or_else(|| format!("{}@{}", self.key, ids::DNS), |u| u.upn.clone())
    }

    pub(crate) fn ad_groups(&self) -> &[String] {
        self.ad.as_ref().map_or(&[], |a| a.first_groups.as_slice())
    }

    /// The id of the identity that joins the accounts; one for each Entra user, as for a person who is there twice.
    pub(crate) fn identity_id(&self, k: usize) -> String {
        ids::guid("identity", &format!("{}/{k}", self.key))
    }

    /// How many identities Defender sees in this person.
    pub(crate) fn identities(&self) -> usize {
        self.entra.len().max(1)
    }

    pub(crate) fn identifiers(&self) -> Vec<String> {
        let mut all: Vec<String> = self.ad.iter().flat_map(|a| [a.sid.clone(), a.guid.clone()]).collect();
        all.extend(self.entra.iter().flat_map(|u| [u.id.clone(), u.upn.clone()]));
        all.extend(self.okta.iter().flat_map(|o| [o.id.clone(), o.login.clone()]));
        all.extend((0..self.identities()).map(|k| self.identity_id(k)));
        all
    }
}

impl AdAccount {
    /// Enables or disables it; whether that changed anything.
    pub(crate) fn set_enabled(&mut self, enabled: bool, at: At) -> bool {
        let changed = self.enabled != enabled;
        if changed {
            self.enabled = enabled;
            self.history.push((at, enabled));
        }
        changed
    }

    /// Whether the account was enabled at a time.
    pub(crate) fn enabled_at(&self, at: At) -> bool {
        self.history.iter().rev().find(|(since, _)| *since <= at).is_none_or(|(_, enabled)| *enabled)
    }
}

impl Group {
    pub(crate) fn new(from: &scenario::Group) -> Self {
        let key = from.key.clone();
        Self {
            sid: from.rid.map(ids::sid),
            // Entra Connect does not sync built-in groups (Microsoft: "Users, Groups, Contacts").
            entra: (from.entra || from.rid.is_some_and(|rid| rid >= 1_000)).then(|| ids::guid("group", &key)),
            okta: from.okta.then(|| ids::okta("00g", "group", &key)),
            okta_type: from.okta_type.clone().unwrap_or_else(|| "OKTA_GROUP".into()),
            role_assignable: from.role_assignable,
            roles: from.roles.clone(),
            dynamic: from.dynamic,
            member_of: from.member_of.clone(),
            ad_members: BTreeSet::new(),
            entra_members: BTreeSet::new(),
            okta_members: BTreeSet::new(),
            key,
        }
    }

    fn is_protected(&self) -> bool {
        let rid = self.sid.as_deref().and_then(|sid| sid.rsplit('-').next()?.parse().ok());
        rid.is_some_and(|rid: u32| PROTECTED.contains(&rid))
    }

    fn has(&self, person: usize, user: Option<&str>) -> bool {
        self.ad_members.contains(&person) || user.is_some_and(|id| self.entra_members.contains(id))
    }
}

impl Tenant {
    /// The groups a user is in, synchronised ones included; with `nested`, those groups' groups as well.
    pub(crate) fn groups_of(&self, person: usize, user: Option<&str>, nested: bool) -> Vec<&Group> {
        let mut found: Vec<&Group> = self.groups.values().filter(|g| g.has(person, user)).collect();
        let mut next = 0;
        while nested && next < found.len() {
            for parent in found[next].member_of.iter().filter_map(|key| self.groups.get(key)) {
                if !found.iter().any(|g| g.key == parent.key) {
                    found.push(parent);
                }
            }
            next += 1;
        }
        found
    }

    /// A sensor does what it was asked to do.
    pub(super) fn sensor(&mut self, person: usize, action: SensorAction, by: &str, at: At) {
        let Some(ad) = self.people.get_mut(person).and_then(|p| p.ad.as_mut()) else { return };
        let changed = match action {
            SensorAction::Disable | SensorAction::Enable => {
                !ad.unwritable && ad.set_enabled(action == SensorAction::Enable, at)
            }
            SensorAction::ForcePasswordReset => {
                let changed = !ad.never_expires && !ad.unwritable && ad.password_set.is_some();
                if changed {
                    ad.password_set = None;
                }
                changed
            }
        };
        let outcome = if changed { Outcome::Applied } else { Outcome::Unchanged };
        self.note(at, "sensor", action.name(), Target::Person(person), outcome);
        if changed {
            self.directory_event(person, action, by, at);
        }
    }

    /// What a domain controller and Defender for Identity record about a change.
    pub(crate) fn directory_event(&mut self, person: usize, action: SensorAction, by: &str, at: At) {
        let n = self.fresh_guid("report");
        let Some(ad) = self.people.get(person).and_then(|p| p.ad.as_ref()) else { return };
        let (id, activity, kind) = match action {
            SensorAction::Disable => (4725, "4725 - A user account was disabled.", "Account disabled"),
            SensorAction::Enable => (4722, "4722 - A user account was enabled.", "Account enabled"),
            SensorAction::ForcePasswordReset => {
                (4738, "4738 - A user account was changed.", "Account Password expired")
            }
        };
        let security = json!({
            "TimeGenerated": at, "Computer": format!("DC01.{}", ids::DNS), "EventID": id, "Activity": activity,
            "Account": format!("{}\\DC01$", ids::NETBIOS), "SubjectUserName": "DC01$", "SubjectDomainName": ids::NETBIOS,
            "SubjectUserSid": "S-1-5-18", "TargetUserName": ad.sam, "TargetDomainName": ids::NETBIOS,
            "TargetSid": ad.sid, "TargetAccount": format!("{}\\{}", ids::NETBIOS, ad.sam), "Type": "SecurityEvent",
        });
        let identity = json!({
            "Timestamp": at, "TimeGenerated": at, "ActionType": kind, "Application": "Active Directory",
            "TargetAccountUpn": self.people[person].upn(), "TargetAccountDisplayName": self.people[person].name,
            "DestinationDeviceName": format!("DC01.{}", ids::DNS), "Protocol": "Ldap", "AccountName": "DC01$",
            "AccountDomain": ids::NETBIOS, "AccountSid": "S-1-5-18", "ReportId": n, "Type": "IdentityDirectoryEvents",
            "AdditionalFields": json!({"TARGET_OBJECT.USER": ad.sam, "TargetAccountSid": ad.sid,
                "ACTOR.DEVICE": "DC01", "ActionRequestedBy": by}).to_string(),
        });
        let visible = at.plus(self.delays.ingestion);
        self.logs.add("SecurityEvent", visible, &security);
        self.logs.add("IdentityDirectoryEvents", visible, &identity);
    }

    /// What Entra's audit log records about a change of a user.
    pub(crate) fn audit(&mut self, at: At, operation: &str, person: usize, user: usize, by: &str, group: Option<&str>) {
        let correlation = self.fresh_guid("audit");
        let Some(target) = self.people.get(person).and_then(|p| p.entra.get(user)) else { return };
        let mut targets = vec![json!({"id": target.id, "displayName": self.people[person].name, "type": "User",
            "userPrincipalName": target.upn, "groupType": null, "modifiedProperties": []})];
        if let Some(group) = group {
            targets.push(json!({"id": group, "displayName": null, "type": "Group", "userPrincipalName": null,
                "groupType": "azureAD", "modifiedProperties": []}));
        }
        let initiated = json!({"user": null, "app": {"appId": by, "displayName": by,
            "servicePrincipalId": null, "servicePrincipalName": null}});
        let category = if group.is_some() { "GroupManagement" } else { "UserManagement" };
        let audit = json!({
            "TimeGenerated": at, "ActivityDateTime": at, "OperationName": operation, "ActivityDisplayName": operation,
            "Category": category, "Result": "success", "ResultReason": "", "Id": correlation,
            "CorrelationId": correlation, "LoggedByService": "Core Directory", "TargetResources": targets,
            "InitiatedBy": initiated, "Identity": by, "Type": "AuditLogs",
        });
        self.logs.add("AuditLogs", at.plus(self.delays.ingestion), &audit);
        self.audits.push(json!({
            "id": correlation, "category": category, "correlationId": correlation, "result": "success",
            "resultReason": "", "activityDisplayName": operation, "activityDateTime": at,
            "loggedByService": "Core Directory", "operationType": "Update", "initiatedBy": audit["InitiatedBy"],
            "targetResources": audit["TargetResources"], "additionalDetails": [],
        }));
    }

    /// The nightly picture of all identities. Everybody has been here for years.
    pub(super) fn write_identity_info(&mut self) {
        let seen = self.start.minus(std::time::Duration::from_hours(1));
        for i in 0..self.people.len() {
            let groups: Vec<String> = self
                .groups_of(i, self.people[i].entra.first().map(|u| u.id.as_str()), false)
                .iter()
                .map(|g| if g.key == "domain-admins" { "Domain Admins".to_owned() } else { g.key.clone() })
                .collect();
            // Defender for Identity tags who is in a protected group, also through others.
            let powerful = self.groups_of(i, None, true).iter().any(|g| g.is_protected());
            let tags: &[&str] = if powerful { &["Sensitive"] } else { &[] };
            let person = &self.people[i];
            let user = person.entra.first();
            let control: Vec<&str> =
                person.ad.iter().filter(|a| a.never_expires).map(|_| "PasswordNeverExpires").collect();
            let info = json!({
                "TimeGenerated": seen, "Timestamp": seen, "CreatedDateTime": HIRED,
                "AccountSID": person.sid().unwrap_or_default(), "OnPremSid": person.sid().unwrap_or_default(),
                "AccountObjectId": user.map_or("", |u| u.id.as_str()), "AccountUPN": person.upn(),
                "AccountName": person.key, "AccountDomain": ids::DNS, "AccountDisplayName": person.name,
                "AccountTenantId": ids::tenant(), "GroupMembership": groups, "UserAccountControl": control,
                "AssignedRoles": user.map_or(&[][..], |u| u.roles.as_slice()),
                "IsAccountEnabled": person.ad.as_ref().map_or_else(|| user.is_none_or(|u| u.enabled), |a| a.enabled),
                "IsServiceAccount": person.service, "Department": person.department.clone().unwrap_or_default(),
                "Tags": tags, "MailAddress": person.upn(), "SourceSystem": "AzureActiveDirectory", "Type": "IdentityInfo",
            });
            self.logs.add("IdentityInfo", seen, &info);
        }
    }
}

/// RIDs of the protected groups that a scenario can have: Domain, Schema and Enterprise Admins, Group Policy Creator Owners.
const PROTECTED: [u32; 4] = [512, 518, 519, 520];

/// When everybody's account was made.
const HIRED: &str = "2021-05-03T08:00:00Z";

fn risk_level(text: Option<&str>) -> &'static str {
    match text {
        Some("low") => "low",
        Some("medium") => "medium",
        Some(_) => "high",
        None => "none",
    }
}
