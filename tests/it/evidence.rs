//! What somebody with the journal's file in hand can change, and `journal verify` names.

use std::process::Command;

use serde_json::Value;

use super::world::{EVERYWHERE, Setup, World, dcsync};

/// A journal of a morning that is over: somebody is contained in three places, and what is to be put back is still to come.
async fn morning() -> World {
    let mut world = Setup::new(dcsync("a", "1m", "{person: adele}", "")).playbook(EVERYWHERE).start().await;
    world.run_until(30).await;
    world.stop().await;
    world
}

/// What `journal verify` says, and how it ends.
fn verified(world: &World, format: &str) -> (String, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    command.current_dir(world.folder.path());
    let output = command.args(["journal", "verify", "--config", "riposte.toml", "--format", format]).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_changed_beside_the_events_is_named() {
    let world = morning().await;
    let path = world.folder.path().join("riposte.db");
    let (text, code) = verified(&world, "text");
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("who holds which effect are what the events made of them"), "{text}");
    let changes = [
        (
            "update stream set state = replace(state, 'effective', 'failed') where kind = 'action'",
            "CHANGED: action/",
            "/state/outcome/kind is \"failed\", and they made \"effective\"",
        ),
        ("update stream set state = '{}' where kind = 'note'", "CHANGED: note/", "how it stands cannot be read"),
        ("update stream set label = 'waiting' where kind = 'action'", "CHANGED: action/", "its row says \"waiting\""),
        ("update stream set open = 0 where kind = 'action'", "CHANGED: action/", "its row says \"effective\", over"),
        ("delete from hold where verb = 'disable-ad-user'", "CHANGED: action/", "does not hold disable-ad-user on ad:"),
        ("delete from hold where verb = 'suspend-entra-user'", "CHANGED: action/", "does not hold suspend-entra-user"),
        ("delete from hold where verb = 'suspend-okta-user'", "CHANGED: action/", "does not hold suspend-okta-user"),
        (
            "insert into hold (number, tenant, account, verb, target, action, at)
                select -7, tenant, account, verb, target, '11111111-1111-1111-1111-111111111111', at from hold limit 1",
            "CHANGED: action/11111111-1111-1111-1111-111111111111",
            "has no such effect",
        ),
        ("update hold set action = 'x'", "CHANGED: action/", "it cannot be read: "),
        (
            "update stream set lane_key = 'ad:S-1-5-21-1-2-3-4' where kind = 'action'",
            "CHANGED: action/",
            "its row says ",
        ),
        ("update stream set lane_kind = 'zap' where kind = 'note'", "CHANGED: note/", "it cannot be read: "),
        ("delete from alias", "CHANGED: alert/", "does not lead to it"),
        ("update alias set alert = '22222222-2222-2222-2222-222222222222'", "CHANGED: alert/", "does not lead to it"),
        ("delete from lane where kind = 'account'", "CHANGED: action/", "nobody comes back to it"),
        ("update lane set due = null, owner = 'x' where kind = 'account'", "CHANGED: action/", "has no time"),
        ("update lane set due = due + 9000000000000 where kind = 'account'", "CHANGED: action/", "before "),
        ("update lane set due = null, quarantined = 1 where kind = 'account'", "CHANGED: action/", "has no time"),
        ("update stream set state = 'null' where id = 'seal'", "CHANGED: control/seal", "and they made "),
    ];
    let saved = std::fs::read(&path).unwrap();
    for (change, whose, what) in changes {
        std::fs::write(&path, &saved).unwrap();
        let rows = rusqlite::Connection::open(&path).unwrap().execute(change, []).unwrap();
        assert!(rows > 0, "{change}");
        let (text, code) = verified(&world, "text");
        assert_eq!(code, Some(1), "{change}: {text}");
        let named = text.lines().any(|line| line.starts_with(whose) && line.contains(what));
        assert!(named, "{change}: {text}");
        let json: Value = serde_json::from_str(&verified(&world, "json").0).unwrap();
        assert_eq!(json["holds"], false);
        assert!(!json["differences"].as_array().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_or_an_alert_that_is_gone_as_a_whole_is_missed_by_what_belongs_to_it_without_any_seal() {
    let world = morning().await;
    let path = world.folder.path().join("riposte.db");
    let saved = std::fs::read(&path).unwrap();
    for (kind, whose, what) in
        [("action", "CHANGED: alert/", "which is missing"), ("alert", "CHANGED: action/", "which is missing")]
    {
        std::fs::write(&path, &saved).unwrap();
        let db = rusqlite::Connection::open(&path).unwrap();
        for table in ["event", "stream"] {
            db.execute(&format!("delete from {table} where kind = '{kind}' or id = 'seal'"), []).unwrap();
        }
        db.execute("delete from hold", []).unwrap();
        drop(db);
        std::fs::remove_file(world.folder.path().join("riposte.db.written")).ok();
        let (text, code) = verified(&world, "text");
        assert_eq!(code, Some(1), "{text}");
        assert!(text.lines().any(|line| line.starts_with(whose) && line.contains(what)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_gone_as_a_whole_is_shown_once_its_run_has_ended() {
    let world = morning().await;
    let db = rusqlite::Connection::open(world.folder.path().join("riposte.db")).unwrap();
    for gone in ["delete from event where kind = 'note'", "delete from stream where kind = 'note'"] {
        assert!(db.execute(gone, []).unwrap() > 0);
    }
    let (text, code) = verified(&world, "text");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("BROKEN: the seal of "), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_who_hold_the_same_is_missed() {
    let alerts = dcsync("a", "1m", "{person: adele}", "") + &dcsync("b", "8m", "{person: adele}", "");
    let mut world = Setup::new(alerts).playbook(EVERYWHERE).start().await;
    world.run_until(30).await;
    world.stop().await;
    let path = world.folder.path().join("riposte.db");
    let saved = std::fs::read(&path).unwrap();
    assert_eq!(verified(&world, "text").1, Some(0));
    for which in ["min", "max"] {
        std::fs::write(&path, &saved).unwrap();
        let of_entra = "from hold where verb = 'suspend-entra-user'";
        let db = rusqlite::Connection::open(&path).unwrap();
        let held: i64 = db.query_row(&format!("select count(*) {of_entra}"), [], |row| row.get(0)).unwrap();
        assert_eq!(held, 2, "both alerts hold it");
        db.execute(&format!("delete {of_entra} and number = (select {which}(number) {of_entra})"), []).unwrap();
        drop(db);
        let (text, code) = verified(&world, "text");
        assert_eq!(code, Some(1), "{which}: {text}");
        assert!(text.contains("does not hold suspend-entra-user"), "{which}: {text}");
    }
}
