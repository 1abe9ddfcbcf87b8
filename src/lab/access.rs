//! What a client needs to know: the address, the authority to trust, and settings that are ready to use.

use std::fmt::Write as _;

use super::ids;
use super::scenario::{Person, Scenario};

/// How to reach a lab.
#[derive(Debug, Clone)]
pub struct Access {
    /// A whole `riposte.toml` for this lab.
    pub config_toml: String,
    /// The certificate authority, PEM.
    pub ca_pem: String,
    /// Certificate and private key of riposte's application, PEM, where it has one.
    pub app_pem: Option<String>,
    /// Private key of the service app in Okta, PEM, where riposte signs in to it with one.
    pub okta_pem: Option<String>,
    /// `https://127.0.0.1:PORT`, without a slash at the end.
    pub base_url: String,
}

/// The file beside the settings in which they expect the application's certificate, where it has one.
pub const APP_PEM: &str = "lab-app.pem";

/// The file beside the settings in which they expect the key of the service app, where there is one.
pub const OKTA_PEM: &str = "lab-okta.pem";

/// Every secret that the lab hands out or expects, so that a test can look for them where they must not be.
/// Access tokens are not among them: each begins with `eyJ0eXAiOiJKV1Qi`.
#[must_use]
pub fn planted_secrets() -> [&'static str; 6] {
    [ids::CLIENT_SECRET, ids::OKTA_TOKEN, ids::IDENTITY_HEADER, ids::TEMP_PASSWORD, ids::SECRET_LINK, ids::ACTOR_SECRET]
}

/// The client id of a second application, which has every permission whatever the first one lacks, and its secret.
#[must_use]
pub fn second_application() -> (String, &'static str) {
    (ids::actor(), ids::ACTOR_SECRET)
}

/// The settings, with the authority's file named as the caller will store it.
pub(crate) fn config(scenario: &Scenario, base: &str, ca_path: &str, certificate: bool, okta_key: bool) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut out = String::new();
    let mut line = |text: String| _ = writeln!(out, "{text}");
    line("[tenant]".into());
    line(format!("id = {}\ncloud = \"global\"\n", quoted(&ids::tenant())));
    let (kind, key, value) = if certificate {
        ("client-certificate", "certificate", APP_PEM)
    } else {
        ("client-secret", "client_secret", ids::CLIENT_SECRET)
    };
    line(format!(
        "[identity]\nkind = {}\nclient_id = {}\n{key} = {}\n",
        quoted(kind),
        quoted(&ids::client()),
        quoted(value)
    ));
    line(format!(
        "[[workspaces]]\nname = \"soc\"\nid = {}\nsubscription = {}\nresource_group = {}\nworkspace = {}\n",
        quoted(&ids::workspace()),
        quoted(&ids::subscription()),
        quoted(ids::RESOURCE_GROUP),
        quoted(ids::WORKSPACE_NAME)
    ));
    let okta = if okta_key {
        let (client, key) = (quoted(&ids::okta_client()), quoted(OKTA_PEM));
        format!("client_id = {client}\nprivate_key = {{ file = {key} }}\nkey_id = {}", quoted(ids::OKTA_KEY_ID))
    } else {
        format!("token = {}", quoted(ids::OKTA_TOKEN))
    };
    line(format!("[[okta]]\nname = \"main\"\nurl = {}\n{okta}\n", quoted(base)));
    line("[sources]\nlog_analytics = { every = \"30s\", overlap = \"30m\", first_lookback = \"1h\" }\ngraph = { every = \"15s\", first_lookback = \"1h\" }\n".into());
    line(format!("[endpoints]\nlogin = {0}\ngraph = {0}\nlog_analytics = {0}\narm = {0}\n", quoted(base)));
    line(format!("[tls]\nca_file = {}\n", quoted(ca_path)));
    line("[journal]\nsqlite = \"riposte.db\"\n".into());
    let rails = &scenario.guardrails;
    let list = |names: &[String]| {
        let ids: Vec<String> = names.iter().flat_map(|n| protected(scenario, n)).map(|id| quoted(&id)).collect();
        format!("[{}]", ids.join(", "))
    };
    // Rules that act by themselves want an account that they never touch, whoever the scenario is about.
    let break_glass = if rails.break_glass.is_empty() {
        line("# The scenario names no break-glass account; this one is nobody's.".into());
        format!("[{}]", quoted(NOBODY))
    } else {
        list(&rails.break_glass)
    };
    line(format!("[guardrails]\nbreak_glass = {break_glass}\nprivileged = {}", list(&rails.privileged)));
    if let Some(approvers) = &rails.approvers {
        let person = scenario.people.iter().find(|person| person.key == *approvers);
        let user = person.and_then(|person| entra_upns(person).next()).map(|upn| ids::guid("entra", &upn));
        line(format!("approvers = {}", quoted(&user.unwrap_or_else(|| ids::guid("group", approvers)))));
    }
    out
}

/// A SID of no domain of ours: a user principal name would be looked up, and warned of.
const NOBODY: &str = "S-1-5-21-1-1-1-1000";

fn entra_upns(person: &Person) -> impl Iterator<Item = String> {
    person.entra.iter().map(|user| user.upn.clone().unwrap_or_else(|| format!("{}@{}", person.key, ids::DNS)))
}

/// The identifiers by which a person or group is put on a list: UPN or object id, and SID.
fn protected(scenario: &Scenario, name: &str) -> Vec<String> {
    if let Some(group) = scenario.groups.iter().find(|group| group.key == name) {
        return std::iter::once(ids::guid("group", name)).chain(group.rid.map(ids::sid)).collect();
    }
    let Some(person) = scenario.people.iter().find(|p| p.key == name) else { return vec![name.to_owned()] };
    entra_upns(person).chain(person.ad.iter().filter_map(|a| a.rid).map(ids::sid)).collect()
}
