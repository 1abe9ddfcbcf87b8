//! What each account is to its alert. An actor and a victim look the same in a list of accounts, so
//! what nothing states stays unknown, and nobody unknown is acted on.

use crate::model::account::Role;
use crate::model::alert::NamedAccount;
use crate::playbook::Entry;
use crate::record::alert::AlertRecord;

/// The roles of the accounts, in their order: the one the source states; else the catalogue's, if the
/// row's own `CompromisedEntity` names this account by a strong identifier; else the catalogue's, if
/// the alert names this account alone.
#[must_use]
pub fn roles(alert: &AlertRecord, entry: &Entry, accounts: &[NamedAccount]) -> Vec<Role> {
    let compromised =
        alert.best().and_then(|seen| seen.columns.get("CompromisedEntity")).and_then(|value| value.as_str());
    let role_of = |account: &NamedAccount| {
        match account.role {
            // Who is attacked in an alert about a honeytoken is the honeytoken.
            Some(Role::Target) if entry.is_about_bait() => return Role::Bait,
            // Who uses a honeytoken shows up as the honeytoken, which then seems to have done it.
            Some(Role::Suspect) if entry.is_about_bait() && entry.attacker_chooses_name && accounts.len() == 1 => {
                return Role::Bait;
            }
            Some(stated) => return stated,
            None => {}
        }
        let Some(sole) = entry.sole_role else { return Role::Unknown };
        let named = compromised.is_some_and(|text| names_strongly(account, text));
        if named || accounts.len() == 1 { sole } else { Role::Unknown }
    };
    accounts.iter().map(role_of).collect()
}

fn names_strongly(account: &NamedAccount, text: &str) -> bool {
    let text = text.trim();
    let hint = &account.hint;
    let is = |known: Option<String>| known.is_some_and(|known| known.eq_ignore_ascii_case(text));
    is(hint.upn.as_ref().map(ToString::to_string))
        || is(hint.sid.as_ref().map(ToString::to_string))
        || is(hint.entra_id.map(|id| id.to_string()))
        || is(hint.nt_domain.as_ref().zip(hint.name.as_ref()).map(|(domain, name)| format!("{domain}\\{name}")))
}
