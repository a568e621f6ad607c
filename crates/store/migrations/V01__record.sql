-- The record: versions as encrypted bodies, the search index, outboxes, the access journal's table, keys and log heads.
-- Every large table has its distribution key (owner) first. `owner` is 17 bytes: 2 for a patient or 3 for an institution,
-- then the id. Times are microseconds since 1970 UTC.

CREATE TABLE policy_epoch (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
);
INSERT INTO policy_epoch VALUES (1, 1);

-- Lasting. A body is a frame: encrypted, and the same bytes that go to the sites.
CREATE TABLE resource_version (
    owner BLOB NOT NULL,
    row INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    previous INTEGER,
    recorded_us INTEGER NOT NULL,
    content BLOB NOT NULL,
    frame BLOB NOT NULL
);

CREATE TABLE resource_current (
    owner BLOB NOT NULL,
    type TEXT NOT NULL,
    id BLOB NOT NULL,
    version INTEGER NOT NULL,
    row INTEGER NOT NULL,
    institution TEXT NOT NULL,
    date_us INTEGER NOT NULL,
    encounter BLOB,
    recorded_us INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (owner, type, id)
) WITHOUT ROWID;
CREATE INDEX resource_by_date ON resource_current (owner, date_us, id);

-- Disposable: one table for each kind of value that R4 search parameters have (R4 section 3.1.1.4); `special` has nothing to store.
CREATE TABLE idx_token (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, code TEXT NOT NULL, system TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, code, system, id)
) WITHOUT ROWID;
CREATE TABLE idx_string (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, value TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, value, id)
) WITHOUT ROWID;
CREATE TABLE idx_date (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, low_us INTEGER NOT NULL, high_us INTEGER NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, low_us, high_us, id)
) WITHOUT ROWID;
CREATE TABLE idx_reference (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, target_type TEXT NOT NULL, target TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, target, target_type, id)
) WITHOUT ROWID;
CREATE TABLE idx_quantity (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, low REAL NOT NULL, high REAL NOT NULL,
    system TEXT NOT NULL, code TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, low, high, system, code, id)
) WITHOUT ROWID;
CREATE TABLE idx_number (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, low REAL NOT NULL, high REAL NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, low, high, id)
) WITHOUT ROWID;
CREATE TABLE idx_composite (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, first TEXT NOT NULL, second TEXT NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, first, second, low, high, id)
) WITHOUT ROWID;
CREATE TABLE idx_uri (
    owner BLOB NOT NULL, type TEXT NOT NULL, param TEXT NOT NULL, value TEXT NOT NULL, id BLOB NOT NULL,
    PRIMARY KEY (owner, type, param, value, id)
) WITHOUT ROWID;

-- Lasting. The bytes of an object lie at the sites, in packs.
CREATE TABLE pack (
    no INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE
);
CREATE TABLE object (
    owner BLOB NOT NULL,
    row INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    institution TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    content BLOB NOT NULL,
    chunks INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL,
    UNIQUE (owner, id)
);
CREATE TABLE object_chunk (
    object INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    pack INTEGER NOT NULL,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL,
    PRIMARY KEY (object, chunk)
) WITHOUT ROWID;

-- Leaves without a body here: issued documents and receipts.
CREATE TABLE commitment (
    owner BLOB NOT NULL,
    row INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    recorded_us INTEGER NOT NULL
);

-- Consumed by deletion, in the transaction that swaps the checkpoint.
CREATE TABLE outbox_records (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    row INTEGER NOT NULL,
    entry BLOB NOT NULL
);
CREATE TABLE outbox_access (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    row INTEGER NOT NULL,
    entry BLOB NOT NULL
);

-- Where the leaf of a version (1), object (2), access entry (3), issued document (4) or receipt (5) stands in its log.
CREATE TABLE leaf (
    kind INTEGER NOT NULL,
    row INTEGER NOT NULL,
    position INTEGER NOT NULL,
    pack INTEGER,
    PRIMARY KEY (kind, row)
) WITHOUT ROWID;

-- Lasting, ten years. Encrypted under the access hierarchy; subject and time stand in clear for the lookup.
CREATE TABLE access_entry (
    subject BLOB NOT NULL,
    row INTEGER PRIMARY KEY,
    time_us INTEGER NOT NULL,
    id BLOB NOT NULL,
    frame BLOB NOT NULL
);
CREATE UNIQUE INDEX access_entry_by_subject ON access_entry (subject, time_us, id);

CREATE TABLE wrapped_key (
    id BLOB PRIMARY KEY,
    name BLOB NOT NULL,
    bytes BLOB NOT NULL
);
CREATE INDEX wrapped_key_by_name ON wrapped_key (name);

-- The head of each log. `note` is the newest signed checkpoint; everything up to `published_no` is at the sites under one.
CREATE TABLE log_head (
    log TEXT PRIMARY KEY,
    note BLOB,
    size INTEGER NOT NULL,
    last_no INTEGER NOT NULL,
    swapped_us INTEGER NOT NULL,
    published_note BLOB,
    published_size INTEGER NOT NULL,
    published_no INTEGER NOT NULL
);
INSERT INTO log_head VALUES ('records', NULL, 0, 0, 0, NULL, 0, 0), ('access', NULL, 0, 0, 0, NULL, 0, 0);
-- Partial tiles and the partial bundle at the end of a log: what an appender resumes from.
CREATE TABLE log_edge (
    log TEXT NOT NULL,
    level INTEGER NOT NULL,
    path TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (log, level)
);
-- Files whose head is swapped and which may not yet be at the sites.
CREATE TABLE pending_tile (
    log TEXT NOT NULL,
    size INTEGER NOT NULL,
    path TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (log, size, path)
);

CREATE TABLE job (
    id BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed')),
    payload BLOB NOT NULL,
    not_before_us INTEGER NOT NULL,
    lease_until_us INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    fault TEXT
);
CREATE INDEX job_by_state ON job (state, kind, not_before_us);

-- Lasting: people, the patients that are they, and rights. CI stands here as a keyed hash and nowhere in clear.
CREATE TABLE person (
    id BLOB PRIMARY KEY,
    ci_hmac BLOB NOT NULL UNIQUE
);
CREATE TABLE person_patient (
    person BLOB NOT NULL,
    patient BLOB NOT NULL,
    institution TEXT NOT NULL,
    PRIMARY KEY (person, patient)
) WITHOUT ROWID;
CREATE UNIQUE INDEX person_patient_by_patient ON person_patient (patient);
CREATE TABLE account_right (
    account BLOB NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('depositor', 'operator')),
    institution TEXT NOT NULL,
    PRIMARY KEY (account, role, institution)
) WITHOUT ROWID;
