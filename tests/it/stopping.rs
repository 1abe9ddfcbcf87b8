//! A daemon that is told to stop, as a process.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::world::{Setup, dcsync};

const PLAYBOOK: &str = "playbook: contain
why: Stop it for a working day.
steps:
  - do: disable-ad-user
    if: HasActiveDirectory
    revert_after: 8h
";

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_was_told_to_stop_has_not_failed_though_a_revert_is_due_later() {
    let alert = dcsync("adele", "1s", "{person: adele}", "").replace("after: 1m", "after: 1s");
    let mut world = Setup::new(alert).playbook(PLAYBOOK).start().await;
    world.stop().await;
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_riposte"))
        .args(["run", "--config", "riposte.toml"])
        .args(["--set", "sources.graph.every=1s", "--set", "sources.log_analytics.every=1s"])
        .current_dir(world.folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let acted = async {
        while world.is_enabled("adele") && daemon.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), acted).await;
    Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap();
    let ended = tokio::task::spawn_blocking(move || daemon.wait_with_output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(in_time.is_ok(), "nothing came of the alert: {said}");
    assert_eq!(ended.status.code(), Some(0), "{said}");
    assert!(said.contains("still to do") && said.contains("1 account"), "{said}");
}
