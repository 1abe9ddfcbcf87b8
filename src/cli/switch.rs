//! `riposte pause` and `riposte resume`: the kill switch.

use serde_json::{Value, json};

use super::args::{Global, PauseArgs, ResumeArgs};
use super::exit::CliError;
use super::report::{self, Report};
use super::setup;
use crate::journal::{Journal, Pause};
use crate::model::text::clip;
use crate::model::time::{At, print_duration};

/// Pulls the kill switch. Whoever pulled it first keeps it.
pub(super) async fn pause(args: &PauseArgs, global: &Global) -> Result<Report, CliError> {
    let by = setup::operator(args.by.as_deref())?;
    let reason = clip(args.reason.as_deref().unwrap_or("no reason given").trim(), 300);
    let journal = setup::journal_whatever_else(global)?;
    pull(journal.as_ref(), by, reason).await
}

/// Lets go of it.
pub(super) async fn resume(args: &ResumeArgs, global: &Global) -> Result<Report, CliError> {
    let by = setup::operator(args.by.as_deref())?;
    let journal = setup::journal_whatever_else(global)?;
    release(journal.as_ref(), &by).await
}

async fn pull(journal: &dyn Journal, by: String, reason: String) -> Result<Report, CliError> {
    if let Some(pause) = journal.paused().await? {
        let text = format!("already paused {}: nothing has changed", since(&pause, journal.now()));
        return Ok(Report::sentence(text, paused_json(Some(&pause), false)));
    }
    let pause = Pause { by: by.clone(), reason, at: journal.now() };
    if let Err(error) = journal.set_pause(Some(pause.clone()), &by).await {
        report::say(&after_failure(journal.paused().await.as_ref().ok()));
        return Err(error.into());
    }
    let text = format!(
        "paused by {}: no call that changes an account begins from now on; what was sent already is still looked at, and \
         comments are still written. \
         `riposte resume` lets go",
        pause.by
    );
    Ok(Report::sentence(text, paused_json(Some(&pause), true)))
}

/// What to think of a switch that could not be pulled, from what it reads afterwards.
fn after_failure(stands: Option<&Option<Pause>>) -> String {
    match stands {
        Some(Some(_)) => "it is paused all the same: no call that changes an account begins".to_owned(),
        Some(None) => {
            "NOT PAUSED: where a daemon runs it goes on; to stop it end its process, and what it has begun is looked at when \
             it is started again"
                .to_owned()
        }
        None => "whether it is paused cannot be read; to be sure that nothing begins end the daemon's process".to_owned(),
    }
}

async fn release(journal: &dyn Journal, by: &str) -> Result<Report, CliError> {
    // A switch that cannot be read counts as pulled, and setting it anew is the cure.
    let before = journal.paused().await;
    if let Ok(None) = before {
        return Ok(Report::sentence("it was not paused: nothing has changed", paused_json(None, false)));
    }
    journal.set_pause(None, by).await?;
    let text = match before {
        Ok(Some(pause)) => format!("resumed by {by}; it was paused {}", since(&pause, journal.now())),
        Ok(None) | Err(_) => format!("resumed by {by}"),
    };
    Ok(Report::sentence(text, paused_json(None, true)))
}

/// `for 5m, since ..., by ... (reason)`.
pub(super) fn since(pause: &Pause, now: At) -> String {
    let lasted = print_duration(now.since(pause.at));
    format!(
        "for {lasted}, since {}, by {} ({})",
        pause.at.to_the_second(),
        clip(&pause.by, 80),
        clip(&pause.reason, 300)
    )
}

/// The switch as programs read it.
pub(super) fn paused_json(pause: Option<&Pause>, changed: bool) -> Value {
    let (by, reason, at) = (pause.map(|p| &p.by), pause.map(|p| &p.reason), pause.map(|p| p.at));
    json!({"paused": pause.is_some(), "changed": changed, "by": by, "reason": reason, "since": at})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::sqlite::testing::Bench;

    #[tokio::test]
    async fn the_first_to_pause_keeps_the_switch_and_resume_lets_go() {
        let bench = Bench::new();
        let journal = bench.open();
        let first = pull(&journal, "adele".into(), "drill".into()).await.unwrap();
        assert_eq!(first.json["changed"], true);
        bench.clock.pass(90);
        let second = pull(&journal, "bo".into(), "x".into()).await.unwrap();
        assert!(second.text.starts_with("already paused for 1m30s"), "{}", second.text);
        assert_eq!(journal.paused().await.unwrap().unwrap().by, "adele");
        let gone = release(&journal, "bo").await.unwrap();
        assert!(gone.text.contains("by adele (drill)"), "{}", gone.text);
        assert_eq!(journal.paused().await.unwrap(), None);
        assert_eq!(release(&journal, "bo").await.unwrap().json["changed"], false);
    }
}
