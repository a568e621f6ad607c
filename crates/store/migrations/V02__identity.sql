-- Accounts, second factors and sessions. The statements that use these tables stand in crates/identity/src/tables.rs.
-- Times are microseconds since 1970. Nothing here holds a name, a birth date or a secret in clear.

-- Lasting: one account a person, under the person's id. The profile (name, birth date, sex) is sealed under a
-- secret derived from the key store.
CREATE TABLE account (
    account      BLOB NOT NULL PRIMARY KEY CHECK (length(account) = 16),
    profile      BLOB NOT NULL,
    made_us      INTEGER NOT NULL,
    signed_in_us INTEGER NOT NULL
) STRICT;

-- Lasting: what proves an account besides the identity agency. `secret` is the one in use, `pending` one being set up; both sealed.
CREATE TABLE authenticator (
    account   BLOB NOT NULL REFERENCES account (account),
    kind      TEXT NOT NULL CHECK (kind IN ('totp')),
    secret    BLOB,
    pending   BLOB,
    last_step INTEGER NOT NULL,
    made_us   INTEGER NOT NULL,
    PRIMARY KEY (account, kind)
) STRICT;

-- Disposable: sessions by the SHA-256 of their token. Ended ones stay for a day, to say why they ended.
CREATE TABLE session (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    session    BLOB NOT NULL CHECK (length(session) = 16),
    account    BLOB NOT NULL REFERENCES account (account),
    assurance  INTEGER NOT NULL CHECK (assurance IN (1, 2)),
    source     BLOB NOT NULL,
    failures   INTEGER NOT NULL,
    began_us   INTEGER NOT NULL,
    seen_us    INTEGER NOT NULL,
    ended      INTEGER,
    ended_us   INTEGER
) STRICT;
CREATE INDEX session_account ON session (account, began_us);
CREATE INDEX session_began ON session (began_us);

-- Disposable: sign-ins that were tried, so that each is tried once.
CREATE TABLE sign_in_used (
    state_hash BLOB NOT NULL PRIMARY KEY CHECK (length(state_hash) = 32),
    used_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX sign_in_used_time ON sign_in_used (used_us);

-- Disposable: failures by the keyed hash of an account, a source, or both.
CREATE TABLE throttle (
    name_hash BLOB NOT NULL PRIMARY KEY CHECK (length(name_hash) = 32),
    failures  INTEGER NOT NULL,
    latest_us INTEGER NOT NULL
) STRICT;
CREATE INDEX throttle_time ON throttle (latest_us);

-- Lasting: the newest time seen, below which no clock is believed.
CREATE TABLE identity_clock (
    one       INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    newest_us INTEGER NOT NULL
) STRICT;
