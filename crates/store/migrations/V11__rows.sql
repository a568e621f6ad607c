-- Rows of lasting tables travel to the sites beside versions and objects, so that an installation can be made again from one site.
-- What changed waits in the outbox of the log `records` as kind 6: `row` is its layout, `entry` the change (crates/store/src/rows.rs)
-- and `owner` whose it is; none for the installation's own.
ALTER TABLE outbox_records ADD COLUMN owner BLOB;

-- Which columns a change of a table has, in their order, keys first. A table that is altered gets a new layout; the old stays, for
-- changes that wait under it.
CREATE TABLE row_layout (
    no INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    keys INTEGER NOT NULL,
    columns TEXT NOT NULL,
    UNIQUE (name, keys, columns)
) STRICT;

-- The leaf of an issued document or receipt, by which a rebuild finds its place in the log; unknown for rows of older programs,
-- which find it in the table `leaf`.
ALTER TABLE commitment ADD COLUMN entry BLOB;
