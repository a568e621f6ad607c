-- Which change of the directory an institution was last written in (`institution_change` counts them), so that a process that
-- knows the directory up to a change reads only what came after it. Institutions are never deleted.
ALTER TABLE institution ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
CREATE INDEX institution_by_change ON institution (change);
