-- Second factors that are reset by two members of staff, and the keys that seal what browsers keep for a moment. The statements
-- that use these tables stand in crates/identity/src/tables. Times are microseconds since 1970.

-- Lasting: requests to reset the second factors of an account. `code` is the keyed hash of what its person shows to staff.
CREATE TABLE recovery (
    account  BLOB NOT NULL CHECK (length(account) = 16),
    recovery BLOB NOT NULL CHECK (length(recovery) = 16),
    code     BLOB NOT NULL CHECK (length(code) = 32),
    state    TEXT NOT NULL CHECK (state IN ('open', 'done', 'refused', 'replaced')),
    made_us  INTEGER NOT NULL,
    ended_us INTEGER,
    PRIMARY KEY (account, recovery)
) STRICT;
CREATE UNIQUE INDEX recovery_code ON recovery (code);

-- Lasting: who approved or refused such a request, the reason and what proof was seen, sealed.
CREATE TABLE recovery_word (
    account  BLOB NOT NULL CHECK (length(account) = 16),
    recovery BLOB NOT NULL CHECK (length(recovery) = 16),
    staff    BLOB NOT NULL CHECK (length(staff) = 16),
    approves INTEGER NOT NULL CHECK (approves IN (0, 1)),
    about    BLOB NOT NULL,
    said_us  INTEGER NOT NULL,
    PRIMARY KEY (account, recovery, staff)
) STRICT;

-- Disposable: keys of cookies and forms, sealed. A row lives for a day and is then gone for good, so it must not be kept elsewhere.
CREATE TABLE identity_key (
    key_id  BLOB NOT NULL PRIMARY KEY CHECK (length(key_id) = 8),
    sealed  BLOB NOT NULL,
    made_us INTEGER NOT NULL
) STRICT;
