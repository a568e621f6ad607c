-- How far independent witnesses have cosigned each log, and why not further.
ALTER TABLE log_head ADD COLUMN witnessed_note BLOB;
ALTER TABLE log_head ADD COLUMN witnessed_size INTEGER NOT NULL DEFAULT 0;
ALTER TABLE log_head ADD COLUMN witness_fault TEXT;

-- Time-stamp tokens (RFC 3161) over signed checkpoints, one row a token.
CREATE TABLE log_stamp (
    log TEXT NOT NULL,
    size INTEGER NOT NULL,
    authority TEXT NOT NULL,
    stamped_s INTEGER NOT NULL,
    note BLOB NOT NULL,
    token BLOB NOT NULL,
    PRIMARY KEY (log, size, authority)
);
