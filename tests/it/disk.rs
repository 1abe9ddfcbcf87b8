//! The journal's file under a program that runs as a process: taken by another, and on a disk that takes no more.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::process::{Command, Output};
use std::time::Duration;

use riposte::model::outcome::OutcomeKind;
use serde_json::Value;

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

async fn status(world: &World, format: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    command.args(["status", "--config", "riposte.toml", "--format", format]).env("COLUMNS", "400");
    String::from_utf8(ended(world, command).await.stdout).unwrap()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_says_first_whether_anybody_works_on_the_journal() {
    let mut world = Setup::new("").start().await;
    let daemons = |text: &str| serde_json::from_str::<Value>(text).unwrap()["journal"]["daemons"].clone();
    assert!(status(&world, "text").await.starts_with("not paused\n"));
    assert_eq!(daemons(&status(&world, "json").await), 1);
    world.stop().await;
    assert!(status(&world, "text").await.starts_with("NOT RUNNING: no riposte works on "));
    assert_eq!(daemons(&status(&world, "json").await), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_needs_no_journal_and_makes_none() {
    let mut world = Setup::new(dcsync("a", "1s", "{person: adele}", "")).playbook(EVERYWHERE).start().await;
    world.stop().await;
    let path = world.folder.path().join("riposte.db");
    std::fs::remove_file(&path).unwrap();
    let mut run = Command::new(env!("CARGO_BIN_EXE_riposte"));
    run.args(RUN).args(["--once", "--dry-run", "--settle", "1s"]);
    let output = ended(&world, run).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    assert!(said.contains("riposte runs") && !path.exists(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_page_that_nobody_has_to_read_ends_the_daemon_and_is_told() {
    let mut world = Setup::new("").start().await;
    world.stop().await;
    let path = world.folder.path().join("riposte.db");
    let page: u64 = {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        let sql = "select rootpage from sqlite_schema where name = 'hold_by_action'";
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().cast_unsigned()
    };
    let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
    file.write_all(&[0xa5; 4096]).unwrap();
    drop(file);
    let mut run = Command::new(env!("CARGO_BIN_EXE_riposte"));
    run.args(RUN);
    let output = ended(&world, run).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("the file is damaged") && said.contains("put a backup in its place"), "{said}");
    let told = status(&world, "text").await;
    assert!(told.lines().any(|line| line.starts_with("DAMAGED: ") && line.contains("riposte.db")), "{told}");
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
