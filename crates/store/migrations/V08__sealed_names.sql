-- Files in bags are called by what hospitals call them, people's names and numbers among it. So their paths, and everything that
-- tells them, stand sealed (crates/identity/src/sealed.rs), and are looked for by a keyed hash of 16 bytes, `name`. What stood in
-- clear waits in the tables `*_clear` for the archive, which has the secret and seals it when it is first used.
-- The statements that use these tables stand in crates/archive/src/tables.rs.

DROP INDEX deposit_by_institution;
DROP INDEX document_by_deposit;
ALTER TABLE deposit RENAME TO deposit_clear;
ALTER TABLE deposit_file RENAME TO deposit_file_clear;
ALTER TABLE document RENAME TO document_clear;
ALTER TABLE held_back RENAME TO held_back_clear;

-- Lasting: one row a bag. `progress` and `receipt` are sealed JSON; there is a receipt once the deposit was finished.
CREATE TABLE deposit (
    id          BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    institution TEXT NOT NULL,
    manifest    BLOB NOT NULL,
    depositor   TEXT NOT NULL,
    started_us  INTEGER NOT NULL,
    finished_us INTEGER,
    progress    BLOB NOT NULL,
    receipt     BLOB
) STRICT;
CREATE INDEX deposit_by_institution ON deposit (institution, started_us);

-- Disposable once the deposit is finished: how far each NDJSON file is taken in. -1 bytes: refused whole.
CREATE TABLE deposit_file (
    deposit BLOB NOT NULL,
    name    BLOB NOT NULL CHECK (length(name) = 16),
    bytes   INTEGER NOT NULL,
    lines   INTEGER NOT NULL,
    PRIMARY KEY (deposit, name)
) STRICT, WITHOUT ROWID;

-- Lasting: which object holds the document that a resource calls by a path. `owner` is as in `resource_current`; `place` is where
-- the file stands in the bag's list. state: 0 waits, 1 taken, 2 held back, 3 missing in the bag, 4 taken and here before.
CREATE TABLE document (
    owner        BLOB NOT NULL,
    name         BLOB NOT NULL CHECK (length(name) = 16),
    deposit      BLOB NOT NULL,
    path         BLOB NOT NULL,
    place        INTEGER NOT NULL,
    class        TEXT NOT NULL,
    expiry_year  INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    size         INTEGER,
    sha1         BLOB,
    state        INTEGER NOT NULL,
    object       BLOB,
    PRIMARY KEY (owner, name, deposit)
) STRICT, WITHOUT ROWID;
CREATE INDEX document_by_deposit ON document (deposit, name);
-- What waits is taken in the order of the bag, so that what belongs together lies together at the sites.
CREATE INDEX document_waiting ON document (deposit, place, name) WHERE state = 0;

-- Lasting: what was not taken as what it came as, where and why (`path` and `reason` sealed). `object` holds its bytes, encrypted,
-- where they were kept. Line 0 stands for a whole file.
CREATE TABLE held_back (
    deposit     BLOB NOT NULL,
    name        BLOB NOT NULL CHECK (length(name) = 16),
    line        INTEGER NOT NULL,
    fault       TEXT NOT NULL,
    path        BLOB NOT NULL,
    is_document INTEGER NOT NULL,
    reason      BLOB NOT NULL,
    object      BLOB,
    PRIMARY KEY (deposit, name, line, fault)
) STRICT, WITHOUT ROWID;
