//! The names under which an alert is known: vendors' ids, and what it is about. Pure.
//!
//! Each kind of name has its own beginning, so that an id that somebody chose is never taken for a name of
//! another kind.

use crate::model::alert::{Sighting, SourceKey};
use crate::model::time::TICKS_PER_SECOND;
use crate::playbook::Catalogue;

/// The id by which Defender itself shows an alert. A row cannot claim it.
const OWN: &str = "own:";
/// An id that a source gives.
const ID: &str = "id:";
/// The id of an alert that a run of a trigger makes.
const RUN: &str = "run:";
/// What an alert is about.
const FINGERPRINT: &str = "fp:";
/// A row that cannot be read.
const UNREADABLE: &str = "un:";

/// The names that can show whose sighting it is, surest first.
pub(super) fn lookups(sighting: &Sighting) -> impl Iterator<Item = String> {
    shown(sighting).chain(ids(sighting))
}

/// The names that its ids would have if Defender itself shows alerts by them; a trigger's alert is none of Defender's.
pub(super) fn shown(sighting: &Sighting) -> impl Iterator<Item = String> {
    let foreign = is_of_trigger(sighting);
    sighting.aliases.iter().filter(move |_| !foreign).map(|alias| format!("{OWN}{alias}"))
}

/// The ids by which the sighting's alert is found from now on.
pub(super) fn claims(sighting: &Sighting) -> impl Iterator<Item = String> {
    let own = sighting.aliases.first().filter(|_| sighting.genuine && !is_of_trigger(sighting));
    own.map(|alias| format!("{OWN}{alias}")).into_iter().chain(ids(sighting))
}

/// What the id of a new alert is derived from. Defender's own ids count apart, or a row with the same id that
/// came before would have taken it; and so do those of triggers.
pub(super) fn first(sighting: &Sighting) -> String {
    let first = sighting.aliases.first().cloned().unwrap_or_default();
    match (is_of_trigger(sighting), sighting.genuine) {
        (true, _) => format!("{RUN}{first}"),
        (false, true) => format!("{OWN}{first}"),
        // A row may carry anything as its id, also what looks like a name of those.
        (false, false) if [OWN, RUN].iter().any(|beginning| first.starts_with(beginning)) => format!("{ID}{first}"),
        (false, false) => first,
    }
}

/// The name of a row that cannot be read, by the id that it carries.
pub(super) fn unreadable(id: &str) -> String {
    format!("{UNREADABLE}{id}")
}

/// Anybody who knows a trigger can work out the ids of its alerts: what comes from elsewhere never has one of them.
fn ids(sighting: &Sighting) -> impl Iterator<Item = String> {
    let beginning = if is_of_trigger(sighting) { RUN } else { ID };
    sighting.aliases.iter().map(move |alias| format!("{beginning}{alias}"))
}

const fn is_of_trigger(sighting: &Sighting) -> bool {
    matches!(sighting.source, SourceKey::Trigger { .. })
}

/// What an alert is about, for finding it in another source: kind, account, time.
pub(super) struct Fingerprint {
    kind: String,
    account: String,
    bucket: i64,
}

/// Sources stamp the same activity within this time.
const BUCKET: i64 = 600 * TICKS_PER_SECOND;

impl Fingerprint {
    pub(super) fn own(&self) -> String {
        self.at(self.bucket)
    }

    /// Its own time and the neighbours, for activities near a boundary.
    pub(super) fn near(&self) -> [String; 3] {
        [0, -1, 1].map(|shift| self.at(self.bucket + shift))
    }

    fn at(&self, bucket: i64) -> String {
        format!("{FINGERPRINT}{}|{}|{bucket}", self.kind, self.account)
    }
}

/// One fingerprint for each account that the sighting names by a strong identifier.
pub(super) fn fingerprints(sighting: &Sighting) -> Vec<Fingerprint> {
    // The id of a trigger's alert is made of what it is about, and nobody else shows it.
    if is_of_trigger(sighting) {
        return Vec::new();
    }
    let entry = Catalogue::get().identify(&sighting.detector, sighting.external_id.as_deref(), &sighting.title);
    let kind = entry.map_or_else(|| sighting.title.to_lowercase(), |entry| entry.id.clone());
    let Some(start) = sighting.start else { return Vec::new() };
    let mut prints = Vec::new();
    for account in sighting.entities.kept().iter().take(20) {
        let hint = &account.hint;
        let sid = hint.sid.as_ref().filter(|sid| sid.is_domain_account()).map(ToString::to_string);
        let ids = [sid, hint.entra_id.map(|id| id.to_string()), hint.upn.as_ref().map(ToString::to_string)];
        for id in ids.into_iter().flatten() {
            prints.push(Fingerprint { kind: kind.clone(), account: id, bucket: start.ticks().div_euclid(BUCKET) });
        }
    }
    prints
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::account::AccountHint;
    use crate::model::alert::{Entities, NamedAccount, Severity};
    use crate::model::scope::WorkspaceKey;
    use crate::model::time::At;

    fn sighting(aliases: &[&str], genuine: bool) -> Sighting {
        let hint = AccountHint { sid: "S-1-5-21-1-2-3-1104".parse().ok(), ..AccountHint::default() };
        let start = At::from_unix_seconds(1_800_000_000);
        Sighting {
            source: if genuine { SourceKey::Graph } else { SourceKey::LogAnalytics(WorkspaceKey(uuid::Uuid::nil())) },
            aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
            detector: String::new(),
            external_id: Some("2006".into()),
            title: String::new(),
            severity: Severity::High,
            start: Some(start),
            end: Some(start),
            visible: start,
            columns: BTreeMap::new(),
            entities: Entities::Read(vec![NamedAccount { hint, role: None }]),
            incident: None,
            rows: Vec::new(),
            genuine,
        }
    }

    #[test]
    fn no_id_of_a_row_is_a_fingerprint_or_an_id_of_defender() {
        let shown = sighting(&["aa1"], true);
        let wanted: Vec<String> = fingerprints(&shown).iter().flat_map(Fingerprint::near).collect();
        let own = format!("{OWN}aa1");
        assert!(wanted.len() == 3 && claims(&shown).any(|name| name == own));
        let mut forms: Vec<String> = wanted.iter().map(|print| print.replace(FINGERPRINT, "~")).collect();
        forms.extend(wanted.clone());
        forms.extend(["aa1".to_owned(), own.clone(), format!("{ID}aa1"), format!("{UNREADABLE}aa1")]);
        for form in forms {
            let row = sighting(&[&form, &form], false);
            let claimed: Vec<String> = claims(&row).collect();
            assert!(claimed.iter().all(|name| *name != own && !wanted.contains(name)), "{claimed:?}");
        }
    }

    #[test]
    fn what_a_trigger_shows_and_what_others_show_have_no_name_in_common() {
        let source = SourceKey::Trigger { name: "own".into(), workspace: None };
        let found = Sighting { source, ..sighting(&["kql/own:d1"], true) };
        let names =
            |seen: &Sighting| -> Vec<String> { lookups(seen).chain(claims(seen)).chain([first(seen)]).collect() };
        assert!(claims(&found).any(|name| lookups(&found).any(|other| other == name)), "it finds itself again");
        for forged in ["kql/own:d1", "run:kql/own:d1", "own:kql/own:d1"] {
            for genuine in [false, true] {
                let other = names(&sighting(&[forged], genuine));
                assert!(names(&found).iter().all(|name| !other.contains(name)), "{other:?}");
            }
        }
    }

    #[test]
    fn a_row_cannot_take_the_identity_of_an_alert_that_defender_will_show() {
        let row = sighting(&["aa1"], false);
        assert_ne!(first(&row), first(&sighting(&["aa1"], true)));
        assert_ne!(first(&sighting(&["own:aa1"], false)), first(&sighting(&["aa1"], true)));
        assert!(lookups(&row).any(|name| name == "own:aa1"), "but it finds it");
    }
}
