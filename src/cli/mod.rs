//! The command line, one file per command.
//!
//! A command gives back a [`report::Report`], a value that says the same as text and as JSON; only
//! [`report`] writes to the terminal, and only [`exit`] knows exit codes. `run`, `demo` and `lab` live
//! as long as their work does, write while they work, and give back how to exit.

pub mod actions;
mod answer;
pub mod args;
mod backlog;
mod check;
mod condition;
mod counts;
mod coverage;
mod decisions;
#[cfg(feature = "lab")]
pub mod demo;
pub mod exit;
mod explain;
mod given;
mod health;
mod held;
mod journal;
mod json_lines;
mod kql;
#[cfg(feature = "lab")]
mod lab;
#[cfg(feature = "lab")]
mod load;
mod pages;
mod possible;
mod quarantine;
pub mod report;
mod run;
mod selftest;
mod settled;
mod setup;
mod sources;
mod status;
mod supposed;
mod switch;
mod table;
#[cfg(test)]
mod testing;

use std::ffi::OsString;

use clap::Parser as _;

use crate::model::time::{Clock as _, SystemClock};
use args::{ActionsCommand, Cli, Command, Global, JournalCommand, KqlCommand};
use exit::{CliError, Exit};
use report::{Report, Terminal};

/// Reads the command line. Help and the version are printed here.
///
/// # Errors
/// How to exit when there is nothing to run: help was asked for, or the words make no sense.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Exit> {
    let words: Vec<OsString> = words.into_iter().collect();
    let line = Cli::try_parse_from(&words).map(|mut line| {
        line.global.format_is_said = words
            .iter()
            .filter_map(|word| word.to_str())
            .any(|word| word == "--format" || word.starts_with("--format="));
        line
    });
    line.map_err(|error| {
        // A reader that has gone away has read enough.
        let _ = error.print();
        if !error.use_stderr() {
            return Exit::Done;
        }
        if wants_json(&words) {
            report::fail_in_json(&CliError::Usage(complaint(&error)));
        }
        Exit::Usage
    })
}

/// Whether a command line that makes no sense asks for JSON all the same.
fn wants_json(words: &[OsString]) -> bool {
    words.iter().any(|word| word == "--format=json")
        || words.windows(2).any(|pair| pair[0] == "--format" && pair[1] == "json")
}

/// What is wrong with the words, without how they should be.
fn complaint(error: &clap::Error) -> String {
    let text = error.to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    first.trim().trim_start_matches("error: ").to_owned()
}

/// Runs a command to its end and says how to exit.
pub async fn main(line: &Cli) -> Exit {
    let terminal = Terminal::detect();
    match dispatch(line, terminal).await {
        Ok(exit) => exit,
        Err(error) => report::fail(&error, line.global.format, terminal),
    }
}

/// The machine gives no threads: nothing can run.
#[must_use]
pub fn no_runtime(error: &std::io::Error) -> Exit {
    report::say(&format!("riposte cannot start its threads: {error}; look at the limits of this user and machine"));
    Exit::Fault
}

/// Runs a command.
///
/// # Errors
/// When it could not do what it is for; what it found out on the way is no error.
pub async fn dispatch(line: &Cli, terminal: Terminal) -> Result<Exit, CliError> {
    let global = &line.global;
    let report = match &line.command {
        Command::Run(args) => return run::run(args, global).await,
        #[cfg(feature = "lab")]
        Command::Demo(args) => return demo::demo(args, global).await,
        #[cfg(feature = "lab")]
        Command::Lab(args) => return lab::lab(args, global).await,
        #[cfg(feature = "lab")]
        Command::Load(args) => return load::load(args, global).await,
        Command::Journal(JournalCommand::Export(args)) => return journal::export(args, global).await,
        command => answer(command, global, terminal).await?,
    };
    report.print(global.format)
}

/// The commands that answer and end.
async fn answer(command: &Command, global: &Global, terminal: Terminal) -> Result<Report, CliError> {
    let now = SystemClock.now();
    match command {
        Command::Check => Ok(check::check(global, terminal)),
        Command::Test(args) => selftest::test(args, global),
        Command::Coverage(args) => coverage::coverage(args, global, terminal),
        Command::Table => table::table(global, terminal),
        Command::Explain(args) => explain::explain(args, global, terminal, now).await,
        Command::Kql(KqlCommand::Check(args)) => kql::check(args, global, terminal),
        Command::Kql(KqlCommand::Run(args)) => kql::run(args, global, terminal, now),
        Command::Actions(ActionsCommand::List(args)) => actions::list(args, global, terminal, now).await,
        Command::Actions(ActionsCommand::Show(args)) => actions::show(args, global, terminal).await,
        Command::Approve(args) => answer::approve(args, global).await,
        Command::Deny(args) => answer::deny(args, global).await,
        Command::Undo(args) => answer::undo(args, global).await,
        Command::Pause(args) => switch::pause(args, global).await,
        Command::Resume(args) => switch::resume(args, global).await,
        Command::Release(args) => quarantine::release(args, global).await,
        Command::Journal(JournalCommand::Verify(args)) => journal::verify(args, global).await,
        Command::Journal(JournalCommand::Backup(args)) => journal::backup(args, global).await,
        Command::Journal(JournalCommand::Remove(args)) => journal::remove(args, global).await,
        Command::Journal(JournalCommand::Copy(args)) => journal::copy(args, global).await,
        Command::Status => status::status(global, terminal, now).await,
        Command::Health(args) => health::health(args, global).await,
        Command::Run(_) => Err(CliError::misrouted("run")),
        Command::Journal(JournalCommand::Export(_)) => Err(CliError::misrouted("journal export")),
        #[cfg(feature = "lab")]
        Command::Demo(_) | Command::Lab(_) | Command::Load(_) => Err(CliError::misrouted("demo, lab or load")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testing::{Story, bench};

    /// How a command line ends with these settings, without its output.
    async fn exit(words: &str, config: &std::path::Path) -> Exit {
        let config = config.display().to_string();
        let all = std::iter::once("riposte").chain(words.split_whitespace()).chain(["--config", &config]);
        let line = Cli::try_parse_from(all).unwrap();
        let report = answer(&line.command, &line.global, Terminal::paper(100)).await;
        report.map_or_else(|error| error.exit(), |report| report.exit)
    }

    #[test]
    fn a_wrong_command_line_that_asks_for_json_is_told_in_json() {
        let words = |line: &str| -> Vec<OsString> { line.split_whitespace().map(OsString::from).collect() };
        for (line, wanted) in [
            ("riposte --format json actoins", true),
            ("riposte actions list --format=json --foo", true),
            ("riposte actoins", false),
            ("riposte --format text json", false),
        ] {
            assert_eq!(wants_json(&words(line)), wanted, "{line}");
            let said = complaint(&Cli::try_parse_from(words(line)).unwrap_err());
            assert!(!said.is_empty() && !said.contains("Usage:") && !said.starts_with("error"), "{said}");
            let json = report::error_json(&CliError::Usage(said.clone()), &[]);
            assert_eq!(json, serde_json::json!({"error": said, "exit": 2, "findings": []}));
        }
    }

    #[tokio::test]
    async fn commands_end_with_the_promised_codes() {
        let bench = bench();
        let config = bench.folder.path().join("riposte.toml");
        let good = "[tenant]\nid = \"00000000-0000-0000-0000-000000000007\"\n[identity]\nkind = \"managed-identity\"\n";
        std::fs::write(&config, good).unwrap();
        assert_eq!(exit("status", &config).await, Exit::Usage, "no journal yet");
        let story = Story::whole(&bench.open()).await;
        for words in ["status", "actions list", "table", "check", "test", "coverage", "pause --by bo", "resume --by bo"]
        {
            assert_eq!(exit(words, &config).await, Exit::Done, "{words}");
        }
        let (done, asking) = (story.done.short(), story.asking.short());
        assert_eq!(exit(&format!("actions show {done}"), &config).await, Exit::Done);
        assert_eq!(exit(&format!("approve {done}"), &config).await, Exit::No);
        assert_eq!(exit(&format!("undo {done} --by bo"), &config).await, Exit::Done);
        assert_eq!(exit(&format!("undo {asking}"), &config).await, Exit::No);
        assert_eq!(exit("deny ffffffff", &config).await, Exit::No);
        assert_eq!(exit("release account/nobody", &config).await, Exit::No);
        assert_eq!(exit("release nobody", &config).await, Exit::Usage);
        assert_eq!(exit("approve x", &config).await, Exit::Usage);
        assert_eq!(exit("test nobody", &config).await, Exit::Usage);
        assert_eq!(exit("coverage --min 100", &config).await, Exit::No);
        assert_eq!(exit("explain nowhere.json", &config).await, Exit::Usage);
        std::fs::write(&config, "[tenant]\nid = 5\n").unwrap();
        assert_eq!(exit("check", &config).await, Exit::No);
        for words in ["table", "test", "coverage", "status", "actions list", "undo 12345678"] {
            assert_eq!(exit(words, &config).await, Exit::Usage, "{words}");
        }
        assert_eq!(exit("pause", &config).await, Exit::Done, "the kill switch needs the journal's place alone");
    }
}
