-- When what waits in an outbox was accepted, in microseconds since 1970. Unknown for what waited when this column came, until the
-- store is opened: it counts from then.
ALTER TABLE outbox_records ADD COLUMN since_us INTEGER;
ALTER TABLE outbox_access ADD COLUMN since_us INTEGER;
