//! `riposte load`: the whole path under load, in processes of their own: the emulated tenant, the daemon, and beside it a
//! bare client that makes the daemon's calls once more and does nothing else.
//!
//! Times are the tenant's, on both ends; what was done is read from its tape and its state, not from what the daemon says.

mod bare;
mod calls;
mod figures;
mod idle;
mod process;
mod state;
mod tenant;
mod times;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::args::{Format, Global, LoadArgs};
use super::exit::{CliError, Exit};
use super::report::say;
use crate::lab::Heard;
use crate::model::time::{At, Clock as _, SystemClock};
use crate::respond::Timings;
use crate::runtime::lifecycle::Shutdown;
use bare::Replayed;
use figures::{Asked, Done, Figures};
use process::{Process, this_program};
use state::State;
use tenant::{Tenant, Wanted, cannot};
use times::{Span, Spread};

/// What lies further ahead is not waited for: looks at what was done come within this.
const SETTLE: &str = "60s";
/// A daemon that writes no further comment for so long will write none.
const STANDS_STILL: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// With so many alerts riposte's own limits would stop it, which is not what is measured.
const SETTINGS: [&str; 3] = [
    "guardrails.limits.per_hour=1000000",
    "guardrails.limits.per_day=1000000",
    "guardrails.limits.burst.accounts=1000000",
];
/// Where alerts come one by one, they are to be seen soon.
const QUICK: [&str; 2] = ["sources.graph.every=1s", "sources.log_analytics.every=1s"];

/// Measures, and prints what came of it. Whoever is told to stop ends what was started, leaves no folder behind, and has
/// measured nothing.
pub(super) async fn load(args: &LoadArgs, global: &Global) -> Result<Exit, CliError> {
    if let Some(option) = global.config.as_ref().map(|_| "--config").or(global.overrides.first().map(|_| "--set")) {
        let why = "takes no effect: load makes the settings of what it measures itself; leave it out";
        return Err(CliError::Usage(format!("{option} {why}")));
    }
    let stop = Shutdown::new();
    let signals = stop.on_signals().map_err(|error| CliError::Fault(format!("signals cannot be heard: {error}")))?;
    let temporary = tempfile::tempdir().map_err(|error| CliError::Fault(format!("no temporary folder: {error}")))?;
    let folder: PathBuf = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let done = tokio::select! {
        done = measure(args, global.format, &folder) => done,
        () = stop.draining() => Err(CliError::No("stopped by a signal: nothing was measured".to_owned())),
    };
    signals.abort();
    done
}

async fn measure(args: &LoadArgs, format: Format, folder: &Path) -> Result<Exit, CliError> {
    std::fs::create_dir_all(folder).map_err(|error| cannot("make the folder", folder, &error))?;
    let folder = std::fs::canonicalize(folder).map_err(|error| cannot("find", folder, &error))?;
    let program = match &args.program {
        Some(program) => std::fs::canonicalize(program).map_err(|error| {
            let program = program.display();
            CliError::Usage(format!("--program names no program that is there: {program}: {error}"))
        })?,
        None => this_program()?,
    };
    if args.idle {
        return idle::idle(&folder, args.latency, &program).await?.print(format);
    }
    let asked = Asked {
        alerts: usize::try_from(args.alerts).unwrap_or(usize::MAX),
        latency: args.latency,
        rate: args.rate,
        limited: args.limited,
    };
    let (daemon, wrong) = if args.bare {
        (None, Vec::new())
    } else {
        say("the daemon works; the tenant writes down what it is asked");
        let (done, wrong) = daemon(&folder, &asked, &program).await?;
        (Some(done), wrong)
    };
    let bare = if asked.limited || asked.rate.is_some() {
        None
    } else {
        let earlier = earlier(&folder)?;
        say("the bare client makes the same calls");
        Some(bare(&folder, &asked, earlier).await?)
    };
    Figures { asked, daemon, bare, wrong }.report().print(format)
}

/// Lets a daemon answer the alerts of a tenant. What is not as it should be comes beside the figures.
async fn daemon(folder: &Path, asked: &Asked, program: &Path) -> Result<(Done, Vec<String>), CliError> {
    let mut tenant = Tenant::start(&folder.join("daemon"), &wanted(asked)).await?;
    let began = SystemClock.now();
    let mut words = vec!["run".to_owned(), "--config".to_owned(), tenant.config.display().to_string()];
    let mut settings = SETTINGS.to_vec();
    if asked.rate.is_some() {
        settings.extend(QUICK);
    } else {
        words.extend(["--once", "--settle", SETTLE, "--format", "json"].map(str::to_owned));
    }
    words.extend(settings.into_iter().flat_map(|set| ["--set".to_owned(), set.to_owned()]));
    let mut process = Process::start(program, (&tenant.folder, "run"), &words)?;
    if asked.rate.is_some() {
        wait_for_comments(&tenant, &mut process, asked.alerts).await?;
    } else {
        process.end().await?;
    }
    let used = process.look();
    let said: Value = serde_json::from_str(&process.results()).unwrap_or_default();
    let last_words = process.last_words();
    drop(process);

    let state: State = tenant.ask("/_lab/state").await?;
    let file = folder.join("state.json");
    std::fs::write(&file, serde_json::to_vec(&state).unwrap_or_default())
        .map_err(|error| cannot("write", &file, &error))?;
    let tape = tenant.heard()?;
    let mut wrong = state.mistakes(asked.alerts);
    if !wrong.is_empty() {
        let last_words = if last_words.is_empty() { "none" } else { &last_words };
        wrong.push(format!("the last words of the daemon: {last_words}"));
    }
    let limits = tenant.ask("/_lab/limits").await?;
    Ok((Done { used, tenant: tenant.process.look(), limits, said, ..measured(&tape, &state, began, asked) }, wrong))
}

/// What tape and state say of a daemon that began then.
fn measured(tape: &[Heard], state: &State, began: At, asked: &Asked) -> Done {
    let visible: HashMap<&str, At> =
        state.alerts.iter().map(|(key, alert)| (key.as_str(), alert.at.max(began))).collect();
    let contained = state.contained();
    let until = |(key, at): (&&str, &At)| Some(at.since(*visible.get(key)?));
    let comments = tape.iter().filter(|heard| calls::is_comment(&heard.kind));
    let last = |times: Option<At>| times.map_or(Duration::ZERO, |at| at.since(began));
    let spans: Vec<Span> = tape.iter().map(calls::span).collect();
    let own = || Spread::of(calls::own_times(tape, &state.index()));
    Done {
        waits: Timings::default().note_delay,
        took: last(comments.map(|heard| heard.went).max()),
        last_effect: last(contained.values().max().copied()),
        until_effect: Spread::of(contained.iter().filter_map(until).collect()),
        own: asked.rate.and_then(|_| own()),
        calls: calls::by_kind(tape).into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        together: times::together(&spans),
        throttled: calls::throttled(tape),
        used: process::Used::default(),
        tenant: process::Used::default(),
        limits: Vec::new(),
        said: Value::Null,
    }
}

/// What the daemon's run has left: the tenant's state and its tape. Without both there is nothing to make once more.
fn earlier(folder: &Path) -> Result<(State, Vec<Heard>), CliError> {
    let (file, tape) = (folder.join("state.json"), folder.join("daemon/tape.jsonl"));
    if let Some(missing) = [&file, &tape].into_iter().find(|file| !file.exists()) {
        let missing = missing.display();
        return Err(CliError::Usage(format!(
            "--bare makes the calls of an earlier run once more, and {missing} is not there: run the same without --bare first"
        )));
    }
    let state = std::fs::read(&file).map_err(|error| cannot("read", &file, &error))?;
    let state = serde_json::from_slice(&state).map_err(|error| cannot("understand", &file, &error))?;
    Ok((state, tenant::read_tape(&tape)?))
}

/// Makes the calls of the daemon's tape once more, to a tenant as fresh as the daemon's was.
async fn bare(folder: &Path, asked: &Asked, (state, tape): (State, Vec<Heard>)) -> Result<Replayed, CliError> {
    let tenant = Tenant::start(&folder.join("bare"), &wanted(asked)).await?;
    bare::replay(&tenant, &calls::sorted(&tape, &state.index())).await
}

fn wanted(asked: &Asked) -> Wanted {
    let pace = asked.rate.map_or_else(String::new, |rate| format!("@{rate}"));
    Wanted { scenario: format!("backlog:{}{pace}", asked.alerts), latency: asked.latency, limited: asked.limited }
}

/// Waits until as many comments stand as alerts come, or no further one comes for long.
async fn wait_for_comments(tenant: &Tenant, daemon: &mut Process, alerts: usize) -> Result<(), CliError> {
    let clock = SystemClock;
    let (mut stood, mut since) = (0, clock.now());
    while usize::try_from(stood).is_ok_and(|stood| stood < alerts) && clock.now().since(since) < STANDS_STILL {
        let now = tenant.answered(calls::is_comment).await?;
        if now != stood {
            (stood, since) = (now, clock.now());
        }
        if let Some(status) = daemon.ended()? {
            return Err(daemon.ended_early(status, "the daemon", "before it had answered every alert"));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
