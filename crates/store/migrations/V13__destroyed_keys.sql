-- Keys that end, and keys that come under another parent. Times are microseconds since 1970 UTC.

-- Lasting: keys that are gone for good, as the key stores list them. cause: 1 shredded, 2 rotated away. `by` is the shred or the
-- rotation.
CREATE TABLE destroyed_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    cause INTEGER NOT NULL,
    by BLOB NOT NULL,
    at_us INTEGER NOT NULL
) WITHOUT ROWID;

-- Disposable: one row a rotation of shard or root keys. Keys are taken in the order of their rows in `wrapped_key`: those up to
-- `next_row` are done, and `last_row` was the newest when it began.
CREATE TABLE rotation (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    kind TEXT NOT NULL CHECK (kind IN ('shards', 'root')),
    state TEXT NOT NULL CHECK (state IN ('running', 'retired', 'done')),
    next_row INTEGER NOT NULL,
    last_row INTEGER NOT NULL,
    keys INTEGER NOT NULL,
    began_us INTEGER NOT NULL,
    ended_us INTEGER
) WITHOUT ROWID;
-- Disposable: parents that a running rotation takes away. No new key takes its place under one of these.
CREATE TABLE retiring_key (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    rotation BLOB NOT NULL
) WITHOUT ROWID;
-- Disposable: keys that programs put under such a parent since the rotation began.
CREATE TABLE rewrap_due (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16)
) WITHOUT ROWID;

-- Disposable: counts every destruction and every step of a rotation, so that each process knows when to forget the keys that it
-- has in memory.
CREATE TABLE key_change (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    changes INTEGER NOT NULL
);
INSERT INTO key_change VALUES (1, 0);
