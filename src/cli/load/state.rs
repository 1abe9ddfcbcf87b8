//! The tenant as the lab shows it, as far as a load needs it, and whether everything is in it once.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::text::clip;
use crate::model::time::At;

/// So many mistakes are told one by one.
const TOLD: usize = 20;

/// `/_lab/state`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) people: BTreeMap<String, Person>,
    pub(super) alerts: BTreeMap<String, Alert>,
    pub(super) incidents: BTreeMap<String, Incident>,
    pub(super) effects: Vec<Effect>,
}

/// Somebody, by the ids of their accounts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Person {
    pub(super) identities: Vec<String>,
    pub(super) ad: Option<Ad>,
    pub(super) entra: Vec<Entra>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Ad {
    pub(super) sid: String,
    pub(super) guid: String,
    pub(super) enabled: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Entra {
    pub(super) id: String,
    pub(super) upn: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Alert {
    pub(super) at: At,
    pub(super) system_id: String,
    pub(super) graph_id: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Incident {
    pub(super) id: String,
    pub(super) comments: Vec<Comment>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Comment {
    pub(super) text: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Effect {
    pub(super) at: At,
    pub(super) api: String,
    pub(super) person: Option<String>,
    pub(super) outcome: Value,
}

impl State {
    /// When the account of each alert was contained, by the alert's name; the alert `load-00007` is about `load00007`.
    pub(super) fn contained(&self) -> HashMap<&str, At> {
        let made = self.effects.iter().filter(|effect| effect.api == "sensor" && effect.outcome == "applied");
        let of_person: HashMap<&str, At> =
            made.rev().filter_map(|effect| Some((effect.person.as_deref()?, effect.at))).collect();
        let of_alert = |alert: &String| of_person.get(about(alert).as_str()).copied();
        self.alerts.keys().filter_map(|alert| Some((alert.as_str(), of_alert(alert)?))).collect()
    }

    /// To which alert an identifier in a call belongs, in lower case.
    pub(super) fn index(&self) -> HashMap<String, &str> {
        let mut index = HashMap::new();
        for (key, alert) in &self.alerts {
            let mut ids = vec![&alert.system_id, &alert.graph_id];
            ids.extend(self.incidents.get(key).map(|incident| &incident.id));
            if let Some(person) = self.people.get(&about(key)) {
                ids.extend(&person.identities);
                ids.extend(person.ad.iter().flat_map(|ad| [&ad.sid, &ad.guid]));
                ids.extend(person.entra.iter().flat_map(|user| [&user.id, &user.upn]));
            }
            index.extend(ids.into_iter().map(|id| (id.to_ascii_lowercase(), key.as_str())));
            index.insert(about(key), key.as_str());
        }
        index
    }

    /// What is not as it should be after `wanted` alerts: each account contained by one call, and of each kind of comment
    /// one on each incident.
    pub(super) fn mistakes(&self, wanted: usize) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.alerts.len() != wanted {
            wrong.push(format!("{} alerts have come of {wanted}", self.alerts.len()));
        }
        let mut calls: HashMap<&str, usize> = HashMap::new();
        for effect in self.effects.iter().filter(|effect| effect.api == "defender" && effect.outcome.is_string()) {
            *calls.entry(effect.person.as_deref().unwrap_or_default()).or_default() += 1;
        }
        for key in self.alerts.keys() {
            let person = about(key);
            let enabled = self.people.get(&person).and_then(|person| person.ad.as_ref()).is_none_or(|ad| ad.enabled);
            let calls = calls.get(person.as_str()).copied().unwrap_or(0);
            match (enabled, calls) {
                (false, 1) => {}
                (true, _) => wrong.push(format!("{key}: not handled, {person} is enabled after {calls} calls")),
                (false, _) => wrong.push(format!("{key}: {person} was disabled by {calls} calls, and one is right")),
            }
            wrong.extend(self.incidents.get(key).map_or_else(
                || Some(format!("{key}: no incident")),
                |incident| told(incident).map(|why| format!("{key}: {why}")),
            ));
        }
        let more = wrong.len().saturating_sub(TOLD);
        wrong.truncate(TOLD);
        wrong.extend((more > 0).then(|| format!("and {more} more")));
        wrong
    }
}

/// What is wrong with the comments of an incident.
fn told(incident: &Incident) -> Option<String> {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for comment in &incident.comments {
        let kind = comment.text.split([':', '\n']).next().unwrap_or_default();
        *kinds.entry(kind).or_default() += 1;
    }
    if !kinds.contains_key("riposte has answered") {
        return Some("its incident does not say what was done".to_owned());
    }
    let twice = kinds.iter().find(|(_, times)| **times > 1);
    twice.map(|(kind, times)| format!("{times} comments begin with {:?}, and one is right", clip(kind, 60)))
}

/// The account name of whom an alert of a backlog is about.
fn about(alert: &str) -> String {
    alert.replacen('-', "", 1)
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// `count` alerts that came at the start, answered ten seconds later.
    pub(in crate::cli::load) fn answered(count: usize) -> State {
        let mut state = State::default();
        for n in 0..count {
            let (key, person) = (format!("load-{n:05}"), format!("load{n:05}"));
            let at = At::from_unix_seconds(0);
            let alert = Alert { at, system_id: format!("system-{n}"), graph_id: format!("graph-{n}") };
            state.alerts.insert(key.clone(), alert);
            let ad = Ad { sid: format!("S-1-5-21-{n}"), guid: format!("guid-{n}"), enabled: false };
            state.people.insert(person.clone(), Person { ad: Some(ad), ..Person::default() });
            let comment = Comment { text: "riposte has answered: an alert\n- more".to_owned() };
            state.incidents.insert(key, Incident { id: format!("incident-{n}"), comments: vec![comment] });
            for (api, outcome) in [("defender", "accepted"), ("sensor", "applied")] {
                let (at, api) = (At::from_unix_seconds(10), api.to_owned());
                state.effects.push(Effect { at, api, person: Some(person.clone()), outcome: outcome.into() });
            }
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::testing::answered;
    use super::*;

    #[test]
    fn what_was_done_once_is_right() {
        let state = answered(3);
        assert_eq!(state.mistakes(3), [""; 0]);
        assert_eq!(state.contained().get("load-00001"), Some(&At::from_unix_seconds(10)));
        assert_eq!(state.index().get("s-1-5-21-2"), Some(&"load-00002"));
    }

    #[test]
    fn what_was_left_out_or_done_twice_is_told() {
        let mut state = answered(6);
        state.people.get_mut("load00000").unwrap().ad.as_mut().unwrap().enabled = true;
        let again = state.effects[2].clone();
        state.effects.push(again);
        state.effects.push(Effect { outcome: serde_json::json!({"refused": 429}), ..state.effects[4].clone() });
        state.incidents.get_mut("load-00003").unwrap().comments.clear();
        let comments = &mut state.incidents.get_mut("load-00004").unwrap().comments;
        comments.push(comments[0].clone());
        state.incidents.remove("load-00005");
        assert_eq!(
            state.mistakes(7),
            [
                "6 alerts have come of 7",
                "load-00000: not handled, load00000 is enabled after 1 calls",
                "load-00001: load00001 was disabled by 2 calls, and one is right",
                "load-00003: its incident does not say what was done",
                "load-00004: 2 comments begin with \"riposte has answered\", and one is right",
                "load-00005: no incident",
            ],
            "a call that was refused did nothing"
        );
    }
}
