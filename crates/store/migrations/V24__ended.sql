-- Lasting: when an account ceased to hold a role, for as long as it does not hold it again. For the watch: who still comes in that
-- role comes after its end.
CREATE TABLE right_ended (
    account  BLOB NOT NULL CHECK (length(account) = 16),
    role     TEXT NOT NULL,
    ended_us INTEGER NOT NULL,
    PRIMARY KEY (account, role)
) STRICT, WITHOUT ROWID;
DROP TABLE watch_revoked;
-- Where people live is a keyed hash in the search index of their records.
DROP TABLE watch_household;
-- Lasting: who set or took which mark of `watch_flag`, when, and why (sealed).
CREATE TABLE watch_mark (
    subject BLOB NOT NULL CHECK (length(subject) = 16),
    flag    TEXT NOT NULL,
    number  INTEGER NOT NULL,
    at_us   INTEGER NOT NULL,
    account BLOB NOT NULL,
    is_set  INTEGER NOT NULL,
    reason  BLOB NOT NULL,
    PRIMARY KEY (subject, flag, number)
) STRICT, WITHOUT ROWID;
