//! `riposte load` with few alerts: it finds everything in place, and what it says fits together. How quick anything is
//! is nothing that a test claims.

use std::process::Command;

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
