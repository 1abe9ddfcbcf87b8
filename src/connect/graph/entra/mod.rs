//! Entra over Graph: users, what they are members of, and what can be done to them.

mod actions;
mod look;
mod people;
mod roles;
mod wire;

pub use actions::EntraActions;
pub use people::EntraPeople;

/// The list of users.
pub(super) const USERS: &str = "users";
/// One user.
pub(super) const USER: &str = "users/{id}";
/// Their direct groups and roles.
pub(super) const MEMBER_OF: &str = "users/{id}/memberOf";
/// Their groups and roles, nested.
pub(super) const TRANSITIVE_MEMBER_OF: &str = "users/{id}/transitiveMemberOf";
/// Ends their sessions.
pub(super) const REVOKE_SESSIONS: &str = "users/{id}/revokeSignInSessions";
/// A member of a group *as a reference*: without `/$ref` a DELETE would delete the user.
pub(super) const GROUP_MEMBER_REF: &str = "groups/{group}/members/{member}/$ref";
/// The members of a group as references.
pub(super) const GROUP_MEMBERS_REF: &str = "groups/{group}/members/$ref";
/// Who is in a group, nested.
pub(super) const TRANSITIVE_MEMBERS: &str = "groups/{group}/transitiveMembers";
/// Who is in which role.
pub(super) const ROLE_ASSIGNMENTS: &str = "roleManagement/directory/roleAssignments";
/// The owners of a service principal.
pub(super) const PRINCIPAL_OWNERS: &str = "servicePrincipals/{id}/owners";
/// The applications of the tenant.
pub(super) const APPLICATIONS: &str = "applications";
/// The owners of an application.
pub(super) const APPLICATION_OWNERS: &str = "applications/{id}/owners";
/// One user's risk.
pub(super) const RISKY_USER: &str = "identityProtection/riskyUsers/{id}";
/// Tells Identity Protection that users are compromised.
pub(super) const CONFIRM_COMPROMISED: &str = "identityProtection/riskyUsers/confirmCompromised";
/// Dismisses users' risk.
pub(super) const DISMISS_RISK: &str = "identityProtection/riskyUsers/dismiss";

/// Items a page; the most that is documented.
const PAGE: usize = 999;
/// A user in more groups than this many pages hold is not judged.
const MOST_PAGES: usize = 20;

const READ_USERS: &str = "grant the application permission User.Read.All on Microsoft Graph";
const READ_MEMBERSHIPS: &str = "grant the application permissions User.Read.All and GroupMember.Read.All (or Directory.Read.All) on Microsoft Graph";
const READ_ROLES: &str = "grant the application permission RoleManagement.Read.Directory on Microsoft Graph";
const READ_OWNERS: &str = "grant the application permission Application.Read.All on Microsoft Graph";

#[cfg(test)]
mod tests;
