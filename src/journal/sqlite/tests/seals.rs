//! What only a SQLite file can have been through.

use super::*;
use crate::journal::conformance::Bench as _;
use crate::journal::conformance::seals::{found, story};

#[tokio::test]
async fn events_of_an_earlier_schema_keep_their_order() {
    let bench = Bench::new();
    drop(story(&bench).await);
    let root = {
        let journal = bench.open();
        found(&journal, &[]).await.end.root
    };
    // As the second step left it: without positions, in the order of writing.
    let back = "create table old (tenant text not null, kind text not null, id text not null, n integer not null,
            at integer not null, name text not null, version integer not null, actor text not null, payload text,
            payload_sha text not null, prev text not null, hash text not null, primary key (tenant, kind, id, n)) strict;
        insert into old select tenant, kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash
            from event order by position;
        drop table event; alter table old rename to event;
        drop index hold_by_action; drop index stream_by_label; drop index stream_by_change;
        create index stream_label on stream (tenant, kind, label, changed_at) where open = 1;
        create index stream_by_change on stream (tenant, kind, changed_at);
        delete from meta where key in ('migration/0003', 'migration/0004', 'migration/0005'); pragma user_version = 2";
    bench.meddle(back);
    let again = found(&bench.open(), &[]).await;
    assert!(again.holds());
    assert_eq!(again.end.root, root);
}

#[tokio::test]
async fn text_that_is_none_is_found_and_named() {
    let a = StreamKey::alert(alert("a"));
    for (change, n, what) in [("event set payload", 2, Break::Payload), ("stream set head", 3, Break::Head)] {
        let bench = Bench::new();
        drop(story(&bench).await);
        let which = if n == 2 { "and n = 2" } else { "" };
        let nonsense = format!("update {change} = cast(x'ff' as text) where id = '{}' {which}", a.id);
        Connection::open(bench.path()).unwrap().execute_batch(&nonsense).unwrap();
        let broken = found(&bench.open(), &[]).await.broken;
        assert_eq!(broken, [BrokenChain { stream: a.clone(), n, what }]);
    }
}
