//! The journal's file under a program that runs as a process: taken by another, and on a disk that takes no more.

use std::process::{Command, Output};
use std::time::Duration;

use riposte::model::outcome::OutcomeKind;

use super::world::{EVERYWHERE, Setup, World, dcsync};

/// Polls often, so that it meets its end soon.
const RUN: [&str; 6] =
    ["run", "--config", "riposte.toml", "--set", "sources.graph.every=1s", "--set=sources.log_analytics.every=1s"];

/// Runs it to its end, which must come by itself.
async fn ended(world: &World, mut command: Command) -> Output {
    command.current_dir(world.folder.path());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    tokio::time::timeout(Duration::from_secs(60), output).await.expect("it ends").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_on_the_same_journal_is_refused_and_told_which_file_and_which_process() {
    let world = Setup::new("").start().await;
    let mut second = Command::new(env!("CARGO_BIN_EXE_riposte"));
    second.args(RUN);
    let output = ended(&world, second).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("riposte.db: another riposte works on it"), "{said}");
    assert!(said.contains(&format!("process {}, boot ", std::process::id())), "{said}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_no_more_ends_the_daemon_with_a_fault_and_nothing_is_lost_or_repeated() {
    let people = ["adele", "diego", "grady"];
    let alerts: String = people
        .iter()
        .map(|person| dcsync(person, "1s", &format!("{{person: {person}}}"), "").replace("after: 1m", "after: 1s"))
        .collect();
    let mut world = Setup::new(alerts).playbook(EVERYWHERE).start().await;
    world.stop().await;
    // No file may grow beyond so many blocks of 512 bytes: the write-ahead log meets that in the middle of the work.
    let mut narrow = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -f 1300; exec \"$@\"";
    narrow.args(["-c", script, "sh", env!("CARGO_BIN_EXE_riposte")]).args(RUN);
    let output = ended(&world, narrow).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the disk failed; look into the system's log, then start riposte again"), "{said}");
    let before = world.lab.state().effects.len();
    world.resume().await;
    world.run_until(60).await;
    for action in world.actions().await {
        assert_eq!(action.outcome().map(|outcome| outcome.kind), Some(OutcomeKind::Effective), "{action:#?}");
    }
    for person in people {
        assert!(!world.is_enabled(person), "{person}");
    }
    world.assert_whole().await;
    assert!(before > 0, "it came before the work");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_switch_works_whatever_else_is_wrong_with_the_settings() {
    let mut world = Setup::new("").start().await;
    let file = world.folder.path().join("riposte.toml");
    let sound = std::fs::read_to_string(&file).unwrap();
    let place = "[journal]\nsqlite = \"riposte.db\"\n";
    let broken = [
        sound.replace("[tenant]", "[tenant]\nmoon = 1") + "\n[guardrails.limits]\nper_hour = \"many\"\n",
        format!("{place}[tenant]\nid = \"nobody\"\n[rules]\ndir = \"nowhere\"\n"),
        format!("{place}[tenant\nid = 7 =\n"),
    ];
    std::fs::write(world.folder.path().join("playbooks/modes.yaml"), "dcsync: [\n").unwrap();
    for text in broken {
        std::fs::write(&file, text).unwrap();
        for (word, paused) in [("pause", true), ("resume", false)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
            command.args([word, "--config", "riposte.toml"]);
            let output = ended(&world, command).await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(0), "{said}");
            assert!(said.contains("riposte.db is used all the same"), "{said}");
            assert_eq!(world.journal().paused().await.unwrap().is_some(), paused);
        }
    }
    // Where not even the journal's place is certain, nothing is guessed, and the flag names it.
    std::fs::write(&file, "[[[").unwrap();
    let pause = async |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
        command.args(["pause", "--config", "riposte.toml"]).args(more);
        ended(&world, command).await.status.code()
    };
    assert_eq!(pause(&[]).await, Some(2));
    assert!(world.journal().paused().await.unwrap().is_none());
    assert_eq!(pause(&["--set", "journal.sqlite=riposte.db"]).await, Some(0));
    assert!(world.journal().paused().await.unwrap().is_some());
    world.stop().await;
}
