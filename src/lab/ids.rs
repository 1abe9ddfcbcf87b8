//! Ids derived from names: the same scenario is the same tenant each time.

use uuid::Uuid;

/// The Entra tenant.
pub(crate) fn tenant() -> String {
    guid("tenant", "contoso")
}

/// The Log Analytics workspace's GUID.
pub(crate) fn workspace() -> String {
    guid("workspace", "soc")
}

/// The Azure subscription.
pub(crate) fn subscription() -> String {
    guid("subscription", "soc")
}

/// Name of the resource group.
pub(crate) const RESOURCE_GROUP: &str = "soc-rg";
/// Name of the workspace as a resource.
pub(crate) const WORKSPACE_NAME: &str = "soc-law";
/// The domain's SID.
pub(crate) const DOMAIN_SID: &str = "S-1-5-21-1111111111-2222222222-3333333333";
/// The domain's `NetBIOS` name.
pub(crate) const NETBIOS: &str = "CONTOSO";
/// The domain's DNS name, and the suffix of user principal names.
pub(crate) const DNS: &str = "contoso.com";
/// The application's client secret.
pub(crate) const CLIENT_SECRET: &str = "lab-client-secret-Zk3Qw9";
/// The second application's client secret.
pub(crate) const ACTOR_SECRET: &str = "lab-actor-secret-Vd5Jc2";
/// Okta's API token.
pub(crate) const OKTA_TOKEN: &str = "00labOktaToken-Xp7Rt2";
/// What Okta calls the key of riposte's service app.
pub(crate) const OKTA_KEY_ID: &str = "lab-okta-key";
/// What App Service's endpoint wants to see in `X-IDENTITY-HEADER`.
pub(crate) const IDENTITY_HEADER: &str = "lab-identity-header-Mn5Bv8";

/// The password that Okta makes up when one expires.
pub(crate) const TEMP_PASSWORD: &str = "Lab-Temp-Passw0rd-Jh4Ks8";
/// The secret part of the links that Okta hands out.
pub(crate) const SECRET_LINK: &str = "lab-secret-link-Gt6Yb1";

/// riposte's client id.
pub(crate) fn client() -> String {
    guid("client", "riposte")
}

/// The client id of riposte's service app in Okta.
pub(crate) fn okta_client() -> String {
    okta("0oa", "app", "riposte")
}

/// The object id of riposte's service principal.
pub(crate) fn principal() -> String {
    guid("principal", "riposte")
}

/// The client id of a second application, which has every permission whatever is taken away from the first.
pub(crate) fn actor() -> String {
    guid("client", "actor")
}

/// The object id of its service principal.
pub(crate) fn actor_principal() -> String {
    guid("principal", "actor")
}

/// A GUID for a thing of a kind.
pub(crate) fn guid(kind: &str, name: &str) -> String {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("lab.test/{kind}/{name}").as_bytes()).to_string()
}

/// An Okta id: a prefix and 17 characters.
pub(crate) fn okta(prefix: &str, kind: &str, name: &str) -> String {
    let hex =
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("lab.test/okta/{kind}/{name}").as_bytes()).simple().to_string();
    format!("{prefix}{}", &hex[..17])
}

/// A SID in the domain.
pub(crate) fn sid(rid: u32) -> String {
    format!("{DOMAIN_SID}-{rid}")
}
