-- Watchfulness: what is known about people and accounts for its rules, findings, cases and reviews. The statements that use
-- these tables stand in crates/watch/src/tables.rs. Times are microseconds since 1970. No name stands here; what people write
-- into cases is sealed.

-- Disposable: up to which access entry the log was watched, and up to which it was looked through for holes. What is made from
-- the log alone, here and in the tables of counts below, is lost together and made again from its beginning.
CREATE TABLE watch_position (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    hole_number INTEGER NOT NULL,
    hole_leaves INTEGER NOT NULL
) STRICT;
INSERT INTO watch_position VALUES (1, 0, 0, 0);

-- Lasting: what was found, once for an entry and a rule. `message` is a key of the portal's texts, `details` its values as JSON.
CREATE TABLE watch_finding (
    incident   BLOB NOT NULL CHECK (length(incident) = 16),
    entry      BLOB NOT NULL CHECK (length(entry) = 16),
    rule       TEXT NOT NULL,
    actor      BLOB,
    subject    BLOB,
    role       TEXT NOT NULL,
    institution TEXT NOT NULL,
    time_us    INTEGER NOT NULL,
    found_us   INTEGER NOT NULL,
    message    TEXT NOT NULL,
    details    TEXT NOT NULL,
    edition    TEXT NOT NULL,
    PRIMARY KEY (entry, rule)
) STRICT, WITHOUT ROWID;
CREATE INDEX watch_finding_of ON watch_finding (incident, time_us);
CREATE INDEX watch_finding_time ON watch_finding (time_us);

-- Lasting: the entries behind a finding, as they are found again.
CREATE TABLE watch_behind (
    entry   BLOB NOT NULL,
    rule    TEXT NOT NULL,
    other   BLOB NOT NULL,
    subject BLOB NOT NULL,
    time_us INTEGER NOT NULL,
    PRIMARY KEY (entry, rule, other)
) STRICT, WITHOUT ROWID;

-- Lasting: findings that belong together. `topic` says which do, as long as the case is open. `change` grows with every change of
-- any case, for pages that follow along.
CREATE TABLE watch_case (
    incident   BLOB NOT NULL PRIMARY KEY CHECK (length(incident) = 16),
    topic      BLOB NOT NULL CHECK (length(topic) = 16),
    rule       TEXT NOT NULL,
    severity   INTEGER NOT NULL,
    actor      BLOB,
    subject    BLOB,
    state      TEXT NOT NULL CHECK (state IN ('open', 'asked', 'answered', 'closed')),
    assignee   BLOB,
    outcome    TEXT,
    opened_us  INTEGER NOT NULL,
    closed_us  INTEGER,
    findings   INTEGER NOT NULL,
    told       INTEGER NOT NULL,
    change     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX watch_case_topic ON watch_case (topic) WHERE state <> 'closed';
CREATE INDEX watch_case_change ON watch_case (change);
CREATE INDEX watch_case_actor ON watch_case (actor, state);

-- Lasting: what people did with a case. `text` is sealed.
CREATE TABLE watch_step (
    incident BLOB NOT NULL,
    number   INTEGER NOT NULL,
    at_us    INTEGER NOT NULL,
    account  BLOB NOT NULL,
    kind     TEXT NOT NULL CHECK (kind IN ('assign', 'ask', 'answer', 'note', 'close', 'duty')),
    text     BLOB NOT NULL,
    PRIMARY KEY (incident, number)
) STRICT, WITHOUT ROWID;

-- Lasting: what is to be known of a person: in the public eye, deceased (since when), a decoy.
CREATE TABLE watch_flag (
    subject  BLOB NOT NULL CHECK (length(subject) = 16),
    flag     TEXT NOT NULL CHECK (flag IN ('vip', 'deceased', 'decoy')),
    since_us INTEGER NOT NULL,
    PRIMARY KEY (subject, flag)
) STRICT, WITHOUT ROWID;

-- Lasting: people who live together, by a keyed hash of where.
CREATE TABLE watch_household (
    person    BLOB NOT NULL PRIMARY KEY CHECK (length(person) = 16),
    household BLOB NOT NULL CHECK (length(household) = 16)
) STRICT, WITHOUT ROWID;

-- Lasting: which person a member of staff is, and where they work if no right of theirs says so.
CREATE TABLE watch_staff (
    account     BLOB NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    person      BLOB,
    institution TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX watch_staff_person ON watch_staff (person, institution);

-- Lasting: when an institution works, by weekday from 1 for Monday, in minutes since midnight in Korea.
CREATE TABLE watch_hours (
    institution TEXT NOT NULL,
    weekday     INTEGER NOT NULL CHECK (weekday BETWEEN 1 AND 7),
    from_minute INTEGER NOT NULL,
    to_minute   INTEGER NOT NULL,
    PRIMARY KEY (institution, weekday)
) STRICT, WITHOUT ROWID;

-- Lasting: when an account's rights ended.
CREATE TABLE watch_revoked (
    account    BLOB NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    revoked_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Disposable, made again from the log: when accounts of staff were last used, and from which networks, by keyed hash.
CREATE TABLE watch_account (
    account BLOB NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    last_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE watch_device (
    account  BLOB NOT NULL,
    device   BLOB NOT NULL CHECK (length(device) = 16),
    first_us INTEGER NOT NULL,
    PRIMARY KEY (account, device)
) STRICT, WITHOUT ROWID;

-- Disposable, made again from the log: counts of accesses by month, for the review: who in which role, of which institution, did what with which result.
CREATE TABLE watch_count (
    month       TEXT NOT NULL,
    role        TEXT NOT NULL,
    institution TEXT NOT NULL,
    action      TEXT NOT NULL,
    denied      INTEGER NOT NULL,
    accesses    INTEGER NOT NULL,
    PRIMARY KEY (month, role, institution, action, denied)
) STRICT, WITHOUT ROWID;

-- Lasting: who signed which review off, and the digest of what they saw.
CREATE TABLE watch_review (
    month     TEXT NOT NULL PRIMARY KEY,
    account   BLOB NOT NULL,
    signed_us INTEGER NOT NULL,
    digest    BLOB NOT NULL CHECK (length(digest) = 32),
    note      BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Disposable: how alerts got on at each destination.
CREATE TABLE watch_delivery (
    destination TEXT NOT NULL PRIMARY KEY,
    good_us     INTEGER,
    bad_us      INTEGER,
    fault       TEXT NOT NULL,
    waiting     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
