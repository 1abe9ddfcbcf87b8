-- How a stream stands, in one word of `record`: what can be counted and found without reading states. A stream
-- that was written before says nothing until it moves.
alter table stream add column label text not null default '';
create index stream_label on stream (tenant, kind, label, changed_at) where open = 1;
