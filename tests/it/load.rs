//! `riposte load` with few alerts: it finds everything in place, and what it says fits together. How quick anything is
//! is nothing that a test claims.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Runs `riposte load` and gives back what it found out.
fn load(words: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    command.args(["load", "--format", "json"]).args(words).current_dir(folder.path());
    let ended = command.output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let json: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert_eq!(ended.status.code(), Some(0), "{}\n{said}", json["wrong"]);
    assert_eq!(json["wrong"], serde_json::json!([]));
    json
}

/// So many calls whose kind ends with this.
fn calls(json: &Value, end: &str) -> u64 {
    let kinds = json["daemon"]["calls"].as_object().unwrap().iter();
    kinds.filter(|(kind, _)| kind.ends_with(end)).filter_map(|(_, count)| count.as_u64()).sum()
}

#[test]
fn a_load_is_answered_once_and_the_bare_client_is_answered_as_the_daemon_was() {
    let json = load(&["--alerts", "30"]);
    assert_eq!(calls(&json, "/invokeAction"), 30);
    assert_eq!(calls(&json, "/comments/{id}"), 30);
    assert_eq!(json["daemon"]["said"]["handled"], 30);
    assert_eq!(json["daemon"]["said"]["actions"]["effective"], 30);
    assert_eq!(json["bare"]["answered_otherwise"], 0, "its calls are the daemon's, so the tenant answers the same");
    for figure in ["alerts_per_second", "effects_per_second"] {
        assert!(json["daemon"][figure].as_f64().unwrap() > 0.0, "{figure}");
    }
    assert!(json["ratio"].as_f64().unwrap() > 0.0);
    if cfg!(target_os = "linux") {
        assert!(json["daemon"]["peak_memory_kib"].as_u64().unwrap() > 0);
    }
}

#[test]
fn with_the_documented_limits_no_limit_is_crossed() {
    let json = load(&["--alerts", "12", "--limited"]);
    assert_eq!(json["daemon"]["answered_429"], 0);
    let limits = json["daemon"]["limits"].as_array().unwrap();
    let names: Vec<&str> = limits.iter().filter_map(|limit| limit["name"].as_str()).collect();
    for name in ["arm-writes", "directory", "hunting", "log-analytics", "security-alerts"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    for limit in limits {
        assert_eq!(limit["refused"], 0, "{limit}");
        assert!(limit["most"].as_u64() > Some(0) && limit["most"].as_u64() <= limit["calls"].as_u64(), "{limit}");
    }
    assert_eq!(json["bare"], Value::Null);
}

#[test]
fn alerts_that_come_one_by_one_are_all_answered_and_show_the_daemons_own_time() {
    let json = load(&["--alerts", "10", "--rate", "20/s"]);
    assert_eq!(calls(&json, "/comments/{id}"), 10);
    assert!(json["daemon"]["own_ms"]["p99"].is_number());
}

#[test]
fn an_idle_daemon_becomes_ready() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    let ended = command.args(["load", "--idle", "--format", "json"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert!(json["alive_ms"].as_f64() <= json["ready_ms"].as_f64());
}

#[test]
fn a_program_that_is_not_there_is_a_mistake_of_the_command_line() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    let ended = command.args(["load", "--idle", "--program", "/nowhere/riposte"]).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("/nowhere/riposte"), "{said}");
}

/// Runs it with words that lead nowhere: its code, and what it says.
fn refused(words: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    let ended = command.arg("load").args(words).current_dir(folder.path()).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn an_option_that_load_would_not_heed_is_refused() {
    for words in [["--set", "log.level=debug", "--idle"], ["--config", "riposte.toml", "--idle"]] {
        let (code, said) = refused(&words);
        assert!(code == Some(2) && said.contains(words[0]) && said.contains("no effect"), "{said}");
    }
}

#[test]
fn the_bare_client_without_an_earlier_run_says_what_is_missing() {
    let (code, said) = refused(&["--bare", "--keep", "kept"]);
    assert!(code == Some(2) && said.contains("state.json is not there: run the same without --bare first"), "{said}");
    assert!(!said.contains("  "), "{said}");
}

#[test]
#[cfg(unix)]
fn a_program_that_ends_at_once_is_said_to_have_ended_and_how() {
    let (code, said) = refused(&["--idle", "--program", "/bin/true"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the daemon has ended with code 0 before it was ready; it said nothing\n"), "{said}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_load_that_is_told_to_stop_ends_its_processes_and_leaves_no_folder() {
    let temporary = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    command.args(["load", "--alerts", "1000", "--latency", "1s"]).env("TMPDIR", temporary.path());
    let mut load = command.stderr(Stdio::null()).spawn().unwrap();
    let soon = Instant::now() + Duration::from_secs(60);
    let daemon = || {
        std::fs::read_dir(temporary.path()).unwrap().flatten().any(|made| made.path().join("daemon/run.log").exists())
    };
    while !daemon() {
        assert!(Instant::now() < soon, "no daemon is started");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").arg(load.id().to_string()).status().unwrap().success());
    let told = Instant::now();
    let code = load.wait().unwrap().code();
    assert!(code == Some(1) && told.elapsed() < Duration::from_secs(20), "{code:?} after {:?}", told.elapsed());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0, "the folder stays");
    let name = temporary.path().display().to_string();
    let of_it = |process: std::fs::DirEntry| {
        std::fs::read_to_string(process.path().join("cmdline")).is_ok_and(|words| words.contains(&name))
    };
    assert!(!std::fs::read_dir("/proc").unwrap().flatten().any(of_it), "a process stays");
}
