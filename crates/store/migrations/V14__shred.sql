-- Erasure by destroying keys: who asked for it, who approved it, what is gone, and what may not go. Times are microseconds since
-- 1970 UTC. What people wrote stands sealed (crates/store/src/sealed.rs).

-- Lasting. `scope` says what is to go (crates/store/src/shred/mod.rs); `request` is sealed: who asks, why, and the legal basis.
-- `record` is what the leaf commits to and its salt, sealed, once keys are destroyed; `certificate` what was found at the end.
CREATE TABLE shred (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    state TEXT NOT NULL CHECK (state IN ('requested', 'approved', 'running', 'destroyed', 'compacted', 'cleaned', 'done', 'withdrawn')),
    scope BLOB NOT NULL,
    requester BLOB NOT NULL,
    request BLOB NOT NULL,
    requested_us INTEGER NOT NULL,
    not_before_us INTEGER,
    destroyed_us INTEGER,
    done_us INTEGER,
    record BLOB,
    leaf_row INTEGER,
    ticket INTEGER,
    certificate BLOB
) WITHOUT ROWID;
-- Lasting.
CREATE TABLE shred_approval (
    shred BLOB NOT NULL,
    account BLOB NOT NULL,
    role TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (shred, account)
) WITHOUT ROWID;
-- Lasting: places in the log `records` of what a shred destroyed: versions (1) and objects (2).
CREATE TABLE shred_leaf (
    shred BLOB NOT NULL,
    kind INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (shred, kind, position)
) WITHOUT ROWID;
-- Lasting: owners of whom nothing is kept, and nothing is taken any more.
CREATE TABLE erased_owner (
    owner BLOB NOT NULL PRIMARY KEY CHECK (length(owner) = 17),
    shred BLOB NOT NULL,
    at_us INTEGER NOT NULL
) WITHOUT ROWID;
-- Lasting: what must not be shredded for now. `note` is sealed: who ordered it and why.
CREATE TABLE legal_hold (
    owner BLOB NOT NULL CHECK (length(owner) = 17),
    id BLOB NOT NULL CHECK (length(id) = 16),
    note BLOB NOT NULL,
    placed_us INTEGER NOT NULL,
    until_us INTEGER,
    ended_us INTEGER,
    PRIMARY KEY (owner, id)
) WITHOUT ROWID;
