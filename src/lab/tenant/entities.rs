//! Whom and what an alert names: as entities of a `SecurityAlert` row, and as evidence in Graph.

use std::time::Duration;

use serde_json::{Value, json};

use super::Tenant;
use super::directory::Person;
use crate::lab::ids;
use crate::lab::scenario::{Alert, Named};
use crate::model::time::At;

impl Tenant {
    /// Entities as Sentinel stores them, objects with `$id`, as far as they are known so long after the alert.
    pub(super) fn entities(&self, alert: &Alert, since: Duration) -> Vec<Value> {
        let mut out = Vec::new();
        if since < alert.entities_after.unwrap_or_default() {
            return out;
        }
        let id = |out: &Vec<Value>| (out.len() + 2).to_string();
        if let Some(host) = &alert.host {
            out.push(json!({"$id": id(&out), "HostName": host, "DnsDomain": ids::DNS, "NTDomain": ids::NETBIOS,
                "IsDomainJoined": true, "OSFamily": "Windows", "Type": "host"}));
        }
        if let Some(ip) = &alert.ip {
            out.push(json!({"$id": id(&out), "Address": ip, "Type": "ip"}));
        }
        if let Some(group) = alert.group.as_ref().and_then(|g| self.groups.get(g)) {
            out.push(
                json!({"$id": id(&out), "DistinguishedName": format!("CN={},OU=Groups,DC=contoso,DC=com", group.key),
                "SID": group.sid, "ObjectGuid": group.entra, "Type": "security-group"}),
            );
        }
        for named in alert.accounts.iter().filter(|n| n.after <= since) {
            let mut account = self.account_entity(named);
            account["$id"] = json!(id(&out));
            account["Type"] = json!("account");
            out.push(account);
        }
        for i in 0..alert.crowd {
            out.push(json!({"$id": id(&out), "Name": crowd_name(i), "NTDomain": ids::NETBIOS, "DnsDomain": ids::DNS,
                "Sid": ids::sid(crowd_rid(i)), "IsDomainJoined": true, "Type": "account"}));
        }
        out
    }

    fn account_entity(&self, named: &Named) -> Value {
        let Some(person) = self.named(named) else {
            return json!({"Name": named.name, "NTDomain": named.domain, "Sid": named.sid, "IsDomainJoined": true});
        };
        let shown = |what: &str| named.only.is_empty() || named.only.iter().any(|o| o == what);
        let mut account = json!({"Name": person.key});
        if let Some(ad) = person.ad.as_ref() {
            if shown("domain") {
                account["NTDomain"] = json!(ids::NETBIOS);
                account["DnsDomain"] = json!(ids::DNS);
            }
            if shown("sid") {
                account["Sid"] = json!(ad.sid);
                account["IsDomainJoined"] = json!(true);
            }
        }
        if let Some(user) = person.entra.first() {
            if shown("upn") {
                account["UPNSuffix"] = json!(ids::DNS);
            }
            if shown("oid") {
                account["AadUserId"] = json!(user.id);
                account["AadTenantId"] = json!(ids::tenant());
            }
        }
        account
    }

    /// Evidence as Graph shows it, each with the time from which it is known.
    pub(super) fn evidence(&self, alert: &Alert, at: At) -> Vec<(At, Value)> {
        let common = |kind: &str, roles: &[&str], verdict: &str| {
            json!({"@odata.type": format!("#microsoft.graph.security.{kind}"), "createdDateTime": at, "verdict": verdict,
                "remediationStatus": "none", "remediationStatusDetails": null, "roles": roles, "detailedRoles": [], "tags": []})
        };
        let known = at.plus(alert.entities_after.unwrap_or_default());
        let mut out = Vec::new();
        for named in &alert.accounts {
            let roles: Vec<&str> = named.roles.iter().map(String::as_str).collect();
            let roles = if roles.is_empty() { vec!["attacker"] } else { roles };
            let mut evidence = common("userEvidence", &roles, "suspicious");
            evidence["userAccount"] = self.user_account(named);
            out.push((known.max(at.plus(named.after)), evidence));
        }
        for i in 0..alert.crowd {
            let mut evidence = common("userEvidence", &["attacked"], "unknown");
            evidence["userAccount"] = json!({"accountName": crowd_name(i), "domainName": ids::NETBIOS,
                "userSid": ids::sid(crowd_rid(i)), "userPrincipalName": null, "azureAdUserId": null,
                "displayName": crowd_name(i), "resourceAccessEvents": []});
            out.push((known, evidence));
        }
        if let Some(group) = alert.group.as_ref().and_then(|g| self.groups.get(g)) {
            let mut evidence = common("securityGroupEvidence", &["edited"], "unknown");
            evidence["displayName"] = json!(group.key);
            evidence["securityGroupId"] = json!(group.entra);
            evidence["sid"] = json!(group.sid);
            out.push((known, evidence));
        }
        if let Some(host) = &alert.host {
            let mut evidence = common("deviceEvidence", &["source"], "unknown");
            evidence["hostName"] = json!(host);
            evidence["deviceDnsName"] = json!(format!("{}.{}", host.to_lowercase(), ids::DNS));
            evidence["ntDomain"] = json!(ids::NETBIOS);
            out.push((known, evidence));
        }
        if let Some(ip) = &alert.ip {
            let mut evidence = common("ipEvidence", &["source"], "unknown");
            evidence["ipAddress"] = json!(ip);
            evidence["countryLetterCode"] = Value::Null;
            out.push((known, evidence));
        }
        out
    }

    fn user_account(&self, named: &Named) -> Value {
        let Some(person) = self.named(named) else {
            return json!({"accountName": named.name, "domainName": named.domain, "userSid": named.sid,
                "userPrincipalName": null, "azureAdUserId": null, "displayName": named.name, "resourceAccessEvents": []});
        };
        let shown = |what: &str| named.only.is_empty() || named.only.iter().any(|o| o == what);
        let user = person.entra.first();
        json!({
            "accountName": person.key, "displayName": person.name, "resourceAccessEvents": [],
            "domainName": person.ad.as_ref().filter(|_| shown("domain")).map(|_| ids::NETBIOS),
            "userSid": person.sid().filter(|_| shown("sid")),
            "activeDirectoryObjectGuid": person.ad.as_ref().filter(|_| shown("sid")).map(|a| a.guid.clone()),
            "userPrincipalName": user.filter(|_| shown("upn")).map(|u| u.upn.clone()),
            "azureAdUserId": user.filter(|_| shown("oid")).map(|u| u.id.clone()),
            "tenantId": user.map(|_| ids::tenant()),
        })
    }

    pub(crate) fn named(&self, named: &Named) -> Option<&Person> {
        named.person.as_ref().and_then(|key| self.people.iter().find(|p| p.key == *key))
    }
}

fn crowd_name(i: usize) -> String {
    format!("user{i:03}")
}

fn crowd_rid(i: usize) -> u32 {
    40_000 + u32::try_from(i).unwrap_or(0)
}
