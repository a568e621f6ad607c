-- Which task of a writer put a row into the outbox: those of one task are sealed in one round. Rows from before stand each for itself.
ALTER TABLE outbox_records ADD COLUMN task INTEGER;
