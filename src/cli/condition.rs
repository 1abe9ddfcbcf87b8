//! Whether a daemon works on the journal, and whether it can be written: what comes before anything else in
//! `riposte status`.

use serde_json::{Value, json};

use super::report::{Terminal, wrapped};
use crate::app;
use crate::journal::condition::{Condition, Room};
use crate::settings::Settings;

/// What stands in the way of a daemon, one sentence each.
pub(super) struct Obstacles {
    condition: Option<Condition>,
    sentences: Vec<String>,
}

impl Obstacles {
    /// Looks at the journal's file or database from outside. Where that cannot be done, opening it says why.
    pub(super) fn of(settings: &Settings) -> Self {
        let condition = app::condition(&settings.journal).ok();
        let mut sentences: Vec<String> = condition.as_ref().map(|seen| sentences(seen, settings)).unwrap_or_default();
        if condition.as_ref().is_some_and(|seen| seen.daemons == 0 && !seen.locked) {
            sentences.extend(damage(settings));
        }
        Self { condition, sentences }
    }

    /// The sentences, without line ends.
    pub(super) fn sentences(&self) -> &[String] {
        &self.sentences
    }

    pub(super) fn text(&self, terminal: Terminal) -> String {
        self.sentences.iter().map(|sentence| wrapped(sentence, "", terminal)).collect()
    }

    pub(super) fn json(&self) -> Value {
        let seen = self.condition.as_ref();
        json!({
            "daemons": seen.map(|seen| seen.daemons),
            "disk_free_bytes": seen.and_then(|seen| seen.free),
            "disk_full": seen.map(|seen| seen.room() == Room::Nothing),
            "locked": seen.map(|seen| seen.locked),
            "obstacles": self.sentences,
        })
    }
}

/// A file of more bytes takes seconds to look through.
const QUICK: u64 = 256 << 20;

/// Nobody works on it: perhaps because it is damaged. A daemon looks itself.
fn damage(settings: &Settings) -> Option<String> {
    let large = settings.journal.sqlite.metadata().is_ok_and(|file| file.len() > QUICK);
    if large && settings.journal.postgres.is_none() {
        return Some(
            "NOT LOOKED THROUGH: the file is large; `riposte journal verify` says whether it is whole".to_owned(),
        );
    }
    let damage = app::damage(&settings.journal).ok().flatten()?;
    Some(format!("DAMAGED: {damage}"))
}

fn sentences(seen: &Condition, settings: &Settings) -> Vec<String> {
    let journal = &settings.journal;
    let place = journal
        .postgres
        .as_ref()
        .map_or_else(|| journal.sqlite.display().to_string(), |_| "the database of [journal] postgres".to_owned());
    let mut sentences = Vec::new();
    if seen.daemons == 0 {
        sentences.push(format!(
            "NOT RUNNING: no riposte works on {place}: until `riposte run` no alert is read, answered or told"
        ));
    }
    let left = seen.free.unwrap_or_default() >> 10;
    match seen.room() {
        Room::Nothing => sentences.push(format!(
            "DISK FULL: {left} KiB are left where {place} lies; what cannot be written down is not begun; make room, \
             and start riposte again if it has ended"
        )),
        Room::Little => sentences.push(format!(
            "LITTLE ROOM: {} MiB are left where {place} lies; when they are used up riposte ends; make room",
            left >> 10
        )),
        Room::Enough => {}
    }
    if seen.locked {
        sentences.push(format!(
            "LOCKED: another process keeps {place} locked, so nothing can be written down, and nothing is begun; a \
             daemon waits for 10 seconds and ends; end that process, such as a command that hangs or a backup of files"
        ));
    }
    sentences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Global;
    use crate::cli::setup;

    #[test]
    fn each_obstacle_has_its_sentence_and_a_journal_that_does_well_has_none() {
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let said = |daemons, free, locked| {
            let seen = Condition { daemons, free, locked };
            let words = sentences(&seen, &settings).into_iter().filter_map(|it| Some(it.split_once(':')?.0.to_owned()));
            words.collect::<Vec<_>>()
        };
        assert_eq!(said(1, Some(1 << 40), false), Vec::<String>::new());
        assert_eq!(said(3, None, false), Vec::<String>::new());
        assert_eq!(said(0, Some(0), true), ["NOT RUNNING", "DISK FULL", "LOCKED"]);
        assert_eq!(said(1, Some(64 << 20), false), ["LITTLE ROOM"]);
    }
}
