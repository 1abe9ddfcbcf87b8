-- Times are ticks of 100 ns since 1970 (UTC); state, payload, body and position are JSON text. Text is ordered by its
-- bytes, wherever the database is.

create table meta (
    key   text primary key,
    value text not null
);

-- The number keeps streams in the order in which they began.
create table stream (
    number     bigint generated always as identity,
    tenant     text collate "C" not null,
    kind       text collate "C" not null,
    id         text collate "C" not null,
    lane_kind  text collate "C" not null,
    lane_key   text collate "C" not null,
    n          bigint  not null,
    head       text    not null,
    state      text    not null,
    label      text collate "C" not null,
    open       boolean not null,
    opened_at  bigint  not null,
    changed_at bigint  not null,
    primary key (tenant, kind, id)
);
create index stream_by_lane on stream (tenant, lane_kind, lane_key, open);
create index stream_by_change on stream (tenant, kind, changed_at, label);
create index stream_open on stream (tenant, kind, changed_at) where open;
create index stream_by_label on stream (tenant, kind, label, id) where open;

-- The position is the order in which events were committed, without gaps. The hash covers everything but the payload,
-- and the payload's digest instead of it.
create table event (
    tenant      text collate "C" not null,
    position    bigint  not null,
    kind        text collate "C" not null,
    id          text collate "C" not null,
    n           bigint  not null,
    at          bigint  not null,
    name        text    not null,
    version     integer not null,
    actor       text    not null,
    payload     text,
    payload_sha text    not null,
    prev        text    not null,
    hash        text    not null,
    primary key (tenant, position),
    unique (tenant, kind, id, n)
);

-- A lease is a due time in the future with an owner.
create table lane (
    tenant      text collate "C" not null,
    kind        text collate "C" not null,
    key         text collate "C" not null,
    due         bigint,
    owner       text,
    fence       bigint  not null default 0,
    nudges      bigint  not null default 0,
    strikes     integer not null default 0,
    crashes     integer not null default 0,
    quarantined boolean not null default false,
    primary key (tenant, kind, key)
);
create index lane_due on lane (tenant, kind, due, key) where due is not null;
create index lane_owned on lane (tenant, owner) where owner is not null;
create index lane_quarantined on lane (tenant, kind, key) where quarantined;

create table alias (
    tenant text collate "C" not null,
    value  text collate "C" not null,
    alert  text not null,
    primary key (tenant, value)
);

create table signal (
    number     bigint generated always as identity,
    tenant     text collate "C" not null,
    source_key text collate "C" not null,
    lane_kind  text collate "C" not null,
    lane_key   text collate "C" not null,
    body       text   not null,
    at         bigint not null,
    taken_at   bigint,
    primary key (tenant, source_key)
);
create index signal_waiting on signal (tenant, lane_kind, lane_key) where taken_at is null;

create table charge (
    tenant text collate "C" not null,
    key    text collate "C" not null,
    action text collate "C" not null,
    at     bigint not null,
    primary key (tenant, key, action)
);
create index charge_by_time on charge (tenant, key, at);
create index charge_by_action on charge (tenant, action);

-- The number keeps the holders of one effect in the order in which they came.
create table hold (
    number  bigint generated always as identity,
    tenant  text collate "C" not null,
    account text collate "C" not null,
    verb    text collate "C" not null,
    target  text collate "C" not null,
    action  text collate "C" not null,
    at      bigint not null,
    primary key (tenant, account, verb, target, action)
);

create table cursor (
    tenant   text collate "C" not null,
    source   text collate "C" not null,
    position text   not null,
    at       bigint not null,
    primary key (tenant, source)
);

-- The processes that work on lanes, by the id of their run, and when each was last seen by the database's clock.
create table replica (
    tenant  text collate "C" not null,
    boot    text collate "C" not null,
    seen_at timestamptz not null,
    primary key (tenant, boot)
);
