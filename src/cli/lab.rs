//! `riposte lab`: the emulated tenant, for a riposte or a vendor's SDK in another process.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::args::{Global, LabArgs};
use super::demo::tenant;
use super::exit::{CliError, Exit};
use super::report;
use crate::lab::{self, Advance as _, Scenario, ShiftedClock, TapeFile};
use crate::model::text::clip;
use crate::model::time::Clock;
use crate::runtime::lifecycle::Shutdown;

/// More than anybody has measured with.
const MOST_ALERTS: usize = 1_000_000;

/// The morning's alerts come within 24 minutes.
const BEGAN: Duration = Duration::from_secs(30 * 60);

/// Serves the lab until it is told to stop.
pub(super) async fn lab(args: &LabArgs, global: &Global) -> Result<Exit, CliError> {
    if args.listen.is_some_and(|address| !address.ip().is_loopback()) {
        let why = "the lab listens on loopback only: its secrets are known to everybody; use --listen 127.0.0.1:PORT";
        return Err(CliError::Usage(why.to_owned()));
    }
    let scenario = scenario(args.scenario.as_deref())?;
    // A backlog has come already; what comes steadily begins when the lab does.
    let own = args.scenario.as_ref().is_some_and(|file| backlog(file).is_none_or(|count| count.contains('@')));
    let began = args.began.unwrap_or(if own { Duration::ZERO } else { BEGAN });
    // The scenario counts from the moment it is first served: that moment lies in the past.
    let clock = ShiftedClock::behind(began);
    let options = lab::Options {
        listen: args.listen.unwrap_or_else(|| ([127, 0, 0, 1], 0).into()),
        unlimited: args.unlimited,
        advance: Some(Arc::new(clock.clone())),
        tape: None,
        tape_file: args.tape.as_deref().map(tape).transpose()?,
        certificate: args.certificate,
        okta_key: args.okta_key,
    };
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let lab = lab::serve(shared, scenario, options).await.map_err(|error| CliError::Usage(error.to_string()))?;
    clock.advance(began);
    let base = lab.access("").base_url;
    let ca = args.ca_out.clone().or_else(|| args.config_out.as_ref().map(|config| config.with_file_name("lab-ca.pem")));
    if let Some(config) = args.config_out.as_ref().filter(|config| !tenant::is_free(config)) {
        return Err(CliError::Usage(format!(
            "{} is left alone: settings that no lab wrote, or playbooks, stand there already, and a lab writes over both; \
             name a file in a folder of its own",
            config.display()
        )));
    }
    if let (Some(config), Some(ca)) = (&args.config_out, &ca) {
        tenant::write(&lab, config, ca, args.unlimited).map_err(|error| cannot_write(config, &error))?;
        report::say(&format!(
            "settings, rules and {} are written; now: riposte run --config {}",
            ca.display(),
            config.display()
        ));
    } else if let Some(ca) = &ca {
        std::fs::write(ca, lab.access("").ca_pem).map_err(|error| cannot_write(ca, &error))?;
        report::say(&format!("its certificate authority is written to {}", ca.display()));
    }
    // The address is the result; it comes when everything else is in place.
    let ready = serde_json::json!({"address": base, "config": args.config_out, "ca_file": ca});
    report::Report::sentence(&base, ready).note("the lab listens until Ctrl-C").print(global.format)?;
    let shutdown = Shutdown::new();
    let signals =
        shutdown.on_signals().map_err(|error| CliError::Fault(format!("signals cannot be heard: {error}")))?;
    shutdown.draining().await;
    signals.abort();
    lab.shutdown().await;
    Ok(Exit::Done)
}

fn scenario(file: Option<&Path>) -> Result<Scenario, CliError> {
    let wrong = |error: &dyn std::fmt::Display| CliError::Usage(format!("the scenario cannot be used: {error}"));
    let Some(file) = file else { return Scenario::morning().map_err(|error| wrong(&error)) };
    if let Some(count) = backlog(file) {
        return of_backlog(count).ok_or_else(|| {
            CliError::Usage(format!(
                "--scenario backlog:{} wants a number of alerts, 1 to {MOST_ALERTS}: backlog:300, or how many come each second \
                 as well: backlog:300@20",
                clip(count, 40)
            ))
        });
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| CliError::Usage(format!("{} cannot be read: {error}", file.display())))?;
    Scenario::parse(&text).map_err(|error| CliError::Usage(format!("{}: {error}", file.display())))
}

/// `300`, or `300@20`.
fn of_backlog(words: &str) -> Option<Scenario> {
    let (count, rate) = words.split_once('@').map_or((words, None), |(count, rate)| (count, Some(rate)));
    let count = count.parse().ok().filter(|count| (1..=MOST_ALERTS).contains(count))?;
    let Some(rate) = rate else { return Some(Scenario::backlog(count)) };
    let rate: f64 = rate.parse().ok().filter(|rate| (0.001..=100_000.0).contains(rate))?;
    Some(Scenario::steady(count, Duration::from_secs_f64(1.0 / rate)))
}

/// A new file for what is asked.
fn tape(file: &Path) -> Result<TapeFile, CliError> {
    TapeFile::create(file).map_err(|error| cannot_write(file, &error))
}

/// The count of `backlog:10000`.
fn backlog(file: &Path) -> Option<&str> {
    file.to_str()?.strip_prefix("backlog:")
}

fn cannot_write(file: &Path, error: &std::io::Error) -> CliError {
    CliError::Usage(format!("{} cannot be written: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_is_a_number_of_alerts_and_the_refusal_says_so() {
        for word in ["backlog:x", "backlog:", "backlog:0", "backlog:-1", "backlog:3@", "backlog:3@0", "backlog:3@NaN"] {
            let why = scenario(Some(Path::new(word))).unwrap_err().to_string();
            assert!(why.contains("wants a number of alerts, 1 to 1000000: backlog:300"), "{word}: {why}");
        }
        assert!(scenario(Some(Path::new("backlog:3"))).is_ok());
        assert!(scenario(Some(Path::new("backlog:3@0.5"))).is_ok());
    }
}
