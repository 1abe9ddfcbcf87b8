-- What is counted or listed by how it stands is found in an index, in the order of ids; what has ended lately is
-- counted in one.
drop index stream_label;
create index stream_by_label on stream (tenant, kind, label, id) where open = 1;
drop index stream_by_change;
create index stream_by_change on stream (tenant, kind, changed_at, label);
