-- Events get a place in the order in which they were written: what a seal counts by. An order that only the file knows
-- would be lost when somebody tidies it up.
create table event_in_order (
    position    integer primary key,
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
    unique (tenant, kind, id, n)
) strict;
insert into event_in_order (tenant, kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash)
    select tenant, kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash from event order by rowid;
drop table event;
alter table event_in_order rename to event;
