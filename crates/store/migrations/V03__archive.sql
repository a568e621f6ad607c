-- Institutions, deposits and what was held back of them. The statements that use these tables stand in
-- crates/archive/src/tables.rs. Times are microseconds since 1970, days are ISO 8601 texts. Nothing here is clinical.

-- Lasting: every institution that people may look for, deposited or not. `holding` says where its records are.
CREATE TABLE institution (
    code           TEXT NOT NULL PRIMARY KEY,
    name           TEXT NOT NULL,
    romanised      TEXT NOT NULL,
    kind           TEXT NOT NULL,
    region         TEXT NOT NULL,
    address        TEXT NOT NULL,
    closed_on      TEXT,
    suspended_from TEXT,
    suspended_to   TEXT,
    holding        TEXT NOT NULL,
    synthetic      INTEGER NOT NULL,
    changed_us     INTEGER NOT NULL
) STRICT;
-- Counts every change of the table above, so that each process knows when to read it again.
CREATE TABLE institution_change (
    one     INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    changes INTEGER NOT NULL
) STRICT;
INSERT INTO institution_change VALUES (1, 0);

-- Lasting: one row a bag. `progress` is JSON; `receipt` is the signed receipt as JSON, once there is one.
CREATE TABLE deposit (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    institution TEXT NOT NULL,
    manifest    BLOB NOT NULL,
    depositor   TEXT NOT NULL,
    started_us  INTEGER NOT NULL,
    finished_us INTEGER,
    progress    TEXT NOT NULL,
    receipt     TEXT
) STRICT;
CREATE INDEX deposit_by_institution ON deposit (institution, started_us);

-- Disposable once the deposit is finished: how far each NDJSON file is taken in. -1 bytes: refused whole.
CREATE TABLE deposit_file (
    deposit BLOB NOT NULL,
    path    TEXT NOT NULL,
    bytes   INTEGER NOT NULL,
    lines   INTEGER NOT NULL,
    PRIMARY KEY (deposit, path)
) STRICT, WITHOUT ROWID;

-- Lasting: which object holds the document that a resource calls `path`. `owner` is as in `resource_current`.
-- state: 0 waits, 1 taken, 2 held back, 3 missing in the bag.
CREATE TABLE document (
    owner        BLOB NOT NULL,
    path         TEXT NOT NULL,
    deposit      BLOB NOT NULL,
    class        TEXT NOT NULL,
    expiry_year  INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    size         INTEGER,
    sha1         BLOB,
    state        INTEGER NOT NULL,
    object       BLOB,
    PRIMARY KEY (owner, path, deposit)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_by_deposit ON document (deposit, path);

-- Lasting: what was not taken as what it came as, where and why. `object` holds its bytes, encrypted, where they were kept.
-- Line 0 stands for a whole file.
CREATE TABLE held_back (
    deposit BLOB NOT NULL,
    path    TEXT NOT NULL,
    line    INTEGER NOT NULL,
    fault   TEXT NOT NULL,
    reason  TEXT NOT NULL,
    object  BLOB,
    PRIMARY KEY (deposit, path, line, fault)
) STRICT, WITHOUT ROWID;
