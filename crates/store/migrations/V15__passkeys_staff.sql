-- Passkeys, accounts of staff, devices people signed in from, and what they are told about. The statements that use these
-- tables stand in crates/identity/src/tables. Times are microseconds since 1970. Names and secrets are sealed.

-- Lasting: passkeys. `passkey` is the keyed hash of the credential's id, and `credential` its public key and counter, sealed.
-- One that answered with a counter that had gone back is suspect, and is good for nothing but being removed.
CREATE TABLE passkey (
    account    BLOB NOT NULL CHECK (length(account) = 16),
    passkey    BLOB NOT NULL CHECK (length(passkey) = 32),
    name       BLOB NOT NULL,
    credential BLOB NOT NULL,
    suspect    INTEGER NOT NULL CHECK (suspect IN (0, 1)),
    made_us    INTEGER NOT NULL,
    used_us    INTEGER NOT NULL,
    PRIMARY KEY (account, passkey)
) STRICT;
CREATE UNIQUE INDEX passkey_once ON passkey (passkey);

-- Lasting: members of staff. Their account's profile is empty: the name stands here.
CREATE TABLE staff (
    account    BLOB NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    name       BLOB NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('invited', 'active', 'left')),
    made_us    INTEGER NOT NULL,
    changed_us INTEGER NOT NULL
) STRICT;

-- Disposable: links by which a member of staff sets up a passkey, once. One that is lost is made anew.
CREATE TABLE staff_invitation (
    account    BLOB NOT NULL CHECK (length(account) = 16),
    token_hash BLOB NOT NULL CHECK (length(token_hash) = 32),
    ends_us    INTEGER NOT NULL,
    PRIMARY KEY (account, token_hash)
) STRICT;
CREATE UNIQUE INDEX staff_invitation_token ON staff_invitation (token_hash);

-- Disposable: devices and sources that gave both factors of an account before, by keyed hash. Losing one costs its person a
-- notice. `noticed_us` is the newest notice its person read there.
CREATE TABLE known_device (
    account    BLOB NOT NULL CHECK (length(account) = 16),
    device     BLOB NOT NULL CHECK (length(device) = 32),
    source     BLOB NOT NULL CHECK (length(source) = 32),
    first_us   INTEGER NOT NULL,
    seen_us    INTEGER NOT NULL,
    noticed_us INTEGER NOT NULL,
    PRIMARY KEY (account, device)
) STRICT;

-- Lasting: what an account's person is told: a sign-in from a new device, a passkey that came or went. `about` is sealed.
CREATE TABLE notice (
    account BLOB NOT NULL CHECK (length(account) = 16),
    notice  BLOB NOT NULL CHECK (length(notice) = 16),
    kind    TEXT NOT NULL,
    about   BLOB NOT NULL,
    device  BLOB NOT NULL CHECK (length(device) = 32),
    made_us INTEGER NOT NULL,
    PRIMARY KEY (account, notice)
) STRICT;
CREATE INDEX notice_time ON notice (account, made_us);

-- When the second factor was last given, from which device, and what kind of browser it is, sealed.
ALTER TABLE session ADD COLUMN factor_us INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN device BLOB NOT NULL DEFAULT x'';
ALTER TABLE session ADD COLUMN family BLOB NOT NULL DEFAULT x'';
