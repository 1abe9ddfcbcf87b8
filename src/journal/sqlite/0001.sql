-- Times are ticks of 100 ns since 1970 (UTC); state, payload, body and position are JSON text.

create table meta (
    key   text not null primary key,
    value text not null
) strict, without rowid;

create table stream (
    tenant     text    not null,
    kind       text    not null,
    id         text    not null,
    lane_kind  text    not null,
    lane_key   text    not null,
    n          integer not null,
    head       text    not null,
    state      text    not null,
    open       integer not null,
    opened_at  integer not null,
    changed_at integer not null,
    primary key (tenant, kind, id)
) strict;
create index stream_by_lane on stream (tenant, lane_kind, lane_key, open);
create index stream_by_change on stream (tenant, kind, changed_at);
create index stream_open on stream (tenant, kind, changed_at) where open = 1;

-- The hash covers everything but the payload, and the payload's digest instead of it.
create table event (
    tenant      text    not null,
    kind        text    not null,
    id          text    not null,
    n           integer not null,
    at          integer not null,
    name        text    not null,
    version     integer not null,
    actor       text    not null,
    payload     text,
    payload_sha text    not null,
    prev        text    not null,
    hash        text    not null,
    primary key (tenant, kind, id, n)
) strict;

-- A lease is a due time in the future with an owner.
create table lane (
    tenant      text    not null,
    kind        text    not null,
    key         text    not null,
    due         integer,
    owner       text,
    fence       integer not null default 0,
    nudges      integer not null default 0,
    strikes     integer not null default 0,
    crashes     integer not null default 0,
    quarantined integer not null default 0,
    primary key (tenant, kind, key)
) strict, without rowid;
create index lane_due on lane (tenant, kind, due) where due is not null;
create index lane_quarantined on lane (tenant, kind, key) where quarantined = 1;

create table alias (
    tenant text not null,
    value  text not null,
    alert  text not null,
    primary key (tenant, value)
) strict, without rowid;

create table signal (
    number     integer primary key,
    tenant     text    not null,
    source_key text    not null,
    lane_kind  text    not null,
    lane_key   text    not null,
    body       text    not null,
    at         integer not null,
    taken_at   integer,
    unique (tenant, source_key)
) strict;
create index signal_waiting on signal (tenant, lane_kind, lane_key) where taken_at is null;

create table charge (
    tenant text    not null,
    key    text    not null,
    action text    not null,
    at     integer not null,
    primary key (tenant, key, action)
) strict, without rowid;
create index charge_by_time on charge (tenant, key, at);
create index charge_by_action on charge (tenant, action);

-- The number keeps the holders of one effect in the order in which they came.
create table hold (
    number  integer primary key,
    tenant  text    not null,
    account text    not null,
    verb    text    not null,
    target  text    not null,
    action  text    not null,
    at      integer not null,
    unique (tenant, account, verb, target, action)
) strict;

create table cursor (
    tenant   text    not null,
    source   text    not null,
    position text    not null,
    at       integer not null,
    primary key (tenant, source)
) strict, without rowid;
